//! What a listing says about objects, and which it shows: STO-095 and STO-096.

use std::collections::BTreeSet;
use std::sync::Arc;

use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    Capability, CompleteOptions, CopyOptions, DeleteOptions, GetOptions, ListRequest, PartNumber,
    PutOptions, StorageProvider,
};

use super::conditions::{Form, by, if_absent, with_id};
use super::inputs::{KIB, MIB, brief, failing_after, head, key, payload, pending, put};
use super::race::finished;
use super::walk::{
    Entry, NAMES, asked, lists_as_expected, pages, request, rolled_up, settled, walk,
};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Failure};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-095",
        entries_equal_head,
        "look at where the listing has size, version and time from, above all after overwrites and for uploads in parts"
    ),
    check!(
        "STO-096",
        internal_names_stay_inside,
        "look at how temporary and internal files are told from objects: by place, not by how a key looks"
    ),
];

async fn entries_equal_head(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let plain = PutOptions::default();
    for (number, size) in [0, 1, 4096, 65_537, MIB + 1].into_iter().enumerate() {
        for form in Form::ALL {
            let key = key(format!("put/{number}/{form:?}"));
            let options = by(with_id(plain.clone(), "w"), number);
            ok("put", store.put(&key, form.body(&payload(1, size)), &options).await)?;
        }
    }
    for (number, sizes) in [[100, 5], [5, 100], [0, 70_000], [70_000, 0]].into_iter().enumerate() {
        let key = key(format!("overwritten/{number}"));
        for size in sizes {
            ok("put", put(store, &key, payload(1, size)).await)?;
        }
    }
    let recreated = key("recreated");
    ok("put", put(store, &recreated, "long content").await)?;
    ok("delete", store.delete(&recreated, &DeleteOptions::default()).await)?;
    ok("put", put(store, &recreated, "short").await)?;
    ok("copy", store.copy(&recreated, &key("copied"), &CopyOptions::default()).await)?;
    for name in NAMES {
        ok("put", put(store, &key(format!("n/{name}")), *name).await)?;
    }
    if store.capabilities().has(Capability::Multipart) {
        upload_two_parts(store).await?;
    }
    settled(store).await;
    let handles: [&dyn StorageProvider; 2] = [store, &*cx.open().await?];
    let plain = [request(""), rolled_up("n/", "/"), rolled_up("put/2/", "/"), request("copied")];
    let all = plain
        .into_iter()
        .flat_map(|plain| [None, Some(3)].map(|limit| ListRequest { limit, ..plain.clone() }));
    let all = all.flat_map(|request| handles.map(|handle| (handle, request.clone())));
    for (handle, request) in cx.some(all) {
        for page in pages(handle, &request).await? {
            for entry in page.entries.iter().filter_map(|entry| entry.as_object()) {
                let meta = ok("head", head(store, &entry.key).await)?;
                equal(
                    format!(
                        "{}, entry {}: size, version, time",
                        asked(&request),
                        brief(&entry.key)
                    ),
                    &(meta.size, &meta.version, meta.modified),
                    &(entry.size, &entry.version, entry.modified),
                )?;
            }
        }
    }
    Ok(())
}

async fn upload_two_parts(store: &dyn StorageProvider) -> Outcome {
    let joined = key("joined");
    let first = payload(1, (store.capabilities().limits.min_part_size as usize).max(10));
    let upload = ok("create_upload", store.create_upload(&joined, &PutOptions::default()).await)?;
    let mut parts = Vec::new();
    for (number, content) in [(1, first), (2, payload(2, 77))] {
        let number = ok("part number", PartNumber::new(number))?;
        let part = store.upload_part(&joined, &upload, number, content.into()).await;
        parts.push(ok("upload_part", part)?);
    }
    let options = CompleteOptions::default();
    ok("complete_upload", store.complete_upload(&joined, &upload, &parts, &options).await).map(drop)
}

/// Keys that look as if a store had made them for itself.
const INTERNAL_LOOKS: &[&str] = &[
    "x#1",
    "x#2",
    ".tmp",
    ".tmp/x",
    "a",
    "a.attrs",
    "a.meta",
    "a.tmp",
    "a.part",
    "a.lock",
    "a~",
    ".a.swp",
    "a.json",
    "a.crc",
    "a.etag",
    "a.version",
    "a#attrs",
    "a$folder$",
    "_$folder$",
    ".omni",
    ".omni/x",
    ".omni-tmp",
    "_omni/x",
    "omni",
    "omni/tmp/1",
    ".opendal",
    "index.sqlite",
    "index.sqlite-wal",
    "index.db",
    "index.sqlite-shm",
    "index.sqlite-journal",
    "files/1",
    "files",
    "objects/00/1",
    "objects",
    "data/1",
    "blobs/1",
    ".uploads",
    ".uploads/x",
    "uploads/1/1",
    "multipart/x",
    ".multipart",
    "parts/1",
    ".versions/a",
    "versions/a",
    "tmp/1",
    "tmp",
    "temp/x",
    "staging/x",
    ".staging",
    "lock",
    "LOCK",
    ".lock",
    "meta/a",
    ".meta/a",
    "trash/x",
    ".trash",
    "wal/1",
    "journal",
    "store.toml",
    "format",
    "version",
    "lost+found/x",
];

async fn internal_names_stay_inside(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let nothing = walk(&*store, &request("")).await?;
    holds("list of a new store", nothing.is_empty(), "no entries", &nothing)?;
    // Attributes, write ids, overwrites and deletes leave traces in stores; none may show.
    for (number, name) in INTERNAL_LOOKS.iter().enumerate() {
        let key = key(name);
        let options = by(with_id(PutOptions::default(), &format!("w-{number}")), name);
        let form = Form::ALL[number % 3];
        ok("put", store.put(&key, form.body(&payload(number as u64, 60)), &options).await)?;
        if number % 4 == 1 {
            ok("put", store.put(&key, form.body(&payload(7, 70 * KIB)), &options).await)?;
        }
    }
    let gone = key("gone");
    ok("put", put(&*store, &gone, payload(1, 70 * KIB)).await)?;
    ok("delete", store.delete(&gone, &DeleteOptions::default()).await)?;
    let mut keys: BTreeSet<String> = INTERNAL_LOOKS.iter().map(|name| (*name).to_owned()).collect();
    shows_only(cx, &keys, "after puts, overwrites and a delete").await?;
    for name in INTERNAL_LOOKS.iter().step_by(7) {
        let key = key(name);
        ok(format!("get of {name:?}"), store.get(&key, &GetOptions::default()).await)?;
    }
    unfinished_writes(cx, &store, &mut keys).await?;
    for name in INTERNAL_LOOKS.iter().step_by(2) {
        ok("delete", store.delete(&key(name), &DeleteOptions::default()).await)?;
        keys.remove(*name);
    }
    shows_only(cx, &keys, "after deletes of keys that look internal").await
}

/// Streamed puts that wait, fail or are dropped, and an upload in parts.
async fn unfinished_writes(
    cx: &Context,
    store: &Arc<dyn StorageProvider>,
    keys: &mut BTreeSet<String>,
) -> Outcome {
    let mut waiting = Vec::new();
    let firsts = [1, 100 * KIB, 9 * MIB];
    for (number, name) in ["unfinished/new", "a", "unfinished/large"].into_iter().enumerate() {
        let (gate, body) = pending(payload(1, firsts[number]), payload(2, 10), None);
        let (writer, key) = (Arc::clone(store), key(name));
        let mut task =
            tokio::spawn(async move { writer.put(&key, body, &PutOptions::default()).await });
        tokio::select! {
            () = gate.reached() => waiting.push((gate, task)),
            early = &mut task => {
                ok("put whose body waits", finished(early)?)?;
                return holds("put whose body waits", false, "it waits for the body", "success");
            }
        }
    }
    shows_only(cx, keys, "while streamed puts wait for their bodies").await?;
    let upload_key = key("unfinished/upload");
    let mut upload = None;
    if store.capabilities().has(Capability::Multipart) {
        let id = store.create_upload(&upload_key, &by(PutOptions::default(), "upload")).await;
        let id = ok("create_upload", id)?;
        shows_only(cx, keys, "after create_upload").await?;
        for number in [1, 3] {
            let number = ok("part number", PartNumber::new(number))?;
            let body = payload(1, 100 * KIB).into();
            ok("upload_part", store.upload_part(&upload_key, &id, number, body).await)?;
        }
        shows_only(cx, keys, "while an upload has parts and is not completed").await?;
        upload = Some(id);
    }
    let broken = failing_after(payload(1, 100 * KIB), &[9999], None);
    let failed = put(&**store, &key("unfinished/failed"), broken).await;
    holds("put of a body that fails", failed.is_err(), "an error", "success")?;
    if store.capabilities().has(Capability::ConditionalCreate) {
        let taken = store.put(&key("a"), payload(1, 100).into(), &if_absent()).await;
        fails_with("put with IfAbsent on a taken key", ErrorKind::AlreadyExists, taken)?;
    }
    // The first waiting put completes, the second is dropped, the third completes.
    for (number, (gate, task)) in waiting.into_iter().enumerate() {
        if number == 1 {
            task.abort();
            drop(task.await);
            continue;
        }
        gate.open();
        ok("put whose body waited", finished(task.await)?)?;
    }
    keys.extend(["unfinished/new".to_owned(), "unfinished/large".to_owned()]);
    shows_only(cx, keys, "after the waiting puts were completed or dropped").await?;
    if let Some(id) = upload {
        ok("abort_upload", store.abort_upload(&upload_key, &id).await)?;
        shows_only(cx, keys, "after abort_upload").await?;
    }
    Ok(())
}

async fn shows_only(cx: &Context, keys: &BTreeSet<String>, when: &str) -> Outcome {
    let store = cx.open().await?;
    settled(&*store).await;
    for prefix in ["", ".", "_", "a", ".omni", "unfinished", "index", "files/", "tmp", "u", "x"] {
        for plain in [request(prefix), rolled_up(prefix, "/"), rolled_up(prefix, "#")] {
            let request = ListRequest { limit: (prefix == "a").then_some(1), ..plain };
            lists_as_expected(&*store, keys, &request).await.map_err(|failure| Failure {
                situation: format!("{when}: {}", failure.situation),
                ..failure
            })?;
        }
    }
    let root: Vec<Entry> = walk(&*store, &request("")).await?;
    equal(format!("{when}: number of entries"), &keys.len(), &root.len())
}
