//! Reading objects: what the index knows of them, and their bytes.

use std::fs::File;
use std::io;
use std::ops::Range;

use bytes::Bytes;
use omni_contracts::storage::{
    ByteRange, Crc32c, GetOptions, ObjectMeta, Version, coalesced_ranges,
};
use omni_contracts::{Error, ErrorKind, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::blobs::{Blobs, changed_too_often};
use crate::error::Stop;
use crate::record::{COLUMN_COUNT, Place, Record, Stamp, columns};
use crate::stream::Reading;
use crate::transaction::no_such_version;

/// How often a read follows an object that is replaced while it is read.
pub(crate) const FOLLOWS: usize = 64;

/// A content, found.
pub(crate) enum Found {
    /// All of it, verified.
    Whole(Bytes),
    /// An open file of the right length.
    File(File),
}

/// The statements that find an object: the current one, or a stated version of it.
struct Find {
    current: &'static str,
    version: &'static str,
}

/// Without the content.
const RECORD: Find = Find {
    current: concat!("SELECT ", columns!(), ", NULL FROM objects WHERE key = ?1"),
    version: concat!(
        "SELECT ",
        columns!(),
        ", NULL FROM objects WHERE key = ?1 AND write = ?2 AND tag = ?3 UNION ALL SELECT ",
        columns!(),
        ", NULL FROM versions WHERE key = ?1 AND write = ?2 AND tag = ?3"
    ),
};

/// With the content, where the index holds it: one statement, so one snapshot.
const CONTENT: Find = Find {
    current: concat!(
        "SELECT ",
        columns!(),
        ", data FROM objects LEFT JOIN inline ON id = write AND session IS NULL WHERE key = ?1"
    ),
    version: concat!(
        "SELECT ",
        columns!(),
        ", data FROM objects LEFT JOIN inline ON id = write AND session IS NULL
           WHERE key = ?1 AND write = ?2 AND tag = ?3
         UNION ALL SELECT ",
        columns!(),
        ", data FROM versions LEFT JOIN inline ON id = write AND session IS NULL
           WHERE key = ?1 AND write = ?2 AND tag = ?3"
    ),
};

impl Find {
    fn run(
        &self,
        connection: &Connection,
        key: &str,
        version: Option<&Version>,
    ) -> Result<(Record, Option<Vec<u8>>), Stop> {
        let read = |row: &Row<'_>| Ok((Record::read(row, 0)?, row.get(COLUMN_COUNT)?));
        let Some(version) = version else {
            let found = connection.prepare_cached(self.current)?.query_row([key], read);
            return found.optional()?.ok_or_else(|| no_object().into());
        };
        let unknown = || Stop::from(no_such_version(version));
        let stamp = Stamp::parse(version.as_str()).ok_or_else(unknown)?;
        let found = connection
            .prepare_cached(self.version)?
            .query_row(params![key, stamp.write, stamp.tag], read);
        found.optional()?.ok_or_else(unknown)
    }
}

/// What `head` says.
pub(crate) fn head(
    connection: &Connection,
    key: &str,
    options: &GetOptions,
) -> Result<ObjectMeta, Stop> {
    let (record, _) = RECORD.run(connection, key, options.version.as_ref())?;
    let meta = record.meta();
    options.condition.check(&meta)?;
    Ok(meta)
}

/// An object with its content, or with an open file: from then on no writer can take it away.
pub(crate) fn open(
    connection: &Connection,
    blobs: &Blobs,
    key: &str,
    options: &GetOptions,
) -> Result<(Record, ObjectMeta, Found), Stop> {
    let mut missing = None;
    for _ in 0..FOLLOWS {
        let (record, inline) = CONTENT.run(connection, key, options.version.as_ref())?;
        let meta = record.meta();
        options.condition.check(&meta)?;
        match &record.place {
            Place::Inline => {
                let bytes = Bytes::from(inline.unwrap_or_default());
                if bytes.len() as u64 != record.size || Crc32c::of(&bytes) != record.crc {
                    return Err(record.damaged("is not what was stored").into());
                }
                return Ok((record, meta, Found::Whole(bytes)));
            }
            Place::File(file) => match blobs.open(file) {
                Ok(file) => return Ok((record, meta, Found::File(file))),
                // Replaced since the row was read, if the row is another now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if missing.replace(record.stamp) == Some(record.stamp) {
                        return Err(record.damaged("is missing").into());
                    }
                }
                Err(error) => return Err(record.unreadable(error).into()),
            },
        }
    }
    Err(changed_too_often().into())
}

/// Several ranges of one content, each in the order asked for; near ones are read as one.
pub(crate) fn read_ranges(
    record: &Record,
    found: &Found,
    ranges: &[ByteRange],
    gap: u64,
    key: &str,
) -> Result<Vec<Bytes>> {
    let exact: Vec<_> =
        ranges.iter().map(|range| range.resolve(record.size)).collect::<Result<_>>()?;
    let merged = match found {
        Found::Whole(bytes) => vec![(0..record.size, bytes.clone())],
        Found::File(file) => coalesced_ranges(&exact, gap)
            .into_iter()
            .map(|range| {
                let handle = file.try_clone().map_err(|error| record.unreadable(error))?;
                let reading = Reading::new(handle, record.clone(), &range, key)?;
                Ok((range, reading.read_all()?))
            })
            .collect::<Result<_>>()?,
    };
    let slice = |range: &Range<u64>| {
        let at = merged.partition_point(|(merged, _)| merged.start <= range.start);
        match merged[..at].last() {
            Some((merged, bytes)) if !range.is_empty() => bytes
                .slice((range.start - merged.start) as usize..(range.end - merged.start) as usize),
            _ => Bytes::new(),
        }
    };
    Ok(exact.iter().map(slice).collect())
}

pub(crate) fn no_object() -> Error {
    Error::new(ErrorKind::NotFound, "no object has this key")
}
