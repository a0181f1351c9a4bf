//! Races of conditional puts: STO-062 and STO-066.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{DeleteOptions, Key, ObjectMeta, StorageProvider};

use super::conditions::{Form, by, if_absent, if_match};
use super::inputs::{KIB, MIB, brief, has_content, key, listed, payload, put, read};
use super::race::{duels, finished, race, telling};
use crate::check::{Outcome, check, equal, fails_with, holds, ok, shortened};
use crate::{Check, Context, Failure};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-062",
        one_creator_wins,
        "look at whether deciding that the key is free and publishing the object are one atomic step"
    ),
    check!(
        "STO-066",
        no_update_is_lost,
        "look at whether comparing the version and publishing the object are one atomic step"
    ),
];

type Store = Arc<dyn StorageProvider>;

async fn one_creator_wins(cx: &Context) -> Outcome {
    const RACERS: usize = 16;
    let (fresh, reused) = (cx.rounds(110), cx.rounds(40));
    let stores = [cx.open().await?, cx.open().await?];
    let store = &*stores[0];
    let small = [8, 9, 100, 4 * KIB, 8, 64 * KIB + 1, 17];
    let mut raced = Vec::new();
    for round in 0..fresh {
        let size = small[round % small.len()];
        // All as bytes, all as streams, and mixed; through one handle, and through two.
        let forms = match round % 4 {
            0 => &[Form::Bytes][..],
            1 => &[Form::Stream],
            2 => &[Form::StreamOfUnknownLength],
            _ => &Form::ALL,
        };
        let handles = if round.is_multiple_of(3) { &stores[..] } else { &stores[..1] };
        let key = key(format!("race/{}/{round}", round % 7));
        create_race(handles, &key, RACERS, round, size, forms).await?;
        raced.push(key);
    }
    let again = key("again");
    for round in 0..reused {
        let forms = &Form::ALL[round % Form::ALL.len()..][..1];
        create_race(&stores, &again, RACERS, fresh + round, 40, forms).await?;
        if round + 1 < reused {
            ok("delete", store.delete(&again, &DeleteOptions::default()).await)?;
        }
    }
    raced.push(again);
    for form in Form::ALL {
        raced.extend(create_duels(cx, &stores[0], form).await?);
    }
    let max = store.capabilities().limits.max_object_size.unwrap_or(u64::MAX);
    for (round, size) in [MIB + 1, 5 * MIB + 1].into_iter().enumerate() {
        if size as u64 <= max {
            let key = key(format!("large/{round}"));
            create_race(&stores, &key, 3, fresh + reused + round, size, &Form::ALL).await?;
            raced.push(key);
        }
    }
    let mut seen: Vec<Key> =
        ok("list", listed(store, "").await)?.into_iter().map(|entry| entry.key).collect();
    raced.sort_unstable();
    seen.sort_unstable();
    equal("list after all races", &raced, &seen)
}

/// Two creators in the same microsecond, on many keys.
async fn create_duels(cx: &Context, store: &Store, form: Form) -> Result<Vec<Key>, Failure> {
    let count = telling(cx, &**store);
    let keys: Arc<Vec<Key>> =
        Arc::new((0..count).map(|n| key(format!("duel/{form:?}/{n}"))).collect());
    let results = duels(count, {
        let (store, keys) = (Arc::clone(store), Arc::clone(&keys));
        move |duel, who| {
            let (store, key) = (Arc::clone(&store), keys[duel].clone());
            async move { store.put(&key, form.body(&payload(who as u64, 20)), &if_absent()).await }
        }
    })
    .await?;
    let situation = format!("two racers put 20 bytes as {form:?} with IfAbsent on a free key");
    for (key, results) in keys.iter().zip(results) {
        let winner = one_wins(&situation, results, ErrorKind::AlreadyExists)?;
        has_content(&**store, key, &payload(winner as u64, 20), &situation).await?;
    }
    Ok(keys.to_vec())
}

/// Which of the two succeeded, while the other failed as it must.
pub(crate) fn one_wins<T: std::fmt::Debug>(
    situation: &str,
    results: [omni_contracts::Result<T>; 2],
    kind: ErrorKind,
) -> Result<usize, Failure> {
    match results {
        [Ok(_), loser @ Err(_)] => fails_with(situation, kind, loser).map(|_| 0),
        [loser @ Err(_), Ok(_)] => fails_with(situation, kind, loser).map(|_| 1),
        both => Err(Failure::new(
            situation,
            format!("one success, and one error of kind `{kind}`"),
            shortened(&both),
        )),
    }
}

async fn create_race(
    handles: &[Store],
    key: &Key,
    racers: usize,
    round: usize,
    size: usize,
    forms: &[Form],
) -> Outcome {
    let situation = format!(
        "round {round}: {racers} racers put {size} bytes as {forms:?} with IfAbsent on the free key {}, \
         through {} handles",
        brief(key),
        handles.len()
    );
    let contents: Vec<Bytes> =
        (0..racers).map(|racer| payload((round * racers + racer) as u64 + 1, size)).collect();
    let over = Arc::new(AtomicBool::new(false));
    let reader = round
        .is_multiple_of(3)
        .then(|| tokio::spawn(watch(Arc::clone(&handles[0]), key.clone(), Arc::clone(&over))));
    let running: Vec<_> = contents
        .iter()
        .enumerate()
        .map(|(racer, content)| {
            let store = Arc::clone(&handles[racer % handles.len()]);
            let body = forms[racer % forms.len()].body(content);
            let key = key.clone();
            async move { store.put(&key, body, &by(if_absent(), racer)).await }
        })
        .collect();
    let results = race(running).await;
    over.store(true, Ordering::SeqCst);
    let seen = match reader {
        Some(reader) => finished(reader.await)??,
        None => None,
    };
    let mut winners = Vec::new();
    for (racer, result) in results?.into_iter().enumerate() {
        match result {
            Ok(written) => winners.push((racer, written)),
            loser => drop(fails_with(&situation, ErrorKind::AlreadyExists, loser)?),
        }
    }
    let [(winner, stored)] = &winners[..] else {
        let racers: Vec<usize> = winners.iter().map(|(racer, _)| *racer).collect();
        return holds(
            situation,
            false,
            "one winner",
            format!("{} winners: {racers:?}", racers.len()),
        );
    };
    let meta = has_content(&*handles[0], key, &contents[*winner], &situation).await?;
    equal(format!("{situation}: the object is the winner's"), stored, &meta.written())?;
    let writer = meta.attributes.metadata.get("writer");
    equal(
        format!("{situation}: the attributes are the winner's"),
        &Some(&winner.to_string()),
        &writer,
    )?;
    match seen {
        Some((read, content)) => {
            equal(format!("{situation}: what was read during the race"), &meta, &read)?;
            holds(
                format!("{situation}: what was read during the race"),
                content == contents[*winner],
                "the winner's content",
                &content,
            )
        }
        None => Ok(()),
    }
}

/// Reads a key until the race is over: no object at first, then one that stays.
async fn watch(
    store: Store,
    key: Key,
    over: Arc<AtomicBool>,
) -> Result<Option<(ObjectMeta, Bytes)>, Failure> {
    let situation = "get of a key while racers create it";
    let mut first = None;
    while !over.load(Ordering::SeqCst) {
        match (read(&*store, &key).await, &first) {
            (Err(error), None) if error.kind() == ErrorKind::NotFound => {}
            (Ok(seen), None) => first = Some(seen),
            (Ok(seen), Some(first)) => equal(situation, first, &seen)?,
            (Err(error), _) => drop(ok::<()>(situation, Err(error))),
        }
        tokio::task::yield_now().await;
    }
    Ok(first)
}

async fn no_update_is_lost(cx: &Context) -> Outcome {
    const WORKERS: usize = 8;
    let increments = cx.rounds(25);
    let stores = [cx.open().await?, cx.open().await?];
    let counter = key("counter");
    ok("put", put(&*stores[0], &counter, "0").await)?;
    let mut written: Vec<u64> = Vec::new();
    for round in 0..increments {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let store = Arc::clone(&stores[worker % (1 + round % 2)]);
                increment(store, counter.clone(), Form::ALL[(worker + round) % Form::ALL.len()])
            })
            .collect();
        for value in race(workers).await? {
            written.push(value?);
        }
        let total = ((round + 1) * WORKERS) as u64;
        let situation =
            format!("counter after {WORKERS} workers added one {} times each", round + 1);
        has_content(&*stores[0], &counter, total.to_string().as_bytes(), &situation).await?;
    }
    written.sort_unstable();
    let expected: Vec<u64> = (1..=(WORKERS * increments) as u64).collect();
    equal("values that the workers wrote successfully, in order", &expected, &written)?;
    for form in Form::ALL {
        update_duels(cx, &stores[0], form).await?;
    }
    Ok(())
}

/// Two writers that replace the same version in the same microsecond, many times.
async fn update_duels(cx: &Context, store: &Store, form: Form) -> Outcome {
    let count = telling(cx, &**store);
    let mut bases = Vec::new();
    for duel in 0..count {
        let key = key(format!("duel/{form:?}/{duel}"));
        let base = ok("put", put(&**store, &key, "base").await)?;
        bases.push((key, if_match(&base.version)));
    }
    let bases = Arc::new(bases);
    let results = duels(count, {
        let (store, bases) = (Arc::clone(store), Arc::clone(&bases));
        move |duel, who| {
            let (store, (key, options)) = (Arc::clone(&store), bases[duel].clone());
            async move { store.put(&key, form.body(&payload(who as u64, 20)), &options).await }
        }
    })
    .await?;
    let situation =
        format!("two writers put 20 bytes as {form:?} with IfMatch of the same version");
    for ((key, _), results) in bases.iter().zip(results) {
        let winner = one_wins(&situation, results, ErrorKind::PreconditionFailed)?;
        has_content(&**store, key, &payload(winner as u64, 20), &situation).await?;
    }
    Ok(())
}

/// Reads the number, adds one, and puts it back if nobody else did in between; returns what it wrote.
async fn increment(store: Store, counter: Key, form: Form) -> Result<u64, Failure> {
    // Each failure is another's success, so there can be few; more is a provider that lets nobody win.
    const ATTEMPTS: usize = 200;
    for _ in 0..ATTEMPTS {
        let (meta, content) = ok("get of the counter", read(&*store, &counter).await)?;
        let text = String::from_utf8_lossy(&content).into_owned();
        let Ok(number) = text.parse::<u64>() else {
            return Err(Failure::new("content of the counter", "a number", text));
        };
        // All workers have read before the first one writes.
        tokio::task::yield_now().await;
        let next = number + 1;
        let body = form.body(&Bytes::from(next.to_string()));
        match store.put(&counter, body, &if_match(&meta.version)).await {
            Ok(_) => return Ok(next),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
            Err(error) => {
                ok::<()>("put of the counter with IfMatch", Err(error))?;
            }
        }
    }
    Err(Failure::new(
        format!("read, add one, put with IfMatch, {ATTEMPTS} times by one of 8 workers"),
        "success after a few attempts",
        "PreconditionFailed each time",
    ))
}
