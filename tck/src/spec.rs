//! The clauses, read from the normative pages in `docs/spec`: the text is written there and nowhere
//! else.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use omni_contracts::{Contract, Durability, messaging, storage};

use crate::Declaration;

/// One clause of the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// `STO-012`.
    pub id: &'static str,
    /// The heading that it stands under.
    pub section: &'static str,
    /// Which providers it binds.
    pub level: Level,
    /// What is promised.
    pub text: &'static str,
    /// Why.
    pub intent: &'static str,
}

/// Which providers a clause binds. Also called a profile: all clauses of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every provider.
    Core,
    /// Those that declare the capability of this name.
    Capability(&'static str),
    /// Those that declare durability `process` or more.
    DurabilityProcess,
}

impl Level {
    /// Every level, core first.
    pub fn all() -> impl Iterator<Item = Self> {
        let of_messaging = messaging::Capability::ALL.iter().map(|known| known.as_str());
        let of_storage = storage::Capability::ALL.iter().map(|known| known.as_str());
        let names: BTreeSet<_> = of_messaging.chain(of_storage).collect();
        let capabilities = names.into_iter().map(Self::Capability);
        [Self::Core, Self::DurabilityProcess].into_iter().chain(capabilities)
    }

    /// The name in the specification and in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Capability(name) => name,
            Self::DurabilityProcess => "durability-process",
        }
    }

    /// Whether a provider that declares this is bound.
    #[must_use]
    pub fn binds(self, declared: &Declaration) -> bool {
        match self {
            Self::Core => true,
            Self::Capability(name) => declared.has(name),
            Self::DurabilityProcess => declared.durability() >= Durability::Process,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::all().find(|level| level.as_str() == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A page that is not written as `docs/spec/README.md` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for Malformed {}

/// Every clause of a contract, in the order of the pages.
///
/// # Panics
///
/// When a page of this repository is malformed; the tests of this package read every page.
#[must_use]
pub fn clauses(contract: Contract) -> &'static [Clause] {
    static MESSAGING: LazyLock<Vec<Clause>> =
        LazyLock::new(|| page("messaging.md", include_str!("../../docs/spec/messaging.md")));
    static STORAGE: LazyLock<Vec<Clause>> = LazyLock::new(|| {
        let mut clauses = page("storage.md", include_str!("../../docs/spec/storage.md"));
        clauses.extend(page("errors.md", include_str!("../../docs/spec/errors.md")));
        clauses
    });
    match contract {
        Contract::Messaging => &MESSAGING,
        Contract::Storage => &STORAGE,
        _ => &[],
    }
}

/// Every clause of every contract.
///
/// # Panics
///
/// As [`clauses`].
pub fn all_clauses() -> impl Iterator<Item = &'static Clause> {
    Contract::ALL.iter().flat_map(|contract| clauses(*contract))
}

/// Every clause of the layers, in the order of their page.
///
/// # Panics
///
/// As [`clauses`].
#[must_use]
pub fn layer_clauses() -> &'static [Clause] {
    static CLAUSES: LazyLock<Vec<Clause>> =
        LazyLock::new(|| page("layers.md", include_str!("../../docs/spec/layers.md")));
    &CLAUSES
}

/// Every clause about failover, in the order of their page.
///
/// # Panics
///
/// As [`clauses`].
#[must_use]
pub fn failover_clauses() -> &'static [Clause] {
    static CLAUSES: LazyLock<Vec<Clause>> =
        LazyLock::new(|| page("failover.md", include_str!("../../docs/spec/failover.md")));
    &CLAUSES
}

/// Every clause about faults, in the order of their page.
///
/// # Panics
///
/// As [`clauses`].
#[must_use]
pub fn fault_clauses() -> &'static [Clause] {
    static CLAUSES: LazyLock<Vec<Clause>> =
        LazyLock::new(|| page("faults.md", include_str!("../../docs/spec/faults.md")));
    &CLAUSES
}

/// Every clause about what is recorded, in the order of their page.
///
/// # Panics
///
/// As [`clauses`].
#[must_use]
pub fn telemetry_clauses() -> &'static [Clause] {
    static CLAUSES: LazyLock<Vec<Clause>> = LazyLock::new(|| {
        page("observability.md", include_str!("../../docs/spec/observability.md"))
    });
    &CLAUSES
}

fn page(name: &str, text: &'static str) -> Vec<Clause> {
    parse(text).unwrap_or_else(|error| panic!("docs/spec/{name}: {error}"))
}

/// The clause of an id.
#[must_use]
pub fn clause(id: &str) -> Option<&'static Clause> {
    all_clauses().find(|clause| clause.id == id)
}

/// Reads the clauses of one page. Withdrawn ones are left out.
///
/// # Errors
///
/// The first place that is not as `docs/spec/README.md` says.
pub fn parse(page: &'static str) -> Result<Vec<Clause>, Malformed> {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut section = "";
    let mut lines = page.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if let Some(heading) = line.strip_prefix("# ").or(line.strip_prefix("## ")) {
            section = heading.trim();
        }
        let Some(id) = line.strip_prefix("#### ").map(str::trim) else {
            continue;
        };
        let mut block = Vec::new();
        while let Some((number, line)) = lines.next_if(|(_, line)| !line.starts_with('#')) {
            if !line.trim().is_empty() {
                block.push((number + 1, line.trim()));
            }
        }
        let at = |line: usize, problem: String| Malformed { line, problem };
        if !is_id(id) {
            return Err(at(number + 1, format!("not a clause id: {id:?}")));
        }
        if clauses.iter().any(|known| known.id == id) {
            return Err(at(number + 1, format!("the id is used twice: {id}")));
        }
        if matches!(block[..], [(_, "*Withdrawn*")]) {
            continue;
        }
        let &[(first, level), (_, text), (last, intent)] = &block[..] else {
            return Err(at(
                number + 1,
                format!(
                    "{id} must have a level, one paragraph in one line, and an intent; lines found: {}",
                    block.len()
                ),
            ));
        };
        let level = level.strip_prefix("Level: ").and_then(Level::parse).ok_or_else(|| {
            let known: Vec<_> = Level::all().map(Level::as_str).collect();
            at(first, format!("expected `Level: ` and one of {}", known.join(", ")))
        })?;
        let intent = intent
            .strip_prefix("Intent: ")
            .ok_or_else(|| at(last, "expected `Intent: `".to_owned()))?;
        if !text.contains("MUST") {
            return Err(at(first + 1, format!("{id} promises nothing: no MUST")));
        }
        clauses.push(Clause { id, section, level, text, intent });
    }
    Ok(clauses)
}

fn is_id(id: &str) -> bool {
    let digits = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let letters = |text: &str| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
    id.split_once('-').is_some_and(|(page, number)| letters(page) && digits(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_well_formed() {
        assert!(clauses(Contract::Storage).len() > 100);
        assert!(clauses(Contract::Messaging).len() > 50);
        let first = clause("STO-001").unwrap();
        assert_eq!(first.section, "Write and read");
        assert_eq!(first.level, Level::Core);
        assert!(first.text.starts_with("A `get` after"));
        assert_eq!(first.intent, "the first promise of a store.");
        assert_eq!(clause("ERR-001").unwrap().section, "Errors");
    }

    #[test]
    fn withdrawn_clauses_bind_nobody() {
        assert_eq!(parse("#### STO-001\n\n*Withdrawn*\n"), Ok(Vec::new()));
    }

    #[test]
    fn malformed_clauses_are_refused_with_their_line() {
        let whole = "Level: core\n\nIt MUST.\nIntent: so.\n";
        for (page, line, problem) in [
            (format!("#### STO-1\n{whole}"), 1, "not a clause id"),
            (format!("#### STO-001\n{whole}#### STO-001\n{whole}"), 6, "used twice"),
            ("#### STO-001\nLevel: core\nIt MUST.\n".to_owned(), 1, "lines found: 2"),
            (
                "#### STO-001\nLevel: best\nIt MUST.\nIntent: so.\n".to_owned(),
                2,
                "durability-process",
            ),
            ("\n#### STO-001\nLevel: core\nIt does.\nIntent: so.\n".to_owned(), 4, "no MUST"),
            (
                "#### STO-001\nLevel: core\nIt MUST.\nBecause.\n".to_owned(),
                4,
                "expected `Intent: `",
            ),
        ] {
            let error = parse(page.clone().leak()).unwrap_err();
            assert_eq!(error.line, line, "{page}");
            assert!(error.to_string().contains(problem), "{error}");
        }
    }
}
