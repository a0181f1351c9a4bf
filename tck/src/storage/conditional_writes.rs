//! Conditional puts, one at a time: STO-060, STO-061, STO-063 and STO-064. Races, repetitions and the
//! moment of the decision have modules of their own.

use bytes::Bytes;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    Capability, CompleteOptions, CopyOptions, DeleteOptions, Key, PartNumber, PutOptions,
    StorageProvider, Version, Written,
};

use super::conditions::{Before, Form, by, cases, if_absent, if_match, other_versions, with_id};
use super::inputs::{
    another_version, brief, came_back, chunked, failing_after, has_content, has_no_object, key,
    payload, put,
};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Failure};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-060",
        create_on_a_free_key_stores,
        "look at how it is decided that a key is free, above all after a delete and beside keys that begin with it"
    ),
    check!(
        "STO-061",
        create_on_a_taken_key_is_refused,
        "look for a path of `put` (stream, size, an object made in another way) that does not look at the condition"
    ),
    check!(
        "STO-063",
        update_needs_the_current_version,
        "look at how versions are compared, and for a path of `put` that does not look at the condition"
    ),
    check!(
        "STO-064",
        update_of_nothing_is_refused,
        "look at `IfMatch` where there is no object: `PreconditionFailed`, and nothing is stored"
    ),
];

async fn create_on_a_free_key_stores(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    for (number, (size, form)) in cases(store).into_iter().enumerate() {
        let key = key(format!("create/{number}"));
        let content = payload(number as u64 + 1, size);
        creates(store, &key, form, &content, "put with IfAbsent on a key that was never used")
            .await?;
    }
    let near = ["a/b/c", "a", "a/b", "A", "ab", "a b", "a%2Fb", "\u{e9}", "e\u{301}", "a/b.x"];
    for round in 0..3 {
        for (number, name) in near.iter().enumerate() {
            let form = Form::ALL[(number + round) % Form::ALL.len()];
            let content = payload(number as u64, 40 + round);
            let situation = format!("put with IfAbsent beside similar keys, round {round}");
            creates(store, &key(name), form, &content, &situation).await?;
        }
        let keys: Vec<Key> = near.iter().map(key).collect();
        if round == 0 {
            for result in store.delete_many(&keys).await {
                ok("delete_many between the rounds", result)?;
            }
        } else {
            for key in &keys {
                ok(
                    "delete between the rounds",
                    store.delete(key, &DeleteOptions::default()).await,
                )?;
            }
        }
    }
    becomes_free_again(cx, store).await
}

/// A key is free whatever was tried with it, and by whom it was deleted.
async fn becomes_free_again(cx: &Context, store: &dyn StorageProvider) -> Outcome {
    let again = key("again");
    let other = cx.open().await?;
    for round in 0..cx.rounds(12) {
        let content = payload(round, 100);
        let form = Form::ALL[round as usize % Form::ALL.len()];
        let situation = format!("put with IfAbsent after {round} deletes");
        creates(store, &again, form, &content, &situation).await?;
        let deleter: &dyn StorageProvider = if round % 2 == 0 { store } else { &*other };
        ok("delete", deleter.delete(&again, &DeleteOptions::default()).await)?;
    }
    let tried = key("tried");
    let broken = failing_after(payload(1, 10_000), &[1000], None);
    holds(
        "put with IfAbsent of a body that fails",
        store.put(&tried, broken, &if_absent()).await.is_err(),
        "an error",
        "success",
    )?;
    creates(store, &tried, Form::Bytes, &payload(2, 9), "put with IfAbsent after one that failed")
        .await
}

async fn creates(
    store: &dyn StorageProvider,
    key: &Key,
    form: Form,
    content: &Bytes,
    situation: &str,
) -> Outcome {
    let situation = format!("{situation}: {}, {} bytes as {form:?}", brief(key), content.len());
    let options = by(if_absent(), content.len());
    let stored = ok(&situation, store.put(key, form.body(content), &options).await)?;
    let read = has_content(store, key, content, &situation).await?;
    equal(format!("{situation}: what put returned and get"), &stored, &read.written())?;
    equal(format!("{situation}: attributes"), &options.attributes, &read.attributes)
}

async fn create_on_a_taken_key_is_refused(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let other = cx.open().await?;
    let store = &*store;
    let occupied = key("taken");
    ok("put", store.put(&occupied, payload(1, 1000).into(), &by(PutOptions::default(), 1)).await)?;
    let before = Before::of(store, &occupied).await?;
    for (size, form) in cases(store) {
        let content = payload(2, size);
        refuses_create(store, &before, &occupied, form, &content, "on a key that was put").await?;
    }
    for round in 0..cx.rounds(20) {
        let by_handle: &dyn StorageProvider = if round % 2 == 0 { &*other } else { store };
        let situation = format!("for the {round}th time more");
        refuses_create(by_handle, &before, &occupied, Form::Bytes, &payload(round, 50), &situation)
            .await?;
    }
    before.is_listed(store, "after the refused puts").await?;
    for (how, occupied) in occupied_in_many_ways(store).await? {
        let before = Before::of(store, &occupied).await?;
        let same = payload(7, before.meta.size as usize);
        for (form, content) in [
            (Form::Bytes, payload(8, 30)),
            (Form::Stream, payload(8, 70_000)),
            (Form::StreamOfUnknownLength, payload(8, 300)),
            (Form::Bytes, Bytes::new()),
            (Form::Bytes, same),
        ] {
            refuses_create(store, &before, &occupied, form, &content, how).await?;
        }
        before.is_listed(store, how).await?;
    }
    Ok(())
}

async fn refuses_create(
    store: &dyn StorageProvider,
    before: &Before,
    key: &Key,
    form: Form,
    content: &Bytes,
    how: &str,
) -> Outcome {
    let situation =
        format!("put of {} bytes as {form:?} with IfAbsent on {} {how}", content.len(), brief(key));
    let put = store.put(key, form.body(content), &by(if_absent(), "intruder")).await;
    fails_with(&situation, ErrorKind::AlreadyExists, put)?;
    before.is_unchanged(store, &situation).await
}

/// Keys that are taken, each in another way.
async fn occupied_in_many_ways(
    store: &dyn StorageProvider,
) -> Result<Vec<(&'static str, Key)>, Failure> {
    let content = payload(7, 500);
    let plain = PutOptions::default();
    let mut all = Vec::new();

    let empty = key("ways/empty");
    ok("put of no bytes", put(store, &empty, Bytes::new()).await)?;
    all.push(("that has no bytes", empty));

    let created = key("ways/created");
    ok("put with IfAbsent", store.put(&created, content.clone().into(), &if_absent()).await)?;
    all.push(("that was created with IfAbsent", created.clone()));

    let with_write_id = key("ways/with-id");
    let options = with_id(if_absent(), "w-1");
    ok("put with a write id", store.put(&with_write_id, content.clone().into(), &options).await)?;
    all.push(("that was created with a write id", with_write_id));

    let stream = key("ways/stream");
    ok("streamed put", store.put(&stream, chunked(payload(7, 70_000), &[999]), &plain).await)?;
    all.push(("that was put as a stream", stream));

    let overwritten = key("ways/overwritten");
    for seed in 0..3 {
        ok("put", put(store, &overwritten, payload(seed, 500)).await)?;
    }
    all.push(("that was overwritten", overwritten));

    let recreated = key("ways/recreated");
    ok("put", put(store, &recreated, content.clone()).await)?;
    ok("delete", store.delete(&recreated, &DeleteOptions::default()).await)?;
    ok("put", put(store, &recreated, content.clone()).await)?;
    all.push(("that was deleted and put again", recreated));

    let copied = key("ways/copied");
    ok("copy", store.copy(&created, &copied, &CopyOptions::default()).await)?;
    all.push(("that was copied to", copied));

    let folder = key("ways/folder");
    ok("put below the key", put(store, &key("ways/folder/x"), content.clone()).await)?;
    ok("put", put(store, &folder, content.clone()).await)?;
    all.push(("that is also the beginning of another", folder));

    if store.capabilities().has(Capability::Multipart) {
        let joined = key("ways/joined");
        ok("create_upload", upload_whole(store, &joined, &content).await)?;
        all.push(("that was uploaded in parts", joined));
    }
    Ok(all)
}

/// A multipart upload of one part.
async fn upload_whole(
    store: &dyn StorageProvider,
    key: &Key,
    content: &Bytes,
) -> omni_contracts::Result<Written> {
    let upload = store.create_upload(key, &PutOptions::default()).await?;
    let body = content.clone().into();
    let part = store.upload_part(key, &upload, PartNumber::new(1)?, body).await?;
    store.complete_upload(key, &upload, &[part], &CompleteOptions::default()).await
}

async fn update_needs_the_current_version(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let neighbour = ok("put of another key", put(store, &key("cas/b"), "the same").await)?;
    let target = key("cas");
    let mut current = ok("put", put(store, &target, "the same").await)?;
    let mut previous = Bytes::from("the same");
    let mut stale = vec![neighbour.version];
    for (number, (size, form)) in cases(store).into_iter().enumerate() {
        let content = payload(number as u64 + 1, size);
        let situation =
            format!("put of {size} bytes as {form:?} with IfMatch of the current version");
        let options = by(if_match(&current.version), number);
        let stored = ok(&situation, store.put(&target, form.body(&content), &options).await)?;
        let read = has_content(store, &target, &content, &situation).await?;
        equal(format!("{situation}: what put returned and get"), &stored, &read.written())?;
        equal(format!("{situation}: attributes"), &options.attributes, &read.attributes)?;
        another_version(
            store,
            format!("{situation}: version"),
            (&current.version, &previous),
            (&read.version, &content),
        )?;
        previous = content;
        stale.push(std::mem::replace(&mut current, stored).version);
        let before = Before::of(store, &target).await?;
        let intruder = payload(number as u64 + 500, size);
        refuses_update(store, &before, &target, form, &intruder, &stale[number + 1]).await?;
    }
    let before = Before::of(store, &target).await?;
    stale.extend(other_versions(&current.version));
    for (number, version) in stale.iter().filter(|version| **version != current.version).enumerate()
    {
        let form = Form::ALL[number % Form::ALL.len()];
        refuses_update(store, &before, &target, form, &payload(3, 77), version).await?;
    }
    before.is_listed(store, "after the refused puts").await?;
    equal_bytes_do_not_match(cx, store).await
}

/// The old version does not come back with the old bytes.
async fn equal_bytes_do_not_match(cx: &Context, store: &dyn StorageProvider) -> Outcome {
    let other = cx.open().await?;
    for (number, form) in Form::ALL.into_iter().enumerate() {
        let key = key(format!("cas/aba/{number}"));
        let content = payload(5, 300);
        let first = ok("put", store.put(&key, form.body(&content), &PutOptions::default()).await)?;
        ok("put of other bytes", put(store, &key, "other").await)?;
        ok("put of the first bytes", put(&*other, &key, content.clone()).await)?;
        let before = Before::of(store, &key).await?;
        refuses_update(store, &before, &key, form, &content, &first.version).await?;
        ok("delete", store.delete(&key, &DeleteOptions::default()).await)?;
        ok("put of the same bytes", put(store, &key, content.clone()).await)?;
        let deleted = before.meta.version;
        let before = Before::of(store, &key).await?;
        for version in [first.version, deleted] {
            refuses_update(store, &before, &key, form, &content, &version).await?;
        }
        let options = if_match(&before.meta.version);
        ok("put with IfMatch", other.put(&key, form.body(&payload(6, 6)), &options).await)?;
        has_content(store, &key, &payload(6, 6), "put with IfMatch by a second handle").await?;
    }
    Ok(())
}

async fn refuses_update(
    store: &dyn StorageProvider,
    before: &Before,
    key: &Key,
    form: Form,
    content: &Bytes,
    version: &Version,
) -> Outcome {
    if came_back(store, key, version).await {
        return Ok(());
    }
    let situation = format!(
        "put of {} bytes as {form:?} with IfMatch of {version:?} on {}, whose version is {:?}",
        content.len(),
        brief(key),
        before.meta.version
    );
    let put = store.put(key, form.body(content), &by(if_match(version), "intruder")).await;
    fails_with(&situation, ErrorKind::PreconditionFailed, put)?;
    before.is_unchanged(store, &situation).await
}

async fn update_of_nothing_is_refused(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let neighbour = ok("put of another key", put(store, &key("none/below/x"), "x").await)?;
    let deleted = key("none/deleted");
    let last = ok("put", put(store, &deleted, "last").await)?;
    ok("delete", store.delete(&deleted, &DeleteOptions::default()).await)?;
    let mut versions = other_versions(&neighbour.version);
    versions.extend([neighbour.version, last.version]);
    let missing =
        [("never used", key("none/never")), ("deleted", deleted), ("a folder", key("none/below"))];
    for (what, missing) in missing {
        for (number, version) in versions.iter().enumerate() {
            let form = Form::ALL[number % Form::ALL.len()];
            let situation =
                format!("put as {form:?} with IfMatch of {version:?} on a key that is {what}");
            let body = form.body(&payload(1, number * 10));
            let put = store.put(&missing, body, &if_match(version)).await;
            fails_with(&situation, ErrorKind::PreconditionFailed, put)?;
        }
        for (size, form) in cases(store) {
            let situation =
                format!("put of {size} bytes as {form:?} with IfMatch on a key that is {what}");
            let options = if_match(&versions[size % versions.len()]);
            let put = store.put(&missing, form.body(&payload(1, size)), &options).await;
            fails_with(&situation, ErrorKind::PreconditionFailed, put)?;
        }
        let situation = format!("after puts with IfMatch on a key that is {what}");
        has_no_object(store, &missing, &situation).await?;
    }
    has_content(store, &key("none/below/x"), b"x", "after puts with IfMatch on its folder").await?;
    Ok(())
}
