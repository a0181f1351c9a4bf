//! The difference of two reports: what changes for a program that moves from one to the other.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ClauseReport, Report, Status};

/// What changes from one report to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The name of the first.
    pub from: String,
    /// The name of the second.
    pub to: String,
    /// What differs; empty when nothing does.
    pub changes: Vec<Change>,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it means for a program.
    pub meaning: Meaning,
    /// What differs: a clause id, a capability, a limit.
    pub what: String,
    /// How it is in the first report.
    pub from: String,
    /// How it is in the second.
    pub to: String,
    /// The text of the clause; empty for others.
    pub text: String,
}

/// What a change means for a program that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// A promise less.
    Lost,
    /// Neither more nor less, but not the same.
    Different,
    /// A promise more.
    Gained,
}

impl Meaning {
    /// The name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Different => "different",
            Self::Gained => "gained",
        }
    }
}

/// Compares two reports; what is lost stands first.
#[must_use]
pub fn diff(from: &Report, to: &Report) -> Diff {
    let mut changes = overall(from, to);
    changes.extend(capabilities(from, to));
    changes.extend(limits(from, to));
    changes.extend(clauses(from, to));
    changes.sort_by_key(|change| change.meaning);
    Diff { from: from.subject.clone(), to: to.subject.clone(), changes }
}

fn overall(from: &Report, to: &Report) -> Vec<Change> {
    let rows = |report: &Report| {
        [
            ("verdict", report.verdict().to_string()),
            ("evidence", report.evidence.to_string()),
            ("contract version", report.contract_version.clone()),
        ]
    };
    different(rows(from), rows(to))
}

fn limits(from: &Report, to: &Report) -> Vec<Change> {
    match (&from.declared, &to.declared) {
        (Some(from), Some(to)) => different(from.limits(), to.limits()),
        _ => Vec::new(),
    }
}

/// What has the same name and another value.
fn different(
    from: impl IntoIterator<Item = (&'static str, String)>,
    to: impl IntoIterator<Item = (&'static str, String)>,
) -> Vec<Change> {
    let to: Vec<_> = to.into_iter().collect();
    from.into_iter()
        .filter_map(|(what, from)| {
            let (_, to) = to.iter().find(|(name, to)| *name == what && *to != from)?;
            Some(Change {
                meaning: Meaning::Different,
                what: what.to_owned(),
                from,
                to: to.clone(),
                text: String::new(),
            })
        })
        .collect()
}

fn capabilities(from: &Report, to: &Report) -> Vec<Change> {
    let declared = |report: &Report| -> BTreeSet<String> {
        let declared = report.declared.iter();
        declared.flat_map(|declared| declared.capabilities.clone()).collect()
    };
    let (from, to) = (declared(from), declared(to));
    let word = |has: bool| if has { "declared" } else { "not declared" };
    from.symmetric_difference(&to)
        .map(|what| Change {
            meaning: if to.contains(what) { Meaning::Gained } else { Meaning::Lost },
            what: what.clone(),
            from: word(from.contains(what)).to_owned(),
            to: word(to.contains(what)).to_owned(),
            text: String::new(),
        })
        .collect()
}

fn clauses(from: &Report, to: &Report) -> Vec<Change> {
    let ids: BTreeSet<&str> = [from, to]
        .iter()
        .flat_map(|report| report.clauses.iter().map(|clause| clause.id.as_str()))
        .collect();
    let word = |clause: Option<&ClauseReport>| match clause {
        None => "unknown",
        Some(clause) => clause.status.as_str(),
    };
    ids.into_iter()
        .filter_map(|id| {
            let find = |report: &'_ Report| report.clauses.iter().position(|c| c.id == id);
            let old = find(from).map(|at| &from.clauses[at]);
            let new = find(to).map(|at| &to.clauses[at]);
            let passed = Status::Passed.as_str();
            (word(old) != word(new)).then(|| Change {
                meaning: match (word(old) == passed, word(new) == passed) {
                    (true, _) => Meaning::Lost,
                    (_, true) => Meaning::Gained,
                    _ => Meaning::Different,
                },
                what: id.to_owned(),
                from: word(old).to_owned(),
                to: word(new).to_owned(),
                text: new.or(old).map_or_else(String::new, |clause| clause.text.clone()),
            })
        })
        .collect()
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return write!(f, "{} and {}: no difference", self.from, self.to);
        }
        write!(f, "from {} to {}", self.from, self.to)?;
        let mut meaning = None;
        for change in &self.changes {
            if meaning.replace(change.meaning) != Some(change.meaning) {
                write!(f, "\n\n{}", change.meaning.as_str())?;
            }
            let Change { what, from, to, .. } = change;
            write!(f, "\n  {what:<22} {from} -> {to}")?;
            if !change.text.is_empty() {
                write!(f, "\n  {:<22} {}", "", change.text)?;
            }
        }
        Ok(())
    }
}
