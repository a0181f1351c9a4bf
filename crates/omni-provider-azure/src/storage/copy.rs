//! Copying within the container, by the service: up to 256 MiB in one request, above it in blocks.

use std::sync::Arc;

use azure_core::http::Method;
use futures_util::{StreamExt, TryStreamExt, stream};
use omni_contracts::storage::{
    Attributes, CopyOptions, Key, ObjectMeta, ReadCondition, Version, WriteCondition, Written,
};
use omni_contracts::{Error, ErrorKind, Operation, Result};

use super::blocks::{Block, Blocks, Committed};
use super::call::Call;
use super::client::Container;
use super::describe::{self, Own, unexpected};
use super::error::Intent;
use super::provider::{BlobStorage, NAME};
use super::staging::{self, Guard};
use super::write::{Terms, portable};

/// The largest content that is copied in one request and one moment, as documented.
const MAX_WHOLE: u64 = 256 << 20;
/// What is copied in one request of several.
const SEGMENT: u64 = 32 << 20;
/// How often a source that is replaced meanwhile is followed, and blocks that were discarded are copied
/// again.
const FOLLOWS: usize = 16;

/// What is copied: one version of an object.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) key: Key,
    pub(crate) size: u64,
    pub(crate) version: Version,
}

impl BlobStorage {
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
            let meta = self.source(from).await?;
            if let Some(version) = &options.source_version {
                WriteCondition::IfMatch(version.clone()).check(Some(&meta.version))?;
            }
            match self.copy_version(from, &meta, to, options, &terms).await {
                Err(error) if is_refused(&error) => {
                    // By the condition on the target, or because the source was replaced.
                    if self.source(from).await?.version == meta.version {
                        return Err(error);
                    }
                }
                copied => return copied,
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the source is replaced again and again"))
    }

    async fn source(&self, from: &Key) -> Result<ObjectMeta> {
        let described = self.container.describe(from, &ReadCondition::default()).await;
        described
            .map(|(meta, _)| meta)
            .map_err(|error| error.at(Operation::Copy, NAME, from.as_str()))
    }

    async fn copy_version(
        &self,
        from: &Key,
        meta: &ObjectMeta,
        to: &Key,
        options: &CopyOptions,
        terms: &Terms,
    ) -> Result<Written> {
        let attributes = options.attributes.clone().unwrap_or_else(|| Arc::clone(&meta.attributes));
        let own = Own::new(&attributes, meta.checksum);
        let source = Source { key: from.clone(), size: meta.size, version: meta.version.clone() };
        let metadata = describe::metadata(&attributes, &own);
        let version = if from != to && come_along(&meta.attributes, &attributes) {
            self.container.publish(&source, to, &attributes, metadata, terms).await?
        } else {
            // What is changed in place must not be replaced meanwhile.
            let in_place = WriteCondition::IfMatch(meta.version.clone());
            let pinned = match options.condition {
                WriteCondition::Always if from == to => Terms::new(&in_place)?,
                _ => terms.clone(),
            };
            self.copy_changed(&source, to, &attributes, metadata, &pinned).await?
        };
        Ok(Written { size: meta.size, version, checksum: meta.checksum })
    }

    /// Copies with other content fields than the source's, which no request can state: to a place out
    /// of sight, where they are changed, and from there.
    async fn copy_changed(
        &self,
        source: &Source,
        to: &Key,
        attributes: &Attributes,
        metadata: Vec<(String, String)>,
        terms: &Terms,
    ) -> Result<Version> {
        let container = &self.container;
        if source.size > MAX_WHOLE {
            return container.publish(source, to, attributes, metadata, terms).await;
        }
        let (_, place) = Container::free_place();
        let guard = Guard::new(container, &place);
        let always = Terms::new(&WriteCondition::Always)?;
        let staged = staging::headers(to, attributes);
        let staged =
            staged.into_iter().filter(|(name, _)| name.starts_with("x-ms-meta-")).collect();
        container.copy_whole(source, &place, staged, &always).await?;
        let change = container.blob(Method::Put, &place)?.query("comp", "properties");
        let change = change.headers(describe::fields(attributes));
        let changed = container.send(change, Intent::Read).await?;
        let version = describe::written(changed.text("etag"))?;
        let staged = Source { key: place, version, size: source.size };
        let copied = container.publish(&staged, to, attributes, metadata, terms).await;
        guard.free().await;
        copied
    }
}

/// Whether the content fields of a copy are those that come along with the source.
fn come_along(source: &Attributes, wanted: &Attributes) -> bool {
    // A content type that is not stated is remembered to be none, whatever stands there.
    let typed = wanted.content_type.is_none() || wanted.content_type == source.content_type;
    let others = |attributes: &Attributes| {
        let others = attributes.fields().filter(|(name, _)| *name != "content-type");
        others.map(|(_, value)| value.map(str::to_owned)).collect::<Vec<_>>()
    };
    typed && others(source) == others(wanted)
}

impl Container {
    /// Copies a version to `to`, where it becomes visible in one moment. The metadata are stated anew; the
    /// content fields must be those of the source up to 256 MiB, where they come along.
    pub(crate) async fn publish(
        &self,
        source: &Source,
        to: &Key,
        attributes: &Attributes,
        metadata: Vec<(String, String)>,
        terms: &Terms,
    ) -> Result<Version> {
        if source.size <= MAX_WHOLE {
            match self.copy_whole(source, to, metadata.clone(), terms).await {
                Err(error) if self.is_free_after_all(to, &error).await? => {}
                copied => return copied,
            }
        }
        let mut headers = describe::fields(attributes);
        headers.extend(metadata);
        self.copy_blocks(source, to, headers, terms).await
    }

    async fn copy_whole(
        &self,
        source: &Source,
        to: &Key,
        metadata: Vec<(String, String)>,
        terms: &Terms,
    ) -> Result<Version> {
        let copy = self.writing(to)?.header("x-ms-requires-sync", "true").headers(metadata);
        let copy = self.copying(copy, source).await?;
        let answer = self.send(terms.on(copy), terms.intent).await?;
        describe::written(answer.text("etag"))
    }

    /// The request with what it copies from.
    async fn copying(&self, call: Call, source: &Source) -> Result<Call> {
        let (url, authorization) = self.readable(&source.key).await?;
        Ok(call
            .header("x-ms-copy-source", url)
            .optional("x-ms-copy-source-authorization", authorization)
            .optional("x-ms-source-if-match", describe::e_tag(&source.version)))
    }

    async fn copy_blocks(
        &self,
        source: &Source,
        to: &Key,
        headers: Vec<(String, String)>,
        terms: &Terms,
    ) -> Result<Version> {
        for _ in 0..FOLLOWS {
            let mut blocks = Blocks::new(self, to);
            let ids: Vec<_> = (1..=source.size.div_ceil(SEGMENT))
                .map(|number| (number, blocks.id(number as usize)))
                .collect();
            let copied = stream::iter(ids).map(|(number, id)| async move {
                let start = (number - 1) * SEGMENT;
                let end = source.size.min(start + SEGMENT);
                self.copy_block(source, to, &id, start, end).await?;
                Ok::<_, Error>(Block::copied(number as usize, end - start))
            });
            let copied = copied.buffered(self.settings().parallel_parts);
            blocks.add(copied.try_collect::<Vec<_>>().await?);
            match blocks.commit(headers.clone(), terms).await? {
                Committed::Done(written) => return Ok(written.version),
                Committed::Discarded(error) if terms.condition != WriteCondition::Always => {
                    terms.condition.check(self.current(to).await?.as_ref())?;
                    return Err(error);
                }
                Committed::Discarded(_) => {}
            }
        }
        Err(Error::new(ErrorKind::Conflict, "other writes of this key come first again and again"))
    }

    /// Copies a range of the source to a block; through this process where the service cannot.
    async fn copy_block(
        &self,
        source: &Source,
        to: &Key,
        id: &str,
        start: u64,
        end: u64,
    ) -> Result<()> {
        let range = format!("bytes={start}-{}", end - 1);
        let put = self.block(to, id)?.header("x-ms-source-range", range.as_str());
        let put = self.copying(put, source).await?;
        match self.send(put, Intent::Read).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            copied => return copied.map(drop),
        }
        let get = self.blob(Method::Get, &source.key)?.header("x-ms-range", range);
        let get = get.optional("if-match", describe::e_tag(&source.version));
        let content = self.send(get, Intent::Read).await?.body;
        if content.len() as u64 != end - start {
            return Err(unexpected("the service sends another number of bytes than asked for"));
        }
        self.put_block(to, id, content, Intent::Read).await
    }
}

fn is_refused(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AlreadyExists | ErrorKind::PreconditionFailed | ErrorKind::NotFound
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_fields_that_come_along() {
        let plain = Attributes::default();
        let typed = Attributes { content_type: Some("a/b".to_owned()), ..Attributes::default() };
        let coded = Attributes { content_encoding: Some("gzip".to_owned()), ..typed.clone() };
        assert!(
            come_along(&plain, &plain) && come_along(&typed, &plain) && come_along(&coded, &coded)
        );
        assert!(!come_along(&plain, &typed) && !come_along(&coded, &typed));
    }
}
