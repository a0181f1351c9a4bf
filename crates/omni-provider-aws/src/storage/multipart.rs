//! Multipart uploads: those that callers drive, and those that a large put is made of.

use std::time::SystemTime;

use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, EncodingType,
};
use md5::{Digest as _, Md5};
use omni_contracts::storage::{
    Attributes, Capability, CompleteOptions, Crc32c, Key, PageToken, Part, PartNumber, Prefix,
    PutOptions, ReadCondition, UploadEntry, UploadId, UploadPage, Version, WriteCondition, Written,
};
use omni_contracts::{Body, Effect, Error, ErrorKind, Piece, Pieces, Result};

use super::describe::{self, Own};
use super::error::Intent;
use super::list::decoded;
use super::provider::S3Storage;
use super::settings::MIN_PART;
use super::write::{Terms, portable, with_attributes};

/// The most parts of an upload.
pub(crate) const MAX_PARTS: u16 = 10_000;

/// An upload that this process drives. Dropped before its end, it is given up in the background.
pub(crate) struct Upload<'s> {
    storage: &'s S3Storage,
    key: &'s Key,
    id: String,
    /// The checksum that was stored when the upload began.
    stated: Option<Crc32c>,
    open: bool,
}

impl<'s> Upload<'s> {
    pub(crate) async fn begin(
        storage: &'s S3Storage,
        key: &'s Key,
        attributes: &Attributes,
        own: &Own,
    ) -> Result<Self> {
        let id = storage.begin_upload(key, attributes, own).await.map_err(unfinished)?;
        Ok(Self { storage, key, id, stated: own.checksum, open: true })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Sends a part, on a task of its own if need be.
    pub(crate) fn send(
        &self,
        number: PartNumber,
        content: Piece,
    ) -> impl Future<Output = Result<Part>> + Send + use<> {
        let (storage, key, id) = (self.storage.clone(), self.key.clone(), self.id.clone());
        async move { storage.send_part(&key, &id, number, content).await.map_err(unfinished) }
    }

    /// Gives the upload up because of `error`, which is returned.
    pub(crate) async fn give_up<T>(mut self, error: Error) -> Result<T> {
        self.open = false;
        // What cannot be freed now is listed by `list_uploads`; the error that led here says more.
        let _ = self.storage.bucket.abort_upload(self.key, &self.id).send().await;
        Err(error)
    }

    pub(crate) async fn complete(
        mut self,
        parts: &[Part],
        terms: &Terms,
        checksum: Option<Crc32c>,
    ) -> Result<Written> {
        let completed = self.storage.join(self.key, &self.id, parts, terms, checksum).await;
        match completed {
            Ok(written) => {
                self.open = false;
                Ok(Written { checksum: written.checksum.or(self.stated), ..written })
            }
            // Perhaps it is complete.
            Err(error) if error.effect() == Effect::Unknown => {
                self.open = false;
                Err(error)
            }
            Err(error) => self.give_up(forgotten(error)).await,
        }
    }
}

/// Before its parts are joined, nothing of an upload is there, whatever became of a request.
pub(crate) fn unfinished(error: Error) -> Error {
    forgotten(error).with_effect(Effect::No)
}

/// What is missing is the upload, which the caller of a put does not know of.
fn forgotten(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::new(
            ErrorKind::Conflict,
            "the service no longer has the upload that this write began: another program or a rule of \
             the bucket ended it",
        ),
        _ => error,
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let abort = self.storage.bucket.abort_upload(self.key, &self.id);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = abort.send().await;
            });
        }
    }
}

impl S3Storage {
    async fn begin_upload(&self, key: &Key, attributes: &Attributes, own: &Own) -> Result<String> {
        let create = with_attributes!(self.bucket.create_upload(key), attributes, own)
            .set_checksum_algorithm(self.bucket.checksums(ChecksumAlgorithm::Crc32C))
            .set_checksum_type(self.bucket.checksums(ChecksumType::FullObject));
        let answer = create.send().await.map_err(|error| self.translate(error, Intent::Write))?;
        let id = answer.upload_id().ok_or_else(|| describe::unexpected("the upload has no id"))?;
        Ok(id.to_owned())
    }

    async fn send_part(
        &self,
        key: &Key,
        id: &str,
        number: PartNumber,
        content: Piece,
    ) -> Result<Part> {
        let (size, checksum) = (content.len() as u64, content.checksum());
        let sum = self.bucket.checksums(describe::checksum_text(checksum));
        let put = self.bucket.writing_part(key, id, number);
        let put = put.optional("x-amz-checksum-crc32c", sum).body(content);
        let answer = self.bucket.send(put, Intent::Write).await?;
        Ok(Part {
            number,
            size,
            version: describe::written(answer.headers().get("etag"))?,
            checksum: Some(checksum),
        })
    }

    /// Joins the parts of an upload into the object. The checksum is not sent: services that do not
    /// know those of whole contents take it for one of the checksums of the parts, and refuse it.
    async fn join(
        &self,
        key: &Key,
        id: &str,
        parts: &[Part],
        terms: &Terms,
        checksum: Option<Crc32c>,
    ) -> Result<Written> {
        let sent = |part: &Part| {
            self.bucket.checksums(part.checksum).flatten().map(describe::checksum_text)
        };
        let named = |part: &Part| {
            CompletedPart::builder()
                .part_number(i32::from(part.number.get()))
                .set_e_tag(describe::e_tag(&part.version))
                .set_checksum_crc32_c(sent(part))
                .build()
        };
        let list = parts.iter().map(named).collect();
        let upload = CompletedMultipartUpload::builder().set_parts(Some(list)).build();
        let complete = self
            .bucket
            .complete_upload(key, id)
            .multipart_upload(upload)
            .set_if_match(terms.if_match.clone())
            .set_if_none_match(terms.if_none_match.clone());
        let answer = complete.send().await;
        let answer = answer.map_err(|error| self.translate(error, terms.intent))?;
        let joined = answer.checksum_crc32_c().and_then(describe::checksum);
        if let (Some(expected), Some(joined)) = (checksum, joined)
            && expected != joined
        {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the parts were joined to a content with CRC-32C {joined}, not {expected}"),
            )
            .with_effect(Effect::Yes));
        }
        Ok(Written {
            size: parts.iter().map(|part| part.size).sum(),
            version: describe::written(answer.e_tag())?,
            checksum: joined,
        })
    }

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
        let own = Own::new(key, &options.attributes, None, None);
        self.begin_upload(key, &options.attributes, &own).await.map(UploadId::new)
    }

    pub(crate) async fn try_upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        self.capabilities.expect(Capability::Multipart)?;
        let content = Pieces::new(body).next(usize::MAX).await?;
        self.send_part(key, upload.as_str(), number, content).await.map_err(no_upload)
    }

    pub(crate) async fn try_list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>> {
        self.capabilities.expect(Capability::Multipart)?;
        let mut parts = Vec::new();
        let mut after = None;
        loop {
            let list = self.bucket.list_parts(key, upload.as_str()).set_part_number_marker(after);
            let page = list.send().await;
            let page = page.map_err(|error| no_upload(self.translate(error, Intent::Read)))?;
            for part in page.parts() {
                let number = part.part_number().and_then(|number| u16::try_from(number).ok());
                let size = part.size().and_then(|size| u64::try_from(size).ok());
                let (Some(number), Some(size)) = (number, size) else {
                    return Err(describe::unexpected("a part has no number or no size"));
                };
                parts.push(Part {
                    number: PartNumber::new(number)?,
                    size,
                    version: describe::version(part.e_tag())?,
                    checksum: part.checksum_crc32_c().and_then(describe::checksum),
                });
            }
            match page.next_part_number_marker() {
                Some(next) if page.is_truncated() == Some(true) => after = Some(next.to_owned()),
                _ => return Ok(parts),
            }
        }
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
        if let Some(small) = too_small(parts) {
            // Not every service refuses it. That there is no upload is the stronger reason.
            self.try_list_parts(key, upload).await?;
            return Err(small);
        }
        let terms = Terms::new(&options.condition)?;
        let joined = async {
            let checksum = match options.checksum {
                None => None,
                Some(expected) => {
                    let joined = self.sum(key, upload, parts).await?;
                    joined.expect(Some(expected))?;
                    Some(joined)
                }
            };
            self.join(key, upload.as_str(), parts, &terms, checksum).await
        };
        match joined.await.map_err(no_upload) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Perhaps it was completed, and the answer lost.
                let current = self.bucket.describe(key, &ReadCondition::default()).await;
                match current {
                    Ok((meta, _)) if joined_tag(parts).as_ref() == Some(&meta.version) => {
                        Ok(meta.written())
                    }
                    _ => Err(error),
                }
            }
            joined => joined,
        }
    }

    /// The checksum of the parts together, which are those that were received last.
    async fn sum(&self, key: &Key, upload: &UploadId, parts: &[Part]) -> Result<Crc32c> {
        let received = self.try_list_parts(key, upload).await?;
        parts.iter().try_fold(Crc32c::default(), |sum, part| {
            let known = received
                .iter()
                .find(|known| known.number == part.number && known.version == part.version)
                .ok_or_else(|| not_received(part))?;
            let unknown = || Error::unsupported("checksums of the parts of an upload");
            let checksum = known.checksum.or(part.checksum).ok_or_else(unknown)?;
            Ok(sum.followed_by(checksum, known.size))
        })
    }

    pub(crate) async fn try_abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()> {
        self.capabilities.expect(Capability::Multipart)?;
        let aborted = self.bucket.abort_upload(key, upload.as_str()).send().await;
        match aborted.map_err(|error| self.translate(error, Intent::Write)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) async fn try_list_uploads(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
    ) -> Result<UploadPage> {
        self.capabilities.expect(Capability::Multipart)?;
        let scope = ["uploads", prefix.as_str()];
        let place = token.map(|token| token.open(&scope)).transpose()?;
        let (after_id, after_key) = match place {
            None => (None, None),
            Some(place) => {
                let (id, key) = place
                    .split_once('\n')
                    .ok_or_else(|| Error::invalid("the page token is none of this provider"))?;
                (Some(id).filter(|id| !id.is_empty()).map(str::to_owned), Some(key.to_owned()))
            }
        };
        let list = self.bucket.list_uploads().prefix(prefix.as_str());
        let list = list.encoding_type(EncodingType::Url);
        let list = list.set_key_marker(after_key).set_upload_id_marker(after_id);
        let page = list.send().await.map_err(|error| self.translate(error, Intent::Read))?;
        let mut entries = Vec::new();
        for upload in page.uploads() {
            let (Some(id), Some(key)) = (upload.upload_id(), upload.key()) else {
                return Err(describe::unexpected("an upload has no id or no key"));
            };
            entries.push(UploadEntry {
                id: UploadId::new(id),
                key: Key::native(decoded(key, page.encoding_type())?),
                created: describe::time(upload.initiated()).unwrap_or(SystemTime::UNIX_EPOCH),
            });
        }
        let next = match (page.is_truncated(), page.next_key_marker()) {
            (Some(true), None) => {
                return Err(describe::unexpected(
                    "a page of uploads does not say where the next begins",
                ));
            }
            (Some(true), Some(key)) => {
                let key = decoded(key, page.encoding_type())?;
                // Some services continue by key alone.
                let id = page.next_upload_id_marker().unwrap_or_default();
                Some(PageToken::sealed(&scope, &format!("{id}\n{key}")))
            }
            _ => None,
        };
        Ok(UploadPage { entries, next })
    }
}

/// What is missing is the upload, whatever an answer without words says.
fn no_upload(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, "there is no such upload for this key")
        }
        _ => error,
    }
}

fn not_received(part: &Part) -> Error {
    Error::invalid(format!("part {} was not received, or was replaced", part.number))
}

fn validate(parts: &[Part]) -> Result<()> {
    if parts.is_empty() {
        return Err(Error::invalid("an upload completes with at least one part"));
    }
    if !parts.is_sorted_by(|one, next| one.number < next.number) {
        return Err(Error::invalid("the parts must be stated once each, in ascending order"));
    }
    match parts.iter().find(|part| describe::e_tag(&part.version).is_none()) {
        None => Ok(()),
        Some(part) => Err(not_received(part)),
    }
}

fn too_small(parts: &[Part]) -> Option<Error> {
    let (_, others) = parts.split_last()?;
    let small = others.iter().find(|part| part.size < MIN_PART)?;
    Some(Error::invalid(format!(
        "every part but the last has at least {MIN_PART} bytes, part {} has {}",
        small.number, small.size
    )))
}

/// The version that Amazon S3 gives to joined parts whose entity tags are MD5 sums.
fn joined_tag(parts: &[Part]) -> Option<Version> {
    let mut sum = Md5::new();
    for part in parts {
        let text = part.version.as_str();
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for at in (0..32).step_by(2) {
            sum.update([u8::from_str_radix(&text[at..at + 2], 16).ok()?]);
        }
    }
    let hex: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Version::new(format!("{hex}-{}", parts.len())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u16, size: u64, version: &str) -> Part {
        Part {
            number: PartNumber::new(number).unwrap(),
            size,
            version: Version::new(version).unwrap(),
            checksum: None,
        }
    }

    #[test]
    fn parts_that_make_no_object() {
        let (large, small) = (MIN_PART, MIN_PART - 1);
        validate(&[part(1, large, "a"), part(3, 0, "b")]).unwrap();
        for parts in [
            vec![],
            vec![part(2, large, "a"), part(1, large, "b")],
            vec![part(1, large, "a"), part(1, large, "a")],
            vec![part(1, large, "\u{e4}")],
        ] {
            let kind = validate(&parts).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::InvalidArgument, "{parts:?}");
        }
        assert!(too_small(&[part(1, small, "a"), part(2, large, "b")]).is_some());
        assert!(too_small(&[part(1, large, "a"), part(2, small, "b")]).is_none());
    }

    #[test]
    fn the_tag_of_joined_parts() {
        // Computed with md5sum over the two binary sums.
        let parts = [
            part(1, 5, "5d41402abc4b2a76b9719d911017c592"),
            part(2, 5, "7d793037a0760186574b0282f2f435e7"),
        ];
        assert_eq!(joined_tag(&parts).unwrap().as_str(), "065947336a2f2a95ba8899f3675c3be6-2");
        assert_eq!(joined_tag(&[part(1, 5, "not-a-sum")]), None);
    }
}
