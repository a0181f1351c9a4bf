//! Writing: in one request, or in the chunks of a resumable upload.

use bytes::Bytes;
use google_cloud_storage::builder::storage::WriteObject;
use google_cloud_storage::model::Object;
use omni_contracts::storage::{
    Attributes, Crc32c, Key, PutOptions, Version, WriteCondition, Written, resolve_refused,
};
use omni_contracts::{Body, Error, ErrorKind, Pieces, Result};

use super::area;
use super::client::Bucket;
use super::describe::{self, Own};
use super::error::{Intent, timed_out};
use super::provider::GcsStorage;
use super::source::{Failure, Source};

/// A write condition as requests hold it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) intent: Intent,
    /// The generation that must be there; 0 for none.
    pub(crate) generation: Option<i64>,
}

impl Terms {
    /// No condition.
    pub(crate) const ALWAYS: Self = Self { intent: Intent::Write, generation: None };

    /// Nothing may be there.
    pub(crate) const ABSENT: Self = Self { intent: Intent::Create, generation: Some(0) };

    /// # Errors
    ///
    /// `PreconditionFailed` for a version that the service cannot have made.
    pub(crate) fn new(condition: &WriteCondition) -> Result<Self> {
        Ok(match condition {
            WriteCondition::Always => Self::ALWAYS,
            WriteCondition::IfAbsent => Self::ABSENT,
            WriteCondition::IfMatch(version) => {
                Self { intent: Intent::Update, generation: Some(expected(version)?) }
            }
        })
    }
}

/// The generation that a condition asks for.
pub(crate) fn expected(version: &Version) -> Result<i64> {
    describe::generation(version).ok_or_else(|| {
        Error::new(
            ErrorKind::PreconditionFailed,
            format!("version {version} is none that the service makes"),
        )
    })
}

/// An object to be stored, but for its content.
pub(crate) struct Draft<'d> {
    pub(crate) name: &'d str,
    pub(crate) attributes: &'d Attributes,
    pub(crate) own: Own,
    pub(crate) terms: Terms,
    /// What the content must sum up to.
    pub(crate) checksum: Option<Crc32c>,
}

impl GcsStorage {
    pub(crate) async fn try_put(
        &self,
        key: &Key,
        body: Body,
        options: &PutOptions,
    ) -> Result<Written> {
        area::writable(key)?;
        options.attributes.validate()?;
        options.expect_supported(&self.capabilities)?;
        let draft = Draft {
            name: key.as_str(),
            attributes: &options.attributes,
            own: Own::new(&options.attributes).by_write(key, options.write_id.as_ref()),
            terms: Terms::new(&options.condition)?,
            checksum: options.checksum,
        };
        let stored = self.bucket.store(body, draft).await;
        match (stored, &options.write_id) {
            (Err(refused), Some(id)) => {
                let look = async {
                    let (meta, own) = self.bucket.describe(key).await?;
                    Ok((meta, own.was_written_by(key, id)))
                };
                resolve_refused(refused, look).await
            }
            (stored, _) => stored,
        }
    }
}

impl Bucket {
    /// Stores an object as a whole, or nothing.
    pub(crate) async fn store(&self, body: Body, draft: Draft<'_>) -> Result<Written> {
        let part_size = usize::try_from(self.settings.part_size).unwrap_or(usize::MAX);
        let mut pieces = Pieces::new(body);
        let first = pieces.next(part_size).await?.into_bytes();
        let object = if pieces.ended() {
            self.store_whole(first, &draft).await?
        } else {
            self.store_chunks(first, pieces, part_size, &draft).await?
        };
        describe::written(&object)
    }

    async fn store_whole(&self, content: Bytes, draft: &Draft<'_>) -> Result<Object> {
        let checksum = Crc32c::of(&content);
        checksum.expect(draft.checksum)?;
        let source = Source::whole(content);
        let (progress, failure) = (source.progress(), source.failure());
        let write = self
            .drafted(source, draft)
            .with_known_crc32c(checksum.to_u32())
            .with_resumable_upload_threshold(usize::MAX);
        let sent = progress.within(self.settings.read_timeout, Box::pin(write.send_unbuffered()));
        self.sent(sent.await, &failure, draft.terms.intent)
    }

    /// The service makes the object when the last chunk is there, and a chunk is not known to be the
    /// last before the source has ended well.
    async fn store_chunks(
        &self,
        first: Bytes,
        rest: Pieces,
        part_size: usize,
        draft: &Draft<'_>,
    ) -> Result<Object> {
        let source = Source::stream(first, rest, draft.checksum);
        let (progress, failure) = (source.progress(), source.failure());
        let write = self
            .drafted(source, draft)
            .with_resumable_upload_threshold(0_usize)
            .with_resumable_upload_buffer_size(part_size);
        let sent = progress.within(self.settings.read_timeout, Box::pin(write.send_buffered()));
        self.sent(sent.await, &failure, draft.terms.intent)
    }

    fn drafted(&self, source: Source, draft: &Draft<'_>) -> WriteObject<Source> {
        let write = self.write(draft.name, source, draft.attributes, &draft.own);
        match draft.terms.generation {
            None => write,
            Some(generation) => write.set_if_generation_match(generation),
        }
    }

    fn sent(
        &self,
        sent: Option<google_cloud_storage::Result<Object>>,
        failure: &Failure,
        intent: Intent,
    ) -> Result<Object> {
        match sent {
            None => Err(timed_out(intent, &self.settings)),
            Some(Ok(object)) => Ok(object),
            // The source's own error says more, and that nothing was stored.
            Some(Err(error)) => {
                Err(failure.take().unwrap_or_else(|| self.translate(&error, intent)))
            }
        }
    }
}
