//! `ConfigError`: what is wrong, where it stands and what is allowed, in one line.

use std::fmt;
use std::path::PathBuf;

use omni_contracts::{Error, ErrorKind};

/// A configuration that cannot be used (clauses `CFG-050` to `CFG-052`).
///
/// Its text is one line: the problem and what is allowed, then the key from its root, the value unless
/// it is a secret, the file or environment variable, and the profile. It converts into an
/// [`Error`] of kind [`Configuration`](ErrorKind::Configuration).
#[derive(Debug)]
pub struct ConfigError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problem: String,
    key: Option<String>,
    value: Option<String>,
    origin: Option<Origin>,
    profile: Option<String>,
}

/// Where a setting was stated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// In no file: what holds when there is none.
    Embedded,
    /// In an environment variable of this name.
    Environment(String),
    /// In this file.
    File(PathBuf),
    /// In a text that the program gave to [`Loader::text`](crate::Loader::text).
    Text,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("the embedded default"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Text => f.write_str("a text given by the program"),
        }
    }
}

impl ConfigError {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            problem: problem.into(),
            key: None,
            value: None,
            origin: None,
            profile: None,
        }))
    }

    pub(crate) fn key(mut self, key: impl Into<String>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    pub(crate) fn value(mut self, value: impl Into<Option<String>>) -> Self {
        self.0.value = value.into();
        self
    }

    pub(crate) fn origin(mut self, origin: impl Into<Option<Origin>>) -> Self {
        self.0.origin = origin.into();
        self
    }

    pub(crate) fn profile(mut self, profile: impl Into<String>) -> Self {
        self.0.profile = Some(profile.into());
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        let place = [
            inner.key.as_ref().map(|key| format!("key {key}")),
            inner.value.as_ref().map(|value| format!("value `{value}`")),
            inner.origin.as_ref().map(Origin::to_string),
            inner.profile.as_ref().map(|name| format!("profile {name}")),
        ];
        let place: Vec<_> = place.into_iter().flatten().collect();
        let text = match place.as_slice() {
            [] => inner.problem.clone(),
            place => format!("{} ({})", inner.problem, place.join(", ")),
        };
        // Whatever the parts hold, the whole is one line.
        text.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_debug()),
            false => write!(f, "{c}"),
        })
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorKind::Configuration, error.to_string())
    }
}

/// `unknown WHAT, did you mean NEAREST; allowed are ...`: the same words for keys, names and profiles.
pub(crate) fn unknown(what: &str, word: &str, allowed: &[&str]) -> String {
    let nearest = allowed
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= 1 + word.len() / 5)
        .min();
    let hint = nearest.map_or(String::new(), |(_, name)| format!(", did you mean `{name}`"));
    format!("unknown {what} `{word}`{hint}; {}", allowed_are(allowed))
}

/// `allowed are a, b`, in alphabetical order.
fn allowed_are(allowed: &[&str]) -> String {
    let mut sorted = allowed.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    match sorted.as_slice() {
        [] => "none is allowed here".to_owned(),
        [one] => format!("allowed is {one}"),
        many => format!("allowed are {}", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_with_everything_known() {
        let error = ConfigError::new(unknown("key", "pth", &["path", "durability"]))
            .key("storage.main.pth")
            .value("a\nb".to_owned())
            .origin(Origin::File("omni.toml".into()))
            .profile("aws");
        assert_eq!(
            error.to_string(),
            "unknown key `pth`, did you mean `path`; allowed are durability, path \
             (key storage.main.pth, value `a\\nb`, file omni.toml, profile aws)"
        );
        let error = Error::from(ConfigError::new("no such file"));
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert_eq!(error.to_string(), "configuration: no such file");
    }
}
