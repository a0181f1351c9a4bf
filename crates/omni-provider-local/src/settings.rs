//! The settings of a local store, and the values they accept. Opening a store lives in `provider`.

use std::path::PathBuf;
use std::time::Duration;

use omni_config::ByteSize;
use omni_contracts::storage::Durability;
use omni_contracts::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The largest value of [`LocalSettings::inline_limit`], in bytes: inline contents are read whole.
pub(crate) const MAX_INLINE_LIMIT: u64 = 1 << 20;

/// The largest value of [`LocalSettings::busy_timeout`]: SQLite counts its milliseconds in an `i32`.
const MAX_BUSY_TIMEOUT: Duration = Duration::from_secs(24 * 86_400);

/// How to open a local store.
///
/// In a configuration, sizes are bytes as an integer or text such as `"64KiB"` (clause `CFG-040`), and
/// durations are text with a unit such as `"5s"` (clause `CFG-041`).
///
/// ```
/// use omni_provider_local::{LocalDurability, LocalSettings};
///
/// let settings = LocalSettings::default();
/// assert_eq!(settings.path.to_str(), Some("./omni-data"));
/// assert_eq!(settings.durability, LocalDurability::Disk);
/// assert_eq!(settings.inline_limit, 64 << 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalSettings {
    /// The folder of the store; created when it is missing.
    pub path: PathBuf,
    /// What an acknowledged write survives.
    pub durability: LocalDurability,
    /// Contents up to this many bytes are stored in the index, larger ones as files; at most 1 MiB.
    #[serde(deserialize_with = "ByteSize::bytes")]
    pub inline_limit: u64,
    /// Whether overwritten and deleted versions are kept. May differ between openings.
    pub versioning: bool,
    /// The largest object, in bytes; without it only space limits.
    #[serde(deserialize_with = "ByteSize::optional_bytes")]
    pub max_object_size: Option<u64>,
    /// How long a call waits while another process writes, before it fails with `Unavailable`; at most
    /// 24 days.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub busy_timeout: Duration,
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalDurability {
    /// Nothing is promised: nothing is ever synced, not even in what order it reaches the disk.
    None,
    /// The end of the process, however it ends. The end of the machine's power may lose the last
    /// writes.
    Process,
    /// The end of the machine's power: every write is synced before it is acknowledged.
    #[default]
    Disk,
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::from("./omni-data"),
            durability: LocalDurability::default(),
            inline_limit: 64 << 10,
            versioning: false,
            max_object_size: None,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

impl LocalSettings {
    /// The default settings in the folder `path`.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::new(ErrorKind::Configuration, message));
        if self.path.as_os_str().is_empty() {
            return wrong("path must not be empty".to_owned());
        }
        if self.inline_limit > MAX_INLINE_LIMIT {
            return wrong(format!(
                "inline_limit is at most {MAX_INLINE_LIMIT} bytes, this is {}",
                self.inline_limit
            ));
        }
        if self.busy_timeout > MAX_BUSY_TIMEOUT {
            return wrong(format!(
                "busy_timeout is at most {MAX_BUSY_TIMEOUT:?}, this is {:?}",
                self.busy_timeout
            ));
        }
        Ok(())
    }
}

impl LocalDurability {
    /// The level as the contract names it.
    #[must_use]
    pub fn declared(self) -> Durability {
        match self {
            Self::None => Durability::Memory,
            Self::Process => Durability::Process,
            Self::Disk => Durability::Disk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<LocalSettings, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_numbers_and_text() {
        let settings = parse(
            r#"{"path": "x", "durability": "process", "inline_limit": "16 KiB", "versioning": true,
                "max_object_size": "5GB", "busy_timeout": "2s"}"#,
        )
        .unwrap();
        assert_eq!(
            settings,
            LocalSettings {
                path: "x".into(),
                durability: LocalDurability::Process,
                inline_limit: 16 << 10,
                versioning: true,
                max_object_size: Some(5_000_000_000),
                busy_timeout: Duration::from_secs(2),
            }
        );
        let settings = parse(r#"{"inline_limit": 10, "max_object_size": null}"#).unwrap();
        assert_eq!(settings.inline_limit, 10);
        assert_eq!(settings.max_object_size, None);
        assert_eq!(parse("{}").unwrap(), LocalSettings::default());
    }

    #[test]
    fn says_what_is_allowed() {
        for (json, said) in [
            (r#"{"pth": "x"}"#, "unknown field `pth`"),
            (r#"{"durability": "ram"}"#, "`none`, `process`, `disk`"),
            (r#"{"inline_limit": "64 apples"}"#, "`64KiB`"),
            (r#"{"inline_limit": -1}"#, "must not be negative"),
            (r#"{"busy_timeout": "soon"}"#, "`500ms`"),
            (r#"{"busy_timeout": 5}"#, "with its unit"),
            (r#"{"max_object_size": "99999999999TB"}"#, "less than 16 EiB"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(said), "{json}: {error}");
        }
    }

    #[test]
    fn refuses_values_that_cannot_work() {
        let no_path = LocalSettings::at("");
        let too_large =
            LocalSettings { inline_limit: MAX_INLINE_LIMIT + 1, ..LocalSettings::default() };
        let too_long = LocalSettings {
            busy_timeout: Duration::from_secs(u64::MAX),
            ..LocalSettings::default()
        };
        for settings in [no_path, too_large, too_long] {
            let error = settings.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
        }
        LocalSettings::default().validate().unwrap();
    }
}
