//! The objects behind one lock, and the rules that decide about them. Nothing here awaits.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use bytes::Bytes;
use omni_contracts::storage::{
    Capabilities, Capability, CopyOptions, Crc32c, DeleteOptions, Deleted, GetOptions, Key,
    ListEntry, ListPage, ListRequest, ObjectEntry, ObjectMeta, PageToken, Prefix, PutOptions,
    Version, VersionEntry, VersionPage, WriteCondition, WriteId, Written,
};
use omni_contracts::{Body, Error, ErrorKind, Result};

use crate::uploads::Uploads;

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) capabilities: Capabilities,
    /// Makes the versions of this store different from those of any other.
    nonce: u32,
    counter: AtomicU64,
    objects: RwLock<Objects>,
    uploads: Mutex<Uploads>,
}

#[derive(Debug, Default)]
struct Objects {
    current: BTreeMap<Key, Object>,
    /// Replaced and deleted versions, oldest first; filled only with versioning.
    archive: BTreeMap<Key, Vec<Object>>,
}

/// One version of an object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) meta: ObjectMeta,
    pub(crate) content: Bytes,
    pub(crate) write_id: Option<WriteId>,
}

impl Store {
    pub(crate) fn new(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            nonce: RandomState::new().hash_one("store") as u32 & 0xff_ffff,
            counter: AtomicU64::new(1),
            objects: RwLock::default(),
            uploads: Mutex::default(),
        }
    }

    /// A token that was never given out.
    pub(crate) fn next_version(&self) -> Version {
        Version::numbered(self.counter.fetch_add(1, Ordering::Relaxed), self.nonce)
    }

    /// Receives a payload, up to the largest object.
    pub(crate) async fn receive(&self, body: Body) -> Result<Bytes> {
        use futures_util::StreamExt;

        let max = self.capabilities.limits.max_object_size.unwrap_or(u64::MAX);
        let too_large = || {
            let message = format!("an object has at most {max} bytes here");
            Err(Error::new(ErrorKind::TooLarge, message))
        };
        if body.length().is_some_and(|length| length > max) {
            return too_large();
        }
        let mut body = match body.into_bytes() {
            Ok(bytes) => return Ok(bytes),
            Err(body) => body,
        };
        let mut content = Vec::new();
        while let Some(chunk) = body.next().await.transpose()? {
            if (content.len() + chunk.len()) as u64 > max {
                return too_large();
            }
            content.extend_from_slice(&chunk);
        }
        Ok(content.into())
    }

    /// Publishes an object, if the condition holds.
    pub(crate) fn publish(
        &self,
        key: &Key,
        content: Bytes,
        checksum: Crc32c,
        options: &PutOptions,
    ) -> Result<Written> {
        let now = SystemTime::now();
        let mut objects = self.write();
        let objects = &mut *objects;
        let current = objects.current.get_mut(key);
        if options.condition != WriteCondition::Always {
            let condition = &options.condition;
            let checked = condition.check(current.as_deref().map(|object| &object.meta.version));
            if let Err(error) = checked {
                // The caller's own write, whose answer he never saw.
                return match current {
                    Some(object)
                        if options.write_id.is_some() && object.write_id == options.write_id =>
                    {
                        Ok(object.meta.written())
                    }
                    _ => Err(error),
                };
            }
        }
        let meta = ObjectMeta {
            size: content.len() as u64,
            version: self.next_version(),
            modified: current.as_ref().map_or(now, |object| now.max(object.meta.modified)),
            checksum: Some(checksum),
            attributes: Arc::clone(&options.attributes),
        };
        let written = meta.written();
        let object = Object { meta, content, write_id: options.write_id.clone() };
        match current {
            None => drop(objects.current.insert(key.clone(), object)),
            Some(current) => {
                let replaced = std::mem::replace(current, object);
                self.archive(objects, key, replaced);
            }
        }
        Ok(written)
    }

    /// The stated version of an object, or the current one.
    pub(crate) fn object(&self, key: &Key, options: &GetOptions) -> Result<Object> {
        let objects = self.read();
        let object = match &options.version {
            None => objects.current.get(key),
            Some(version) => objects.versions(key).find(|object| object.meta.version == *version),
        };
        let object = object.ok_or_else(not_found)?;
        if !options.condition.is_empty() {
            options.condition.check(&object.meta)?;
        }
        Ok(object.clone())
    }

    pub(crate) fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        let mut objects = self.write();
        if let Some(version) = &options.version {
            return objects.remove_version(key, version);
        }
        if let Some(expected) = options.if_match.clone() {
            let current = objects.current.get(key).map(|object| &object.meta.version);
            WriteCondition::IfMatch(expected).check(current)?;
        }
        let deleted = objects.current.remove(key);
        let existed = deleted.is_some();
        if let Some(object) = deleted {
            self.archive(&mut objects, key, object);
        }
        Ok(Deleted::new(Some(existed)))
    }

    pub(crate) fn copy(&self, from: &Key, to: &Key, options: &CopyOptions) -> Result<Written> {
        let source = self.object(from, &GetOptions::default())?;
        if let Some(expected) = options.source_version.clone() {
            WriteCondition::IfMatch(expected).check(Some(&source.meta.version))?;
        }
        let put = PutOptions {
            condition: options.condition.clone(),
            attributes: options.attributes.clone().unwrap_or(source.meta.attributes),
            ..PutOptions::default()
        };
        let checksum = source.meta.checksum.unwrap_or_else(|| Crc32c::of(&source.content));
        self.publish(to, source.content, checksum, &put)
    }

    pub(crate) fn list(&self, request: &ListRequest) -> Result<ListPage> {
        let limit = self.page_size(request.limit);
        let prefix = request.prefix.as_str();
        let mut next = request.scan_start()?;
        let mut page = ListPage::default();
        let objects = self.read();
        'scan: while let Some(start) = next.take() {
            for (key, object) in objects.current.range::<str, _>(range_from(&start)) {
                if !key.as_str().starts_with(prefix) {
                    break 'scan;
                }
                if page.entries.len() == limit {
                    page.next = page.entries.last().map(|last| request.token_after(last.name()));
                    break 'scan;
                }
                if let Some(folder) = request.rolled_up(key.as_str()) {
                    let folder = Prefix::new(folder)?;
                    next = folder.upper_bound().map(Bound::Included);
                    page.entries.push(ListEntry::Prefix(folder));
                    continue 'scan;
                }
                page.entries.push(ListEntry::Object(entry(key, object)));
            }
        }
        Ok(page)
    }

    pub(crate) fn list_versions(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: Option<usize>,
    ) -> Result<VersionPage> {
        let request = ListRequest { limit, ..ListRequest::prefix(prefix.clone()) };
        request.validate()?;
        let limit = self.page_size(limit);
        // The token names the last entry: version, space, key.
        let scope = ["versions", prefix.as_str()];
        let last = token.map(|token| token.open(&scope)).transpose()?;
        let last = last.map(|name| name.split_once(' ').unwrap_or((name, "")));
        let start = last.map_or(prefix.as_str(), |(_, key)| key.max(prefix.as_str()));
        let objects = self.read();
        let mut keys: Vec<&Key> = objects
            .current
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .map(|(k, _)| k)
            .collect();
        keys.extend(
            objects
                .archive
                .range::<str, _>((Bound::Included(start), Bound::Unbounded))
                .map(|(key, _)| key),
        );
        keys.sort_unstable();
        keys.dedup();
        let all = keys
            .into_iter()
            .take_while(|key| key.as_str().starts_with(prefix.as_str()))
            .flat_map(|key| objects.versions(key).map(move |object| (key, object)));
        let mut page = VersionPage::default();
        for (key, object) in all {
            let passed = |(version, last): (&str, &str)| {
                key.as_str() == last && !is_older(object.meta.version.as_str(), version)
            };
            if last.is_some_and(passed) {
                continue;
            }
            if page.entries.len() == limit {
                page.next = page.entries.last().map(|last: &VersionEntry| {
                    let place = format!("{} {}", last.object.version, last.object.key);
                    PageToken::sealed(&scope, &place)
                });
                break;
            }
            let current = objects.current.get(key).is_some_and(|c| c.meta == object.meta);
            page.entries.push(VersionEntry { object: entry(key, object), current });
        }
        Ok(page)
    }

    pub(crate) fn uploads(&self) -> MutexGuard<'_, Uploads> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn page_size(&self, limit: Option<usize>) -> usize {
        let max = self.capabilities.limits.max_page_size;
        limit.map_or(max, |limit| limit.min(max))
    }

    fn archive(&self, objects: &mut Objects, key: &Key, object: Object) {
        if self.capabilities.has(Capability::Versioning) {
            objects.archive.entry(key.clone()).or_default().push(object);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Objects> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Objects> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects {
    /// Every stored version of `key`, newest first.
    fn versions(&self, key: &Key) -> impl Iterator<Item = &Object> {
        let archived = self.archive.get(key).into_iter().flatten().rev();
        self.current.get(key).into_iter().chain(archived)
    }

    fn remove_version(&mut self, key: &Key, version: &Version) -> Result<Deleted> {
        let is_it = |object: &Object| object.meta.version == *version;
        if self.current.get(key).is_some_and(is_it) {
            self.current.remove(key);
            return Ok(Deleted::new(Some(true)));
        }
        let archived = self.archive.get_mut(key).ok_or_else(not_found)?;
        let at = archived.iter().position(is_it).ok_or_else(not_found)?;
        archived.remove(at);
        if archived.is_empty() {
            self.archive.remove(key);
        }
        Ok(Deleted::new(Some(true)))
    }
}

/// Whether the version `this` was given out before `that`: by the number in front of the nonce.
fn is_older(this: &str, that: &str) -> bool {
    let number = |text: &str| {
        let digits = text.split('-').next().unwrap_or_default();
        u64::from_str_radix(digits, 16).unwrap_or(0)
    };
    number(this) < number(that)
}

fn range_from(start: &Bound<String>) -> impl RangeBounds<str> {
    (start.as_ref().map(String::as_str), Bound::Unbounded)
}

fn entry(key: &Key, object: &Object) -> ObjectEntry {
    ObjectEntry {
        key: key.clone(),
        size: object.meta.size,
        version: object.meta.version.clone(),
        modified: object.meta.modified,
    }
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "no object has this key")
}
