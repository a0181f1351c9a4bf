//! Writing and deleting: put in one request or in parts, delete one or many.

use std::collections::HashMap;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use omni_contracts::storage::{
    Capability, Crc32c, DeleteOptions, Deleted, Key, Part, PartNumber, PutOptions, ReadCondition,
    Version, WriteCondition, Written, resolve_refused,
};
use omni_contracts::{Body, Error, ErrorKind, Operation, Piece, Pieces, Result};
use tokio::task::{JoinError, JoinSet};

use super::describe::{self, Own};
use super::error::Intent;
use super::multipart::{MAX_PARTS, Upload};
use super::provider::{NAME, S3Storage};

/// The most keys of one request to delete several.
const BATCH: usize = 1000;

/// Adds the content fields and the user metadata to a request that begins a write.
macro_rules! with_attributes {
    ($request:expr, $attributes:expr, $own:expr) => {{
        let attributes: &omni_contracts::storage::Attributes = $attributes;
        $request
            .set_cache_control(attributes.cache_control.clone())
            .set_content_disposition(attributes.content_disposition.clone())
            .set_content_encoding(attributes.content_encoding.clone())
            .set_content_language(attributes.content_language.clone())
            .set_content_type(attributes.content_type.clone())
            .set_metadata(Some($crate::storage::describe::metadata(attributes, $own)))
    }};
}
pub(crate) use with_attributes;

/// A write condition as the headers hold it.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) intent: Intent,
    pub(crate) if_none_match: Option<String>,
    pub(crate) if_match: Option<String>,
}

impl Terms {
    /// # Errors
    ///
    /// `PreconditionFailed` for a version that no service can have made.
    pub(crate) fn new(condition: &WriteCondition) -> Result<Self> {
        let (intent, if_none_match, if_match) = match condition {
            WriteCondition::Always => (Intent::Write, None, None),
            WriteCondition::IfAbsent => (Intent::Create, Some("*".to_owned()), None),
            WriteCondition::IfMatch(version) => {
                (Intent::Update, None, Some(expected_tag(version)?))
            }
        };
        Ok(Self { intent, if_none_match, if_match })
    }
}

fn expected_tag(version: &Version) -> Result<String> {
    describe::e_tag(version).ok_or_else(|| {
        Error::new(
            ErrorKind::PreconditionFailed,
            format!("version {version} is none that the service makes"),
        )
    })
}

impl S3Storage {
    pub(crate) async fn try_put(
        &self,
        key: &Key,
        body: Body,
        options: &PutOptions,
    ) -> Result<Written> {
        portable(key)?;
        options.attributes.validate()?;
        options.expect_supported(&self.capabilities)?;
        let terms = Terms::new(&options.condition)?;
        let part_size = self.part_size(body.length());
        let mut pieces = Pieces::new(body);
        let first = pieces.next(part_size).await?;
        let stored = if pieces.ended() {
            self.put_whole(key, first, options, &terms).await
        } else if options.condition != WriteCondition::Always
            && !self.capabilities.has(Capability::ConditionalMultipart)
        {
            // Sent in parts, the condition would not be looked at.
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "a conditional put above {part_size} bytes needs conditional-multipart, which \
                     `lacks` names: raise `part_size`"
                ),
            ));
        } else {
            self.put_parts(key, first, pieces, part_size, options, &terms).await
        };
        match (stored, &options.write_id) {
            (Err(refused), Some(id)) => {
                let look = async {
                    let (meta, own) = self.bucket.describe(key, &ReadCondition::default()).await?;
                    Ok((meta, own.was_written_by(key, id)))
                };
                resolve_refused(refused, look).await
            }
            (stored, _) => stored,
        }
    }

    async fn put_whole(
        &self,
        key: &Key,
        content: Piece,
        options: &PutOptions,
        terms: &Terms,
    ) -> Result<Written> {
        let checksum = content.checksum();
        checksum.expect(options.checksum)?;
        let size = content.len() as u64;
        let write_id = options.write_id.as_ref().map(|id| id.as_str());
        let own = Own::new(key, &options.attributes, Some(checksum), write_id);
        let sum = self.bucket.checksums(describe::checksum_text(checksum));
        let put = describe::described(self.bucket.writing(key), &options.attributes, &own)
            .optional("if-match", terms.if_match.clone())
            .optional("if-none-match", terms.if_none_match.clone())
            .optional("x-amz-checksum-crc32c", sum)
            .body(content);
        let answer = self.bucket.send(put, terms.intent).await?;
        let version = describe::written(answer.headers().get("etag"))?;
        Ok(Written { size, version, checksum: Some(checksum) })
    }

    async fn put_parts(
        &self,
        key: &Key,
        first: Piece,
        mut pieces: Pieces,
        part_size: usize,
        options: &PutOptions,
        terms: &Terms,
    ) -> Result<Written> {
        let write_id = options.write_id.as_ref().map(|id| id.as_str());
        // A content that turns out to have another checksum is not joined.
        let own = Own::new(key, &options.attributes, options.checksum, write_id);
        let upload = Upload::begin(self, key, &options.attributes, &own).await?;
        let sent = self.send_parts(&upload, first, &mut pieces, part_size).await;
        let parts = match sent {
            Ok(parts) => parts,
            Err(error) => return upload.give_up(error).await,
        };
        let checksum = parts.iter().fold(Crc32c::default(), |sum, part| {
            part.checksum.map_or(sum, |crc| sum.followed_by(crc, part.size))
        });
        if let Err(error) = checksum.expect(options.checksum) {
            return upload.give_up(error).await;
        }
        upload.complete(&parts, terms, Some(checksum)).await
    }

    async fn send_parts(
        &self,
        upload: &Upload<'_>,
        first: Piece,
        pieces: &mut Pieces,
        part_size: usize,
    ) -> Result<Vec<Part>> {
        // Dropped, it stops them.
        let mut sending = JoinSet::new();
        let mut parts = Vec::new();
        let mut next = Some(first);
        let mut number = 0;
        while let Some(piece) = next {
            if number == MAX_PARTS {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("the content has more than {MAX_PARTS} parts: raise `part_size`"),
                ));
            }
            number += 1;
            if sending.len() == self.bucket.settings.parallel_parts {
                parts.extend(sending.join_next().await.map(joined).transpose()?);
            }
            sending.spawn(upload.send(PartNumber::new(number)?, piece));
            next = match pieces.ended() {
                true => None,
                false => Some(pieces.next(grown(part_size, number)).await?),
            };
        }
        while let Some(sent) = sending.join_next().await {
            parts.push(joined(sent)?);
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    /// How large the parts of a content are, so that it has no more of them than there may be.
    fn part_size(&self, length: Option<u64>) -> usize {
        let needed = length.unwrap_or(0).div_ceil(u64::from(MAX_PARTS));
        usize::try_from(self.bucket.settings.part_size.max(needed)).unwrap_or(usize::MAX)
    }

    pub(crate) async fn try_delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        options.expect_supported(&self.capabilities)?;
        self.bucket.expect_own_name(key)?;
        let (intent, if_match) = match &options.if_match {
            None => (Intent::Write, None),
            Some(version) => (Intent::Update, Some(expected_tag(version)?)),
        };
        let deleted = self.bucket.delete(key).set_if_match(if_match).send().await;
        match deleted.map_err(|error| self.translate(error, intent)) {
            Ok(_) => Ok(Deleted::new(None)),
            // Some services say so of what is missing.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Deleted::new(Some(false))),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn try_delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        let mut results = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            results.extend(self.delete_batch(batch).await);
        }
        results
    }

    async fn delete_batch(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        // What XML cannot hold, or what is no key, is deleted by itself.
        let held = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
        let plain =
            |key: &&Key| self.bucket.expect_own_name(key).is_ok() && key.as_str().chars().all(held);
        let refused = match self.delete_plain(keys.iter().filter(plain)).await {
            Ok(refused) => refused,
            Err(error) => {
                let failed =
                    |key: &Key| Err(again(&error).at(Operation::DeleteMany, NAME, key.as_str()));
                return keys.iter().map(failed).collect();
            }
        };
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            let result = if plain(&key) {
                match refused.get(key.as_str()) {
                    None => Ok(Deleted::new(None)),
                    Some(error) => Err(again(error)),
                }
            } else {
                self.try_delete(key, &DeleteOptions::default()).await
            };
            results.push(result.map_err(|e| e.at(Operation::DeleteMany, NAME, key.as_str())));
        }
        results
    }

    /// Deletes at once; returns the keys that were refused, and why.
    async fn delete_plain<'k>(
        &self,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Result<HashMap<String, Error>> {
        let mut objects = Vec::new();
        for key in keys {
            let object = ObjectIdentifier::builder().key(key.as_str()).build();
            objects.push(object.map_err(|error| describe::unexpected(error.to_string()))?);
        }
        if objects.is_empty() {
            return Ok(HashMap::new());
        }
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let delete = delete.map_err(|error| describe::unexpected(error.to_string()))?;
        let answer = self.bucket.delete_many().delete(delete).send().await;
        let answer = answer.map_err(|error| self.translate(error, Intent::Write))?;
        let mut refused = HashMap::new();
        for error in answer.errors() {
            let code = error.code().unwrap_or_default();
            if let (Some(key), false) = (error.key(), code == "NoSuchKey") {
                let kind = match code {
                    "AccessDenied" => ErrorKind::PermissionDenied,
                    "SlowDown" => ErrorKind::Throttled,
                    _ => ErrorKind::Unavailable,
                };
                let said = error.message().unwrap_or_default();
                refused.insert(key.to_owned(), Error::new(kind, format!("{code}: {said}")));
            }
        }
        Ok(refused)
    }
}

/// What a task that sent a part came to.
fn joined(sent: std::result::Result<Result<Part>, JoinError>) -> Result<Part> {
    sent.unwrap_or_else(|error| Err(describe::unexpected(error.to_string())))
}

/// The same error once more, for another key of a batch.
fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.message().to_owned())
        .with_effect(error.effect())
        .with_retryable(error.is_retryable())
}

/// Later parts are larger, so that a stream of unknown length has room: of 8 MiB, for 430 GiB.
fn grown(part_size: usize, number: u16) -> usize {
    part_size.saturating_mul(1 + usize::from(number) / 1000)
}

/// Refuses a key outside the portable profile, naming the rule.
pub(crate) fn portable(key: &Key) -> Result<()> {
    Key::new(key.as_str()).map(drop)
}
