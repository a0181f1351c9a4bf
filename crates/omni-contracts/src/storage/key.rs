//! `Key`: the name of an object, validated before any I/O, the same on every provider.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::{Error, Result};

/// The name of an object (clauses `STO-010` to `STO-016`).
///
/// 1 to 1024 bytes of UTF-8 in segments between `/`; compared byte by byte, never normalised.
/// The *portable profile*, which every provider takes: at most 254 segments of 1 to 240 bytes, none of
/// them `.` or `..` or with `.` at its end; no ASCII control characters, `\`, U+FFFE or U+FFFF.
///
/// ```
/// use omni_contracts::storage::Key;
///
/// let key = Key::new("invoices/2026/ä b.pdf")?;
/// assert_eq!(key.as_str(), "invoices/2026/ä b.pdf");
///
/// let error = Key::new("invoices//x").unwrap_err();
/// assert!(error.to_string().contains("empty segment"));
/// # Ok::<(), omni_contracts::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(SmolStr);

impl Key {
    /// The longest key, in bytes.
    pub const MAX_BYTES: usize = 1024;
    /// The longest segment, in bytes.
    pub const MAX_SEGMENT_BYTES: usize = 240;
    /// The largest number of segments.
    pub const MAX_SEGMENTS: usize = 254;

    /// Validates `text` against the portable profile.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, naming the rule that is broken.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        match broken_rule(text) {
            None => Ok(Self(SmolStr::new(text))),
            Some(rule) => Err(invalid_key(text, &rule)),
        }
    }

    /// A key as the back-end has it, outside the portable profile. For objects that other programs
    /// wrote: they can be listed, read, copied and deleted. Portable code does not need it.
    #[must_use]
    pub fn native(text: impl AsRef<str>) -> Self {
        Self(SmolStr::new(text))
    }

    /// Whether the key keeps the portable profile; false only for some [native](Self::native) keys.
    #[must_use]
    pub fn is_portable(&self) -> bool {
        broken_rule(self.as_str()).is_none()
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// U+FFFE and U+FFFF in UTF-8. XML, in which object stores answer, cannot hold them, not even escaped.
const NOT_IN_XML: [&[u8]; 2] = ["\u{fffe}".as_bytes(), "\u{ffff}".as_bytes()];

/// The first rule of the portable profile that `text` breaks. One pass over the bytes.
fn broken_rule(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("a key must not be empty".to_owned());
    }
    if text.len() > Key::MAX_BYTES {
        return Some(format!(
            "a key has at most {} bytes, this has {}",
            Key::MAX_BYTES,
            text.len()
        ));
    }
    let bytes = text.as_bytes();
    let mut segments = 0;
    let mut start = 0;
    for at in 0..=bytes.len() {
        match bytes.get(at) {
            None | Some(b'/') => {
                segments += 1;
                if let Some(rule) = broken_segment_rule(&bytes[start..at], start, bytes.len()) {
                    return Some(rule);
                }
                start = at + 1;
            }
            Some(byte) if byte.is_ascii_control() => {
                return Some(format!(
                    "control characters are not allowed, byte {at} is {byte:#04x}"
                ));
            }
            Some(b'\\') => return Some(format!("`\\` is not allowed, byte {at} is one")),
            Some(0xef) if NOT_IN_XML.contains(&&bytes[at..bytes.len().min(at + 3)]) => {
                return Some(format!("U+FFFE and U+FFFF are not allowed, byte {at} begins one"));
            }
            Some(_) => {}
        }
    }
    (segments > Key::MAX_SEGMENTS)
        .then(|| format!("a key has at most {} segments, this has {segments}", Key::MAX_SEGMENTS))
}

fn broken_segment_rule(segment: &[u8], start: usize, total: usize) -> Option<String> {
    let rule = match segment {
        [] if start == 0 => "a leading `/` is not allowed",
        [] if start == total => "a trailing `/` is not allowed",
        [] => {
            return Some(format!("an empty segment is not allowed, byte {start} begins one"));
        }
        [b'.'] | [b'.', b'.'] => "`.` and `..` are not allowed as segments",
        [.., b'.'] => "a segment must not end in `.`",
        _ if segment.len() > Key::MAX_SEGMENT_BYTES => {
            return Some(format!(
                "a segment has at most {} bytes, this has {}",
                Key::MAX_SEGMENT_BYTES,
                segment.len()
            ));
        }
        _ => return None,
    };
    Some(rule.to_owned())
}

fn invalid_key(text: &str, rule: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    Error::invalid(format!("not a portable key: {rule}")).with_resource(shown)
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Key {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<String> for Key {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<&String> for Key {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<&Self> for Key {
    fn from(key: &Self) -> Self {
        key.clone()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_portable_profile_unchanged() {
        let longest = vec!["k".repeat(Key::MAX_SEGMENT_BYTES); 4].join("/") + "/" + &"k".repeat(60);
        let deepest = vec!["k"; Key::MAX_SEGMENTS].join("/");
        for text in [
            "a",
            "a b",
            " a ",
            "a/b",
            "%48%Q",
            "x#1",
            "~",
            ".a",
            "a.b",
            "...a",
            "ä",
            "\u{1f600}",
            "\u{fffd}\u{ffbe}",
            "?*\"<>|:",
            "A",
            "e\u{301}",
            "\u{e9}",
            &longest,
            &deepest,
        ] {
            assert_eq!(Key::new(text).unwrap().as_str(), text);
        }
        assert_eq!(longest.len(), Key::MAX_BYTES);
    }

    #[test]
    fn a_native_key_is_the_same_key() {
        let keys = std::collections::HashSet::from([Key::native("a/b")]);
        assert!(keys.contains(&Key::new("a/b").unwrap()) && keys.contains("a/b"));
        assert!(Key::native("a/b").is_portable());
    }

    #[test]
    fn names_the_broken_rule() {
        let long = "k".repeat(Key::MAX_BYTES + 1);
        let wide = "k".repeat(Key::MAX_SEGMENT_BYTES + 1);
        let deep = vec!["k"; Key::MAX_SEGMENTS + 1].join("/");
        for (text, rule) in [
            ("", "must not be empty"),
            ("/a", "leading `/`"),
            ("a/", "trailing `/`"),
            ("a//b", "empty segment"),
            (".", "`.` and `..`"),
            ("a/../b", "`.` and `..`"),
            ("a./b", "end in `.`"),
            ("a\nb", "control characters"),
            ("a\u{7f}", "control characters"),
            ("a\\b", "`\\`"),
            ("\u{ffff}", "U+FFFF"),
            ("a/\u{fffe}b", "byte 2"),
            (&long, "at most 1024 bytes"),
            (&wide, "at most 240 bytes"),
            (&deep, "at most 254 segments"),
        ] {
            let error = Key::new(text).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(rule), "{text:?}: {error}");
            assert!(!Key::native(text).is_portable());
        }
    }
}
