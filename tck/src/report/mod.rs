//! The report of a run: what was certified, against what, and the outcome of every clause. How it is
//! shown lives in the submodules.

mod declared;
mod diff;
mod html;
mod junit;

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use declared::{Declared, DeclaredLimits};
pub use diff::{Change, Diff, Meaning, diff};

use crate::spec::Level;
use crate::{Evidence, Failure};

/// The version of the report file. A file of another version is refused.
pub const FORMAT: u32 = 1;

/// What a run found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// The name of the subject.
    pub subject: String,
    /// What it ran against.
    pub evidence: Evidence,
    /// What the provider declares; `None` when it could not be opened.
    pub declared: Option<Declared>,
    /// Why the subject could not be opened.
    pub unreachable: Option<String>,
    /// The version of the contract.
    pub contract_version: String,
    /// The version of this package.
    pub tool_version: String,
    /// The seed of the run.
    pub seed: u64,
    /// The share of the rounds and inputs that the checks tried.
    #[serde(default = "everything")]
    pub share: f64,
    /// The beginnings of ids that were selected; empty: all.
    pub only: Vec<String>,
    /// When the run began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Where it ran.
    pub environment: Environment,
    /// Every clause, in the order of the specification.
    pub clauses: Vec<ClauseReport>,
    /// The differences to an earlier report, when one was given.
    pub changes: Option<Diff>,
}

fn everything() -> f64 {
    1.0
}

/// The machine of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Operating system.
    pub os: String,
    /// Processor family.
    pub arch: String,
    /// Processors that the run could use.
    pub cpus: usize,
}

impl Environment {
    pub(crate) fn current() -> Self {
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// The outcome of one clause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClauseReport {
    /// `STO-012`.
    pub id: String,
    /// The name of its check; `None` when it has none.
    pub check: Option<String>,
    /// The heading that it stands under.
    pub section: String,
    /// Which providers it binds: the profile.
    pub level: String,
    /// Whether it binds this one.
    pub claimed: bool,
    /// What is promised.
    pub text: String,
    /// Why.
    pub intent: String,
    /// What to look at in a provider that fails.
    pub hint: Option<String>,
    /// The outcome.
    #[serde(flatten)]
    pub status: Status,
    /// The command that runs the check alone with the same choices, where it failed or deviates.
    pub run_alone: Option<String>,
    /// How long the check ran, in milliseconds.
    pub duration_ms: f64,
}

impl ClauseReport {
    /// Everything that somebody who sees the check fail needs: clause, situation, what was expected
    /// and seen, steps, hint and the command to run it alone. `None` when it did not fail.
    #[must_use]
    pub fn explain(&self) -> Option<String> {
        let Status::Failed(failure) = &self.status else { return None };
        let mut text = format!("{}: {}\n{failure}", self.id, self.text);
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\nhint:      {hint}"));
        }
        if let Some(command) = &self.run_alone {
            text.push_str(&format!("\nalone:     {command}"));
        }
        Some(text)
    }
}

/// What became of a clause. Only `Passed` is a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// The check ran and found nothing wrong.
    Passed,
    /// The check found something wrong, panicked, or did not end.
    Failed(Failure),
    /// The check failed, and the back-end itself is declared to break the clause.
    Deviates {
        /// What the back-end does instead.
        reason: String,
        /// The request without our code that shows it, and its wrong answer.
        evidence: String,
        /// What the check saw.
        failure: Failure,
    },
    /// The provider does not declare what the clause needs.
    NotClaimed {
        /// What it needs.
        capability: String,
    },
    /// There is no check.
    Untested {
        /// Why not.
        reason: String,
    },
    /// The check was not selected.
    NotRun,
}

impl Status {
    /// The name in reports.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Deviates { .. } => "deviates",
            Self::NotClaimed { .. } => "not claimed",
            Self::Untested { .. } => "untested",
            Self::NotRun => "not run",
        }
    }
}

/// What the run as a whole says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every claimed clause passed.
    Certified,
    /// Every claimed clause passed, except some that the back-end itself breaks.
    Deviating,
    /// A clause failed, a claimed one cannot be tested, or the subject could not be opened.
    NotCertified,
    /// No clause failed, but not every claimed one was selected.
    Incomplete,
}

impl Verdict {
    /// The name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certified => "certified",
            Self::Deviating => "certified but for its back-end",
            Self::NotCertified => "not certified",
            Self::Incomplete => "incomplete",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The clauses of one level, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The level.
    pub level: Level,
    /// Whether the provider claims it.
    pub claimed: bool,
    /// How many of its clauses passed.
    pub passed: usize,
    /// How many of its clauses failed.
    pub failed: usize,
    /// How many of its clauses the back-end itself breaks.
    pub deviating: usize,
    /// How many clauses it has.
    pub total: usize,
}

impl Profile {
    /// Whether every clause of it passed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.claimed && self.passed == self.total
    }
}

impl Report {
    /// What the run says as a whole.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let claimed: Vec<_> =
            self.clauses.iter().filter(|c| c.claimed).map(|c| &c.status).collect();
        let any = |wanted: fn(&Status) -> bool| claimed.iter().any(|status| wanted(status));
        // Not only among the claimed: a deviation of another clause is a failure.
        if claimed.is_empty() || self.failures().next().is_some() {
            Verdict::NotCertified
        } else if any(|status| *status == Status::NotRun) {
            Verdict::Incomplete
        } else if any(|status| !matches!(status, Status::Passed | Status::Deviates { .. })) {
            Verdict::NotCertified
        } else if any(|status| matches!(status, Status::Deviates { .. })) {
            Verdict::Deviating
        } else {
            Verdict::Certified
        }
    }

    /// The levels that have clauses, core first.
    #[must_use]
    pub fn profiles(&self) -> Vec<Profile> {
        let profile = |level: Level| {
            let clauses = || self.clauses.iter().filter(move |c| c.level == level.as_str());
            let count = |wanted: fn(&Status) -> bool| {
                clauses().filter(|clause| wanted(&clause.status)).count()
            };
            Profile {
                level,
                claimed: clauses().any(|clause| clause.claimed),
                passed: count(|status| *status == Status::Passed),
                failed: count(|status| matches!(status, Status::Failed(_))),
                deviating: count(|status| matches!(status, Status::Deviates { .. })),
                total: clauses().count(),
            }
        };
        Level::all().map(profile).filter(|profile| profile.total > 0).collect()
    }

    /// How many clauses have the status of that name.
    #[must_use]
    pub fn count(&self, status: &str) -> usize {
        self.clauses.iter().filter(|clause| clause.status.as_str() == status).count()
    }

    /// The clauses that failed.
    pub fn failures(&self) -> impl Iterator<Item = (&ClauseReport, &Failure)> {
        self.clauses.iter().filter_map(|clause| match &clause.status {
            Status::Failed(failure) => Some((clause, failure)),
            _ => None,
        })
    }

    /// The clauses that the back-end itself breaks.
    pub fn deviations(&self) -> impl Iterator<Item = &ClauseReport> {
        self.clauses.iter().filter(|clause| matches!(clause.status, Status::Deviates { .. }))
    }

    /// Writes `report.json`, `junit.xml` and `report.html` into `folder`, which is made if missing.
    /// Each file appears whole or not at all.
    ///
    /// # Errors
    ///
    /// As the file system says; the message names the file.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
        let mut json = serde_json::to_value(self)?;
        json["verdict"] = self.verdict().as_str().into();
        for (name, text) in [
            ("report.json", format!("{json:#}\n")),
            ("junit.xml", junit::render(self)?),
            ("report.html", html::render(self)),
        ] {
            let target = folder.join(name);
            let unfinished = folder.join(format!(".{name}.{}", std::process::id()));
            fs::write(&unfinished, text)
                .and_then(|()| fs::rename(&unfinished, &target))
                .map_err(|error| at(&target, &error))?;
        }
        Ok(())
    }

    /// Reads a `report.json`.
    ///
    /// # Errors
    ///
    /// As the file system says; `InvalidData` when it is no report, or one of another version. The
    /// message names the file.
    pub fn read(path: &Path) -> io::Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let wrong = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
        let text = fs::read(path).map_err(|error| at(path, &error))?;
        let parsed = serde_json::from_slice::<Version>(&text)
            .map_err(|error| wrong(format!("not a report: {error}")))
            .and_then(|Version { format }| match format {
                FORMAT => serde_json::from_slice(&text)
                    .map_err(|error| wrong(format!("not a report: {error}"))),
                other => Err(wrong(format!(
                    "a report of format {other}; this program reads format {FORMAT}"
                ))),
            });
        parsed.map_err(|error| at(path, &error))
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
