//! `ByteRange`: which bytes of an object to read.

use std::fmt;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo};

use crate::{Error, ErrorKind, Result};

/// A slice of an object, its end clamped to the object's size (clauses `STO-030` to `STO-036`).
///
/// ```
/// use omni_contracts::storage::ByteRange;
///
/// assert_eq!(ByteRange::from(5..100).resolve(10)?, 5..10);
/// assert_eq!(ByteRange::from(10..).resolve(10)?, 10..10);
/// assert_eq!(ByteRange::suffix(4).resolve(10)?, 6..10);
/// assert!(ByteRange::from(11..).resolve(10).is_err());
/// # Ok::<(), omni_contracts::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ByteRange {
    /// Everything.
    #[default]
    Full,
    /// From `start`, inclusive, to `end`, exclusive.
    Bounded {
        /// The first byte.
        start: u64,
        /// The byte after the last.
        end: u64,
    },
    /// From an offset to the end.
    From(u64),
    /// The last bytes, at most this many.
    Suffix(u64),
}

impl ByteRange {
    /// The last `length` bytes, or the whole object when it is shorter.
    #[must_use]
    pub fn suffix(length: u64) -> Self {
        Self::Suffix(length)
    }

    /// Refuses a range that ends before it starts, before any I/O.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`.
    pub fn validate(self) -> Result<()> {
        match self {
            Self::Bounded { start, end } if end < start => {
                Err(Error::invalid(format!("the range {start}..{end} ends before it starts")))
            }
            _ => Ok(()),
        }
    }

    /// The bytes that are meant in an object of `size` bytes.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` when the range ends before it starts, `OutOfRange` when it starts after the
    /// end of the object.
    pub fn resolve(self, size: u64) -> Result<Range<u64>> {
        self.validate()?;
        let range = match self {
            Self::Full => 0..size,
            Self::Bounded { start, end } => start..end.min(size),
            Self::From(start) => start..size,
            Self::Suffix(length) => size.saturating_sub(length)..size,
        };
        if range.start > size {
            let message =
                format!("the range starts at {}, the object has {size} bytes", range.start);
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        Ok(range)
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str(".."),
            Self::Bounded { start, end } => write!(f, "{start}..{end}"),
            Self::From(start) => write!(f, "{start}.."),
            Self::Suffix(length) => write!(f, "-{length}"),
        }
    }
}

impl From<Range<u64>> for ByteRange {
    fn from(range: Range<u64>) -> Self {
        Self::Bounded { start: range.start, end: range.end }
    }
}

impl From<RangeFrom<u64>> for ByteRange {
    fn from(range: RangeFrom<u64>) -> Self {
        Self::From(range.start)
    }
}

impl From<RangeTo<u64>> for ByteRange {
    fn from(range: RangeTo<u64>) -> Self {
        Self::Bounded { start: 0, end: range.end }
    }
}

impl From<RangeInclusive<u64>> for ByteRange {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self::Bounded { start: *range.start(), end: range.end().saturating_add(1) }
    }
}

impl From<RangeFull> for ByteRange {
    fn from(_: RangeFull) -> Self {
        Self::Full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_like_a_clamped_slice() {
        let resolve = |range: ByteRange| range.resolve(10).ok();
        assert_eq!(resolve((..).into()), Some(0..10));
        assert_eq!(resolve((2..5).into()), Some(2..5));
        assert_eq!(resolve((2..=5).into()), Some(2..6));
        assert_eq!(resolve((..5).into()), Some(0..5));
        assert_eq!(resolve((2..2).into()), Some(2..2));
        assert_eq!(resolve((10..20).into()), Some(10..10));
        assert_eq!(resolve((11..20).into()), None);
        assert_eq!(resolve((0..u64::MAX).into()), Some(0..10));
        assert_eq!(resolve(ByteRange::suffix(0)), Some(10..10));
        assert_eq!(resolve(ByteRange::suffix(99)), Some(0..10));
        assert_eq!(ByteRange::from(0..5).resolve(0).unwrap(), 0..0);
    }

    #[test]
    fn tells_a_wrong_range_from_one_past_the_end() {
        let kind = |range: ByteRange| range.resolve(10).unwrap_err().kind();
        assert_eq!(kind(ByteRange::Bounded { start: 5, end: 2 }), ErrorKind::InvalidArgument);
        assert_eq!(kind((11..).into()), ErrorKind::OutOfRange);
        assert_eq!(kind((11..12).into()), ErrorKind::OutOfRange);
    }
}
