//! Everything that a caller can see of a store at one moment, to be compared with a later one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use omni_contracts::storage::{
    Attributes, Capability, Key, ObjectEntry, ObjectMeta, Part, Prefix, StorageProvider,
    UploadEntry, VersionEntry,
};
use omni_contracts::{ErrorKind, Result};

use super::inputs::{brief, head, listed, read, same_bytes};
use crate::check::{Failure, Outcome, equal, ok};

/// What is visible of a store: objects by listing, `head` and `get`; versions; uploads with their
/// parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    objects: BTreeMap<Key, Seen>,
    versions: Vec<VersionEntry>,
    uploads: BTreeMap<UploadName, Vec<Part>>,
}

/// Key and id.
type UploadName = (Key, String);

/// One object by each way to see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    listed: Option<ObjectEntry>,
    head: Option<ObjectMeta>,
    read: Option<(ObjectMeta, Bytes)>,
}

impl Snapshot {
    /// Looks at everything that is listed, and at `keys` even when they are not.
    pub(crate) async fn take(
        store: &dyn StorageProvider,
        keys: &[Key],
    ) -> std::result::Result<Self, Failure> {
        let declared = store.capabilities();
        let mut objects: BTreeMap<Key, Seen> = BTreeMap::new();
        for entry in ok("list of the whole store", listed(store, "").await)? {
            let seen = objects.entry(entry.key.clone()).or_default();
            if let Some(twice) = seen.listed.replace(entry) {
                return Err(Failure::new(
                    "list of the whole store",
                    "each object once",
                    format!("{} twice", brief(&twice.key)),
                ));
            }
        }
        let names: BTreeSet<Key> = objects.keys().chain(keys).cloned().collect();
        for key in names {
            let about =
                ok(format!("head of {}", brief(&key)), unless_missing(head(store, &key).await))?;
            let content =
                ok(format!("get of {}", brief(&key)), unless_missing(read(store, &key).await))?;
            if about.is_some() || content.is_some() || objects.contains_key(&key) {
                let seen = objects.entry(key).or_default();
                seen.head = about;
                seen.read = content;
            }
        }
        let versions = if declared.has(Capability::Versioning) {
            ok("list_versions", all_versions(store, "", None).await)?
        } else {
            Vec::new()
        };
        let mut uploads = BTreeMap::new();
        if declared.has(Capability::Multipart) {
            for upload in ok("list_uploads", all_uploads(store, "").await)? {
                let parts = ok(
                    format!("list_parts of a listed upload of {}", brief(&upload.key)),
                    store.list_parts(&upload.key, &upload.id).await,
                )?;
                uploads.insert((upload.key, upload.id.as_str().to_owned()), parts);
            }
        }
        Ok(Self { objects, versions, uploads })
    }

    /// Expects that nothing visible differs from `self` now.
    pub(crate) async fn unchanged(
        &self,
        store: &dyn StorageProvider,
        keys: &[Key],
        situation: &str,
    ) -> Outcome {
        let now = Self::take(store, keys).await.map_err(|mut failure| {
            failure.situation = format!("{situation}: {}", failure.situation);
            failure
        })?;
        self.same_objects(&now, situation)?;
        equal(format!("{situation}: stored versions"), &self.versions, &now.versions)?;
        self.same_uploads(&now, situation)
    }

    /// Expects the same unfinished uploads with the same parts.
    pub(crate) fn same_uploads(&self, now: &Self, situation: &str) -> Outcome {
        equal(
            format!("{situation}: unfinished uploads and their parts"),
            &self.uploads,
            &now.uploads,
        )
    }

    /// Expects the same objects, versions and times included.
    pub(crate) fn same_objects(&self, now: &Self, situation: &str) -> Outcome {
        let absent = Seen::default();
        let keys: BTreeSet<&Key> = self.objects.keys().chain(now.objects.keys()).collect();
        for key in keys {
            let before = self.objects.get(key).unwrap_or(&absent);
            let after = now.objects.get(key).unwrap_or(&absent);
            let name = brief(key);
            let content = |seen: &Seen| seen.read.as_ref().map(|(_, bytes)| bytes.clone());
            if let (Some(before), Some(after)) = (content(before), content(after)) {
                same_bytes(format!("{situation}: content of {name}"), &before, &after)?;
            }
            equal(
                format!("{situation}: length of {name} by get"),
                &content(before).map(|bytes| bytes.len()),
                &content(after).map(|bytes| bytes.len()),
            )?;
            let meta = |seen: &Seen| seen.read.as_ref().map(|(meta, _)| meta.clone());
            let what = |way: &str| format!("{situation}: description of {name} by {way}");
            equal(what("get"), &meta(before), &meta(after))?;
            equal(what("head"), &before.head, &after.head)?;
            equal(what("list"), &before.listed, &after.listed)?;
        }
        Ok(())
    }

    /// The objects without what every write changes: content and attributes by key.
    pub(crate) fn contents(&self) -> BTreeMap<&Key, (&Bytes, &Attributes)> {
        self.objects
            .iter()
            .filter_map(|(key, seen)| {
                let (meta, bytes) = seen.read.as_ref()?;
                Some((key, (bytes, &*meta.attributes)))
            })
            .collect()
    }

    /// Expects a store in which nothing is left.
    pub(crate) fn is_empty(&self, situation: &str) -> Outcome {
        let keys: Vec<_> = self.objects.keys().collect();
        equal(format!("{situation}: objects"), &Vec::new(), &keys)?;
        equal(format!("{situation}: stored versions"), &Vec::new(), &self.versions)?;
        let uploads: Vec<_> = self.uploads.keys().collect();
        equal(format!("{situation}: unfinished uploads"), &Vec::new(), &uploads)
    }
}

/// `None` when there is no such object; what a store cannot hold, it does not hold.
fn unless_missing<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidArgument) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// All pages of `list_uploads`.
pub(crate) async fn all_uploads(
    store: &dyn StorageProvider,
    prefix: &str,
) -> Result<Vec<UploadEntry>> {
    let prefix = Prefix::new(prefix)?;
    let mut entries = Vec::new();
    let mut token = None;
    loop {
        let page = store.list_uploads(&prefix, token.as_ref()).await?;
        entries.extend(page.entries);
        let next = moved_on("list_uploads", token.as_ref(), page.next)?;
        match next {
            None => return Ok(entries),
            next => token = next,
        }
    }
}

/// All pages of `list_versions`.
pub(crate) async fn all_versions(
    store: &dyn StorageProvider,
    prefix: &str,
    limit: Option<usize>,
) -> Result<Vec<VersionEntry>> {
    let prefix = Prefix::new(prefix)?;
    let mut entries = Vec::new();
    let mut token = None;
    loop {
        let page = store.list_versions(&prefix, token.as_ref(), limit).await?;
        entries.extend(page.entries);
        let next = moved_on("list_versions", token.as_ref(), page.next)?;
        match next {
            None => return Ok(entries),
            next => token = next,
        }
    }
}

/// Refuses a token that would make a loop endless.
fn moved_on<T: PartialEq + std::fmt::Debug>(
    what: &str,
    before: Option<&T>,
    next: Option<T>,
) -> Result<Option<T>> {
    if next.is_some() && next.as_ref() == before {
        return Err(omni_contracts::Error::new(
            ErrorKind::Internal,
            format!("{what} continues with the same token again: {next:?}"),
        ));
    }
    Ok(next)
}
