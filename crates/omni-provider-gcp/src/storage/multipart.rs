//! Multipart uploads. The service has none: an upload is an object that says what it is for, its parts
//! are objects beside it, and completing joins them. All stand in the area that `area` describes.

use futures_util::{StreamExt, TryStreamExt, stream};
use google_cloud_storage::model::Object;
use omni_contracts::storage::{
    Attributes, Capability, CompleteOptions, Key, ObjectMeta, PageToken, Part, PartNumber, Prefix,
    PutOptions, UploadEntry, UploadId, UploadPage, WriteCondition, Written,
};
use omni_contracts::{Body, Effect, Error, ErrorKind, Result};

use super::area;
use super::compose::{Piece, sum};
use super::describe::{self, Own};
use super::error::Intent;
use super::list::Span;
use super::provider::GcsStorage;
use super::write::{Draft, Terms};

/// How many objects are removed at once.
const PARALLEL: usize = 16;

impl GcsStorage {
    pub(crate) async fn try_create_upload(
        &self,
        key: &Key,
        options: &PutOptions,
    ) -> Result<UploadId> {
        self.capabilities.expect(Capability::Multipart)?;
        area::writable(key)?;
        options.attributes.validate()?;
        let stated = options.condition != WriteCondition::Always
            || options.checksum.is_some()
            || options.write_id.is_some();
        if stated {
            return Err(Error::invalid(
                "condition, checksum and write id are stated when an upload completes",
            ));
        }
        let id = format!("{:032x}", rand::random::<u128>());
        let draft = Draft {
            name: &area::upload(&id),
            attributes: &options.attributes,
            own: Own::new(&options.attributes).for_key(key),
            terms: Terms::ABSENT,
            checksum: None,
        };
        self.bucket.store(Body::empty(), draft).await?;
        Ok(UploadId::new(id))
    }

    /// What was stated when the upload began.
    async fn upload(&self, key: &Key, upload: &UploadId) -> Result<ObjectMeta> {
        let id = upload.as_str();
        if !area::is_id(id) {
            return Err(no_upload());
        }
        match self.bucket.describe_named(&area::upload(id), 0).await {
            Ok((meta, own)) if own.key.as_ref() == Some(key) => Ok(meta),
            Ok(_) => Err(no_upload()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(no_upload()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn try_upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        self.capabilities.expect(Capability::Multipart)?;
        self.upload(key, upload).await?;
        let name = area::part(upload.as_str(), number);
        let draft = Draft {
            name: &name,
            attributes: &Attributes::default(),
            own: Own::default(),
            terms: Terms::ALWAYS,
            checksum: None,
        };
        let Written { size, version, checksum } = self.bucket.store(body, draft).await?;
        if let Err(error) = self.upload(key, upload).await {
            if error.kind() == ErrorKind::NotFound {
                // Given up meanwhile: nobody would find the part. If it cannot be removed now,
                // giving the upload up once more removes it.
                let _ = self.remove(&area::part(upload.as_str(), number)).await;
                return Err(error);
            }
            // The part is there, if the upload is.
            return Err(error.with_effect(Effect::Unknown));
        }
        Ok(Part { number, size, version, checksum })
    }

    pub(crate) async fn try_list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>> {
        self.capabilities.expect(Capability::Multipart)?;
        self.upload(key, upload).await?;
        self.received(upload.as_str()).await
    }

    /// The parts that were received, by number.
    async fn received(&self, id: &str) -> Result<Vec<Part>> {
        let prefix = area::parts(id);
        let mut parts = Vec::new();
        for object in self.below(&Span::prefix(&*prefix)).await? {
            let number = object.name.strip_prefix(&prefix).and_then(|text| text.parse().ok());
            let number = number.ok_or_else(|| describe::unexpected("a part has no number"))?;
            let Written { size, version, checksum } = describe::written(&object)?;
            parts.push(Part { number: PartNumber::new(number)?, size, version, checksum });
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
        let id = upload.as_str();
        let begun = self.upload(key, upload);
        let (begun, current) = futures_util::future::join(begun, self.bucket.describe(key)).await;
        if let Ok((meta, own)) = current
            && own.was_uploaded_by(key, id)
        {
            // It was completed, and the answer lost.
            self.clean(id).await;
            return Ok(meta.written());
        }
        let begun = begun?;
        let pieces = pieces(id, parts, &self.received(id).await?)?;
        let terms = Terms::new(&options.condition)?;
        if let Some(expected) = options.checksum {
            let unknown = || Error::unsupported("checksums of the parts of an upload");
            sum(&pieces).ok_or_else(unknown)?.expect(Some(expected))?;
        }
        let own = Own::new(&begun.attributes).by_upload(key, id);
        let target = self.bucket.target(&begun.attributes, &own);
        // Another name for every attempt: two at once do not get in each other's way.
        let between = format!("{}{:08x}-", area::joined(id), rand::random::<u32>());
        let made = self.bucket.join(pieces, &between, key.as_str(), target, terms).await?;
        self.clean(id).await;
        describe::written(&made)
    }

    pub(crate) async fn try_abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()> {
        self.capabilities.expect(Capability::Multipart)?;
        let id = upload.as_str();
        if !area::is_id(id) {
            return Ok(());
        }
        match self.bucket.describe_named(&area::upload(id), 0).await {
            // Of another key.
            Ok((_, own)) if own.key.as_ref() != Some(key) => Ok(()),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => self.free(id).await,
        }
    }

    /// Frees what a completed upload leaves. What cannot be freed now is listed by `list_uploads`.
    async fn clean(&self, id: &str) {
        let _ = self.free(id).await;
    }

    /// Removes everything of an upload, itself last: what is left is found under it.
    async fn free(&self, id: &str) -> Result<()> {
        self.remove(&area::parts(id)).await?;
        self.remove(&area::joined(id)).await?;
        self.remove(&area::upload(id)).await
    }

    /// Removes all objects whose names begin with a text, with all their generations, for good.
    async fn remove(&self, prefix: &str) -> Result<()> {
        // Owned: a stream that borrows from its closure is none that a task can hold.
        let bucket = self.bucket.clone();
        let remove = move |object: Object| {
            let bucket = bucket.clone();
            async move {
                let delete = bucket.delete(&object.name).set_generation(object.generation);
                match bucket.ask(Intent::Write, delete.send()).await {
                    Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
        };
        let span = Span { versions: true, ..Span::prefix(prefix) };
        let objects = stream::iter(self.below(&span).await?);
        objects.map(remove).buffer_unordered(PARALLEL).try_collect().await
    }

    /// Everything that a span lists.
    async fn below(&self, span: &Span) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        let mut token = None;
        loop {
            let limit = self.capabilities.limits.max_page_size;
            let listed = self.bucket.span(span, limit, token).await?;
            objects.extend(listed.objects);
            match listed.next {
                None => return Ok(objects),
                next => token = next,
            }
        }
    }

    pub(crate) async fn try_list_uploads(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
    ) -> Result<UploadPage> {
        self.capabilities.expect(Capability::Multipart)?;
        let scope = ["uploads", prefix.as_str()];
        let after = match token {
            None => None,
            Some(token) => {
                let place = token.open(&scope)?;
                let place = place.split_once('\n').map(|(id, key)| (key, id));
                let foreign = || Error::invalid("the page token does not continue this listing");
                Some(place.ok_or_else(foreign)?)
            }
        };
        let mut entries = Vec::new();
        for object in self.below(&Span::prefix(area::UPLOADS)).await? {
            let (meta, own) = describe::read(&object)?;
            let id = object.name.strip_prefix(area::UPLOADS).unwrap_or_default();
            let key = own.key.filter(|key| key.as_str().starts_with(prefix.as_str()));
            if let Some(key) =
                key.filter(|key| after.is_none_or(|after| (key.as_str(), id) > after))
            {
                entries.push(UploadEntry { id: UploadId::new(id), key, created: meta.modified });
            }
        }
        entries.sort_by(|one, other| {
            (one.key.as_str(), one.id.as_str()).cmp(&(other.key.as_str(), other.id.as_str()))
        });
        let limit = self.capabilities.limits.max_page_size;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|last| {
            PageToken::sealed(&scope, &format!("{}\n{}", last.id.as_str(), last.key.as_str()))
        });
        Ok(UploadPage { entries, next })
    }
}

fn no_upload() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such upload for this key")
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

/// The stated parts as objects to join, if they were received so.
fn pieces(id: &str, stated: &[Part], received: &[Part]) -> Result<Vec<Piece>> {
    let piece = |part: &Part| {
        let same = received.iter().find(|other| other.number == part.number);
        let same = same.filter(|other| other.version == part.version);
        let known = same.and_then(|same| Some((same, describe::generation(&same.version)?)));
        let (same, generation) = known.ok_or_else(|| {
            Error::invalid(format!("part {} was not received, or was replaced", part.number))
        })?;
        Ok(Piece {
            name: area::part(id, part.number),
            generation,
            size: same.size,
            checksum: same.checksum,
        })
    };
    stated.iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use omni_contracts::storage::Version;

    use super::*;

    fn part(number: u16, version: &str) -> Part {
        Part {
            number: PartNumber::new(number).unwrap(),
            size: 1,
            version: Version::new(version).unwrap(),
            checksum: None,
        }
    }

    #[test]
    fn parts_that_make_no_object() {
        validate(&[part(1, "1"), part(3, "1")]).unwrap();
        for parts in [vec![], vec![part(2, "1"), part(1, "1")], vec![part(1, "1"), part(1, "1")]] {
            let kind = validate(&parts).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::InvalidArgument, "{parts:?}");
        }
        let received = [part(1, "10"), part(2, "20"), part(3, "30")];
        let joined = pieces("i", &[part(1, "10"), part(3, "30")], &received).unwrap();
        let names: Vec<_> = joined.iter().map(|piece| &*piece.name).collect();
        assert_eq!(names, [".omni-uploads//parts/i/00001", ".omni-uploads//parts/i/00003"]);
        for stated in [part(4, "10"), part(2, "21"), part(2, "x")] {
            let error = pieces("i", &[stated], &received).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
    }
}
