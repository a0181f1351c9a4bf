//! `Prefix`: what the names in a listing begin with.

use std::fmt;

use smol_str::SmolStr;

use super::Key;
use crate::{Error, Result};

/// The text that the keys of a listing begin with (clause `STO-080`): raw, not by segments, so
/// `a` is a prefix of `a`, `a/b` and `ab`. Empty means everything.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(SmolStr);

impl Prefix {
    /// The prefix of every key.
    pub const ALL: Self = Self(SmolStr::new_static(""));

    /// Any text of up to [`Key::MAX_BYTES`] bytes; a longer one can match nothing.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` when it is longer.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        if text.len() > Key::MAX_BYTES {
            let message =
                format!("a prefix has at most {} bytes, this has {}", Key::MAX_BYTES, text.len());
            return Err(Error::invalid(message));
        }
        Ok(Self(SmolStr::new(text)))
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The smallest text that is greater than every key with this prefix, in byte order; `None`
    /// when there is none. For providers that scan an ordered index.
    #[must_use]
    pub fn upper_bound(&self) -> Option<String> {
        let mut text = self.0.to_string();
        while let Some(last) = text.pop() {
            let next = match last {
                char::MAX => continue,
                '\u{d7ff}' => '\u{e000}',
                other => char::from_u32(u32::from(other) + 1)?,
            };
            text.push(next);
            return Some(text);
        }
        None
    }
}

impl TryFrom<&str> for Prefix {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<String> for Prefix {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_bound_is_just_above_the_prefix() {
        let bound = |text: &str| Prefix::new(text).unwrap().upper_bound();
        assert_eq!(bound(""), None);
        assert_eq!(bound("a").as_deref(), Some("b"));
        assert_eq!(bound("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(bound("\u{10ffff}"), None);
        assert_eq!(bound("\u{d7ff}").as_deref(), Some("\u{e000}"));
    }
}
