//! Conditional puts that are repeated, as after a lost answer: STO-065 and STO-067.

use std::sync::Arc;

use omni_contracts::ErrorKind;
use omni_contracts::storage::{Attributes, DeleteOptions, Key, PutOptions, StorageProvider};

use super::conditions::{Before, Form, by, cases, if_absent, if_match, with_id};
use super::inputs::{brief, has_content, has_no_object, key, payload, put};
use super::race::race;
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
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
];

async fn repeated_create_knows_its_own_write(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let other = cx.open().await?;
    let store = &*store;
    let longest = "L".repeat(64);
    let ids =
        ["w", "w-1", "W-1", "w_1", "0", "-", "5c8b0e5e-0e9b-4a5c-9a57-0d3c6b3a9f10", &longest];
    for (number, (size, form)) in cx.some(cases(store)).into_iter().enumerate() {
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
    let mut attributes = Attributes::default();
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
    for round in 0..cx.rounds(40) {
        let key = key(format!("at-once/{round}"));
        // Each writer sends his put twice, without waiting for the first answer.
        let racers: Vec<_> = (0..2 * WRITERS)
            .map(|racer| {
                let (store, key) = (Arc::clone(&store), key.clone());
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
    for (number, (size, form)) in cx.some(cases(store)).into_iter().enumerate() {
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
