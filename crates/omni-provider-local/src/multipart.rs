//! Multipart uploads: their rows in the index, and joining parts. Parts are records like objects;
//! uploads go on in any process.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::storage::{
    Attributes, CompleteOptions, Crc32c, Key, PageToken, Part, PartNumber, Prefix, UploadEntry,
    UploadId, UploadPage, Written,
};
use omni_contracts::{Error, ErrorKind, Result};
use rusqlite::{Connection, OptionalExtension, params};

use crate::attributes;
use crate::blobs::Blobs;
use crate::error::Stop;
use crate::list::{KeysBelow, PAGE_SIZE, pair};
use crate::receive::{Content, refuse_above};
use crate::record::{COLUMN_COUNT, Place, Record, columns, time};
use crate::stream::Reading;
use crate::transaction::{NewRecord, Transaction, check, current};

/// An unfinished upload, with the parts received so far, by number.
pub(crate) struct Upload {
    attributes: Arc<Attributes>,
    parts: Vec<(PartNumber, Record)>,
}

/// How an upload can be completed.
pub(crate) enum Completion {
    /// It was, and this is its object.
    Done(Written),
    /// By joining these parts.
    Join(Join),
}

/// Parts that are to become one content.
pub(crate) struct Join {
    pub(crate) size: u64,
    pub(crate) crc: Crc32c,
    pub(crate) parts: Vec<Record>,
    pub(crate) attributes: Arc<Attributes>,
}

/// Reads an upload. Two statements: the caller holds a transaction.
pub(crate) fn find_upload(
    connection: &Connection,
    key: &str,
    id: &UploadId,
) -> Result<Upload, Stop> {
    let encoded = connection
        .prepare_cached("SELECT attributes FROM uploads WHERE key = ?1 AND id = ?2")?
        .query_row([key, id.as_str()], |row| row.get::<_, Option<Vec<u8>>>(0))
        .optional()?
        .ok_or_else(no_such_upload)?;
    let attributes = match encoded {
        None => Attributes::none(),
        Some(encoded) => attributes::decode(&encoded).map(Arc::new).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "the attributes of the upload cannot be decoded")
        })?,
    };
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", number FROM parts WHERE upload = ?1 ORDER BY number"
    ))?;
    let mut rows = statement.query([id.as_str()])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        let number = PartNumber::new(row.get(COLUMN_COUNT)?)?;
        parts.push((number, Record::read(row, 0)?));
    }
    Ok(Upload { attributes, parts })
}

impl Upload {
    pub(crate) fn into_parts(self) -> Result<Vec<Part>> {
        let part = |(number, record): (PartNumber, Record)| {
            Ok(Part {
                number,
                size: record.size,
                version: record.stamp.version(),
                checksum: Some(record.crc),
            })
        };
        self.parts.into_iter().map(part).collect()
    }

    /// The records of the stated parts.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a part that was not received, or was replaced since.
    fn choose(&self, stated: &[Part]) -> Result<Vec<Record>> {
        let record = |part: &Part| {
            let at = self.parts.binary_search_by_key(&part.number, |(number, _)| *number);
            let Ok(at) = at else {
                return Err(Error::invalid(format!("part {} was not received", part.number)));
            };
            let record = &self.parts[at].1;
            if record.stamp.token() != part.version.as_str() || record.size != part.size {
                return Err(Error::invalid(format!("part {} was replaced since", part.number)));
            }
            Ok(record.clone())
        };
        stated.iter().map(record).collect()
    }
}

/// Refuses parts that cannot be joined, whatever was received: none, twice, or out of order.
pub(crate) fn validate(parts: &[Part]) -> Result<()> {
    if parts.is_empty() {
        return Err(Error::invalid("completing needs at least one part"));
    }
    match parts.windows(2).find(|pair| pair[0].number >= pair[1].number) {
        None => Ok(()),
        Some(pair) => Err(Error::invalid(format!(
            "parts are stated once each, by number; part {} stands before part {}",
            pair[0].number, pair[1].number
        ))),
    }
}

/// Decides how to complete, from one snapshot: what can be refused is refused before bytes are copied.
pub(crate) fn plan(
    connection: &Connection,
    key: &str,
    id: &UploadId,
    stated: &[Part],
    options: &CompleteOptions,
    max_size: Option<u64>,
) -> Result<Completion, Stop> {
    let snapshot = connection.unchecked_transaction()?;
    let upload = match find_upload(connection, key, id) {
        Err(stop) => return completed(connection, key, id, stop).map(Completion::Done),
        Ok(upload) => upload,
    };
    let parts = upload.choose(stated)?;
    check(&options.condition, current(connection, key)?.as_ref())?;
    drop(snapshot);
    let size = parts.iter().map(|part| part.size).sum();
    refuse_above(max_size, size)?;
    let crc =
        parts.iter().fold(Crc32c::default(), |crc, part| crc.followed_by(part.crc, part.size));
    crc.expect(options.checksum)?;
    Ok(Completion::Join(Join { size, crc, parts, attributes: upload.attributes }))
}

/// The object of an upload that is gone because it was completed; else what stopped the caller.
fn completed(
    connection: &Connection,
    key: &str,
    id: &UploadId,
    stop: Stop,
) -> Result<Written, Stop> {
    match current(connection, key)? {
        Some(record) if record.write_id.as_deref() == Some(id.as_str()) => Ok(record.written()),
        _ => Err(stop),
    }
}

/// Copies the parts together. `None` when one of them is gone, so that the plan no longer holds.
///
/// Blocks, for as long as it takes: `inline` reads the index for a moment per part.
pub(crate) fn join(
    blobs: &Blobs,
    parts: &[Record],
    size: u64,
    inline_limit: u64,
    inline: impl Fn(&Record) -> Result<Option<Bytes>>,
) -> Result<Option<Content>> {
    if size <= inline_limit {
        let mut bytes = Vec::with_capacity(size as usize);
        for part in parts {
            let piece = match &part.place {
                Place::Inline => inline(part)?,
                Place::File(_) => match open(blobs, part)? {
                    None => None,
                    Some(file) => {
                        Some(Reading::new(file, part.clone(), &(0..part.size), "")?.read_all()?)
                    }
                },
            };
            let Some(piece) = piece else { return Ok(None) };
            bytes.extend_from_slice(&piece);
        }
        return Ok(Some(Content::Inline(bytes.into())));
    }
    let mut writer = blobs.create()?;
    for part in parts {
        let written = match &part.place {
            Place::Inline => match inline(part)? {
                None => return Ok(None),
                Some(piece) => {
                    let length = piece.len() as u64;
                    writer.write(&[piece])?;
                    length
                }
            },
            Place::File(_) => match open(blobs, part)? {
                None => return Ok(None),
                Some(mut file) => writer.append(&mut file)?,
            },
        };
        if written != part.size {
            return Err(part.damaged(&format!("has {written} bytes instead of {}", part.size)));
        }
    }
    writer.finish().map(|blob| Some(Content::File(Arc::new(blob))))
}

fn open(blobs: &Blobs, part: &Record) -> Result<Option<std::fs::File>> {
    let Place::File(file) = &part.place else {
        return Ok(None);
    };
    match blobs.open(file) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(part.unreadable(error)),
    }
}

/// The inline bytes of a part; `None` when the part is gone. Writes are numbered once, so these are
/// the bytes of that part or of none.
pub(crate) fn inline_part(connection: &Connection, part: &Record) -> Result<Option<Bytes>, Stop> {
    if part.size == 0 {
        return Ok(Some(Bytes::new()));
    }
    let bytes: Option<Vec<u8>> = connection
        .prepare_cached("SELECT data FROM inline WHERE id = ?1")?
        .query_row([part.stamp.write], |row| row.get(0))
        .optional()?;
    Ok(bytes.map(Bytes::from))
}

impl Transaction<'_> {
    /// Begins an upload.
    pub(crate) fn create_upload(
        &mut self,
        key: &str,
        attributes: &Attributes,
    ) -> Result<UploadId, Stop> {
        self.expect_room()?;
        let id = self.stamp().token();
        let insert = "INSERT INTO uploads (key, id, created, attributes) VALUES (?1, ?2, ?3, ?4)";
        self.execute(insert, params![key, id, self.now(), attributes::encode(attributes)])?;
        Ok(UploadId::new(id))
    }

    /// Stores a part in place of an earlier one of the same number.
    pub(crate) fn put_part(
        &mut self,
        key: &str,
        id: &UploadId,
        number: PartNumber,
        new: &NewRecord,
    ) -> Result<Part, Stop> {
        let earlier = find_upload(self.connection(), key, id)?.parts;
        self.expect_room()?;
        let record = self.stage(new, 0)?;
        if let Some((_, earlier)) = earlier.iter().find(|(other, _)| *other == number) {
            self.discard(earlier)?;
        }
        let insert = concat!(
            "INSERT OR REPLACE INTO parts (",
            columns!(),
            ", upload, number) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        );
        self.insert(insert, &record, &[&id.as_str(), &number.get()])?;
        Ok(Part {
            number,
            size: record.size,
            version: record.stamp.version(),
            checksum: Some(record.crc),
        })
    }

    /// Makes the joined parts the object, if they are still the parts of the upload.
    pub(crate) fn complete_upload(
        &mut self,
        key: &str,
        id: &UploadId,
        stated: &[Part],
        options: &CompleteOptions,
        new: &NewRecord,
    ) -> Result<Written, Stop> {
        let upload = match find_upload(self.connection(), key, id) {
            Err(stop) => return completed(self.connection(), key, id, stop),
            Ok(upload) => upload,
        };
        upload.choose(stated)?;
        let written = self.put(key, &options.condition, new)?;
        self.remove_upload(key, id, &upload)?;
        Ok(written)
    }

    /// Gives an upload up; an unknown one is given up already.
    pub(crate) fn abort_upload(&mut self, key: &str, id: &UploadId) -> Result<(), Stop> {
        match find_upload(self.connection(), key, id) {
            Ok(upload) => Ok(self.remove_upload(key, id, &upload)?),
            Err(Stop::Refused(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    fn remove_upload(&mut self, key: &str, id: &UploadId, upload: &Upload) -> rusqlite::Result<()> {
        for (_, part) in &upload.parts {
            self.discard(part)?;
        }
        self.execute("DELETE FROM parts WHERE upload = ?1", [id.as_str()])?;
        let delete = "DELETE FROM uploads WHERE key = ?1 AND id = ?2";
        self.execute(delete, [key, id.as_str()]).map(drop)
    }
}

/// A page of uploads that is to be listed. Validated: nothing has been read yet.
#[derive(Debug)]
pub(crate) struct UploadsPage {
    prefix: Prefix,
    /// The id and the key that the page before ended with.
    after: Option<(String, String)>,
}

impl UploadsPage {
    pub(crate) fn new(prefix: &Prefix, token: Option<&PageToken>) -> Result<Self> {
        let after = token.map(|token| pair(token, &scope(prefix))).transpose()?;
        Ok(Self { prefix: prefix.clone(), after })
    }

    pub(crate) fn read(self, connection: &Connection) -> Result<UploadPage, Stop> {
        let mut statement = connection.prepare_cached(
            "SELECT key, id, created FROM uploads
             WHERE key >= ?1 AND key < ?2 AND NOT (key = ?1 AND id <= ?3)
             ORDER BY key, id LIMIT ?4",
        )?;
        let end = self.prefix.upper_bound();
        let (after, start) = match &self.after {
            Some((id, key)) => (id.as_str(), key.as_str()),
            None => ("", self.prefix.as_str()),
        };
        let rows = params![start, KeysBelow(end.as_deref()), after, PAGE_SIZE + 1];
        let mut entries = statement
            .query_map(rows, |row| {
                Ok(UploadEntry {
                    key: Key::native(row.get_ref(0)?.as_str()?),
                    id: UploadId::new(row.get::<_, String>(1)?),
                    created: time(row.get(2)?),
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let more = entries.len() > PAGE_SIZE;
        entries.truncate(PAGE_SIZE);
        let next = entries.last().filter(|_| more).map(|last| {
            let place = format!("{} {}", last.id.as_str(), last.key);
            PageToken::sealed(&scope(&self.prefix), &place)
        });
        Ok(UploadPage { entries, next })
    }
}

/// What the tokens of this listing are sealed with.
fn scope(prefix: &Prefix) -> [&str; 2] {
    ["uploads", prefix.as_str()]
}

fn no_such_upload() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such upload for this key")
}
