//! Settings that people read: sizes such as `64KiB` and durations such as `500ms`.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A number of bytes, written `64KiB`, `5MB` or as a plain integer (clause `CFG-040`).
///
/// The units are `B`, `KB`, `MB`, `GB`, `TB` (powers of 1000) and `KiB`, `MiB`, `GiB`, `TiB` (powers of
/// 1024), in any case. The text of a size parses to the same size.
///
/// ```
/// use omni_config::ByteSize;
///
/// assert_eq!("64 KiB".parse::<ByteSize>()?.as_u64(), 65_536);
/// assert_eq!(ByteSize::new(5_000_000).to_string(), "5MB");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// A length of time, written with its unit: `2s`, `500ms` (clause `CFG-041`).
///
/// The units are `us`, `ms`, `s`, `m`, `h`, `d`. A plain number is refused, because its unit would be a
/// guess.
///
/// ```
/// use omni_config::Duration;
///
/// let wait: Duration = "500ms".parse()?;
/// assert_eq!(wait.as_std(), std::time::Duration::from_millis(500));
/// assert!("500".parse::<Duration>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Duration(std::time::Duration);

/// Units of size, the larger first within each family, for parsing and for the shortest exact text.
const SIZES: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Units of time in microseconds, the larger first.
const TIMES: &[(&str, u64)] = &[
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

impl ByteSize {
    /// A size of `bytes` bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The size in bytes.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// For a field of settings that holds bytes: `#[serde(deserialize_with = "ByteSize::bytes")]`.
    ///
    /// # Errors
    ///
    /// What is no size, with an example of one.
    pub fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        Self::deserialize(from).map(Self::as_u64)
    }

    /// As [`bytes`](Self::bytes), for a field that may be missing.
    ///
    /// # Errors
    ///
    /// What is no size, with an example of one.
    pub fn optional_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        Ok(Option::<Self>::deserialize(from)?.map(Self::as_u64))
    }
}

impl Duration {
    /// The same length of time; parts of a microsecond are kept but not written.
    #[must_use]
    pub const fn new(duration: std::time::Duration) -> Self {
        Self(duration)
    }

    /// The same length of time in the standard type.
    #[must_use]
    pub const fn as_std(self) -> std::time::Duration {
        self.0
    }

    /// For a field of settings of the standard type: `#[serde(deserialize_with = "Duration::std")]`.
    ///
    /// # Errors
    ///
    /// What is no length of time, with an example of one.
    pub fn std<'de, D: Deserializer<'de>>(from: D) -> Result<std::time::Duration, D::Error> {
        Self::deserialize(from).map(Self::as_std)
    }

    /// As [`std`](Self::std), for a field that may be missing.
    ///
    /// # Errors
    ///
    /// What is no length of time, with an example of one.
    pub fn optional_std<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<std::time::Duration>, D::Error> {
        Ok(Option::<Self>::deserialize(from)?.map(Self::as_std))
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a size in bytes such as `64KiB`, `5MB` or `4096`";
        let (count, unit) = split(text).ok_or(expected)?;
        let factor = match unit {
            "" => 1,
            unit => {
                SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(expected)?.1
            }
        };
        let bytes = count.checked_mul(factor);
        Ok(Self(bytes.ok_or("expected a size of less than 16 EiB")?))
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a duration with its unit, such as `2s` or `500ms`; units are us, ms, \
                        s, m, h, d";
        let (count, unit) = split(text).ok_or(expected)?;
        let (_, factor) = TIMES.iter().find(|(name, _)| *name == unit).ok_or(expected)?;
        let micros = count.checked_mul(*factor);
        let micros = micros.ok_or("expected a duration of less than 500000 years")?;
        Ok(Self(std::time::Duration::from_micros(micros)))
    }
}

/// The count and the unit of `64 KiB`.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(end);
    Some((count.parse().ok()?, unit.trim_start()))
}

/// The largest unit that states `count` exactly.
fn shortest(f: &mut fmt::Formatter<'_>, count: u64, units: &[(&str, u64)]) -> fmt::Result {
    let exact = units.iter().find(|(_, factor)| count.is_multiple_of(*factor));
    match exact {
        Some((unit, factor)) if count != 0 => write!(f, "{}{unit}", count / factor),
        _ => write!(f, "{count}{}", units.last().map_or("", |(unit, _)| unit)),
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shortest(f, self.0, SIZES)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        shortest(f, micros, TIMES)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Size;

        impl Visitor<'_> for Size {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size in bytes such as `64KiB`, `5MB` or 4096")
            }

            fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes)
                    .map(ByteSize)
                    .map_err(|_| E::custom("a size must not be negative"))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Size)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Time;

        impl Visitor<'_> for Time {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a duration with its unit, such as \"2s\" or \"500ms\"; units are us, ms, s, m, h, d",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_back_as_written() {
        for bytes in [0, 1, 999, 1000, 1024, 1536, 65_536, 5_000_000, 1 << 40, u64::MAX] {
            let size = ByteSize::new(bytes);
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert_eq!("7gib".parse(), Ok(ByteSize::new(7 << 30)));
        for wrong in ["", "KiB", "-1", "1.5MB", "1 KiBB", "20000000TiB", "99999999999999999999"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_read_back_as_written() {
        for micros in [0, 1, 1500, 2_000_000, 90_000_000, 86_400_000_000] {
            let duration = Duration::new(std::time::Duration::from_micros(micros));
            assert_eq!(duration.to_string().parse(), Ok(duration));
        }
        for wrong in ["", "2", "s", "2 weeks", "1.5s", "-1s", "2S", "999999999999999d"] {
            assert!(wrong.parse::<Duration>().is_err(), "{wrong}");
        }
    }
}
