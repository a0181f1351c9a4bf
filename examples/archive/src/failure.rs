//! What can go wrong, in words, and the exit code that it ends in.

use std::fmt;
use std::path::{Path, PathBuf};

use omni_storage::{Error, ErrorKind};

pub(crate) type Result<T> = std::result::Result<T, Failure>;

#[derive(Debug)]
pub(crate) enum Failure {
    /// The archive, or a restored file, is not what it was.
    Damaged(String),
    /// A file or folder of the user.
    File { what: &'static str, path: PathBuf, error: std::io::Error },
    /// The beginning of a snapshot's hash that is none, or that of several.
    NoSnapshot { begin: String, found: usize },
    /// A file of the user that cannot be archived, and why.
    NotArchivable { path: PathBuf, why: &'static str },
    /// The storage.
    Storage(Error),
    /// Words that are no command.
    Usage(&'static str),
}

impl Failure {
    pub(crate) fn file(what: &'static str, path: &Path, error: std::io::Error) -> Self {
        Self::File { what, path: path.to_owned(), error }
    }

    /// What is damaged; any other failure stays one.
    pub(crate) fn damage(self) -> Result<String> {
        match self {
            Self::Damaged(what) => Ok(what),
            other => Err(other),
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Storage(error) if error.kind() == ErrorKind::Configuration => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) => f.write_str(what),
            Self::File { what, path, error } => write!(f, "{what} {}: {error}", path.display()),
            Self::NoSnapshot { begin, found } => {
                write!(f, "exactly one snapshot must begin with {begin:?}, found are {found}")
            }
            Self::NotArchivable { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Storage(error) => write!(f, "{error}"),
            Self::Usage(usage) => write!(f, "no such command\n{usage}"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}
