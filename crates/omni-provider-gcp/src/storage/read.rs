//! Reading. The description comes by gRPC, for the answer with the content lacks the half of it; both
//! are asked for at once, and must be of the same generation.

use std::ops::Range;

use bytes::Bytes;
use google_cloud_storage::builder::storage::ReadObject;
use google_cloud_storage::model_ext::ReadRange;
use google_cloud_storage::read_object::ReadObjectResponse;
use omni_contracts::storage::{
    ByteRange, Crc32c, GetOptions, GetResult, Key, ObjectMeta, ReadCondition, Version,
    coalesced_ranges, resumed,
};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};

use super::area;
use super::client::Bucket;
use super::describe::{self, Own};
use super::error::Intent;
use super::provider::GcsStorage;
use super::stream::Pinned;

/// How often an object that is replaced meanwhile is followed.
const FOLLOWS: usize = 32;

/// More bytes than an object can have: it has at most 5 TiB. The SDK counts no further than an `i64`.
const BEYOND: u64 = 1 << 50;

impl Bucket {
    /// The description of an object, and what Omni remembers of it.
    pub(crate) async fn describe(&self, key: &Key) -> Result<(ObjectMeta, Own)> {
        if !area::can_exist(key) {
            return Err(missing());
        }
        self.describe_named(key.as_str(), 0).await
    }

    /// As [`describe`](Self::describe), of any name and of a stated generation; 0 is the current one.
    pub(crate) async fn describe_named(
        &self,
        name: &str,
        generation: i64,
    ) -> Result<(ObjectMeta, Own)> {
        let stat = self.stat(name).set_generation(generation);
        describe::read(&self.ask(Intent::Read, stat.send()).await?)
    }
}

impl GcsStorage {
    pub(crate) async fn try_head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        let generation = self.wanted(key, options)?;
        let (meta, _) = self.bucket.describe_named(key.as_str(), generation).await?;
        options.condition.check(&meta)?;
        Ok(meta)
    }

    pub(crate) async fn try_get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        options.range.validate()?;
        let generation = self.wanted(key, options)?;
        let asked = asked(options.range);
        for _ in 0..FOLLOWS {
            let stat = self.bucket.describe_named(key.as_str(), generation);
            let (meta, answer) = match &asked {
                Some(range) if at_once(&options.condition) => {
                    let read = self.bucket.read(key.as_str()).set_generation(generation);
                    let read = with_condition(read, &options.condition);
                    let read = read.set_read_range(range.clone()).send();
                    let read = self.bucket.ask(Intent::Read, read);
                    let (stat, read) = futures_util::future::join(stat, read).await;
                    (stat?.0, Some(read))
                }
                _ => (stat.await?.0, None),
            };
            if let Some(result) = self.decide(key, meta, answer, options).await? {
                return Ok(result);
            }
        }
        Err(restless())
    }

    pub(crate) async fn try_get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        options: &GetOptions,
    ) -> Result<Vec<Bytes>> {
        ranges.iter().try_for_each(|range| range.validate())?;
        for _ in 0..FOLLOWS {
            let meta = self.try_head(key, options).await?;
            let exact = ranges.iter().map(|range| range.resolve(meta.size));
            let exact = exact.collect::<Result<Vec<_>>>()?;
            if let Some(contents) = self.exact_ranges(key, &meta, &exact).await? {
                return Ok(contents);
            }
        }
        Err(restless())
    }

    /// Ranges of the generation that `meta` describes; `None` when that is gone.
    async fn exact_ranges(
        &self,
        key: &Key,
        meta: &ObjectMeta,
        exact: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>> {
        let mut fetched = Vec::new();
        for merged in coalesced_ranges(exact, self.capabilities.limits.coalesce_gap) {
            match self.content(key, meta, merged.clone(), None, Operation::GetRanges).await? {
                None => return Ok(None),
                Some(body) => fetched.push((merged, body.collect().await?)),
            }
        }
        let slice = |range: &Range<u64>| {
            let holds = |(merged, _): &&(Range<u64>, Bytes)| {
                merged.start <= range.start && range.end <= merged.end
            };
            match fetched.iter().find(holds) {
                Some((merged, bytes)) if !range.is_empty() => bytes.slice(
                    (range.start - merged.start) as usize..(range.end - merged.start) as usize,
                ),
                _ => Bytes::new(),
            }
        };
        Ok(Some(exact.iter().map(slice).collect()))
    }

    /// What a get comes to, by the description and the content if that was asked for; `None` when they
    /// are of different generations.
    async fn decide(
        &self,
        key: &Key,
        meta: ObjectMeta,
        answer: Option<Result<ReadObjectResponse>>,
        options: &GetOptions,
    ) -> Result<Option<GetResult>> {
        options.condition.check(&meta)?;
        let range = options.range.resolve(meta.size)?;
        if range.is_empty() {
            if meta.size == 0 && meta.checksum.is_some_and(|crc| crc != Crc32c::default()) {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    "the content is empty, its checksum is not",
                ));
            }
            return Ok(Some(GetResult { meta, range, body: Body::empty() }));
        }
        let body = self.content(key, &meta, range.clone(), answer, Operation::Get).await?;
        Ok(body.map(|body| GetResult { meta, range, body }))
    }

    /// A range of the generation that `meta` describes, of the answer if it was asked for already;
    /// `None` when that is of another generation.
    async fn content(
        &self,
        key: &Key,
        meta: &ObjectMeta,
        range: Range<u64>,
        answer: Option<Result<ReadObjectResponse>>,
        operation: Operation,
    ) -> Result<Option<Body>> {
        let generation = generation(&meta.version)?;
        let answer = match answer {
            Some(answer) => answer,
            None => {
                let segment = ReadRange::segment(range.start, range.end - range.start);
                let read = self.bucket.read(key.as_str()).set_generation(generation);
                self.bucket.ask(Intent::Read, read.set_read_range(segment).send()).await
            }
        };
        let answer = match answer {
            Ok(answer) if answer.object().generation == generation => answer,
            Ok(_) => return Ok(None),
            Err(error) if of_another(error.kind()) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (bucket, key) = (self.bucket.clone(), key.clone());
        let expected = meta.checksum.filter(|_| range == (0..meta.size));
        let pinned = Pinned { bucket, key, generation, operation };
        let chunks = pinned.chunks(answer);
        Ok(Some(resumed(pinned, chunks, range, expected)))
    }

    /// The generation that is asked for; 0 is the current one.
    fn wanted(&self, key: &Key, options: &GetOptions) -> Result<i64> {
        options.expect_supported(&self.capabilities)?;
        let generation = match &options.version {
            None => 0,
            Some(version) => describe::generation(version).ok_or_else(missing)?,
        };
        if area::can_exist(key) { Ok(generation) } else { Err(missing()) }
    }
}

fn restless() -> Error {
    Error::new(ErrorKind::Conflict, "the object is replaced again and again")
}

fn missing() -> Error {
    Error::new(ErrorKind::NotFound, "no object has this key")
}

fn generation(version: &Version) -> Result<i64> {
    describe::generation(version)
        .ok_or_else(|| describe::unexpected("the version is no generation"))
}

/// What the answer with the content fails with when it is of another generation than the description.
fn of_another(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::NotModified
            | ErrorKind::OutOfRange
            | ErrorKind::PreconditionFailed
    )
}

/// Whether the service can decide the condition when it is asked for the content: it knows none of
/// times.
fn at_once(condition: &ReadCondition) -> bool {
    condition.if_modified_since.is_none() && condition.if_unmodified_since.is_none()
}

/// Spares a content that the condition rules out. What cannot match decides nothing here.
fn with_condition(read: ReadObject, condition: &ReadCondition) -> ReadObject {
    let read = match condition.if_match.as_ref().and_then(describe::generation) {
        None => read,
        Some(generation) => read.set_if_generation_match(generation),
    };
    match condition.if_none_match.as_ref().and_then(describe::generation) {
        None => read,
        Some(generation) => read.set_if_generation_not_match(generation),
    }
}

/// The range to ask for; `None` for one that is known to hold nothing, which the service would take for
/// everything.
fn asked(range: ByteRange) -> Option<ReadRange> {
    Some(match range {
        ByteRange::Full => ReadRange::all(),
        ByteRange::Bounded { start, end } if start == end || start >= BEYOND => return None,
        ByteRange::Bounded { start, end } => ReadRange::segment(start, end.min(BEYOND) - start),
        ByteRange::From(start) if start >= BEYOND => return None,
        ByteRange::From(start) => ReadRange::offset(start),
        ByteRange::Suffix(0) => return None,
        ByteRange::Suffix(length) if length >= BEYOND => ReadRange::all(),
        ByteRange::Suffix(length) => ReadRange::tail(length),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_hold_nothing_are_not_asked_for() {
        assert_eq!(asked((2..5).into()), Some(ReadRange::segment(2, 3)));
        assert_eq!(asked((7..).into()), Some(ReadRange::offset(7)));
        assert_eq!(asked(ByteRange::suffix(3)), Some(ReadRange::tail(3)));
        assert_eq!(asked((..).into()), Some(ReadRange::all()));
        assert_eq!(asked((3..3).into()), None);
        assert_eq!(asked((0..0).into()), None);
        assert_eq!(asked(ByteRange::suffix(0)), None);
        assert_eq!(asked((1..u64::MAX).into()), Some(ReadRange::segment(1, BEYOND - 1)));
        assert_eq!(asked((u64::MAX - 1..u64::MAX).into()), None);
        assert_eq!(asked((u64::MAX..).into()), None);
        assert_eq!(asked(ByteRange::suffix(u64::MAX)), Some(ReadRange::all()));
    }
}
