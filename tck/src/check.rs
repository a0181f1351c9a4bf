//! A check, its outcome, and the few expectations that checks are written in.

use std::fmt::{self, Debug};

use futures_util::future::BoxFuture;
use omni_contracts::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::Context;

/// The check of one clause. The clause's text and level stand in `docs/spec` under the same id.
#[derive(Clone, Copy)]
pub struct Check {
    /// The clause: `STO-012`.
    pub id: &'static str,
    /// What is checked, as an identifier: `keys_do_not_alias`.
    pub name: &'static str,
    /// What to look at in a provider that fails: one sentence.
    pub hint: &'static str,
    /// The check.
    pub run: for<'a> fn(&'a Context) -> BoxFuture<'a, Outcome>,
}

impl Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.id, self.name)
    }
}

/// Makes a [`Check`] of an `async fn(cx: &Context) -> Outcome`.
macro_rules! check {
    ($id:literal, $function:ident, $hint:literal) => {
        $crate::Check {
            id: $id,
            name: stringify!($function),
            hint: $hint,
            run: |cx| Box::pin($function(cx)),
        }
    };
}
pub(crate) use check;

/// The outcome of a check.
pub type Outcome = std::result::Result<(), Failure>;

/// Why a check failed: what was expected and what was seen instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The situation: `get of "a" after put`.
    pub situation: String,
    /// What the clause asks for.
    pub expected: String,
    /// What the provider did.
    pub seen: String,
    /// The operations that led there, shortest known sequence.
    pub steps: Vec<String>,
}

impl Failure {
    /// A failure without steps.
    #[must_use]
    pub fn new(
        situation: impl Into<String>,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) -> Self {
        Self {
            situation: situation.into(),
            expected: expected.into(),
            seen: seen.into(),
            steps: Vec::new(),
        }
    }

    /// Adds the operations that led there.
    #[must_use]
    pub fn with_steps(mut self, steps: Vec<String>) -> Self {
        self.steps = steps;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "situation: {}", self.situation)?;
        writeln!(f, "expected:  {}", self.expected)?;
        write!(f, "seen:      {}", self.seen)?;
        for (number, step) in self.steps.iter().enumerate() {
            write!(f, "\n  step {:>3}: {step}", number + 1)?;
        }
        Ok(())
    }
}

/// Expects success.
///
/// # Errors
///
/// A failure that shows the error.
pub fn ok<T>(situation: impl Into<String>, result: Result<T>) -> std::result::Result<T, Failure> {
    result.map_err(|error| Failure::new(situation, "success", format!("error: {error}")))
}

/// Expects an error of one kind, and returns it.
///
/// # Errors
///
/// A failure that shows what came instead.
pub fn fails_with<T: Debug>(
    situation: impl Into<String>,
    kind: ErrorKind,
    result: Result<T>,
) -> std::result::Result<Error, Failure> {
    match result {
        Err(error) if error.kind() == kind => Ok(error),
        Err(error) => Err(Failure::new(
            situation,
            format!("an error of kind `{kind}`"),
            format!("error: {error}"),
        )),
        Ok(value) => Err(Failure::new(
            situation,
            format!("an error of kind `{kind}`"),
            format!("success: {}", shortened(&value)),
        )),
    }
}

/// Expects equality.
///
/// # Errors
///
/// A failure that shows both.
pub fn equal<T: Debug + PartialEq>(
    situation: impl Into<String>,
    expected: &T,
    seen: &T,
) -> Outcome {
    if expected == seen {
        return Ok(());
    }
    Err(Failure::new(situation, shortened(expected), shortened(seen)))
}

/// Expects a condition; `expected` says it in words, `seen` what there was instead.
///
/// # Errors
///
/// A failure that shows both.
pub fn holds(
    situation: impl Into<String>,
    condition: bool,
    expected: impl Into<String>,
    seen: impl Debug,
) -> Outcome {
    if condition {
        return Ok(());
    }
    Err(Failure::new(situation, expected, shortened(&seen)))
}

/// `Debug`, cut where it would fill the screen.
pub fn shortened(value: &impl Debug) -> String {
    const MAX: usize = 400;
    let text = format!("{value:?}");
    match text.char_indices().nth(MAX) {
        None => text,
        Some((end, _)) => format!("{}... ({} bytes in all)", &text[..end], text.len()),
    }
}
