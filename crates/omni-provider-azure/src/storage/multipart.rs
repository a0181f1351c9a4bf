//! Multipart uploads, for which the service has no word: something staged whose blocks are the parts.
//! Completing makes it whole out of sight and copies it to its key in one moment.

use std::time::{SystemTime, UNIX_EPOCH};

use azure_core::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omni_contracts::storage::{
    Capability, CompleteOptions, Crc32c, Key, PageToken, Part, PartNumber, Prefix, PutOptions,
    ReadCondition, UploadEntry, UploadId, UploadPage, Version, WriteCondition, Written,
};
use omni_contracts::{Body, Effect, Error, ErrorKind, Result};

use super::copy::Source;
use super::describe::{Own, metadata};
use super::error::Intent;
use super::list::modified;
use super::provider::BlobStorage;
use super::staging::{self, AREA, Staged, no_upload};
use super::write::{Terms, portable};
use super::xml::Element;

/// How often a completion is taken up again that another one of the same upload crossed.
const FOLLOWS: usize = 8;

/// A part as the id of its block says it. The service lists ids and sizes and no more, so the id holds
/// all else; and a part that was sent again has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PartId {
    number: u16,
    /// When it was sent: seconds by the clock of the service, then microseconds by ours.
    sent: (u64, u64),
    nonce: u32,
    checksum: u32,
    /// The service takes no empty block, so one stands for it that is not committed.
    empty: bool,
}

impl PartId {
    fn new(number: PartNumber, seen: u64, content: &[u8]) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            number: number.get(),
            sent: (seen, u64::try_from(now.as_micros()).unwrap_or(u64::MAX)),
            nonce: rand::random(),
            checksum: Crc32c::of(content).to_u32(),
            empty: content.is_empty(),
        }
    }

    /// Of the same length for all parts, as the service demands.
    fn text(&self) -> String {
        let Self { number, sent: (seen, micros), nonce, checksum, empty } = self;
        let kind = if *empty { 'e' } else { 'f' };
        format!("part.{number:05}.{seen:010x}.{micros:014x}.{nonce:08x}.{checksum:08x}.{kind}")
    }

    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<_> = text.strip_prefix("part.")?.split('.').collect();
        let [number, seen, micros, nonce, checksum, kind] = fields[..] else { return None };
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let id = Self {
            number: number.parse().ok()?,
            sent: (hex(seen)?, hex(micros)?),
            nonce: u32::try_from(hex(nonce)?).ok()?,
            checksum: u32::try_from(hex(checksum)?).ok()?,
            empty: kind == "e",
        };
        (id.text() == text).then_some(id)
    }

    fn part(&self, size: u64) -> Result<Part> {
        Ok(Part {
            number: PartNumber::new(self.number)?,
            size: if self.empty { 0 } else { size },
            version: Version::new(self.text())?,
            checksum: Some(Crc32c::from_u32(self.checksum)),
        })
    }
}

impl BlobStorage {
    pub(crate) async fn try_create_upload(
        &self,
        key: &Key,
        options: &PutOptions,
    ) -> Result<UploadId> {
        self.capabilities.expect(Capability::Multipart)?;
        portable(key)?;
        options.attributes.validate()?;
        let stated = options.condition != WriteCondition::Always
            || options.checksum.is_some()
            || options.write_id.is_some();
        if stated {
            return Err(Error::invalid(
                "condition, checksum and write id are stated when an upload completes",
            ));
        }
        self.container.stage(key, &options.attributes).await
    }

    pub(crate) async fn try_upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        self.capabilities.expect(Capability::Multipart)?;
        let content = body.collect().await?;
        let staged = self.container.staged(key, upload).await?;
        let id = PartId::new(number, staged.seen, &content);
        let part = id.part(content.len() as u64)?;
        let content = if id.empty { vec![0].into() } else { content };
        self.container.put_block(&staged.place, &id.text(), content, Intent::Write).await?;
        Ok(part)
    }

    pub(crate) async fn try_list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>> {
        self.capabilities.expect(Capability::Multipart)?;
        let staged = self.container.staged(key, upload).await?;
        self.received(&staged).await
    }

    /// The parts of an upload, the last one sent of each number.
    async fn received(&self, staged: &Staged) -> Result<Vec<Part>> {
        let list = self.container.blob(Method::Get, &staged.place)?.query("comp", "blocklist");
        let answer =
            match self.container.send(list.query("blocklisttype", "all"), Intent::Read).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_upload()),
                answer => answer?,
            };
        let document = Element::parse(&answer.body)?;
        // A completion that failed late has committed them already.
        let mut blocks: Vec<_> =
            document.children().flat_map(Element::children).filter_map(block).collect();
        blocks.sort();
        let mut parts: Vec<Part> = Vec::with_capacity(blocks.len());
        for (id, size) in blocks {
            let part = id.part(size)?;
            match parts.last_mut() {
                Some(last) if last.number == part.number => *last = part,
                _ => parts.push(part),
            }
        }
        Ok(parts)
    }

    pub(crate) async fn try_complete_upload(
        &self,
        key: &Key,
        upload: &UploadId,
        parts: &[Part],
        options: &CompleteOptions,
    ) -> Result<Written> {
        self.capabilities.expect(Capability::Multipart)?;
        if options.condition != WriteCondition::Always {
            self.capabilities.expect(Capability::ConditionalMultipart)?;
        }
        validate(parts)?;
        let terms = Terms::new(&options.condition)?;
        for _ in 0..FOLLOWS {
            let staged = self.container.staged(key, upload).await;
            let current = self.container.describe(key, &ReadCondition::default()).await;
            let current = match current {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                current => Some(current?),
            };
            if let Some((meta, own)) = &current
                && own.was_made_of(key, upload)
            {
                // Completed before, and the answer lost.
                if let Ok(staged) = staged {
                    self.container.unstage(&staged.place).await?;
                }
                return Ok(meta.written());
            }
            let staged = staged?;
            let checksum = self.expect_received(&staged, parts).await?;
            checksum.expect(options.checksum)?;
            // Decided again when it is published; but what is refused here loses nothing.
            options.condition.check(current.as_ref().map(|(meta, _)| &meta.version))?;
            match self.join(key, &staged, parts, checksum, &terms).await {
                Err(error) if self.was_crossed(key, &staged, &error).await => {}
                joined => return joined,
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the upload is being completed by others"))
    }

    /// That the stated parts are what was received last; the checksum of them all.
    async fn expect_received(&self, staged: &Staged, parts: &[Part]) -> Result<Crc32c> {
        let received = self.received(staged).await?;
        let mut sum = Crc32c::default();
        for part in parts {
            let known = received.iter().find(|known| known.number == part.number);
            let known = known.filter(|known| known.version == part.version).ok_or_else(|| {
                Error::invalid(format!("part {} was not received so", part.number))
            })?;
            sum = sum.followed_by(known.checksum.unwrap_or_default(), known.size);
        }
        Ok(sum)
    }

    /// Makes the parts one content out of sight, and publishes it.
    async fn join(
        &self,
        key: &Key,
        staged: &Staged,
        parts: &[Part],
        checksum: Crc32c,
        terms: &Terms,
    ) -> Result<Written> {
        let container = &self.container;
        let full = parts.iter().filter(|part| part.size > 0);
        let ids: Vec<_> = full.map(|part| part.version.as_str().to_owned()).collect();
        let size = parts.iter().map(|part| part.size).sum();
        let attributes = &staged.attributes;
        let always = Terms::new(&WriteCondition::Always)?;
        let headers = staging::headers(key, attributes);
        let joined = container.put_block_list(&staged.place, &ids, headers, &always).await;
        let version = joined.map_err(|error| error.with_effect(Effect::No))?;
        let source = Source { key: staged.place.clone(), size, version };
        let own = Own::new(attributes, Some(checksum)).by_upload(key, &staged.id);
        let metadata = metadata(attributes, &own);
        let version = container.publish(&source, key, attributes, metadata, terms).await?;
        // What cannot be freed now is when the completion is repeated, or by `abort_upload`.
        let _ = container.unstage(&staged.place).await;
        Ok(Written { size, version, checksum: Some(checksum) })
    }

    /// Whether a completion failed because another one of the same upload came first.
    async fn was_crossed(&self, key: &Key, staged: &Staged, error: &Error) -> bool {
        let refused = matches!(
            error.kind(),
            ErrorKind::AlreadyExists
                | ErrorKind::Conflict
                | ErrorKind::NotFound
                | ErrorKind::PreconditionFailed
        );
        if !refused {
            return false;
        }
        let current = self.container.describe(key, &ReadCondition::default()).await;
        current.is_ok_and(|(_, own)| own.was_made_of(key, &staged.id))
    }

    pub(crate) async fn try_abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()> {
        self.capabilities.expect(Capability::Multipart)?;
        match self.container.staged(key, upload).await {
            Ok(staged) => self.container.unstage(&staged.place).await,
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn try_list_uploads(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
    ) -> Result<UploadPage> {
        self.capabilities.expect(Capability::Multipart)?;
        let scope = ["uploads", prefix.as_str()];
        let after = token.map(|token| token.open(&scope)).transpose()?;
        // They lie by id, and are shown by key: all are looked at, a page is kept.
        let mut found = self.staged_below(prefix).await?;
        found.sort_by_cached_key(place_of);
        let max = self.capabilities.limits.max_page_size;
        let left = found.into_iter();
        let left = left.skip_while(|entry| after.is_some_and(|after| *place_of(entry) <= *after));
        let mut entries: Vec<_> = left.take(max + 1).collect();
        let more = entries.len() > max;
        entries.truncate(max);
        let last = entries.last().filter(|_| more);
        let next = last.map(|last| PageToken::sealed(&scope, &place_of(last)));
        Ok(UploadPage { entries, next })
    }

    /// What is staged for keys that begin with a prefix.
    async fn staged_below(&self, prefix: &Prefix) -> Result<Vec<UploadEntry>> {
        let area = Prefix::new(AREA)?;
        let mut entries = Vec::new();
        let mut marker = String::new();
        loop {
            let list = self.listing(&area, self.capabilities.limits.max_page_size);
            let list = list.query("include", "metadata");
            let list = if marker.is_empty() { list } else { list.query("marker", &marker) };
            let answer = self.container.send(list, Intent::Read).await?;
            let document = Element::parse(&answer.body)?;
            for blob in document.child("Blobs").into_iter().flat_map(Element::children) {
                let id = staging::upload_of(&blob.decoded("Name")?);
                let key = blob.child("Metadata").and_then(staging::named_key);
                if let (Some(id), Some(key)) = (id, key)
                    && key.as_str().starts_with(prefix.as_str())
                {
                    entries.push(UploadEntry { id, key, created: modified(blob)? });
                }
            }
            match document.text("NextMarker") {
                None => return Ok(entries),
                Some(next) => marker = next.to_owned(),
            }
        }
    }
}

/// Where an upload stands among all: by key, then by id.
fn place_of(entry: &UploadEntry) -> String {
    format!("{}\0{}", entry.key.as_str(), entry.id.as_str())
}

/// A block that is a part, and its size.
fn block(element: &Element) -> Option<(PartId, u64)> {
    let id = STANDARD.decode(element.text("Name")?).ok()?;
    let id = PartId::parse(std::str::from_utf8(&id).ok()?)?;
    Some((id, element.text("Size")?.parse().ok()?))
}

fn validate(parts: &[Part]) -> Result<()> {
    if parts.is_empty() {
        return Err(Error::invalid("an upload completes with at least one part"));
    }
    if !parts.is_sorted_by(|one, next| one.number < next.number) {
        return Err(Error::invalid("the parts must be stated once each, in ascending order"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_ids_hold_what_the_service_does_not() {
        let number = |number| PartNumber::new(number).unwrap();
        let first = PartId::new(number(7), 1_700_000_000, b"content");
        let text = first.text();
        assert_eq!(PartId::parse(&text), Some(first));
        assert!(text.len() <= 64, "{text}");
        let part = first.part(7).unwrap();
        assert_eq!((part.number.get(), part.size), (7, 7));
        assert_eq!(part.checksum, Some(Crc32c::of(b"content")));

        let again = PartId { sent: (first.sent.0, first.sent.1 + 1), nonce: 0, ..first };
        assert!(again > first && again.text() > text);
        let empty = PartId::new(number(10_000), 0, b"");
        assert_eq!(empty.part(1).unwrap().size, 0);
        assert_eq!(empty.text().len(), text.len());
        for foreign in ["", "part.1", "put.00000000000000000000000000000000.000001", &text[1..]] {
            assert_eq!(PartId::parse(foreign), None);
        }
    }
}
