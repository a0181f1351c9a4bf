//! Comparing what the provider did with what the reference says.

use std::fmt::Debug;

use bytes::Bytes;
use omni_contracts::{ErrorKind, Result};

use crate::check::shortened;
use crate::reference::Outcome;

/// What a step gave, in words.
pub(super) type Verdict<T = String> = std::result::Result<T, Stop>;

/// Why a step has nothing more to compare.
#[derive(Debug)]
pub(super) enum Stop {
    /// Provider and reference both refused.
    Refused(ErrorKind),
    /// They differ.
    Mismatch { expected: String, seen: String },
}

pub(super) fn differ(expected: impl Into<String>, seen: impl Into<String>) -> Stop {
    Stop::Mismatch { expected: expected.into(), seen: seen.into() }
}

/// What both gave, where both gave something.
pub(super) fn agreed<A: Debug, B: Debug>(expected: Outcome<A>, seen: Result<B>) -> Verdict<(A, B)> {
    match (expected, seen) {
        (Ok(expected), Ok(seen)) => Ok((expected, seen)),
        (Err(reasons), Err(error)) if reasons.contains(&error.kind()) => {
            Err(Stop::Refused(error.kind()))
        }
        (Ok(_), Err(error)) => Err(differ("success", format!("error: {error}"))),
        (Err(reasons), seen) => {
            let reasons: Vec<_> = reasons.iter().map(|kind| kind.as_str()).collect();
            let expected = format!("an error of kind `{}`", reasons.join("` or `"));
            Err(match seen {
                Ok(seen) => differ(expected, format!("success: {}", shortened(&seen))),
                Err(error) => differ(expected, format!("error: {error}")),
            })
        }
    }
}

pub(super) fn same<T: Debug + PartialEq>(
    what: impl AsRef<str>,
    expected: &T,
    seen: &T,
) -> Verdict<()> {
    if expected == seen {
        return Ok(());
    }
    let what = what.as_ref();
    let shown = |value: &T| format!("{what}: {}", shortened(value));
    Err(differ(shown(expected), shown(seen)))
}

pub(super) fn same_bytes(expected: &Bytes, seen: &Bytes) -> Verdict<()> {
    if expected == seen {
        return Ok(());
    }
    let equal = expected.iter().zip(seen).take_while(|(a, b)| a == b).count();
    let seen = format!("{} bytes, equal up to offset {equal}", seen.len());
    Err(differ(format!("the {} bytes that were written", expected.len()), seen))
}

/// Compares whether there was an object, where the provider says so.
pub(super) fn existed((expected, seen): (bool, Option<bool>)) -> Verdict {
    same("whether there was an object", &expected, &seen.unwrap_or(expected))?;
    Ok(if expected { "deleted" } else { "nothing there" }.to_owned())
}
