//! The names that unfinished uploads stand under, which nobody else can see or use, and the names that
//! the service has no room for.
//!
//! The empty segment makes the area one that no portable key can be in.

use omni_contracts::storage::{Key, PartNumber};
use omni_contracts::{Error, Result};

/// What every name of the area begins with.
pub(crate) const AREA: &str = ".omni-uploads//";

/// The first name after the area.
pub(crate) const AFTER_AREA: &str = ".omni-uploads/0";

/// What the names of the uploads themselves begin with.
pub(crate) const UPLOADS: &str = ".omni-uploads//uploads/";

/// The longest name, in bytes.
const MAX_NAME: usize = 1024;

/// What Google keeps names that begin so for.
const ACME: &str = ".well-known/acme-challenge/";

/// The object that stands for an upload.
pub(crate) fn upload(id: &str) -> String {
    format!("{UPLOADS}{id}")
}

/// What the names of an upload's parts begin with.
pub(crate) fn parts(id: &str) -> String {
    format!("{AREA}parts/{id}/")
}

/// A part.
pub(crate) fn part(id: &str, number: PartNumber) -> String {
    format!("{}{:05}", parts(id), number.get())
}

/// What the names of an upload's parts that were joined to larger ones begin with.
pub(crate) fn joined(id: &str) -> String {
    format!("{AREA}joined/{id}/")
}

/// Whether an id of an upload is one that was made here.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether an object of a caller can have this name. Others are missing, without a request: some of
/// them would lead elsewhere in a URL.
pub(crate) fn can_exist(key: &Key) -> bool {
    let name = key.as_str();
    !(name.is_empty()
        || name.len() > MAX_NAME
        || name == "."
        || name == ".."
        || name.contains(['\r', '\n'])
        || name.starts_with(ACME)
        || name.starts_with(AREA))
}

/// Refuses a key that cannot be written, naming the rule.
pub(crate) fn writable(key: &Key) -> Result<()> {
    Key::new(key.as_str())?;
    if key.as_str().starts_with(ACME) {
        return Err(Error::invalid(format!("the service takes no key that begins with {ACME:?}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_portable_key_is_in_the_area() {
        for name in [upload("0"), part("0", PartNumber::new(7).unwrap()), joined("0") + "1"] {
            assert!(name.starts_with(AREA), "{name}");
            assert!(Key::new(&name).is_err() && !can_exist(&Key::native(&name)), "{name}");
        }
        assert!(AREA < AFTER_AREA && AREA[..AREA.len() - 1] == AFTER_AREA[..AREA.len() - 1]);
        assert!(writable(&Key::native(".omni-uploads/x")).is_ok());
    }

    #[test]
    fn names_that_the_service_does_not_have() {
        let long = "a".repeat(1025);
        for name in ["", ".", "..", "a\nb", ".well-known/acme-challenge/x", &long] {
            assert!(!can_exist(&Key::native(name)), "{name:?}");
            assert!(writable(&Key::native(name)).is_err(), "{name:?}");
        }
        for name in ["a//b", "a/../b", "\u{1}", " ", "/a", ".omni-uploads/x"] {
            assert!(can_exist(&Key::native(name)), "{name:?}");
        }
    }

    #[test]
    fn ids_from_outside() {
        assert!(is_id("0123456789abcdef0123456789abcdef"));
        for id in
            ["", "../x", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcde/"]
        {
            assert!(!is_id(id), "{id}");
        }
    }
}
