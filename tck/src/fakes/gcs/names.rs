//! The rules of names.
//!
//! From `cloud.google.com/storage/docs/objects#naming` and
//! `cloud.google.com/storage/docs/buckets#naming`.

use super::fault::Fault;

/// The longest name of an object, in bytes of UTF-8.
const LONGEST: usize = 1024;

/// Whether an object may have the name.
pub(super) fn object(name: &str) -> Result<(), Fault> {
    let problem = match name {
        "" => return Err(Fault::required("name")),
        "." | ".." => "must not be . or ..",
        name if name.len() > LONGEST => "must be at most 1024 bytes long",
        name if name.contains(['\r', '\n']) => "must not contain carriage return or line feed",
        name if name.starts_with(".well-known/acme-challenge/") => {
            "must not begin with .well-known/acme-challenge/"
        }
        _ => return Ok(()),
    };
    Err(Fault::invalid(format!("Invalid object name: {problem}")))
}

/// Whether a bucket may have the name.
pub(super) fn bucket(name: &str) -> Result<(), Fault> {
    let inner = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
    };
    let outer = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let longest = if name.contains('.') { 222 } else { 63 };
    let good = (3..=longest).contains(&bytes.len())
        && bytes.iter().copied().all(inner)
        && bytes.first().is_some_and(outer)
        && bytes.last().is_some_and(outer)
        && name.split('.').all(|label| (1..=63).contains(&label.len()))
        && !name.starts_with("goog");
    if good {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "Invalid bucket name {name:?}: 3 to 63 small letters, digits, - and _ are allowed"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_the_documented_names() {
        for good in ["a", "a//b", "/a", "a/", " ", "...", "a/../b", "\u{1}", &"x".repeat(1024)] {
            object(good).unwrap();
        }
        let long = "ü".repeat(513);
        for bad in ["", ".", "..", "a\nb", "a\rb", ".well-known/acme-challenge/x", &long] {
            object(bad).unwrap_err();
        }
    }

    #[test]
    fn buckets_have_the_documented_names() {
        for good in ["abc", "a-b_c", "1a2", "a.bc.example"] {
            bucket(good).unwrap();
        }
        for bad in ["ab", "Abc", "-ab", "ab-", "a b", "a..b", "googx", &"a".repeat(64)] {
            bucket(bad).unwrap_err();
        }
    }
}
