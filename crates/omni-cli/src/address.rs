//! Addresses: `NAME:/key` in a storage, or a local path.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use omni_storage::Key;

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Standard input or output: `-`.
    Standard,
    /// A local file or folder.
    Local(PathBuf),
    /// In a storage.
    Remote(Address),
}

/// `NAME:/key`: an instance of the configuration, and a key or the beginning of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) instance: String,
    /// Without the leading `/`; empty for the whole storage.
    pub(crate) path: String,
}

impl Address {
    /// The path as a key. What is there may have been written by another program, so it is not held to
    /// the portable profile; writing is, by the provider.
    pub(crate) fn key(&self) -> Result<Key, String> {
        if self.path.is_empty() || self.is_folder() {
            return Err(format!("{self} names a folder, a key is needed"));
        }
        Ok(Key::native(&self.path))
    }

    /// Whether the address can only mean a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.path.is_empty() || self.path.ends_with('/')
    }

    /// What the keys of the folder begin with.
    pub(crate) fn folder(&self) -> String {
        if self.is_folder() { self.path.clone() } else { format!("{}/", self.path) }
    }

    /// The same instance with another path.
    pub(crate) fn with_path(&self, path: impl Into<String>) -> Self {
        Self { instance: self.instance.clone(), path: path.into() }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse()? {
            Place::Remote(address) => Ok(address),
            _ => Err(format!("{text:?} is not an address; write NAME:/KEY, as in main:/folder/a")),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an address must not be empty".to_owned());
        }
        if text == "-" {
            return Ok(Self::Standard);
        }
        let named = text.split_once(':').filter(|(name, _)| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !name.is_empty() && name.bytes().all(plain)
        });
        let Some((name, path)) = named else { return Ok(Self::Local(text.into())) };
        let Some(path) = path.strip_prefix('/').or(path.is_empty().then_some("")) else {
            return Err(format!(
                "{text:?} is neither NAME:/KEY nor a path; did you mean {name}:/{path} or ./{text}?"
            ));
        };
        Ok(Self::Remote(Address { instance: name.to_owned(), path: path.to_owned() }))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:/{}", self.instance, self.path)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("-"),
            Self::Local(path) => path.display().fmt(f),
            Self::Remote(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_addresses_from_paths() {
        let remote = |instance: &str, path: &str| {
            Ok(Place::Remote(Address { instance: instance.to_owned(), path: path.to_owned() }))
        };
        assert_eq!("main:/a/b".parse(), remote("main", "a/b"));
        assert_eq!("main:/".parse(), remote("main", ""));
        assert_eq!("main:".parse(), remote("main", ""));
        assert_eq!("main:/a:b".parse(), remote("main", "a:b"));
        assert_eq!("-".parse(), Ok(Place::Standard));
        assert_eq!("./main:/a".parse(), Ok(Place::Local("./main:/a".into())));
        assert_eq!("folder/a".parse(), Ok(Place::Local("folder/a".into())));
        assert!("main:a".parse::<Place>().unwrap_err().contains("main:/a"));
        assert!("".parse::<Place>().is_err());
        assert!("folder/a".parse::<Address>().unwrap_err().contains("NAME:/KEY"));
    }

    #[test]
    fn folders_end_in_a_slash() {
        let address: Address = "main:/a".parse().unwrap();
        assert_eq!((address.is_folder(), address.folder().as_str()), (false, "a/"));
        let root: Address = "main:/".parse().unwrap();
        assert_eq!((root.is_folder(), root.folder().as_str()), (true, ""));
        assert!(root.key().is_err());
    }
}
