//! Writing: a put in one request, or in blocks that are committed together.

use azure_core::http::Method;
use bytes::Bytes;
use omni_contracts::storage::{
    Attributes, Crc32c, Key, PutOptions, ReadCondition, Version, WriteCondition, Written,
    resolve_refused,
};
use omni_contracts::{Body, Effect, Error, ErrorKind, Piece, Pieces, Result};

use super::blocks::{Blocks, Committed};
use super::call::{Answer, Call};
use super::client::Container;
use super::describe::{self, Own};
use super::error::Intent;
use super::provider::BlobStorage;
use super::staging::is_staged;

/// How often a content that is in memory is sent again when other writes discard its blocks.
const ATTEMPTS: usize = 8;

/// A write condition as the headers hold it.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) intent: Intent,
    pub(crate) condition: WriteCondition,
    if_none_match: Option<&'static str>,
    if_match: Option<String>,
}

impl Terms {
    /// # Errors
    ///
    /// `PreconditionFailed` for a version that the service cannot have made.
    pub(crate) fn new(condition: &WriteCondition) -> Result<Self> {
        let (intent, if_none_match, if_match) = match condition {
            WriteCondition::Always => (Intent::Write, None, None),
            WriteCondition::IfAbsent => (Intent::Create, Some("*"), None),
            WriteCondition::IfMatch(version) => {
                (Intent::Update, None, Some(expected_tag(version)?))
            }
        };
        Ok(Self { intent, condition: condition.clone(), if_none_match, if_match })
    }

    /// The request on these terms.
    pub(crate) fn on(&self, call: Call) -> Call {
        call.optional("if-none-match", self.if_none_match)
            .optional("if-match", self.if_match.as_deref())
    }
}

/// The entity tag of a version that must be the current one.
///
/// # Errors
///
/// `PreconditionFailed` for a version that the service cannot have made.
pub(crate) fn expected_tag(version: &Version) -> Result<String> {
    describe::e_tag(version).ok_or_else(|| {
        Error::new(
            ErrorKind::PreconditionFailed,
            format!("version {version} is none that the service makes"),
        )
    })
}

/// Refuses a key outside the portable profile, naming the rule.
pub(crate) fn portable(key: &Key) -> Result<()> {
    Key::new(key.as_str()).map(drop)
}

impl Container {
    /// A request that writes an object, with what the settings say about every such one.
    pub(crate) fn writing(&self, key: &Key) -> Result<Call> {
        let settings = self.settings();
        // What is staged must be readable, and does not stay.
        let tier = settings.access_tier.as_deref().filter(|_| !is_staged(key.as_str()));
        Ok(self
            .blob(Method::Put, key)?
            .optional("x-ms-access-tier", tier)
            .optional("x-ms-encryption-scope", settings.encryption_scope.as_deref()))
    }

    /// Whether a key that a service says is taken has no object: Azurite takes blocks that were sent and
    /// never committed for one, unless it is asked to commit others.
    pub(crate) async fn is_free_after_all(&self, key: &Key, error: &Error) -> Result<bool> {
        if error.kind() != ErrorKind::AlreadyExists {
            return Ok(false);
        }
        // Who cannot look does not know whose the object is, either.
        let current = self.current(key).await;
        Ok(current.map_err(|error| error.with_effect(Effect::Unknown))?.is_none())
    }

    /// Puts a content in one request.
    pub(crate) async fn put_blob(
        &self,
        key: &Key,
        content: Bytes,
        headers: Vec<(String, String)>,
        terms: &Terms,
    ) -> Result<Answer> {
        let put = self.writing(key)?.header("x-ms-blob-type", "BlockBlob").headers(headers);
        self.send(terms.on(put).body(content), terms.intent).await
    }
}

impl BlobStorage {
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
        match (self.put_body(key, body, options, &terms).await, &options.write_id) {
            (Err(refused), Some(id)) => {
                let look = async {
                    let container = &self.container;
                    let (meta, own) = container.describe(key, &ReadCondition::default()).await?;
                    Ok((meta, own.was_written_by(key, id)))
                };
                resolve_refused(refused, look).await
            }
            (stored, _) => stored,
        }
    }

    async fn put_body(
        &self,
        key: &Key,
        body: Body,
        options: &PutOptions,
        terms: &Terms,
    ) -> Result<Written> {
        let part_size = self.part_size(body.length());
        // In memory, it can be sent again.
        let whole = body.as_bytes().cloned();
        let mut pieces = Pieces::new(body);
        let first = pieces.next(part_size).await?;
        if pieces.ended() {
            return self.put_whole(key, first.into_bytes(), options, terms).await;
        }
        let mut stored = self.put_blocks(key, first, pieces, part_size, options, terms).await?;
        for _ in 1..ATTEMPTS {
            let (Committed::Discarded(_), Some(content)) = (&stored, &whole) else { break };
            if terms.condition != WriteCondition::Always {
                break;
            }
            let mut pieces = Pieces::new(Body::from(content.clone()));
            let first = pieces.next(part_size).await?;
            stored = self.put_blocks(key, first, pieces, part_size, options, terms).await?;
        }
        match stored {
            Committed::Done(written) => Ok(written),
            Committed::Discarded(error) => {
                // Who discarded the blocks wrote the object, so the condition may not hold any more.
                let current = self.container.current(key).await?;
                terms.condition.check(current.as_ref())?;
                Err(error)
            }
        }
    }

    async fn put_whole(
        &self,
        key: &Key,
        content: Bytes,
        options: &PutOptions,
        terms: &Terms,
    ) -> Result<Written> {
        let checksum = Crc32c::of(&content);
        checksum.expect(options.checksum)?;
        let size = content.len() as u64;
        let headers = self.headers(key, options, checksum);
        let put = self.container.put_blob(key, content.clone(), headers.clone(), terms).await;
        let version = match put {
            Err(error) if self.container.is_free_after_all(key, &error).await? => {
                let id = Blocks::new(&self.container, key).id(1);
                let ids = if content.is_empty() { Vec::new() } else { vec![id] };
                for id in &ids {
                    self.container.put_block(key, id, content.clone(), Intent::Read).await?;
                }
                self.container.put_block_list(key, &ids, headers, terms).await?
            }
            answer => describe::written(answer?.text("etag"))?,
        };
        Ok(Written { size, version, checksum: Some(checksum) })
    }

    async fn put_blocks(
        &self,
        key: &Key,
        first: Piece,
        mut pieces: Pieces,
        part_size: usize,
        options: &PutOptions,
        terms: &Terms,
    ) -> Result<Committed> {
        let mut blocks = Blocks::new(&self.container, key);
        blocks.send_all(first, &mut pieces, part_size).await?;
        let checksum = blocks.checksum();
        checksum.expect(options.checksum)?;
        let headers = self.headers(key, options, checksum);
        blocks.commit(headers, terms).await
    }

    /// What describes an object that is put.
    fn headers(&self, key: &Key, options: &PutOptions, checksum: Crc32c) -> Vec<(String, String)> {
        let attributes: &Attributes = &options.attributes;
        let own = Own::new(attributes, Some(checksum)).by_write(key, options.write_id.as_ref());
        let mut headers = describe::fields(attributes);
        headers.extend(describe::metadata(attributes, &own));
        headers
    }
}
