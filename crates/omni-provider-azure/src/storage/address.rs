//! How keys stand in URLs, and which native keys cannot.

use omni_contracts::storage::Key;
use omni_contracts::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest name of a blob, in characters, as documented.
const MAX_NAME: usize = 1024;

/// What is encoded in the value of a query.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is encoded in a path.
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');

/// The path of a key below the container.
///
/// # Errors
///
/// `InvalidArgument` for a native key that would not arrive as it is, and so might reach another
/// object: clients resolve dot segments, the service takes `\` for `/`.
pub(crate) fn path(key: &Key) -> Result<String> {
    let text = key.as_str();
    let rule = if text.is_empty() {
        "a name must not be empty"
    } else if text.chars().count() > MAX_NAME {
        "a name has at most 1024 characters"
    } else if text.bytes().any(|byte| byte.is_ascii_control()) {
        "control characters cannot be sent"
    } else if text.contains('\\') {
        "the service takes `\\` for `/`"
    } else if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        "`.` and `..` are resolved as segments"
    } else {
        return Ok(utf8_percent_encode(text, IN_PATH).to_string());
    };
    Err(Error::invalid(format!("no object of this service can have this key: {rule}")))
}

/// A value as it stands in a query.
pub(crate) fn in_query(text: &str) -> String {
    utf8_percent_encode(text, IN_QUERY).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_back_as_they_were() {
        for (key, expected) in [
            ("a/b", "a/b"),
            ("a//b", "a//b"),
            (" a%2F?#+", "%20a%252F%3F%23%2B"),
            ("\u{e4}", "%C3%A4"),
            ("..a/...", "..a/..."),
        ] {
            let path = path(&Key::native(key)).unwrap();
            assert_eq!(path, expected);
            let url = azure_core::http::Url::parse(&format!("http://host/c/{path}")).unwrap();
            assert_eq!(url.path(), format!("/c/{expected}"));
        }
        assert_eq!(in_query("a/b c"), "a%2Fb%20c");
    }

    #[test]
    fn what_would_not_arrive_is_refused() {
        let long = "k".repeat(MAX_NAME + 1);
        for key in ["", ".", "a/../b", "a\\b", "a\tb", "a\nb", "\u{7f}", &long] {
            assert!(path(&Key::native(key)).is_err(), "{key:?}");
        }
    }
}
