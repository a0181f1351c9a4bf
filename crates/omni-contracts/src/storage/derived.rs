//! Operations derived from the contract, the same for every provider.

use std::ops::Range;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{TryStreamExt, stream};

use super::{
    ByteRange, Capability, Deleted, GetOptions, Key, ListEntry, ListRequest, ObjectMeta, PageToken,
    ReadCondition, StorageProvider, Written,
};
use crate::{Effect, Error, ErrorKind, Result};

/// Streams all pages of a listing; holds one page in memory at a time (clause `STO-094`).
/// [`ListRequest::limit`] is the page size. Ends after the first error.
///
/// # Errors
///
/// As [`StorageProvider::list`]; also `Internal` when the provider hands out the same token twice,
/// which would never end.
pub fn list_all(
    provider: &dyn StorageProvider,
    request: ListRequest,
) -> impl Stream<Item = Result<ListEntry>> + Send + '_ {
    let pages = stream::try_unfold(Some(request), move |request| async move {
        let Some(mut request) = request else { return Ok(None) };
        let page = provider.list(&request).await?;
        if page.next.is_some() && page.next == request.token {
            return Err(endless(page.next.as_ref()));
        }
        let following = page.next.map(|token| {
            request.token = Some(token);
            request
        });
        Ok(Some((stream::iter(page.entries.into_iter().map(Ok)), following)))
    });
    pages.try_flatten()
}

fn endless(token: Option<&PageToken>) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the provider continues the listing with the same token {token:?} again"),
    )
}

/// Deletes every object below the folder `prefix`: with `a`, that is `a/b` but neither `a`, `a-b` nor
/// `ab/c` (clause `STO-106`). Returns how many objects were deleted; the first failure ends it. Not
/// atomic; safe to repeat.
///
/// # Errors
///
/// `InvalidArgument` when the prefix is empty or `/`; else as [`StorageProvider::list`] and
/// [`StorageProvider::delete`].
pub async fn delete_prefix(provider: &dyn StorageProvider, prefix: &str) -> Result<u64> {
    let folder = prefix.strip_suffix('/').unwrap_or(prefix);
    if folder.is_empty() {
        return Err(Error::invalid("deleting by prefix needs a prefix that is not empty"));
    }
    let mut request = ListRequest::prefix(super::Prefix::new(format!("{folder}/"))?);
    let mut deleted = 0;
    loop {
        let page = provider.list(&request).await?;
        let keys: Vec<Key> = page
            .entries
            .iter()
            .filter_map(ListEntry::as_object)
            .map(|object| object.key.clone())
            .collect();
        for result in provider.delete_many(&keys).await {
            let Deleted { existed } = result?;
            deleted += u64::from(existed != Some(false));
        }
        match page.next {
            Some(next) => request.token = Some(next),
            None => return Ok(deleted),
        }
    }
}

/// The vectored read of a provider that reads one range at a time: neighbours are read as one, all of
/// one version (clauses `STO-037` and `STO-038`). For implementations of
/// [`StorageProvider::get_ranges`].
///
/// # Errors
///
/// As [`StorageProvider::get`].
pub async fn read_ranges(
    provider: &dyn StorageProvider,
    key: &Key,
    ranges: &[ByteRange],
    options: &GetOptions,
) -> Result<Vec<Bytes>> {
    for range in ranges {
        range.validate()?;
    }
    let meta = provider.head(key, options).await.map_err(Error::elsewhere)?;
    let capabilities = provider.capabilities();
    // Spares the content of another version, where the provider can.
    let if_match = capabilities.has(Capability::ConditionalRead).then(|| meta.version.clone());
    let exact: Vec<_> =
        ranges.iter().map(|range| range.resolve(meta.size)).collect::<Result<_>>()?;
    let pinned = |range: &Range<u64>| GetOptions {
        range: range.clone().into(),
        condition: ReadCondition { if_match: if_match.clone(), ..Default::default() },
        version: options.version.clone(),
    };
    let mut fetched = Vec::new();
    for merged in coalesced_ranges(&exact, capabilities.limits.coalesce_gap) {
        let got = provider.get(key, &pinned(&merged)).await.map_err(Error::elsewhere)?;
        if got.meta.version != meta.version {
            let problem = "the object was replaced while ranges of it were read";
            return Err(Error::new(ErrorKind::PreconditionFailed, problem));
        }
        fetched.push((merged, got.body.collect().await?));
    }
    let slice = |range: &Range<u64>| {
        let found = fetched
            .iter()
            .find(|(merged, _)| merged.start <= range.start && range.end <= merged.end);
        match found {
            Some((merged, bytes)) if !range.is_empty() => bytes
                .slice((range.start - merged.start) as usize..(range.end - merged.start) as usize),
            _ => Bytes::new(),
        }
    };
    Ok(exact.iter().map(slice).collect())
}

/// What became of a put with a write id that ended with `refused`: a failed condition may be the work of
/// the caller's own write, whose answer he never saw (clauses `STO-065` and `STO-067`). `look` describes
/// what is stored, and says whether that write stored it. For implementations of
/// [`StorageProvider::put`].
///
/// # Errors
///
/// `refused`, when another write is stored or none; when that cannot be found out, what looking failed
/// with, and the effect is unknown: never that somebody else was first.
pub async fn resolve_refused(
    refused: Error,
    look: impl Future<Output = Result<(ObjectMeta, bool)>>,
) -> Result<Written> {
    if !matches!(refused.kind(), ErrorKind::AlreadyExists | ErrorKind::PreconditionFailed) {
        return Err(refused);
    }
    match look.await {
        Ok((meta, true)) => Ok(meta.written()),
        Ok((_, false)) => Err(refused),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(refused),
        Err(error) => Err(error.with_effect(Effect::Unknown)),
    }
}

/// Joins ranges that overlap or are at most `gap` bytes apart, in ascending order; empty ones vanish.
#[must_use]
pub fn coalesced_ranges(ranges: &[Range<u64>], gap: u64) -> Vec<Range<u64>> {
    let mut sorted: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
    sorted.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap) => {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_write_is_the_callers_own_or_not_or_unknown() {
        let refused = || Error::new(ErrorKind::AlreadyExists, "an object has this key");
        let stored = ObjectMeta {
            size: 1,
            version: super::super::Version::new("v").unwrap(),
            modified: std::time::UNIX_EPOCH,
            checksum: None,
            attributes: super::super::Attributes::none(),
        };
        let look = |outcome| std::future::ready(outcome);
        let own = resolve_refused(refused(), look(Ok((stored.clone(), true)))).await;
        assert_eq!(own.unwrap(), stored.written());
        let missing = Err(Error::new(ErrorKind::NotFound, "gone"));
        for found in [Ok((stored, false)), missing] {
            let other = resolve_refused(refused(), look(found)).await.unwrap_err();
            assert_eq!(other.kind(), ErrorKind::AlreadyExists);
        }
        let lost = Err(Error::new(ErrorKind::Unavailable, "lost"));
        let unknown = resolve_refused(refused(), look(lost)).await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Unavailable);
        assert_eq!((unknown.effect(), unknown.is_retryable()), (Effect::Unknown, true));
    }

    #[test]
    fn coalesces_within_the_gap() {
        let ranges = [20..30, 0..5, 5..6, 3..4, 9..9, 8..10];
        assert_eq!(coalesced_ranges(&ranges, 0), [0..6, 8..10, 20..30]);
        assert_eq!(coalesced_ranges(&ranges, 2), [0..10, 20..30]);
        assert_eq!(coalesced_ranges(&ranges, u64::MAX), vec![0..30]);
        assert!(coalesced_ranges(&[], 9).is_empty());
    }
}
