//! STO-190 and STO-192: start-up probes and cleaning up.

use std::sync::Arc;

use futures_util::future::select;
use omni_contracts::storage::{
    Capability, CompleteOptions, CopyOptions, DeleteOptions, Key, PartNumber, PutOptions,
    StorageProvider, UploadId,
};
use omni_contracts::{Body, Result};

use super::attributes::{full, put_with};
use super::inputs::{
    Gate, KIB, chunked, failing_after, has_no_object, key, listed, payload, pending, put,
};
use super::race::race_of;
use super::scene::Scene;
use super::snapshot::{Snapshot, all_uploads, all_versions};
use crate::check::{Failure, Outcome, check, equal, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-190",
        check_succeeds_and_changes_nothing,
        "probe by reading; a probe that writes must not be visible"
    ),
    check!(
        "STO-192",
        deleting_everything_leaves_nothing,
        "look for what deletes, aborts, failed writes and completed uploads leave behind"
    ),
];

async fn check_succeeds_and_changes_nothing(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    ok("check of an empty store", store.check().await)?;
    Snapshot::take(&*store, &[]).await?.is_empty("after check of an empty store")?;
    let scene = Scene::set(cx).await?;
    let before = scene.look(Vec::new()).await?;
    for round in 0..cx.rounds(20) {
        ok(format!("check, round {round}"), store.check().await)?;
        ok(format!("check by another handle, round {round}"), scene.store.check().await)?;
    }
    for outcome in race_of(8, |_| {
        let store = Arc::clone(&store);
        async move { store.check().await }
    })
    .await?
    {
        ok("check, 8 at the same time", outcome)?;
    }
    scene.is_as(&before, "after check").await?;
    for entry in ok("list", listed(&*store, "").await)? {
        ok("delete", store.delete(&entry.key, &DeleteOptions::default()).await)?;
    }
    ok("check of an emptied store", store.check().await)
}

async fn deleting_everything_leaves_nothing(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    for round in 0..2 {
        use_everything(store).await?;
        empty(store, cx).await?;
        let situation = format!("everything deleted, round {round}");
        Snapshot::take(store, &used_keys()).await?.is_empty(&situation)?;
        let again = cx.open().await?;
        Snapshot::take(&*again, &used_keys())
            .await?
            .is_empty(&format!("{situation}, by another handle"))?;
        for key in used_keys() {
            has_no_object(store, &key, &situation).await?;
        }
    }
    Ok(())
}

fn used_keys() -> Vec<Key> {
    ["a", "a/b", "a/b/c", "A", " x ", "%41", "big", "copy", "parts", "gone", ".hidden", "\u{e4}"]
        .map(key)
        .to_vec()
}

async fn use_everything(store: &dyn StorageProvider) -> Outcome {
    for (number, key) in used_keys().iter().enumerate() {
        let seed = number as u64;
        ok("put", put_with(store, key, payload(seed, 10), &full(seed)).await)?;
        ok("overwrite", put(store, key, payload(seed, 64 * KIB + 1)).await)?;
        ok("streamed put", put(store, key, chunked(payload(seed, 9000), &[1000])).await)?;
    }
    let plain = CopyOptions::default();
    let onto_itself = CopyOptions { attributes: Some(Arc::new(full(9))), ..CopyOptions::default() };
    ok("copy", store.copy(&key("big"), &key("copy"), &plain).await)?;
    ok("copy onto itself", store.copy(&key("copy"), &key("copy"), &onto_itself).await)?;
    ok("delete", store.delete(&key("gone"), &DeleteOptions::default()).await)?;
    ok("put after delete", put(store, &key("gone"), payload(1, 0)).await)?;
    ok("delete", store.delete(&key("gone"), &DeleteOptions::default()).await)?;
    ok("delete of nothing", store.delete(&key("never"), &DeleteOptions::default()).await)?;
    // Writes that come to nothing.
    let failing = put(store, &key("a"), failing_after(payload(1, 70_000), &[9000], None)).await;
    drop(failing);
    let (gate, body) = pending(payload(1, 70_000), payload(2, 10), None);
    dropped_halfway(put(store, &key("b/dropped"), body), &gate).await;
    if store.capabilities().has(Capability::Multipart) {
        use_uploads(store).await?;
    }
    Ok(())
}

async fn use_uploads(store: &dyn StorageProvider) -> Outcome {
    let at = key("parts");
    let mut ids: Vec<UploadId> = Vec::new();
    for _ in 0..4 {
        ids.push(ok("create_upload", store.create_upload(&at, &PutOptions::default()).await)?);
    }
    let send = |id: UploadId, number: u16, body: Body| {
        let at = at.clone();
        async move { store.upload_part(&at, &id, PartNumber::new(number)?, body).await }
    };
    // Completed, with a part that was sent twice and one that is not used.
    ok("upload_part", send(ids[0].clone(), 1, payload(1, 100).into()).await)?;
    let part = ok("upload_part", send(ids[0].clone(), 1, payload(2, 200).into()).await)?;
    ok("upload_part", send(ids[0].clone(), 7, payload(3, 300).into()).await)?;
    let options = CompleteOptions::default();
    let completed: Result<_> = store.complete_upload(&at, &ids[0], &[part], &options).await;
    ok("complete_upload", completed)?;
    // Aborted with and without parts, after a part that failed and one that was dropped.
    ok("upload_part", send(ids[1].clone(), 1, payload(1, 70_000).into()).await)?;
    drop(send(ids[1].clone(), 2, failing_after(payload(1, 9000), &[1000], None)).await);
    let (gate, body) = pending(payload(1, 9000), payload(2, 10), None);
    dropped_halfway(send(ids[1].clone(), 3, body), &gate).await;
    ok("abort_upload", store.abort_upload(&at, &ids[1]).await)?;
    ok("abort_upload", store.abort_upload(&at, &ids[2]).await)?;
    // The fourth is left for the sweep.
    ok("upload_part", send(ids[3].clone(), 1, payload(1, 100).into()).await)?;
    let left = ok("list_uploads", all_uploads(store, "parts").await)?;
    equal(
        "uploads that are left when three of four were completed or aborted",
        &vec![&ids[3]],
        &left.iter().map(|upload| &upload.id).collect(),
    )
}

/// Runs `write` until it asks for the second half of its source, then drops it.
pub(super) async fn dropped_halfway<T>(write: impl Future<Output = T> + Send, gate: &Gate) {
    drop(select(Box::pin(write), Box::pin(gate.reached())).await);
}

/// Deletes whatever is listed: uploads, objects, versions.
async fn empty(store: &dyn StorageProvider, cx: &Context) -> std::result::Result<(), Failure> {
    let declared = store.capabilities();
    if declared.has(Capability::Multipart) {
        for upload in ok("list_uploads", all_uploads(store, "").await)? {
            ok("abort_upload", store.abort_upload(&upload.key, &upload.id).await)?;
        }
    }
    let entries = ok("list", listed(store, "").await)?;
    let keys: Vec<Key> = entries.into_iter().map(|entry| entry.key).collect();
    let (some, rest) = keys.split_at(keys.len() / 2);
    for deleted in store.delete_many(some).await {
        ok("delete_many", deleted)?;
    }
    let other = cx.open().await?;
    for key in rest {
        ok("delete by another handle", other.delete(key, &DeleteOptions::default()).await)?;
    }
    if declared.has(Capability::Versioning) {
        for entry in ok("list_versions", all_versions(store, "", None).await)? {
            let version = Some(entry.object.version);
            let options = DeleteOptions { version, ..DeleteOptions::default() };
            ok("delete of a version", store.delete(&entry.object.key, &options).await)?;
        }
    }
    Ok(())
}
