//! STO-130 to STO-141 without completing: uploads and their parts. Completing is in `completion`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use omni_contracts::storage::{
    Attributes, CompleteOptions, Crc32c, DeleteOptions, Key, Part, PartNumber, PutOptions,
    StorageProvider, UploadId, Version, WriteCondition, Written,
};
use omni_contracts::{Body, ErrorKind, Result};
use rand::seq::SliceRandom;

use super::attributes::{full, has_attributes, put_with};
use super::inputs::{
    KIB, brief, chunked, failing_after, has_content, has_no_object, head, key, listed, long,
    payload, pending, put, read, same_bytes, short, stamped, streamed,
};
use super::operations::dropped_halfway;
use super::race::race_of;
use super::snapshot::{Snapshot, all_uploads};
use crate::check::{Failure, Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-130",
        uploads_are_invisible_until_completed,
        "keep parts outside the namespace of objects, and publish by one step"
    ),
    check!(
        "STO-131",
        parts_join_by_number,
        "sort parts by number as a number, and keep each upload's parts apart"
    ),
    check!("STO-132", sent_again_replaces, "a part sent again must replace the whole earlier part"),
    check!(
        "STO-133",
        received_parts_are_listed,
        "list all parts, by number as a number, beyond the back-end's page of parts too"
    ),
    check!(
        "STO-135",
        uploads_keep_attributes,
        "store the attributes of `create_upload` with the upload"
    ),
    check!(
        "STO-138",
        abort_frees_the_upload,
        "abort must remove the upload and its parts, and be a success when there is nothing"
    ),
    check!(
        "STO-139",
        unfinished_uploads_are_listed,
        "list all uploads below the raw prefix, beyond the back-end's page too"
    ),
    check!(
        "STO-140",
        failed_parts_are_not_received,
        "a part counts when its whole source was read; until then the earlier part stays"
    ),
    check!("STO-141", uploads_belong_to_their_key, "look uploads up by key and id together"),
];

/// One upload in progress.
#[derive(Clone)]
pub(super) struct Upload {
    pub(super) store: Arc<dyn StorageProvider>,
    pub(super) key: Key,
    pub(super) id: UploadId,
}

impl Upload {
    pub(super) async fn begin(
        store: &Arc<dyn StorageProvider>,
        key: &Key,
        attributes: &Attributes,
    ) -> std::result::Result<Self, Failure> {
        let attributes = Arc::new(attributes.clone());
        let options = PutOptions { attributes, ..PutOptions::default() };
        let id = store.create_upload(key, &options).await;
        let id = ok(format!("create_upload of {}", brief(key)), id)?;
        Ok(Self { store: Arc::clone(store), key: key.clone(), id })
    }

    pub(super) async fn send(&self, number: u16, body: impl Into<Body>) -> Result<Part> {
        let number = PartNumber::new(number)?;
        self.store.upload_part(&self.key, &self.id, number, body.into()).await
    }

    pub(super) async fn received(
        &self,
        number: u16,
        body: impl Into<Body>,
    ) -> std::result::Result<Part, Failure> {
        let part = self.send(number, body).await;
        ok(format!("upload_part {number} of {}", brief(&self.key)), part)
    }

    pub(super) async fn parts(&self) -> Result<Vec<Part>> {
        self.store.list_parts(&self.key, &self.id).await
    }

    pub(super) async fn complete(&self, parts: &[Part]) -> Result<Written> {
        self.complete_with(parts, &CompleteOptions::default()).await
    }

    pub(super) async fn complete_if(
        &self,
        parts: &[Part],
        condition: WriteCondition,
    ) -> Result<Written> {
        self.complete_with(parts, &CompleteOptions { condition, checksum: None }).await
    }

    pub(super) async fn complete_with(
        &self,
        parts: &[Part],
        options: &CompleteOptions,
    ) -> Result<Written> {
        self.store.complete_upload(&self.key, &self.id, parts, options).await
    }

    pub(super) async fn abort(&self) -> Result<()> {
        self.store.abort_upload(&self.key, &self.id).await
    }

    /// Whether `list_uploads` shows it.
    pub(super) async fn is_listed(&self) -> std::result::Result<bool, Failure> {
        let entries = all_uploads(&*self.store, self.key.as_str()).await;
        let entries = ok("list_uploads", entries)?;
        Ok(entries.iter().any(|entry| entry.id == self.id && entry.key == self.key))
    }
}

/// The size of a part that is not the last, at least `wanted`.
pub(super) fn part_size(store: &dyn StorageProvider, wanted: usize) -> usize {
    wanted.max(usize::try_from(store.capabilities().limits.min_part_size).unwrap_or(usize::MAX))
}

/// Expects parts to be listed as they were acknowledged: by number, size and version, and by checksum
/// where both know it.
pub(super) fn as_acknowledged(situation: &str, sent: &[Part], listed: &[Part]) -> Outcome {
    equal(situation, &receipts(sent), &receipts(listed))?;
    for (sent, seen) in sent.iter().zip(listed) {
        if let (Some(sent), Some(seen)) = (sent.checksum, seen.checksum) {
            equal(format!("{situation}: checksum"), &sent, &seen)?;
        }
    }
    Ok(())
}

fn receipts(parts: &[Part]) -> Vec<(u16, u64, &Version)> {
    parts.iter().map(|part| (part.number.get(), part.size, &part.version)).collect()
}

async fn uploads_are_invisible_until_completed(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    for previous in [None, Some(payload(9, 5000))] {
        let at = key(if previous.is_some() { "folder/taken" } else { "folder/free" });
        if let Some(previous) = &previous {
            ok("put", put_with(&*store, &at, previous.clone(), &full(9)).await)?;
        }
        let keys = [at.clone(), key("folder")];
        let before = Snapshot::take(&*store, &keys).await?;
        let size = part_size(&*store, 64 * KIB + 1);
        let mut parts = Vec::new();
        let uploads = [
            Upload::begin(&store, &at, &full(1)).await?,
            Upload::begin(&store, &at, &full(2)).await?,
        ];
        for number in 1..=3 {
            let content = payload(u64::from(number), size);
            parts.push(uploads[0].received(number, content.clone()).await?);
            uploads[1].received(number, chunked(content, &[10_000])).await?;
            let now = Snapshot::take(&*store, &keys).await?;
            before.same_objects(&now, &format!("{number} parts of two uploads received"))?;
        }
        let (gate, body) = pending(payload(1, 70_000), payload(2, 10), None);
        let other = uploads[1].clone();
        let sending = tokio::spawn(async move { other.send(4, body).await });
        gate.reached().await;
        let now = Snapshot::take(&*store, &keys).await?;
        before.same_objects(&now, "while a part is being received")?;
        gate.open();
        let sent = sending
            .await
            .map_err(|panic| Failure::new("upload_part", "an answer", panic.to_string()))?;
        ok("upload_part", sent)?;
        let whole: Vec<u8> = (1..=3).flat_map(|number| payload(number, size)).collect();
        let written = ok("complete_upload", uploads[0].complete(&parts).await)?;
        let seen = has_content(&*store, &at, &whole, "after complete_upload").await?;
        equal("what complete_upload returned and get", &seen.written(), &written)?;
        ok("abort_upload", uploads[1].abort().await)?;
    }
    completion_is_one_moment(&store).await
}

/// Readers during completion see all of the old or all of the new.
async fn completion_is_one_moment(store: &Arc<dyn StorageProvider>) -> Outcome {
    let at = key("moment");
    let sizes = [part_size(&**store, 40 * KIB), 30 * KIB];
    ok("put", put(&**store, &at, stamped(0, sizes[0] + sizes[1])).await)?;
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, at, done) = (Arc::clone(store), at.clone(), Arc::clone(&done));
        let size = sizes[0] + sizes[1];
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let (_, seen) = ok("get while an upload is completed", read(&*store, &at).await)?;
                let mut stamp = [0; 8];
                stamp.copy_from_slice(seen.get(..8).unwrap_or(&[0; 8]));
                let expected = stamped(u64::from_le_bytes(stamp), size);
                same_bytes("get while an upload is completed", &expected, &seen)?;
                let about = ok("head while an upload is completed", head(&*store, &at).await)?;
                equal("size while an upload is completed", &(size as u64), &about.size)?;
                tokio::task::yield_now().await;
            }
            Ok(())
        })
    };
    let mut outcome = Ok(());
    for round in 1..=20 {
        outcome = async {
            let upload = Upload::begin(store, &at, &Attributes::default()).await?;
            let parts = [
                upload.received(1, stamped(round, sizes[0])).await?,
                upload.received(2, stamped(round, sizes[1])).await?,
            ];
            ok("complete_upload", upload.complete(&parts).await).map(drop)
        }
        .await;
        if outcome.is_err() {
            break;
        }
    }
    done.store(true, Ordering::Relaxed);
    let read: Outcome =
        reader.await.map_err(|panic| Failure::new("reading", "an answer", panic.to_string()))?;
    outcome.and(read)
}

async fn parts_join_by_number(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let mut rng = cx.rng("part order");
    let free = store.capabilities().limits.min_part_size <= 1 << 16;
    let numbers: &[u16] = if free {
        &[
            1, 2, 3, 9, 10, 11, 99, 100, 101, 127, 128, 255, 256, 257, 999, 1000, 1001, 4096, 9999,
            10_000,
        ]
    } else {
        &[2, 10, 257, 9999]
    };
    let sizes = [0, 1, 100, 4096, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1];
    for order in cx.some(["ascending", "descending", "shuffled", "concurrent"]) {
        let least =
            usize::try_from(store.capabilities().limits.min_part_size).unwrap_or(usize::MAX);
        let mut pieces: Vec<(u16, Bytes)> = numbers
            .iter()
            .enumerate()
            .map(|(position, number)| {
                let size = sizes[position % sizes.len()];
                let last = position + 1 == numbers.len();
                (*number, payload(u64::from(*number), if last { size } else { size.max(least) }))
            })
            .collect();
        let whole: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        match order {
            "descending" => pieces.reverse(),
            "ascending" => {}
            _ => pieces.shuffle(&mut rng),
        }
        let at = key(format!("joined/{order}"));
        let upload = Upload::begin(&store, &at, &full(1)).await?;
        // Another upload of the same numbers at the same time.
        let noise = Upload::begin(&store, &key("joined/noise"), &full(2)).await?;
        let width = if order == "concurrent" { 8 } else { 1 };
        let sends = pieces.into_iter().map(|(number, bytes)| {
            let (upload, noise) = (upload.clone(), noise.clone());
            tokio::spawn(async move {
                noise.received(number, payload(7, 50)).await?;
                let body = match number % 3 {
                    0 => chunked(bytes, &[5000, 1]),
                    1 => streamed(bytes, &[9999], None),
                    _ => bytes.into(),
                };
                upload.received(number, body).await
            })
        });
        let mut parts = Vec::new();
        if width == 1 {
            for send in sends {
                parts.push(joined(send.await)?);
            }
        } else {
            let mut sending = stream::iter(sends).buffer_unordered(width);
            while let Some(part) = sending.next().await {
                parts.push(joined(part)?);
            }
        }
        parts.sort_by_key(|part| part.number);
        let situation = format!("{} parts sent {order}", parts.len());
        let written = ok(format!("complete: {situation}"), upload.complete(&parts).await)?;
        let seen = has_content(&*store, &at, &whole, &situation).await?;
        let what = format!("{situation}: what complete_upload returned and get");
        equal(what, &seen.written(), &written)?;
        if let Some(checksum) = written.checksum {
            equal(format!("{situation}: checksum"), &Crc32c::of(&whole), &checksum)?;
        }
        let entries = ok("list", listed(&*store, at.as_str()).await)?;
        equal(
            format!("{situation}: sizes by list"),
            &vec![whole.len() as u64],
            &entries.iter().map(|entry| entry.size).collect(),
        )?;
        has_no_object(&*store, &noise.key, "an upload beside, not completed").await?;
        ok("abort_upload", noise.abort().await)?;
    }
    few_parts(cx, &store).await
}

fn joined<T>(
    task: std::result::Result<std::result::Result<T, Failure>, tokio::task::JoinError>,
) -> std::result::Result<T, Failure> {
    task.map_err(|panic| Failure::new("upload_part", "an answer", panic.to_string()))?
}

/// One part of any number and size, and a selection of those received.
async fn few_parts(cx: &Context, store: &Arc<dyn StorageProvider>) -> Outcome {
    for (number, size) in
        cx.some([(1, 0), (1, 1), (7, 64 * KIB + 1), (10_000, 5 << 20), (2, (8 << 20) + 1)])
    {
        let at = key(format!("single/{number}/{size}"));
        let upload = Upload::begin(store, &at, &Attributes::default()).await?;
        let content = payload(u64::from(number), size);
        let part = upload.received(number, content.clone()).await?;
        let situation = format!("one part, number {number}, {size} bytes");
        ok(situation.clone(), upload.complete(&[part]).await)?;
        has_content(&**store, &at, &content, &situation).await?;
    }
    let upload = Upload::begin(store, &key("some"), &Attributes::default()).await?;
    let size = part_size(&**store, 300);
    let mut parts = Vec::new();
    for number in 1..=4 {
        parts.push(upload.received(number, payload(u64::from(number), size)).await?);
    }
    ok(
        "complete with parts 2 and 4",
        upload.complete(&[parts[1].clone(), parts[3].clone()]).await,
    )?;
    let whole = [payload(2, size), payload(4, size)].concat();
    has_content(&**store, &upload.key, &whole, "completed with parts 2 and 4 of 4").await?;
    many_parts(store).await
}

/// More parts than a back-end lists in one page, where they may be small.
async fn many_parts(store: &Arc<dyn StorageProvider>) -> Outcome {
    const PARTS: u16 = 1010;
    let size = part_size(&**store, 9);
    if size * usize::from(PARTS) > 1 << 20 {
        return Ok(());
    }
    let upload = Upload::begin(store, &key("many"), &Attributes::default()).await?;
    let sends = (1..=PARTS).map(|number| {
        let upload = upload.clone();
        async move { upload.received(number, stamped(number.into(), size)).await }
    });
    let parts: Vec<_> = stream::iter(sends).buffered(16).collect().await;
    let parts: Vec<Part> = parts.into_iter().collect::<std::result::Result<_, _>>()?;
    let situation = format!("complete with {PARTS} parts");
    ok(&situation, upload.complete(&parts).await)?;
    let whole: Vec<u8> = (1..=PARTS).flat_map(|number| stamped(number.into(), size)).collect();
    has_content(&**store, &upload.key, &whole, &situation).await?;
    Ok(())
}

async fn sent_again_replaces(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let size = part_size(&*store, 5000);
    for (name, again) in
        cx.some([("same", size), ("shorter", part_size(&*store, 100)), ("longer", size + 70_000)])
    {
        let upload = Upload::begin(&store, &key(name), &Attributes::default()).await?;
        let mut contents = [payload(1, size), payload(2, size), payload(3, 700)];
        let mut parts = Vec::new();
        for (position, content) in contents.iter().enumerate() {
            parts.push(upload.received(position as u16 + 1, content.clone()).await?);
        }
        for (turn, position) in [0, 1, 2, 1, 1, 0].into_iter().enumerate() {
            contents[position] = payload(20 + turn as u64, again);
            let body = if turn % 2 == 0 {
                Body::from(contents[position].clone())
            } else {
                chunked(contents[position].clone(), &[3000])
            };
            let old = std::mem::replace(
                &mut parts[position],
                upload.received(position as u16 + 1, body).await?,
            );
            holds(
                "the version of a part that was sent again with other bytes",
                old.version != parts[position].version,
                "another than before",
                &parts[position],
            )?;
            let now = ok("list_parts", upload.parts().await)?;
            equal("list_parts after a part was sent again", &receipts(&parts), &receipts(&now))?;
        }
        let situation = format!("parts sent again, {name} size");
        ok(situation.clone(), upload.complete(&parts).await)?;
        has_content(&*store, &upload.key, &contents.concat(), &situation).await?;
    }
    for round in 0..cx.rounds(12) {
        let at = key(format!("race/{round}"));
        let upload = Upload::begin(&store, &at, &Attributes::default()).await?;
        let length = |racer: usize| 1000 + 3000 * racer;
        let sent = race_of(6, |racer| {
            let upload = upload.clone();
            async move { upload.send(1, stamped(racer as u64, length(racer))).await }
        })
        .await?;
        let mut versions = Vec::new();
        for part in sent {
            versions.push(ok("upload_part, 6 of one number at once", part)?.version);
        }
        let parts = ok("list_parts", upload.parts().await)?;
        equal("number of parts after 6 of one number", &1, &parts.len())?;
        let racer = versions.iter().position(|version| *version == parts[0].version);
        let Some(racer) = racer else {
            return Err(Failure::new(
                "the part that is left of 6 of one number",
                "one of those acknowledged",
                format!("{parts:?}"),
            ));
        };
        ok("complete_upload", upload.complete(&parts).await)?;
        let expected = stamped(racer as u64, length(racer));
        has_content(&*store, &at, &expected, "6 parts of one number at once").await?;
    }
    Ok(())
}

async fn received_parts_are_listed(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let at = key("listed/parts");
    let upload = Upload::begin(&store, &at, &Attributes::default()).await?;
    let beside = Upload::begin(&store, &at, &Attributes::default()).await?;
    beside.received(5, payload(1, 10)).await?;
    let other = Upload { store: cx.open().await?, ..upload.clone() };
    let none = ok("list_parts of a new upload", upload.parts().await)?;
    equal("list_parts of a new upload", &Vec::new(), &none)?;
    let mut expected: Vec<Part> = Vec::new();
    for (turn, number) in [10, 2, 9999, 1, 100, 256, 2, 10_000, 3, 10].into_iter().enumerate() {
        let part = upload.received(number, payload(turn as u64, 100 * turn)).await?;
        equal("the number in the receipt", &number, &part.number.get())?;
        equal("the size in the receipt", &(100 * turn as u64), &part.size)?;
        if let Some(checksum) = part.checksum {
            equal(
                "the checksum in the receipt",
                &Crc32c::of(&payload(turn as u64, 100 * turn)),
                &checksum,
            )?;
        }
        expected.retain(|known| known.number != part.number);
        expected.push(part);
        expected.sort_by_key(|part| part.number);
        for (who, upload) in [("", &upload), (" by another handle", &other)] {
            let situation = format!("list_parts{who} after part {number}");
            let now = ok(situation.clone(), upload.parts().await)?;
            as_acknowledged(&situation, &expected, &now)?;
        }
    }
    // More than a native page.
    let many = Upload::begin(&store, &key("many"), &Attributes::default()).await?;
    let sends = (1..=1010).rev().map(|number| {
        let many = many.clone();
        async move { many.received(number, stamped(number.into(), 9)).await }
    });
    let sent: Vec<_> = stream::iter(sends).buffer_unordered(16).collect().await;
    let mut sent: Vec<Part> = sent.into_iter().collect::<std::result::Result<_, _>>()?;
    sent.sort_by_key(|part| part.number);
    let now = ok("list_parts of 1010 parts", many.parts().await)?;
    as_acknowledged("list_parts of 1010 parts", &sent, &now)?;
    for upload in [upload, beside, many] {
        ok("abort_upload", upload.abort().await)?;
    }
    Ok(())
}

async fn uploads_keep_attributes(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let bare = Attributes { metadata: full(3).metadata, ..Attributes::default() };
    for (number, attributes) in
        cx.some([full(1), Attributes::default(), bare, full(4)].iter()).into_iter().enumerate()
    {
        for over in [false, true] {
            for count in [1, 3] {
                let at = key(format!("{}/{number}/{count}", if over { "over" } else { "new" }));
                if over {
                    ok("put", put_with(&*store, &at, payload(9, 9), &full(9)).await)?;
                }
                let upload = Upload::begin(&store, &at, attributes).await?;
                if over {
                    // Written meanwhile; the upload replaces this as well.
                    ok("put", put_with(&*store, &at, payload(9, 9), &full(10)).await)?;
                }
                let mut parts = Vec::new();
                for number in 1..=count {
                    let size = part_size(&*store, 200);
                    parts.push(upload.received(number, payload(number.into(), size)).await?);
                }
                let situation = format!("an upload of {count} parts to {}", brief(&at));
                ok(situation.clone(), upload.complete(&parts).await)?;
                has_attributes(&*store, &at, attributes, &situation).await?;
            }
        }
    }
    Ok(())
}

async fn abort_frees_the_upload(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    ok("put", put_with(&*store, &key("taken"), payload(5, 5000), &full(5)).await)?;
    for name in ["free", "taken"] {
        for count in cx.some([0, 1, 3]) {
            let at = key(name);
            let keys = [at.clone()];
            let kept = Upload::begin(&store, &at, &full(2)).await?;
            let content = payload(1, part_size(&*store, 700));
            let kept_part = kept.received(1, content.clone()).await?;
            let before = Snapshot::take(&*store, &keys).await?;
            let upload = Upload::begin(&store, &at, &full(1)).await?;
            let mut parts = Vec::new();
            for number in 1..=count {
                parts.push(upload.received(number, payload(number.into(), 70_000)).await?);
            }
            let situation = format!("abort_upload of {name:?} with {count} parts");
            for round in 1..=3 {
                ok(format!("{situation}, time {round}"), upload.abort().await)?;
                before.unchanged(&*store, &keys, &situation).await?;
            }
            let missing = ErrorKind::NotFound;
            let after = |what: &str| format!("{what} after {situation}");
            let sent = upload.send(1, payload(1, 10)).await;
            fails_with(after("upload_part"), missing, sent)?;
            let sent = upload.send(2, chunked(payload(1, 70_000), &[9000])).await;
            fails_with(after("streamed upload_part"), missing, sent)?;
            fails_with(after("list_parts"), missing, upload.parts().await)?;
            if !parts.is_empty() {
                fails_with(after("complete_upload"), missing, upload.complete(&parts).await)?;
            }
            before.unchanged(&*store, &keys, &after("calls")).await?;
            ok("complete_upload of another", kept.complete(&[kept_part]).await)?;
            has_content(&*store, &at, &content, &after("another upload completed")).await?;
            let completed = Snapshot::take(&*store, &keys).await?;
            ok("abort_upload of a completed upload", kept.abort().await)?;
            completed.unchanged(&*store, &keys, "abort_upload of a completed upload").await?;
            if name == "free" {
                ok("delete", store.delete(&at, &DeleteOptions::default()).await)?;
            }
        }
    }
    for id in ["no-such-upload", "0", "../taken", "a/b", "%2e%2e", "upload-"] {
        let unknown =
            Upload { store: Arc::clone(&store), key: key("taken"), id: UploadId::new(id) };
        let before = Snapshot::take(&*store, &[]).await?;
        ok(format!("abort_upload of unknown {id:?}"), unknown.abort().await)?;
        before.unchanged(&*store, &[], &format!("abort_upload of unknown {id:?}")).await?;
    }
    Ok(())
}

async fn unfinished_uploads_are_listed(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let other = cx.open().await?;
    let names = ["a", "a/b", "a/b/c", "ab", "a-b", "A", "b", " ", "%41", "\u{e4}", "\u{1f600}"];
    let mut uploads = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        for turn in 0..1 + number % 3 {
            let upload = Upload::begin(&store, &key(name), &full(1)).await?;
            if turn > 0 {
                upload.received(1, payload(1, 10)).await?;
            }
            uploads.push(upload);
        }
    }
    ok("put", put(&*store, &key("a/object"), payload(1, 10)).await)?;
    shows_exactly(&*store, &uploads, "11 keys").await?;
    shows_exactly(&*other, &uploads, "11 keys, by another handle").await?;
    // Finished ones go, the others stay.
    for turn in 0..4 {
        let upload = uploads.remove(turn * 2);
        if turn % 2 == 0 {
            ok("abort_upload", upload.abort().await)?;
        } else {
            let part = upload.received(1, payload(1, 10)).await?;
            ok("complete_upload", upload.complete(&[part]).await)?;
        }
        shows_exactly(&*store, &uploads, "after an upload was finished").await?;
    }
    let many = store.capabilities().limits.max_page_size.min(1000) + 7;
    let begin = |number: usize| {
        let store = Arc::clone(&store);
        async move {
            // Several of one key at the ends of pages.
            Upload::begin(&store, &key(format!("many/{}", number / 3)), &Attributes::default())
                .await
        }
    };
    let begun: Vec<_> = stream::iter(0..many).map(begin).buffer_unordered(16).collect().await;
    uploads.extend(begun.into_iter().collect::<std::result::Result<Vec<_>, _>>()?);
    shows_exactly(&*store, &uploads, "more than a page").await?;
    let aborts = stream::iter(&uploads).map(Upload::abort).buffer_unordered(16);
    for outcome in aborts.collect::<Vec<_>>().await {
        ok("abort_upload", outcome)?;
    }
    shows_exactly(&*store, &[], "after all were aborted").await
}

/// Expects each of `uploads` once and no other, below several prefixes.
async fn shows_exactly(
    store: &dyn StorageProvider,
    uploads: &[Upload],
    situation: &str,
) -> Outcome {
    for prefix in ["", "a", "a/", "a/b", "A", "many/", "none", "\u{e4}", "%"] {
        let name = |key: &Key, id: &UploadId| format!("{} {}", key.as_str(), id.as_str());
        let mut expected: Vec<_> = uploads
            .iter()
            .filter(|upload| upload.key.as_str().starts_with(prefix))
            .map(|upload| name(&upload.key, &upload.id))
            .collect();
        let situation = format!("{situation}: list_uploads below {prefix:?}");
        let entries = ok(situation.clone(), all_uploads(store, prefix).await)?;
        let mut seen: Vec<_> = entries.iter().map(|entry| name(&entry.key, &entry.id)).collect();
        expected.sort();
        seen.sort();
        equal(format!("{situation}: how many"), &expected.len(), &seen.len())?;
        equal(situation, &expected, &seen)?;
    }
    Ok(())
}

async fn failed_parts_are_not_received(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let upload = Upload::begin(&store, &key("parts"), &full(1)).await?;
    let content = payload(1, part_size(&*store, 9000));
    let part = upload.received(1, content.clone()).await?;
    let before = Snapshot::take(&*store, &[]).await?;
    for size in cx.some([1, 100, 4096, 64 * KIB + 1, (1 << 20) + 1, 5 << 20]) {
        for number in [1, 2] {
            let bytes = || payload(77, size);
            let bodies = [
                ("fails at once", failing_after(Bytes::new(), &[1], None)),
                ("fails at its end", failing_after(bytes(), &[50_000], Some(size as u64))),
                (
                    "fails before its length",
                    failing_after(bytes(), &[50_000], Some(2 * size as u64)),
                ),
                ("of unknown length fails", failing_after(bytes(), &[50_000], None)),
                ("ends one byte early", short(bytes(), &[50_000], 1)),
                ("ends early by far", short(bytes(), &[50_000], size as u64)),
                ("goes on one byte", long(bytes(), &[50_000], 1)),
            ];
            for (what, body) in bodies {
                let situation = format!("upload_part {number} whose source {what}, {size} bytes");
                let result = upload.send(number, body).await;
                holds(situation.clone(), result.is_err(), "an error", result)?;
                before.unchanged(&*store, &[], &situation).await?;
            }
            let (gate, body) = pending(bytes(), payload(1, 1), None);
            dropped_halfway(upload.send(number, body), &gate).await;
            let situation = format!("upload_part {number} dropped after {size} bytes");
            before.unchanged(&*store, &[], &situation).await?;
        }
    }
    let last = upload.received(2, payload(2, 70)).await?;
    ok("complete_upload after failed parts", upload.complete(&[part, last]).await)?;
    let whole = [content, payload(2, 70)].concat();
    has_content(&*store, &upload.key, &whole, "completed after failed parts").await?;
    Ok(())
}

async fn uploads_belong_to_their_key(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let mine = Upload::begin(&store, &key("a/b"), &full(1)).await?;
    let content = payload(1, part_size(&*store, 700));
    let part = mine.received(1, content.clone()).await?;
    ok("put", put(&*store, &key("a"), payload(5, 50)).await)?;
    let others = ["a", "a/b/c", "a/B", "A/b", "b", "a%2Fb", "a/b ", "other"];
    let mut uploads = Vec::new();
    for name in others {
        let upload = Upload::begin(&store, &key(name), &full(2)).await?;
        upload.received(1, payload(2, 20)).await?;
        uploads.push(upload);
    }
    let keys: Vec<Key> = others.iter().map(key).chain([key("a/b")]).collect();
    let before = Snapshot::take(&*store, &keys).await?;
    for name in others.into_iter().chain(["fresh"]) {
        let crossed = Upload { key: key(name), ..mine.clone() };
        let situation = |what: &str| format!("{what} of {name:?} with the upload of \"a/b\"");
        let missing = ErrorKind::NotFound;
        for number in [1, 2] {
            let sent = crossed.send(number, payload(9, 90)).await;
            fails_with(situation("upload_part"), missing, sent)?;
            let sent = crossed.send(number, chunked(payload(9, 70_000), &[9000])).await;
            fails_with(situation("streamed upload_part"), missing, sent)?;
        }
        fails_with(situation("list_parts"), missing, crossed.parts().await)?;
        let result = crossed.complete(std::slice::from_ref(&part)).await;
        fails_with(situation("complete_upload"), missing, result)?;
        ok(situation("abort_upload"), crossed.abort().await)?;
        before.unchanged(&*store, &keys, &situation("calls")).await?;
    }
    ok("complete_upload", mine.complete(&[part]).await)?;
    has_content(&*store, &mine.key, &content, "completed by its own key").await?;
    for upload in uploads {
        ok("abort_upload", upload.abort().await)?;
    }
    Ok(())
}
