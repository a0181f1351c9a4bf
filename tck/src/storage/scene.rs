//! A small store to make wrong calls on, a wrong call, and a short form of each operation.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, stream};
use omni_contracts::storage::{
    Attributes, ByteRange, Capability, CompleteOptions, CopyOptions, DeleteOptions, GetOptions,
    Key, ListRequest, PageToken, Part, PartNumber, Prefix, PresignMethod, PresignRequest,
    PutOptions, StorageProvider, UploadId, Version,
};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};

use super::inputs::key;
use super::snapshot::Snapshot;
use crate::Context;
use crate::check::{Failure, Outcome, ok};

/// Stands in every content and every metadata value of a [`Scene`], and must not stand in messages.
pub(super) const MARKER: &str = "confidential-7f3a91";

/// One call that must fail.
pub(super) struct WrongCall {
    /// What is called, and what is wrong with it.
    pub(super) situation: String,
    pub(super) operation: Operation,
    pub(super) kind: ErrorKind,
    /// The keys that it is about: one, two for a copy, none for a listing.
    pub(super) keys: Vec<Key>,
    asked: Arc<AtomicBool>,
    call: BoxFuture<'static, Result<String>>,
}

impl WrongCall {
    /// Makes the call; a success is shown as text.
    pub(super) fn run(&mut self) -> impl Future<Output = Result<String>> + Send {
        std::mem::replace(&mut self.call, futures_util::future::pending().boxed())
    }

    /// Whether the call asked its streamed source for bytes.
    pub(super) fn asked_its_source(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The keys of `calls`.
pub(super) fn keys_of(calls: &[WrongCall]) -> Vec<Key> {
    calls.iter().flat_map(|call| call.keys.iter().cloned()).collect()
}

/// A small store to make wrong calls on.
pub(super) struct Scene {
    pub(super) store: Arc<dyn StorageProvider>,
    /// Has no object.
    pub(super) free: Key,
    /// Has an object.
    pub(super) taken: Key,
    pub(super) source: Key,
    pub(super) current: Version,
    pub(super) stale: Version,
    pub(super) upload: UploadId,
    pub(super) parts: Vec<Part>,
}

impl Scene {
    /// Two objects, one of them overwritten once, and an upload with two parts where multipart is
    /// declared.
    pub(super) async fn set(cx: &Context) -> std::result::Result<Self, Failure> {
        let store = cx.open().await?;
        let (taken, source) = (key("scene/taken"), key("scene/source"));
        let put = |key: Key, size| {
            let store = Arc::clone(&store);
            async move { store.put(&key, content(size).into(), &described()).await }
        };
        let stale = ok("put", put(taken.clone(), 99).await)?.version;
        let current = ok("overwrite", put(taken.clone(), 100).await)?.version;
        ok("put", put(source.clone(), 100).await)?;
        let mut scene = Self {
            store: Arc::clone(&store),
            free: key("scene/free"),
            taken,
            source,
            current,
            stale,
            upload: UploadId::new("no-such-upload"),
            parts: Vec::new(),
        };
        if store.capabilities().has(Capability::Multipart) {
            let least = store.capabilities().limits.min_part_size as usize;
            let id = store.create_upload(&scene.taken, &described()).await;
            scene.upload = ok("create_upload", id)?;
            for number in [1, 2] {
                let number = PartNumber::new(number).map_err(|error| {
                    Failure::new("making a part number", "success", error.to_string())
                })?;
                let body = content(least.max(50)).into();
                let part = store.upload_part(&scene.taken, &scene.upload, number, body).await;
                scene.parts.push(ok("upload_part", part)?);
            }
        }
        Ok(scene)
    }

    /// Everything that is visible now, `keys` included when they are not listed.
    pub(super) async fn look(
        &self,
        mut keys: Vec<Key>,
    ) -> std::result::Result<(Vec<Key>, Snapshot), Failure> {
        keys.extend([&self.free, &self.taken, &self.source].map(Key::clone));
        let snapshot = Snapshot::take(&*self.store, &keys).await?;
        Ok((keys, snapshot))
    }

    /// Expects the picture of [`look`](Self::look) again.
    pub(super) async fn is_as(
        &self,
        (keys, snapshot): &(Vec<Key>, Snapshot),
        situation: &str,
    ) -> Outcome {
        snapshot.unchanged(&*self.store, keys, situation).await
    }
}

/// The calls, one short form each.
impl Scene {
    fn call<T: Debug>(
        &self,
        kind: ErrorKind,
        operation: Operation,
        what: &str,
        keys: &[&Key],
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> WrongCall {
        let names: Vec<_> = keys.iter().map(|key| super::inputs::brief(key)).collect();
        WrongCall {
            situation: format!("{operation} {}: {what}", names.join(" to ")),
            operation,
            kind,
            keys: keys.iter().map(|key| (*key).clone()).collect(),
            asked: Arc::default(),
            call: async move { call.await.map(|value| format!("{value:?}")) }.boxed(),
        }
    }

    /// As bytes and as a stream that tells whether it was asked for bytes.
    pub(super) fn puts(
        &self,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        options: &PutOptions,
    ) -> [WrongCall; 2] {
        self.puts_of(70, kind, what, key, options)
    }

    pub(super) fn puts_of(
        &self,
        size: usize,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        options: &PutOptions,
    ) -> [WrongCall; 2] {
        let what = format!("{what}, {size} bytes");
        let asked = Arc::default();
        let streamed = watched(content(size), &asked);
        let whole = self.put(kind, &what, key, content(size).into(), options.clone());
        let mut stream =
            self.put(kind, &format!("{what}, streamed"), key, streamed, options.clone());
        stream.asked = asked;
        [whole, stream]
    }

    pub(super) fn put(
        &self,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        body: Body,
        options: PutOptions,
    ) -> WrongCall {
        let (store, to) = (Arc::clone(&self.store), key.clone());
        self.call(kind, Operation::Put, what, &[key], async move {
            store.put(&to, body, &options).await
        })
    }

    /// By `get`, `head` and `get_ranges`.
    pub(super) fn reads(
        &self,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        options: &GetOptions,
    ) -> [WrongCall; 3] {
        let (store, at, how) = (Arc::clone(&self.store), key.clone(), options.clone());
        [
            self.get(kind, what, key, options.clone()),
            self.call(
                kind,
                Operation::Head,
                what,
                &[key],
                async move { store.head(&at, &how).await },
            ),
            self.get_ranges(kind, what, key, vec![(0..1).into()], options.clone()),
        ]
    }

    pub(super) fn get(
        &self,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        options: GetOptions,
    ) -> WrongCall {
        let (store, at) = (Arc::clone(&self.store), key.clone());
        self.call(kind, Operation::Get, what, &[key], async move { store.get(&at, &options).await })
    }

    pub(super) fn get_ranges(
        &self,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        ranges: Vec<ByteRange>,
        options: GetOptions,
    ) -> WrongCall {
        let (store, at) = (Arc::clone(&self.store), key.clone());
        self.call(kind, Operation::GetRanges, what, &[key], async move {
            store.get_ranges(&at, &ranges, &options).await
        })
    }

    pub(super) fn delete(
        &self,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        options: DeleteOptions,
    ) -> WrongCall {
        let (store, at) = (Arc::clone(&self.store), key.clone());
        self.call(kind, Operation::Delete, what, &[key], async move {
            store.delete(&at, &options).await
        })
    }

    pub(super) fn copy(
        &self,
        kind: ErrorKind,
        what: &str,
        from: &Key,
        to: &Key,
        options: CopyOptions,
    ) -> WrongCall {
        let (store, source, target) = (Arc::clone(&self.store), from.clone(), to.clone());
        self.call(kind, Operation::Copy, what, &[from, to], async move {
            store.copy(&source, &target, &options).await
        })
    }

    pub(super) fn list(&self, kind: ErrorKind, what: &str, request: ListRequest) -> WrongCall {
        let store = Arc::clone(&self.store);
        self.call(kind, Operation::List, what, &[], async move { store.list(&request).await })
    }

    pub(super) fn list_versions(
        &self,
        kind: ErrorKind,
        what: &str,
        prefix: &str,
        token: Option<&str>,
        limit: Option<usize>,
    ) -> WrongCall {
        let (store, prefix) = (Arc::clone(&self.store), prefix_of(prefix));
        let token = token.map(PageToken::new);
        self.call(kind, Operation::ListVersions, what, &[], async move {
            store.list_versions(&prefix, token.as_ref(), limit).await
        })
    }

    pub(super) fn list_uploads(
        &self,
        kind: ErrorKind,
        what: &str,
        prefix: &str,
        token: Option<&str>,
    ) -> WrongCall {
        let (store, prefix) = (Arc::clone(&self.store), prefix_of(prefix));
        let token = token.map(PageToken::new);
        self.call(kind, Operation::ListUploads, what, &[], async move {
            store.list_uploads(&prefix, token.as_ref()).await
        })
    }

    pub(super) fn create_upload(
        &self,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        options: PutOptions,
    ) -> WrongCall {
        let (store, to) = (Arc::clone(&self.store), key.clone());
        self.call(kind, Operation::CreateUpload, what, &[key], async move {
            store.create_upload(&to, &options).await
        })
    }

    /// Part 1 of the scene's upload; without a body, of a stream that tells whether it was asked.
    pub(super) fn upload_part(
        &self,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        body: Option<Body>,
    ) -> WrongCall {
        let (store, to, id) = (Arc::clone(&self.store), key.clone(), self.upload.clone());
        let asked = Arc::default();
        let body = body.unwrap_or_else(|| watched(content(70), &asked));
        let mut call = self.call(kind, Operation::UploadPart, what, &[key], async move {
            store.upload_part(&to, &id, first_part(), body).await
        });
        call.asked = asked;
        call
    }

    pub(super) fn list_parts(
        &self,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        id: &UploadId,
    ) -> WrongCall {
        let (store, at, id) = (Arc::clone(&self.store), key.clone(), id.clone());
        self.call(kind, Operation::ListParts, what, &[key], async move {
            store.list_parts(&at, &id).await
        })
    }

    pub(super) fn complete(
        &self,
        kind: ErrorKind,
        what: &str,
        key: &Key,
        parts: Vec<Part>,
        options: CompleteOptions,
    ) -> WrongCall {
        let (store, to, id) = (Arc::clone(&self.store), key.clone(), self.upload.clone());
        self.call(kind, Operation::CompleteUpload, what, &[key], async move {
            store.complete_upload(&to, &id, &parts, &options).await
        })
    }

    pub(super) fn abort(&self, kind: ErrorKind, what: &str, key: &Key) -> WrongCall {
        let (store, at, id) = (Arc::clone(&self.store), key.clone(), self.upload.clone());
        self.call(kind, Operation::AbortUpload, what, &[key], async move {
            store.abort_upload(&at, &id).await
        })
    }

    pub(super) fn presign(
        &self,
        kind: ErrorKind,
        what: &str,
        method: PresignMethod,
        expires_in: Duration,
    ) -> WrongCall {
        let (store, at) = (Arc::clone(&self.store), self.taken.clone());
        let request = PresignRequest { method, expires_in, content_type: None };
        let what = format!("{method:?}, {what}");
        self.call(kind, Operation::Presign, &what, &[&self.taken], async move {
            store.presign(&at, &request).await
        })
    }
}

/// Bytes that say they are confidential.
pub(super) fn content(size: usize) -> Bytes {
    let mut all = format!("{MARKER} ").repeat(size / MARKER.len() + 1).into_bytes();
    all.truncate(size);
    all.into()
}

/// Options with metadata that says it is confidential.
pub(super) fn described() -> PutOptions {
    let attributes = Attributes {
        content_type: Some("text/plain".to_owned()),
        metadata: [("note".to_owned(), MARKER.to_owned())].into(),
        ..Attributes::default()
    };
    PutOptions { attributes: Arc::new(attributes), ..PutOptions::default() }
}

fn watched(bytes: Bytes, asked: &Arc<AtomicBool>) -> Body {
    let (length, asked) = (bytes.len() as u64, Arc::clone(asked));
    let chunks = stream::once(async move {
        asked.store(true, Ordering::Relaxed);
        Ok::<_, Error>(bytes)
    });
    Body::from_stream(chunks, Some(length))
}

#[expect(clippy::unwrap_used, reason = "a constant number, checked by every run")]
pub(super) fn first_part() -> PartNumber {
    PartNumber::new(1).unwrap()
}

#[expect(clippy::unwrap_used, reason = "constant prefixes, checked by every run")]
pub(super) fn prefix_of(text: &str) -> Prefix {
    Prefix::new(text).unwrap()
}
