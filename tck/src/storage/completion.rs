//! STO-134, STO-136, STO-137 and STO-148: completing multipart uploads.

use std::sync::Arc;

use omni_contracts::ErrorKind;
use omni_contracts::Result;
use omni_contracts::storage::{
    Attributes, Capability, CompleteOptions, Crc32c, DeleteOptions, ObjectMeta, Part, PartNumber,
    StorageProvider, Version, WriteCondition, Written,
};

use super::attributes::{full, has_attributes, put_with};
use super::conditional_races::one_wins;
use super::inputs::{
    brief, description, has_content, has_no_object, head, key, payload, put, stamped,
};
use super::multipart::{Upload, part_size};
use super::race::{duels, race_of, telling};
use super::snapshot::Snapshot;
use crate::check::{Failure, Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-134",
        wrong_part_lists_are_refused,
        "compare every stated part with what was received before publishing anything"
    ),
    check!(
        "STO-136",
        conditional_completion_holds,
        "decide the condition in the same step that publishes the object"
    ),
    check!(
        "STO-137",
        completion_can_be_repeated,
        "remember which upload made the current object, and answer a repetition from that"
    ),
    check!(
        "STO-148",
        completion_verifies_the_checksum,
        "compare the checksum of the whole before publishing, and keep the upload when it differs"
    ),
];

async fn wrong_part_lists_are_refused(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    ok("put", put_with(&*store, &key("taken"), payload(5, 5000), &full(5)).await)?;
    for name in cx.some(["free", "taken"]) {
        let at = key(name);
        let upload = Upload::begin(&store, &at, &full(1)).await?;
        let size = part_size(&*store, 300);
        let contents = [payload(1, size), payload(2, size), payload(3, size)];
        let old = upload.received(2, payload(8, size)).await?;
        let mut parts = Vec::new();
        for (position, content) in contents.iter().enumerate() {
            parts.push(upload.received(position as u16 + 1, content.clone()).await?);
        }
        let [one, two, three] = &parts[..] else {
            return Err(Failure::new("upload_part", "three receipts", format!("{parts:?}")));
        };
        let renumbered = |part: &Part, number: u16| -> Result<Part> {
            Ok(Part { number: PartNumber::new(number)?, ..part.clone() })
        };
        let absent = ok("part number", renumbered(three, 4))?;
        let beyond = ok("part number", renumbered(three, 10_000))?;
        let swapped =
            [ok("part number", renumbered(two, 1))?, ok("part number", renumbered(one, 2))?];
        let version = ok("making a version", Version::new("nobody-made-this"))?;
        let made_up = Part { version, ..two.clone() };
        let lists: [(&str, Vec<Part>); 13] = [
            ("no part", vec![]),
            ("one part twice", vec![one.clone(), one.clone()]),
            ("the last part twice", vec![one.clone(), two.clone(), three.clone(), three.clone()]),
            ("a part twice, apart", vec![one.clone(), two.clone(), one.clone()]),
            ("two parts out of order", vec![two.clone(), one.clone()]),
            ("the last parts out of order", vec![one.clone(), three.clone(), two.clone()]),
            ("a part that was not received", vec![one.clone(), absent.clone()]),
            ("only a part that was not received", vec![absent]),
            (
                "all parts and one that was not received",
                vec![one.clone(), two.clone(), three.clone(), beyond],
            ),
            ("a part that was replaced since", vec![one.clone(), old.clone(), three.clone()]),
            ("only a part that was replaced since", vec![old]),
            ("a receipt that nobody made", vec![one.clone(), made_up, three.clone()]),
            ("receipts of other parts", swapped.to_vec()),
        ];
        let keys = [at.clone()];
        let before = Snapshot::take(&*store, &keys).await?;
        for (what, list) in cx.some(lists) {
            // Of the contents that whoever states the list takes to be stored.
            let sum = list.iter().fold(Crc32c::default(), |sum, part| {
                sum.followed_by(part.checksum.unwrap_or_default(), part.size)
            });
            for checksum in [None, Some(sum)] {
                let with = if checksum.is_some() { ", with its checksum" } else { "" };
                let situation = format!("complete_upload of {name:?}, stated: {what}{with}");
                let options = CompleteOptions { checksum, ..CompleteOptions::default() };
                let result = upload.complete_with(&list, &options).await;
                fails_with(situation.clone(), ErrorKind::InvalidArgument, result)?;
                before.unchanged(&*store, &keys, &situation).await?;
            }
        }
        ok("complete_upload after wrong lists", upload.complete(&parts).await)?;
        has_content(&*store, &at, &contents.concat(), "completed after wrong lists").await?;
    }
    let least = store.capabilities().limits.min_part_size;
    if least > 1 {
        let upload = Upload::begin(&store, &key("small"), &Attributes::default()).await?;
        let small = usize::try_from(least - 1).unwrap_or(usize::MAX);
        let parts = [
            upload.received(1, payload(1, small)).await?,
            upload.received(2, payload(2, 10)).await?,
        ];
        let result = upload.complete(&parts).await;
        let situation = "complete_upload with a part one byte below the declared minimum";
        fails_with(situation, ErrorKind::InvalidArgument, result)?;
        has_no_object(&*store, &upload.key, situation).await?;
        holds(situation, upload.is_listed().await?, "the upload is kept", "it is not listed")?;
        ok("abort_upload", upload.abort().await)?;
    }
    Ok(())
}

async fn conditional_completion_holds(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let absent = || WriteCondition::IfAbsent;
    for round in cx.some(0..3) {
        let at = key(format!("one/{round}"));
        let content = payload(round, 5000);
        let ready = || async {
            let upload = Upload::begin(&store, &at, &full(round)).await?;
            let part = upload.received(1, content.clone()).await?;
            Ok::<_, Failure>((upload, [part]))
        };
        let (early, early_parts) = ready().await?;
        let keys = [at.clone()];
        let free = Snapshot::take(&*store, &keys).await?;
        let made_up = ok("making a version", Version::new("nobody-made-this"))?;
        let result =
            early.complete_if(&early_parts, WriteCondition::IfMatch(made_up.clone())).await;
        fails_with("complete with IfMatch, no object", ErrorKind::PreconditionFailed, result)?;
        free.unchanged(&*store, &keys, "complete with IfMatch, no object").await?;
        // Created when the key was free, completed when it is not any more.
        let stale = ok("put", put_with(&*store, &at, payload(8, 80), &full(8)).await)?.version;
        let current = ok("put", put_with(&*store, &at, payload(9, 90), &full(9)).await)?.version;
        let (late, late_parts) = ready().await?;
        let taken = Snapshot::take(&*store, &keys).await?;
        for (upload, parts) in [(&early, &early_parts), (&late, &late_parts)] {
            let refused = [
                (absent(), ErrorKind::AlreadyExists),
                (WriteCondition::IfMatch(stale.clone()), ErrorKind::PreconditionFailed),
                (WriteCondition::IfMatch(made_up.clone()), ErrorKind::PreconditionFailed),
            ];
            for (condition, kind) in refused {
                let situation = format!("complete with {condition:?} over an object");
                fails_with(situation.clone(), kind, upload.complete_if(parts, condition).await)?;
                taken.unchanged(&*store, &keys, &situation).await?;
            }
        }
        let swap = WriteCondition::IfMatch(current.clone());
        let meta = ok("complete with IfMatch", late.complete_if(&late_parts, swap.clone()).await)?;
        has_content(&*store, &at, &content, "completed with IfMatch").await?;
        let result = early.complete_if(&early_parts, swap).await;
        fails_with("complete with a stale IfMatch", ErrorKind::PreconditionFailed, result)?;
        equal("version", &meta.version, &ok("head", head(&*store, &at).await)?.version)?;
        // Created when the key was taken, completed when it is free.
        ok("delete", store.delete(&at, &DeleteOptions::default()).await)?;
        ok("complete with IfAbsent", early.complete_if(&early_parts, absent()).await)?;
        has_content(&*store, &at, &content, "completed with IfAbsent").await?;
        has_attributes(&*store, &at, &full(round), "completed with IfAbsent").await?;
    }
    for round in 0..cx.rounds(24) {
        race_completions(&store, &format!("create/{round}"), absent()).await?;
        let at = format!("swap/{round}");
        let old = ok("put", put(&*store, &key(&at), payload(1, 10)).await)?;
        race_completions(&store, &at, WriteCondition::IfMatch(old.version)).await?;
    }
    completion_duels(cx, &store).await
}

/// Two uploads to one free key that are completed in the same microsecond, many times.
async fn completion_duels(cx: &Context, store: &Arc<dyn StorageProvider>) -> Outcome {
    let mut pairs = Vec::new();
    for duel in 0..telling(cx, &**store) {
        let at = key(format!("duel/{duel}"));
        let mut pair = Vec::new();
        for racer in 0..2 {
            let upload = Upload::begin(store, &at, &full(racer)).await?;
            let part = upload.received(1, stamped(racer, 16)).await?;
            pair.push((upload, [part]));
        }
        pairs.push((at, pair));
    }
    let pairs = Arc::new(pairs);
    let results = duels(pairs.len(), {
        let pairs = Arc::clone(&pairs);
        move |duel, who| {
            let (upload, parts) = pairs[duel].1[who].clone();
            async move { upload.complete_if(&parts, WriteCondition::IfAbsent).await }
        }
    })
    .await?;
    let situation = "two uploads to a free key completed at once with IfAbsent";
    for ((at, _), results) in pairs.iter().zip(results) {
        let winner = one_wins(situation, results, ErrorKind::AlreadyExists)? as u64;
        has_content(&**store, at, &stamped(winner, 16), situation).await?;
    }
    Ok(())
}

async fn race_completions(
    store: &Arc<dyn StorageProvider>,
    at: &str,
    condition: WriteCondition,
) -> Outcome {
    const RACERS: usize = 8;
    let at = key(at);
    let mut uploads = Vec::new();
    for racer in 0..RACERS {
        let upload = Upload::begin(store, &at, &full(racer as u64)).await?;
        let part = upload.received(1, stamped(racer as u64, 64)).await?;
        uploads.push((upload, [part]));
    }
    let outcomes = race_of(RACERS, |racer| {
        let ((upload, parts), condition) = (uploads[racer].clone(), condition.clone());
        async move { upload.complete_if(&parts, condition).await }
    })
    .await?;
    let situation = format!("{RACERS} uploads to {} completed at once, {condition:?}", brief(&at));
    let lost = match condition {
        WriteCondition::IfAbsent => ErrorKind::AlreadyExists,
        _ => ErrorKind::PreconditionFailed,
    };
    let mut winners = Vec::new();
    for (racer, outcome) in outcomes.into_iter().enumerate() {
        if outcome.is_ok() {
            winners.push(racer);
        } else {
            fails_with(format!("{situation}: a loser"), lost, outcome)?;
        }
    }
    equal(format!("{situation}: winners"), &1, &winners.len())?;
    has_content(&**store, &at, &stamped(winners[0] as u64, 64), &situation).await?;
    has_attributes(&**store, &at, &full(winners[0] as u64), &situation).await?;
    for (upload, _) in uploads {
        ok("abort_upload", upload.abort().await)?;
    }
    Ok(())
}

async fn completion_can_be_repeated(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let mut conditions = vec![WriteCondition::Always];
    if store.capabilities().has(Capability::ConditionalMultipart) {
        conditions.push(WriteCondition::IfAbsent);
    }
    for (number, condition) in cx.some(conditions).into_iter().enumerate() {
        for count in [1, 3] {
            let at = key(format!("again/{number}/{count}"));
            let upload = Upload::begin(&store, &at, &full(1)).await?;
            let mut parts = Vec::new();
            let mut whole = Vec::new();
            for number in 1..=count {
                let content = payload(number.into(), part_size(&*store, 500));
                whole.extend_from_slice(&content);
                parts.push(upload.received(number, content).await?);
            }
            let checksum = (count > 1).then(|| Crc32c::of(&whole));
            let options = CompleteOptions { condition: condition.clone(), checksum };
            let complete = || upload.complete_with(&parts, &options);
            let first = ok("complete_upload", complete().await)?;
            let stored = description(&*store, &at, &first).await?;
            let other = Upload { store: cx.open().await?, ..upload.clone() };
            for round in 2..=4 {
                let situation = format!("complete_upload with {options:?}, time {round}");
                let again = ok(situation.clone(), complete().await)?;
                equal(format!("{situation}: version"), &first.version, &again.version)?;
                let by_other = other.complete_with(&parts, &options).await;
                let by_other = ok(format!("{situation}, by another handle"), by_other)?;
                equal(format!("{situation}: version"), &first.version, &by_other.version)?;
                let seen = has_content(&*store, &at, &whole, &situation).await?;
                equal(format!("{situation}: description"), &stored, &seen)?;
                holds(
                    situation,
                    !upload.is_listed().await?,
                    "an upload that is not listed",
                    "it is",
                )?;
            }
            let another = ok("put", put_with(&*store, &at, payload(9, 90), &full(9)).await)?;
            let another = description(&*store, &at, &another).await?;
            let situation = "complete_upload again after its object was overwritten";
            only_the_first(situation, &stored, complete().await)?;
            let seen = has_content(&*store, &at, &payload(9, 90), situation).await?;
            equal(situation, &another, &seen)?;
            ok("delete", store.delete(&at, &DeleteOptions::default()).await)?;
            let situation = "complete_upload again after its object was deleted";
            only_the_first(situation, &stored, complete().await)?;
            has_no_object(&*store, &at, situation).await?;
        }
    }
    Ok(())
}

/// A completion that is repeated too late fails, or says again what it made.
fn only_the_first(situation: &str, stored: &ObjectMeta, seen: Result<Written>) -> Outcome {
    match seen {
        Ok(again) => equal(situation, &stored.version, &again.version),
        Err(_) => Ok(()),
    }
}

async fn completion_verifies_the_checksum(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    ok("put", put_with(&*store, &key("taken"), payload(5, 5000), &full(5)).await)?;
    for name in cx.some(["free", "taken"]) {
        let at = key(name);
        let upload = Upload::begin(&store, &at, &full(1)).await?;
        let contents = [payload(1, part_size(&*store, 70_000)), payload(2, 300)];
        let whole = contents.concat();
        let mut parts = Vec::new();
        for (position, content) in contents.iter().enumerate() {
            parts.push(upload.received(position as u16 + 1, content.clone()).await?);
        }
        let keys = [at.clone()];
        let before = Snapshot::take(&*store, &keys).await?;
        let right = Crc32c::of(&whole);
        let wrong = [
            Crc32c::from_u32(right.to_u32() ^ 1),
            Crc32c::of(&contents[0]),
            Crc32c::of(&contents[1]),
            Crc32c::of(b""),
        ];
        let with = |checksum| CompleteOptions { checksum: Some(checksum), ..Default::default() };
        for checksum in wrong {
            let situation = format!("complete_upload of {name:?} with checksum {checksum}");
            let result = upload.complete_with(&parts, &with(checksum)).await;
            fails_with(situation.clone(), ErrorKind::Corrupt, result)?;
            before.unchanged(&*store, &keys, &situation).await?;
        }
        let result = upload.complete_with(&parts, &with(right)).await;
        ok("complete_upload with the right checksum", result)?;
        has_content(&*store, &at, &whole, "completed with the right checksum").await?;
    }
    Ok(())
}
