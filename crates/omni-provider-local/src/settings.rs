//! The settings of a local store, and the values they accept. Opening a store lives in `provider`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use omni_contracts::storage::Durability;
use omni_contracts::{Error, ErrorKind, Result};
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize};

/// The largest value of [`LocalSettings::inline_limit`], in bytes: inline contents are read whole.
pub(crate) const MAX_INLINE_LIMIT: u64 = 1 << 20;

/// How to open a local store.
///
/// Sizes are bytes as an integer or text such as `"64KiB"`; durations are milliseconds as an integer
/// or text such as `"5s"`.
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
    #[serde(deserialize_with = "size")]
    pub inline_limit: u64,
    /// Whether overwritten and deleted versions are kept. May differ between openings.
    pub versioning: bool,
    /// The largest object, in bytes; without it only space limits.
    #[serde(deserialize_with = "optional_size")]
    pub max_object_size: Option<u64>,
    /// How long a call waits while another process writes, before it fails with `Unavailable`.
    #[serde(deserialize_with = "duration")]
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

/// A number with a unit: the units in the order of the table, and what each is worth.
struct Quantity(&'static str, &'static [(&'static str, u64)]);

const SIZE: Quantity = Quantity(
    "a size in bytes, such as 65536 or \"64KiB\"",
    &[
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("b", 1),
    ],
);

const MILLISECONDS: Quantity = Quantity(
    "a duration in milliseconds, such as 5000 or \"5s\"",
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)],
);

impl Quantity {
    fn parse(&self, text: &str) -> Option<u64> {
        let text = text.trim().to_ascii_lowercase();
        let unit_at =
            text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let number = u64::from_str(number).ok()?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Some(number);
        }
        let (_, worth) = self.1.iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(*worth)
    }
}

impl Visitor<'_> for Quantity {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<u64, E> {
        u64::try_from(value).map_err(|_| E::custom(format!("expected {}, this is {value}", self.0)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
        self.parse(text).ok_or_else(|| E::custom(format!("expected {}, this is {text:?}", self.0)))
    }
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_any(SIZE)
}

fn optional_size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    struct Present(u64);
    impl<'de> Deserialize<'de> for Present {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            size(from).map(Self)
        }
    }
    let present = Option::<Present>::deserialize(from)?;
    Ok(present.map(|Present(size)| size))
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let milliseconds = from.deserialize_any(MILLISECONDS)?;
    if milliseconds > u64::from(u32::MAX / 2) {
        return Err(D::Error::custom("a busy timeout is at most 24 days, this is longer"));
    }
    Ok(Duration::from_millis(milliseconds))
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
        let settings = parse(r#"{"inline_limit": 10, "max_object_size": null, "busy_timeout": 7}"#);
        let settings = settings.unwrap();
        assert_eq!(settings.inline_limit, 10);
        assert_eq!(settings.max_object_size, None);
        assert_eq!(settings.busy_timeout, Duration::from_millis(7));
        assert_eq!(parse("{}").unwrap(), LocalSettings::default());
    }

    #[test]
    fn says_what_is_allowed() {
        for (json, said) in [
            (r#"{"pth": "x"}"#, "unknown field `pth`"),
            (r#"{"durability": "ram"}"#, "`none`, `process`, `disk`"),
            (r#"{"inline_limit": "64 apples"}"#, "\"64KiB\""),
            (r#"{"inline_limit": -1}"#, "this is -1"),
            (r#"{"busy_timeout": "soon"}"#, "\"5s\""),
            (r#"{"max_object_size": "99999999999TB"}"#, "a size in bytes"),
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
        for settings in [no_path, too_large] {
            let error = settings.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
        }
        LocalSettings::default().validate().unwrap();
    }
}
