//! The steps that only look: reads and listings.

use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    ByteRange, Capability, ListEntry, ListRequest, PageToken, Prefix, StorageProvider,
};

use super::compare::{Stop, Verdict, agreed, differ, same, same_bytes};
use super::program::{KEYS, PREFIXES, Reading, Slice};
use super::run::Run;
use super::tokens::name;
use super::words::quoted;
use crate::reference::Outcome;

/// More pages than any listing of a program has.
const MAX_PAGES: usize = 1000;

impl Run {
    /// Lists and reads everything that the reference has.
    pub(super) async fn inspect(&mut self) -> Verdict {
        let [store, other] = self.handles.clone();
        if self.capabilities.list_delay.is_zero() {
            self.list([&store, &other], 0, None, None, None).await?;
        }
        if self.capabilities.has(Capability::Multipart) {
            self.list_uploads(store.as_ref(), 0).await?;
        }
        for key in KEYS.iter() {
            match self.get(other.as_ref(), key, Slice::Full, &Reading::default()).await {
                Err(Stop::Mismatch { expected, seen }) => {
                    let seen = format!("{seen}, of {}", quoted(key));
                    return Err(Stop::Mismatch { expected, seen });
                }
                Ok(_) | Err(Stop::Refused(_)) => {}
            }
        }
        Ok("as it should be".to_owned())
    }

    pub(super) async fn get(
        &self,
        store: &dyn StorageProvider,
        key: &str,
        range: Slice,
        reading: &Reading,
    ) -> Verdict {
        let (version, condition, mut options) = self.reading(key, reading);
        let range = range.of(self.size(key));
        options.range = range;
        let expected = self.model.get(key, version, range, condition);
        let seen = match store.get(&name(key), &options).await {
            Ok(got) => got.body.collect().await.map(|bytes| (got.meta, got.range, bytes)),
            Err(error) => Err(error),
        };
        let ((object, range), (meta, seen_range, bytes)) = agreed(expected, seen)?;
        same("the description", &self.receipts[&object.version], &meta)?;
        same("the range", &range, &seen_range)?;
        same_bytes(&object.content.slice(range.start as usize..range.end as usize), &bytes)?;
        Ok(format!("{} bytes of version {}", bytes.len(), object.version))
    }

    /// The size of the current object; 0 where there is none.
    fn size(&self, key: &str) -> u64 {
        self.model.objects.get(key).map_or(0, |object| object.content.len() as u64)
    }

    pub(super) async fn get_ranges(
        &self,
        store: &dyn StorageProvider,
        key: &str,
        ranges: &[Slice],
        reading: &Reading,
    ) -> Verdict {
        let (version, condition, options) = self.reading(key, reading);
        let size = self.size(key);
        let ranges: Vec<ByteRange> = ranges.iter().map(|range| range.of(size)).collect();
        let each = ranges.iter().map(|range| {
            let (object, range) = self.model.get(key, version, *range, condition)?;
            Ok(object.content.slice(range.start as usize..range.end as usize))
        });
        let mut expected: Outcome<Vec<Bytes>> = each.collect();
        let senseless =
            |range: &ByteRange| matches!(range, ByteRange::Bounded { start, end } if end < start);
        if ranges.iter().any(senseless) {
            expected = Err(vec![ErrorKind::InvalidArgument]);
        } else if let Err(reasons) = self.model.head(key, version, condition) {
            expected = Err(reasons);
        }
        let seen = store.get_ranges(&name(key), &ranges, &options).await;
        let (expected, seen) = agreed(expected, seen)?;
        same("the number of ranges", &expected.len(), &seen.len())?;
        for (expected, seen) in expected.iter().zip(&seen) {
            same_bytes(expected, seen)?;
        }
        Ok(format!("{} ranges", seen.len()))
    }

    /// Lists all pages with the first handle, and the second page again with the second.
    pub(super) async fn list(
        &self,
        [store, other]: [&Arc<dyn StorageProvider>; 2],
        prefix: usize,
        delimiter: Option<&str>,
        start_after: Option<usize>,
        limit: Option<usize>,
    ) -> Verdict {
        let max = self.capabilities.limits.max_page_size;
        let limit_meant = limit.map_or(max, |limit| limit.min(max));
        let mut request = ListRequest {
            prefix: Prefix::new(&PREFIXES[prefix]).unwrap_or_default(),
            delimiter: delimiter.map(str::to_owned),
            start_after: start_after.map(|at| name(&KEYS[at])),
            token: None,
            limit,
        };
        let mut entries: Vec<ListEntry> = Vec::new();
        let mut pages = 0;
        loop {
            let (_, page) = agreed(Ok(()), store.list(&request).await)?;
            if page.entries.len() > limit_meant {
                let seen = format!("{} entries", page.entries.len());
                return Err(differ(format!("at most {limit_meant} entries in a page"), seen));
            }
            if pages == 1 {
                let (_, again) = agreed(Ok(()), other.list(&request).await)?;
                same(
                    "the entries of the second page, asked for again",
                    &page.entries,
                    &again.entries,
                )?;
            }
            entries.extend(page.entries);
            pages += 1;
            let Some(next) = page.next else { break };
            if pages > MAX_PAGES {
                return Err(differ("an end of the listing", format!("{pages} pages and one more")));
            }
            request.token = Some(PageToken::new(next.as_str()));
        }
        if !self.capabilities.has(Capability::OrderedList) {
            entries.sort_by(|a, b| a.name().cmp(b.name()));
        }
        let start_after = start_after.map(|at| &*KEYS[at]);
        let expected = self.model.list(&PREFIXES[prefix], delimiter, start_after);
        let names: Vec<&str> = expected.keys().copied().collect();
        same("the entries", &names, &entries.iter().map(ListEntry::name).collect())?;
        for (entry, version) in entries.iter().zip(expected.into_values()) {
            let receipt = version.map(|version| &self.receipts[&version]);
            let expected = receipt.map(|meta| (meta.size, &meta.version, meta.modified));
            let object = entry.as_object();
            let seen = object.map(|object| (object.size, &object.version, object.modified));
            same(format!("size, version and time of {}", quoted(entry.name())), &expected, &seen)?;
        }
        Ok(format!("{} entries in {pages} pages", entries.len()))
    }

    pub(super) async fn list_versions(
        &self,
        store: &dyn StorageProvider,
        prefix: usize,
        limit: Option<usize>,
    ) -> Verdict {
        let text = &PREFIXES[prefix];
        let native = Prefix::new(text).unwrap_or_default();
        let (mut token, mut seen) = (None, Vec::new());
        for _ in 0..MAX_PAGES {
            let page = store.list_versions(&native, token.as_ref(), limit).await;
            let (_, page) = agreed(Ok(()), page)?;
            seen.extend(page.entries.into_iter().map(|entry| (entry.object, entry.current)));
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        let seen: Vec<_> = seen
            .iter()
            .map(|(object, current)| {
                let meta = (object.size, &object.version, object.modified);
                (object.key.as_str(), meta, *current)
            })
            .collect();
        let mut keys: Vec<&String> = self.versions.keys().collect();
        keys.retain(|key| key.starts_with(text));
        let expected: Vec<_> = keys
            .into_iter()
            .flat_map(|key| {
                let current = self.model.objects.get(key).map(|object| object.version);
                self.model.versions(key).into_iter().map(move |object| {
                    let meta = &self.receipts[&object.version];
                    let described = (meta.size, &meta.version, meta.modified);
                    (key.as_str(), described, Some(object.version) == current)
                })
            })
            .collect();
        same("the versions", &expected, &seen)?;
        Ok(format!("{} versions", seen.len()))
    }

    pub(super) async fn list_uploads(&self, store: &dyn StorageProvider, prefix: usize) -> Verdict {
        let native = Prefix::new(&PREFIXES[prefix]).unwrap_or_default();
        let (mut token, mut entries) = (None, Vec::new());
        for _ in 0..MAX_PAGES {
            let (_, page) = agreed(Ok(()), store.list_uploads(&native, token.as_ref()).await)?;
            entries.extend(page.entries);
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        let mut seen: Vec<_> = entries.iter().map(|e| (e.key.as_str(), e.id.as_str())).collect();
        seen.sort_unstable();
        let unfinished = self.model.list_uploads(&PREFIXES[prefix]);
        let mut expected: Vec<_> = unfinished
            .into_iter()
            .map(|at| (self.model.uploads[at].key.as_str(), self.uploads[at].as_str()))
            .collect();
        expected.sort_unstable();
        same("the unfinished uploads", &expected, &seen)?;
        Ok(format!("{} uploads", seen.len()))
    }
}
