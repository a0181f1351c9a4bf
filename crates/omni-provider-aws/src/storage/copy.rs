//! Copying within the bucket, by the service.

use std::sync::Arc;

use aws_sdk_s3::types::MetadataDirective;
use futures_util::{StreamExt, TryStreamExt, stream};
use omni_contracts::storage::{
    CopyOptions, Key, ObjectMeta, Part, PartNumber, ReadCondition, WriteCondition, Written,
};
use omni_contracts::{Effect, Error, ErrorKind, Operation, Result};

use super::describe::{self, Own};
use super::error::Intent;
use super::multipart::{Upload, unfinished};
use super::provider::{NAME, S3Storage};
use super::write::{Terms, portable, with_attributes};

/// The largest content that Amazon S3 copies in one request.
const MAX_COPY: u64 = 5 << 30;
/// What is copied in one request of several.
const SEGMENT: u64 = 512 << 20;
/// How often a source that is replaced meanwhile is followed.
const FOLLOWS: usize = 16;

impl S3Storage {
    pub(crate) async fn try_copy(
        &self,
        from: &Key,
        to: &Key,
        options: &CopyOptions,
    ) -> Result<Written> {
        portable(to)?;
        match &options.attributes {
            Some(attributes) => attributes.validate()?,
            None if from == to => {
                return Err(Error::invalid("a copy of an object onto itself needs new attributes"));
            }
            None => {}
        }
        options.expect_supported(&self.capabilities)?;
        let terms = Terms::new(&options.condition)?;
        for _ in 0..FOLLOWS {
            let source = self.source(from).await?;
            if let Some(version) = &options.source_version {
                WriteCondition::IfMatch(version.clone()).check(Some(&source.meta.version))?;
            }
            let copied = if source.meta.size > MAX_COPY {
                self.copy_segments(from, to, &source, options, &terms).await
            } else {
                self.copy_whole(from, to, &source, options, &terms).await
            };
            match copied {
                Err(error) if is_refused(&error) => {
                    // By the condition on the target, or because the source was replaced.
                    if self.source(from).await?.meta.version == source.meta.version {
                        return Err(error);
                    }
                }
                copied => return copied,
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the source is replaced again and again"))
    }

    async fn source(&self, from: &Key) -> Result<Source> {
        let described = self.bucket.describe(from, &ReadCondition::default()).await;
        let (meta, _) =
            described.map_err(|error| error.at(Operation::Copy, NAME, from.as_str()))?;
        Ok(Source { meta })
    }

    async fn copy_whole(
        &self,
        from: &Key,
        to: &Key,
        source: &Source,
        options: &CopyOptions,
        terms: &Terms,
    ) -> Result<Written> {
        // Whole as it is, any version is as good as the one that was looked at.
        let any = options.attributes.is_none() && options.source_version.is_none();
        let copy = self
            .bucket
            .copy(from, to)
            .set_copy_source_if_match(source.tag().filter(|_| !any))
            .set_if_match(terms.if_match.clone())
            .set_if_none_match(terms.if_none_match.clone());
        let copy = match &options.attributes {
            None => copy.metadata_directive(MetadataDirective::Copy),
            Some(attributes) => {
                let own = Own::new(to, attributes, source.meta.checksum, None);
                with_attributes!(copy, attributes, &own)
                    .metadata_directive(MetadataDirective::Replace)
            }
        };
        let answer = copy.send().await.map_err(|error| self.translate(error, terms.intent))?;
        let result = answer.copy_object_result();
        let version = describe::written(result.and_then(|result| result.e_tag()))?;
        if !any || version == source.meta.version {
            let ObjectMeta { size, checksum, .. } = source.meta;
            return Ok(Written { size, version, checksum });
        }
        // Of another version, or of one that was uploaded in parts: the copy of it has another tag.
        match self.bucket.describe(to, &ReadCondition::default()).await {
            Ok((meta, _)) if meta.version == version => Ok(meta.written()),
            _ => {
                let gone = "the copy was made, and replaced before it could be looked at";
                Err(Error::new(ErrorKind::Conflict, gone).with_effect(Effect::Yes))
            }
        }
    }

    /// A content above what one request copies.
    async fn copy_segments(
        &self,
        from: &Key,
        to: &Key,
        source: &Source,
        options: &CopyOptions,
        terms: &Terms,
    ) -> Result<Written> {
        let attributes =
            options.attributes.clone().unwrap_or_else(|| Arc::clone(&source.meta.attributes));
        let own = Own::new(to, &attributes, source.meta.checksum, None);
        let upload = Upload::begin(self, to, &attributes, &own).await?;
        let size = source.meta.size;
        let segment = |number: u64| {
            let start = number * SEGMENT;
            let end = size.min(start + SEGMENT);
            let copy = self
                .bucket
                .copy_part(from, to, upload.id())
                .part_number(i32::try_from(number + 1).unwrap_or(i32::MAX))
                .copy_source_range(format!("bytes={start}-{}", end - 1))
                .set_copy_source_if_match(source.tag());
            async move {
                let answer = copy.send().await;
                let failed = |error| unfinished(self.translate(error, Intent::Write));
                let answer = answer.map_err(failed)?;
                let result = answer.copy_part_result();
                let checksum = result.and_then(|result| result.checksum_crc32_c());
                Ok::<_, Error>(Part {
                    number: PartNumber::new(u16::try_from(number + 1).unwrap_or(u16::MAX))?,
                    size: end - start,
                    version: describe::version(result.and_then(|result| result.e_tag()))?,
                    checksum: checksum.and_then(describe::checksum),
                })
            }
        };
        let parallel = self.bucket.settings.parallel_parts;
        let parts = stream::iter(0..size.div_ceil(SEGMENT)).map(segment).buffered(parallel);
        match parts.try_collect::<Vec<_>>().await {
            Ok(parts) => upload.complete(&parts, terms, source.meta.checksum).await,
            Err(error) => upload.give_up(error).await,
        }
    }
}

/// The object that is copied, as it was when it was looked at.
struct Source {
    meta: ObjectMeta,
}

impl Source {
    fn tag(&self) -> Option<String> {
        describe::e_tag(&self.meta.version)
    }
}

fn is_refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::PreconditionFailed)
}
