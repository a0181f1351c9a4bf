//! Conditional puts: STO-060 to STO-065, STO-067 and STO-068. The races are in `conditional_races`.

use std::time::Duration;

use bytes::Bytes;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    Capability, CompleteOptions, CopyOptions, DeleteOptions, Key, ObjectMeta, PartNumber,
    PutOptions, StorageProvider,
};

use super::conditions::{Before, Form, by, cases, if_absent, if_match, other_versions, with_id};
use super::inputs::{
    KIB, MIB, brief, chunked, failing_after, has_content, has_no_object, key, payload, pending,
    put, streamed,
};
use super::race::{finished, race};
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
    check!(
        "STO-065",
        repeated_create_knows_its_own_write,
        "look at whether the write id is stored in the same moment as the object, replaced with it, and compared when the key is taken"
    ),
    check!(
        "STO-067",
        repeated_update_knows_its_own_write,
        "look at whether the write id is stored in the same moment as the object, replaced with it, and compared when the version differs"
    ),
    check!(
        "STO-068",
        condition_is_decided_at_publication,
        "look at whether the condition is decided before the body was read instead of in the moment of publishing"
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
    for round in 0..12 {
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
    equal(format!("{situation}: description by put and by get"), &stored, &read)?;
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
    for round in 0..20 {
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
) -> omni_contracts::Result<ObjectMeta> {
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
    let mut stale = vec![neighbour.version];
    for (number, (size, form)) in cases(store).into_iter().enumerate() {
        let content = payload(number as u64 + 1, size);
        let situation =
            format!("put of {size} bytes as {form:?} with IfMatch of the current version");
        let options = by(if_match(&current.version), number);
        let stored = ok(&situation, store.put(&target, form.body(&content), &options).await)?;
        let read = has_content(store, &target, &content, &situation).await?;
        equal(format!("{situation}: description by put and by get"), &stored, &read)?;
        equal(format!("{situation}: attributes"), &options.attributes, &read.attributes)?;
        holds(
            format!("{situation}: version"),
            read.version != current.version,
            "another version than before",
            &read.version,
        )?;
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
    version: &omni_contracts::storage::Version,
) -> Outcome {
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

async fn repeated_create_knows_its_own_write(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let other = cx.open().await?;
    let store = &*store;
    let longest = "L".repeat(64);
    let ids =
        ["w", "w-1", "W-1", "w_1", "0", "-", "5c8b0e5e-0e9b-4a5c-9a57-0d3c6b3a9f10", &longest];
    for (number, (size, form)) in cases(store).into_iter().enumerate() {
        let own = key(format!("own/{number}"));
        let id = ids[number % ids.len()];
        let content = payload(number as u64, size);
        let options = with_id(by(if_absent(), number), id);
        let first = ok("put with IfAbsent", store.put(&own, form.body(&content), &options).await)?;
        let before = Before::of(store, &own).await?;
        equal(
            "attributes of an object with a write id",
            &options.attributes,
            &before.meta.attributes,
        )?;
        for (repeater, handle) in [("the same handle", store), ("a second handle", &*other)] {
            let situation = format!(
                "put of {size} bytes as {form:?} with IfAbsent repeated with its id by {repeater}"
            );
            let repeated = handle.put(&own, form.body(&content), &options).await;
            equal(&situation, &first.version, &ok(&situation, repeated)?.version)?;
            before.is_unchanged(store, &situation).await?;
        }
        let strangers = [None, Some(ids[(number + 1) % ids.len()]), Some("w-2")];
        for stranger in strangers {
            refuses_stranger(store, &before, &own, if_absent(), stranger, ErrorKind::AlreadyExists)
                .await?;
        }
    }
    own_write_was_replaced(store).await?;
    metadata_is_no_write_id(store).await?;
    repeated_at_once(cx).await
}

async fn refuses_stranger(
    store: &dyn StorageProvider,
    before: &Before,
    key: &Key,
    condition: PutOptions,
    id: Option<&str>,
    kind: ErrorKind,
) -> Outcome {
    for form in Form::ALL {
        let options = match id {
            Some(id) => with_id(condition.clone(), id),
            None => condition.clone(),
        };
        let situation = format!(
            "put as {form:?} with {:?} and write id {id:?} on {}, written with another id",
            options.condition,
            brief(key)
        );
        fails_with(&situation, kind, store.put(key, form.body(&payload(9, 9)), &options).await)?;
        before.is_unchanged(store, &situation).await?;
    }
    Ok(())
}

/// A write id speaks for the stored object only: not for one that was replaced or deleted.
async fn own_write_was_replaced(store: &dyn StorageProvider) -> Outcome {
    let options = with_id(if_absent(), "mine");
    let plain = PutOptions::default();
    for (number, by_whom) in [plain.clone(), with_id(plain, "theirs")].into_iter().enumerate() {
        let key = key(format!("replaced/{number}"));
        let first = ok("put with IfAbsent", store.put(&key, "mine".into(), &options).await)?;
        ok("overwrite by another", store.put(&key, "mine".into(), &by_whom).await)?;
        let before = Before::of(store, &key).await?;
        let situation = "put with IfAbsent repeated after another writer replaced the object";
        let repeated = store.put(&key, "mine".into(), &options).await;
        fails_with(situation, ErrorKind::AlreadyExists, repeated)?;
        before.is_unchanged(store, situation).await?;
        ok("delete", store.delete(&key, &DeleteOptions::default()).await)?;
        let situation = "put with IfAbsent and the old write id after a delete";
        let again = ok(situation, store.put(&key, "mine again".into(), &options).await)?;
        has_content(store, &key, b"mine again", situation).await?;
        holds(situation, again.version != first.version, "a new version", &again.version)?;
    }
    // The same id on another key is another write.
    let elsewhere = key("replaced/elsewhere");
    ok("put", put(store, &elsewhere, "theirs").await)?;
    let before = Before::of(store, &elsewhere).await?;
    let situation = "put with IfAbsent with a write id that another key was written with";
    let put = store.put(&elsewhere, "mine".into(), &options).await;
    fails_with(situation, ErrorKind::AlreadyExists, put)?;
    before.is_unchanged(store, situation).await
}

/// What a user stores as metadata is not mistaken for a write id, and an id is not shown as metadata.
async fn metadata_is_no_write_id(store: &dyn StorageProvider) -> Outcome {
    let forged = key("forged");
    let mut attributes = omni_contracts::storage::Attributes::default();
    for name in ["write_id", "omni_write_id", "omni_id", "writeid", "id", "wid", "w"] {
        attributes.metadata.insert(name.to_owned(), "forged-id".to_owned());
    }
    let options = PutOptions { attributes: attributes.into(), ..PutOptions::default() };
    ok("put with metadata", store.put(&forged, "x".into(), &options).await)?;
    let before = Before::of(store, &forged).await?;
    equal("metadata with names like a write id", &options.attributes, &before.meta.attributes)?;
    let situation =
        "put with IfAbsent with a write id that only the user metadata of the object holds";
    let put = store.put(&forged, "y".into(), &with_id(if_absent(), "forged-id")).await;
    fails_with(situation, ErrorKind::AlreadyExists, put)?;
    before.is_unchanged(store, situation).await
}

/// Several writers that each repeat at once, as after a lost answer: everyone gets one outcome.
async fn repeated_at_once(cx: &Context) -> Outcome {
    const WRITERS: usize = 6;
    let store = cx.open().await?;
    for round in 0..40 {
        let key = key(format!("at-once/{round}"));
        // Each writer sends his put twice, without waiting for the first answer.
        let racers: Vec<_> = (0..2 * WRITERS)
            .map(|racer| {
                let (store, key) = (std::sync::Arc::clone(&store), key.clone());
                let writer = racer % WRITERS;
                let options = with_id(if_absent(), &format!("writer-{round}-{writer}"));
                let body = Form::ALL[(round + writer) % 3].body(&payload(writer as u64, 64));
                async move { store.put(&key, body, &options).await }
            })
            .collect();
        let results = race(racers).await?;
        let situation = format!(
            "{WRITERS} writers that each send a put with IfAbsent and an own id twice at once"
        );
        let winners: Vec<usize> =
            (0..2 * WRITERS).filter(|racer| results[*racer].is_ok()).collect();
        let one = winners.len() == 2 && winners[0] + WRITERS == winners[1];
        let seen: Vec<_> = results
            .iter()
            .map(|result| result.as_ref().map(|meta| &meta.version).map_err(|error| error.kind()))
            .collect();
        holds(&situation, one, "success twice for one writer, for no other", &seen)?;
        equal(&situation, &seen[winners[0]], &seen[winners[1]])?;
        for loser in results.into_iter().filter(Result::is_err) {
            fails_with(&situation, ErrorKind::AlreadyExists, loser)?;
        }
        let content = payload(winners[0] as u64, 64);
        has_content(&*store, &key, &content, &situation).await?;
    }
    Ok(())
}

async fn repeated_update_knows_its_own_write(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let other = cx.open().await?;
    let store = &*store;
    for (number, (size, form)) in cases(store).into_iter().enumerate() {
        let own = key(format!("own/{number}"));
        let base = ok(
            "put",
            store.put(&own, "base".into(), &with_id(PutOptions::default(), "w-0")).await,
        )?;
        let content = payload(number as u64, size);
        let id = format!("w-{number}-x");
        let options = with_id(by(if_match(&base.version), number), &id);
        let first = ok("put with IfMatch", store.put(&own, form.body(&content), &options).await)?;
        let before = Before::of(store, &own).await?;
        equal(
            "attributes of an object with a write id",
            &options.attributes,
            &before.meta.attributes,
        )?;
        for (repeater, handle) in [("the same handle", store), ("a second handle", &*other)] {
            let situation = format!(
                "put of {size} bytes as {form:?} with IfMatch repeated with its id by {repeater}"
            );
            let repeated = handle.put(&own, form.body(&content), &options).await;
            equal(&situation, &first.version, &ok(&situation, repeated)?.version)?;
            before.is_unchanged(store, &situation).await?;
        }
        let stale = if_match(&base.version);
        for stranger in [None, Some("w-0"), Some("w-x"), Some("W-0-X")] {
            let kind = ErrorKind::PreconditionFailed;
            refuses_stranger(store, &before, &own, stale.clone(), stranger, kind).await?;
        }
        ok(
            "overwrite by another",
            other.put(&own, form.body(&content), &PutOptions::default()).await,
        )?;
        let before = Before::of(store, &own).await?;
        let situation = "put with IfMatch repeated after another writer replaced the object";
        let repeated = store.put(&own, form.body(&content), &options).await;
        fails_with(situation, ErrorKind::PreconditionFailed, repeated)?;
        before.is_unchanged(store, situation).await?;
        ok("delete", store.delete(&own, &DeleteOptions::default()).await)?;
        let situation = "put with IfMatch repeated after the object was deleted";
        let repeated = store.put(&own, form.body(&content), &options).await;
        fails_with(situation, ErrorKind::PreconditionFailed, repeated)?;
        has_no_object(store, &own, situation).await?;
    }
    Ok(())
}

/// What another writer does while a streamed put waits for its body.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Creates,
    CreatesAsStream,
    CreatesEmpty,
    Overwrites,
    Deletes,
    Recreates,
}

async fn condition_is_decided_at_publication(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let max = store.capabilities().limits.max_object_size.unwrap_or(u64::MAX);
    // Before the pause and after it: within one buffer, above it, above what is sent in parts.
    let splits = [
        (1, 1),
        (10, 70_000),
        (64 * KIB + 1, 5),
        (MIB + 1, MIB),
        (5 * MIB + 1, 1),
        (8 * MIB + 1, 9),
    ];
    let creates = [Meanwhile::Creates, Meanwhile::CreatesAsStream, Meanwhile::CreatesEmpty];
    let mut changes = vec![];
    if store.capabilities().has(Capability::ConditionalUpdate) {
        changes.extend([Meanwhile::Overwrites, Meanwhile::Deletes, Meanwhile::Recreates]);
    }
    let mut number = 0;
    for (first, rest) in splits.into_iter().filter(|(first, rest)| (first + rest) as u64 <= max) {
        for length in [Some((first + rest) as u64), None] {
            // Of the large ones one each is enough.
            let few = if first > 100_000 { 1 } else { 3 };
            let skip = number % 3;
            for meanwhile in creates.iter().cycle().skip(skip).take(few) {
                number += 1;
                overtaken(cx, number, first, rest, length, *meanwhile).await?;
            }
            for meanwhile in changes.iter().cycle().skip(skip).take(few.min(changes.len())) {
                number += 1;
                overtaken(cx, number, first, rest, length, *meanwhile).await?;
            }
        }
    }
    // Without anybody in between, the paused put succeeds.
    let free = key("alone");
    let (gate, body) = pending(payload(1, 70_000), payload(2, 70_000), None);
    let task = tokio::spawn({
        let (store, free) = (std::sync::Arc::clone(&store), free.clone());
        async move { store.put(&free, body, &if_absent()).await }
    });
    gate.open();
    let situation = "streamed put with IfAbsent on a free key";
    ok(situation, finished(task.await)?)?;
    let content = [payload(1, 70_000), payload(2, 70_000)].concat();
    has_content(&*store, &free, &content, situation).await?;
    Ok(())
}

/// A streamed conditional put that is overtaken while its body waits must fail, and change nothing.
async fn overtaken(
    cx: &Context,
    number: usize,
    first: usize,
    rest: usize,
    length: Option<u64>,
    meanwhile: Meanwhile,
) -> Outcome {
    /// Far above what a store takes, far below what a person waits.
    const PATIENCE: Duration = Duration::from_secs(20);
    let store = cx.open().await?;
    let key = key(format!("overtaken/{number}"));
    let of_known_length = if length.is_some() { "known" } else { "unknown" };
    let situation = format!(
        "streamed put of {first} + {rest} bytes (length {of_known_length}) that waits after the first \
         {first} while another writer acts: {meanwhile:?}"
    );
    let (options, kind) = match meanwhile {
        Meanwhile::Creates | Meanwhile::CreatesAsStream | Meanwhile::CreatesEmpty => {
            (if_absent(), ErrorKind::AlreadyExists)
        }
        Meanwhile::Overwrites | Meanwhile::Deletes | Meanwhile::Recreates => {
            let base = ok("put", put(&*store, &key, "base").await)?;
            (if_match(&base.version), ErrorKind::PreconditionFailed)
        }
    };
    let (gate, body) = pending(payload(1, first), payload(2, rest), length);
    let mut task = tokio::spawn({
        let (store, key) = (std::sync::Arc::clone(&store), key.clone());
        async move { store.put(&key, body, &by(options, "paused")).await }
    });
    tokio::select! {
        () = gate.reached() => {}
        early = &mut task => {
            let early = finished(early)?;
            return holds(&situation, false, "the put reads its body to the end", early);
        }
    }
    let acting = tokio::time::timeout(PATIENCE, act(&*store, &key, number, meanwhile));
    let Ok(acted) = acting.await else {
        task.abort();
        return holds(situation, false, "other writers go on while a body waits", "they wait");
    };
    ok(format!("{situation}: the other writer"), acted)?;
    let before = match meanwhile {
        Meanwhile::Deletes => None,
        _ => Some(Before::of(&*store, &key).await?),
    };
    gate.open();
    fails_with(&situation, kind, finished(task.await)?)?;
    match before {
        Some(before) => before.is_unchanged(&*store, &situation).await,
        None => has_no_object(&*store, &key, &situation).await,
    }
}

async fn act(
    store: &dyn StorageProvider,
    key: &Key,
    number: usize,
    meanwhile: Meanwhile,
) -> omni_contracts::Result<()> {
    let content = payload(number as u64, 100);
    match meanwhile {
        Meanwhile::Creates => {
            store.put(key, content.into(), &if_absent()).await?;
        }
        Meanwhile::CreatesAsStream => {
            let body = streamed(content, &[7], None);
            store.put(key, body, &PutOptions::default()).await?;
        }
        Meanwhile::CreatesEmpty => {
            put(store, key, Bytes::new()).await?;
        }
        Meanwhile::Overwrites => {
            put(store, key, content).await?;
        }
        Meanwhile::Deletes => {
            store.delete(key, &DeleteOptions::default()).await?;
        }
        Meanwhile::Recreates => {
            store.delete(key, &DeleteOptions::default()).await?;
            put(store, key, "base").await?;
        }
    }
    Ok(())
}
