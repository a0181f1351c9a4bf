//! `Record`: what the index says about one stored content, whether object, older version or part.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use omni_contracts::storage::{Attributes, Crc32c, Key, ObjectEntry, ObjectMeta, Version, Written};
use omni_contracts::{Error, ErrorKind};
use rusqlite::Row;
use rusqlite::types::Type;

use crate::attributes;

/// The columns of a record, in the order in which [`Record::read`] takes them.
macro_rules! columns {
    () => {
        "write, tag, size, modified, crc, session, file, attributes, write_id"
    };
}
pub(crate) use columns;

/// How many columns there are.
pub(crate) const COLUMN_COUNT: usize = 9;

/// What the index says about one stored content.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) stamp: Stamp,
    pub(crate) size: u64,
    /// Milliseconds since 1970.
    pub(crate) modified: u64,
    pub(crate) crc: Crc32c,
    pub(crate) place: Place,
    pub(crate) attributes: Arc<Attributes>,
    pub(crate) write_id: Option<String>,
}

/// Where the bytes of a content are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the table `inline`, under the number of the write; nowhere when the content is empty.
    Inline,
    /// In a file.
    File(FileId),
}

/// Names the file `files/<session>/<number>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    pub(crate) session: Arc<str>,
    pub(crate) number: u64,
}

/// Names one write for ever: a number that grows with every write of the store, and a random tag of
/// the instance that wrote. The tag keeps a number apart that is used again after a power failure took
/// unsynced writes away, or after a backup was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) write: u64,
    pub(crate) tag: u32,
}

impl Stamp {
    /// Tags have 24 bits, so that every token is short enough to be kept without an allocation.
    pub(crate) const TAG_MASK: u32 = 0x00ff_ffff;

    pub(crate) fn token(self) -> String {
        self.version().as_str().to_owned()
    }

    /// The stamp that `token` names, if it can be one of ours.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        let (write, tag) = token.split_once('-')?;
        let stamp = Self {
            write: u64::from_str_radix(write, 16).ok()?,
            tag: u32::from_str_radix(tag, 16).ok()?,
        };
        (stamp.token() == token).then_some(stamp)
    }

    pub(crate) fn version(self) -> Version {
        Version::numbered(self.write, self.tag)
    }
}

impl Record {
    /// Reads the columns, which begin at column `first`.
    pub(crate) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let attributes = match row.get::<_, Option<Vec<u8>>>(first + 7)? {
            None => Attributes::none(),
            Some(encoded) => attributes::decode(&encoded).map(Arc::new).ok_or_else(|| {
                let damage = "the attributes cannot be decoded".into();
                rusqlite::Error::FromSqlConversionFailure(first + 7, Type::Blob, damage)
            })?,
        };
        Ok(Self {
            stamp: Stamp { write: row.get(first)?, tag: row.get(first + 1)? },
            size: row.get(first + 2)?,
            modified: row.get(first + 3)?,
            crc: Crc32c::from_u32(row.get(first + 4)?),
            place: match row.get(first + 5)? {
                None => Place::Inline,
                Some(session) => Place::File(FileId { session, number: row.get(first + 6)? }),
            },
            attributes,
            write_id: row.get(first + 8)?,
        })
    }

    pub(crate) fn meta(&self) -> ObjectMeta {
        ObjectMeta {
            size: self.size,
            version: self.stamp.version(),
            modified: time(self.modified),
            checksum: Some(self.crc),
            attributes: Arc::clone(&self.attributes),
        }
    }

    pub(crate) fn written(&self) -> Written {
        Written { size: self.size, version: self.stamp.version(), checksum: Some(self.crc) }
    }

    /// The content is where the record says, and is not what it says.
    pub(crate) fn damaged(&self, what: &str) -> Error {
        let place = match &self.place {
            Place::Inline => "the index".to_owned(),
            Place::File(file) => format!("files/{}/{}", file.session, file.number),
        };
        Error::new(
            ErrorKind::Corrupt,
            format!("the content of version {} in {place} {what}", self.stamp.token()),
        )
    }

    /// The content is where the record says, and cannot be read.
    pub(crate) fn unreadable(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.damaged("became shorter");
        }
        let version = self.stamp.token();
        let message = format!("cannot read the content of version {version}: {error}");
        Error::new(ErrorKind::Unavailable, message).with_source(error)
    }
}

/// The columns that a listing needs.
macro_rules! entry_columns {
    () => {
        "key, write, tag, size, modified"
    };
}
pub(crate) use entry_columns;

/// The key in a row with the columns that a listing needs.
pub(crate) fn read_key<'a>(row: &'a Row<'_>) -> rusqlite::Result<&'a str> {
    Ok(row.get_ref(0)?.as_str()?)
}

/// The entry of `key` in its row, where the columns that a listing needs come first.
pub(crate) fn read_entry(key: &str, row: &Row<'_>) -> rusqlite::Result<ObjectEntry> {
    let stamp = Stamp { write: row.get(1)?, tag: row.get(2)? };
    Ok(ObjectEntry {
        key: Key::native(key),
        size: row.get(3)?,
        version: stamp.version(),
        modified: time(row.get(4)?),
    })
}

/// A time from milliseconds since 1970.
pub(crate) fn time(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(milliseconds)
}

/// Milliseconds since 1970; a clock before 1970 counts as 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_one_stamp_and_stay_short() {
        let largest = Stamp { write: i64::MAX as u64, tag: Stamp::TAG_MASK };
        assert!(largest.token().len() <= 23);
        for stamp in [largest, Stamp { write: 1, tag: 0 }] {
            assert_eq!(Stamp::parse(&stamp.token()), Some(stamp));
        }
        for foreign in ["", "1", "-", "1-", "01-000000", "1-0", "1-00000A", "x-000000"] {
            assert_eq!(Stamp::parse(foreign), None, "{foreign:?}");
        }
    }
}
