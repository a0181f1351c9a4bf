//! `STO-160` to `STO-165`: what concurrent users of a store see, through one handle, several, and
//! from several processes.

mod histories;
mod side;

use std::sync::Arc;

use futures_util::future::try_join_all;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{Capability, Key};
use tokio::sync::Barrier;

use self::histories::{Mix, budget, linearizable};
use self::side::Side;
use crate::check::{check, equal, fails_with, holds, ok};
use crate::reference::Content;
use crate::worker::{Command, Condition, Form, Reply};
use crate::{Check, Context, Failure, Outcome};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-160",
        plain_operations_are_linearizable,
        "look for steps between which others can see or change the object: publication, deletion, caches"
    ),
    check!(
        "STO-161",
        conditional_operations_are_linearizable,
        "look whether the condition is decided and the change made under one lock"
    ),
    check!(
        "STO-162",
        handles_see_each_other,
        "look for what a handle remembers about objects: it cannot know what other handles do"
    ),
    check!(
        "STO-163",
        keys_do_not_disturb_each_other,
        "look for state that operations on different keys share: buffers, temporary names, caches"
    ),
    check!(
        "STO-164",
        processes_see_each_other,
        "look for what a process remembers about objects: it cannot know what other processes do"
    ),
    check!(
        "STO-165",
        processes_have_one_winner,
        "look whether conditions are decided under a lock that other processes respect"
    ),
];

const SIZES: [u64; 6] = [16, 100, 4096, 65_536, 65_537, 300_000];

async fn handles(cx: &Context, count: usize) -> Result<Vec<Side>, Failure> {
    let mut sides = Vec::new();
    for _ in 0..count {
        sides.push(Side::Here(cx.open().await?));
    }
    Ok(sides)
}

async fn plain_operations_are_linearizable(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let budget = budget(store.capabilities()) / 3;
    let same = || (0..4).map(|_| Side::Here(Arc::clone(&store))).collect();
    linearizable(cx, "overwrites", same(), Mix::OVERWRITES, budget).await?;
    linearizable(cx, "one-handle", same(), Mix::PLAIN, budget).await?;
    linearizable(cx, "handles", handles(cx, 4).await?, Mix::PLAIN, budget).await
}

async fn conditional_operations_are_linearizable(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let mix = Mix::conditional(store.capabilities());
    let budget = budget(store.capabilities()) / 2;
    let same = (0..4).map(|_| Side::Here(Arc::clone(&store))).collect();
    linearizable(cx, "one-handle", same, mix, budget).await?;
    linearizable(cx, "handles", handles(cx, 4).await?, mix, budget).await
}

async fn handles_see_each_other(cx: &Context) -> Outcome {
    let mut sides = handles(cx, 2).await?;
    let (mut second, mut first) = (sides.remove(1), sides.remove(0));
    see_each_other(cx, &mut first, &mut second, 12).await?;
    // A handle that is opened late sees what is there, and the early ones see what it does.
    let mut third = handles(cx, 1).await?.remove(0);
    see_each_other(cx, &mut third, &mut first, 4).await
}

async fn processes_see_each_other(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let budget = budget(store.capabilities()) / 2;
    let mut here = Side::Here(store);
    let mut there = Side::There(cx.worker().await?);
    see_each_other(cx, &mut here, &mut there, 12).await?;
    let sides = vec![here, there, Side::There(cx.worker().await?)];
    linearizable(cx, "processes", sides, Mix::PLAIN, budget).await
}

/// Each side writes and deletes, the other looks at once, having looked before.
async fn see_each_other(cx: &Context, a: &mut Side, b: &mut Side, rounds: u64) -> Outcome {
    let lists = cx.open().await?.capabilities().list_delay.is_zero();
    let name = format!("{:x}", cx.seed());
    for round in 0..rounds {
        // Some keys are used again and again.
        let key = format!("seen-{name}/{}", round % 5);
        let size = SIZES[round as usize % SIZES.len()];
        let content = |number: u64| Content::new(round * 10 + number, size);
        looks(b, &key, None, lists).await?;
        looks(a, &key, None, lists).await?;
        for (writer, reader, number) in [(0, 1, 1), (0, 1, 2), (1, 0, 3), (1, 0, 4)] {
            let content = content(number);
            let form = if number % 2 == 0 { Form::Stream } else { Form::Whole };
            let sides = [&mut *a, &mut *b];
            let [first, second] = sides;
            let (writer, reader) = if writer < reader { (first, second) } else { (second, first) };
            let version = writer.put(&key, content, Condition::Always, form).await?;
            let version = ok(format!("put of {key:?}"), version)?;
            looks(reader, &key, Some((content, &version)), lists).await?;
            // Twice: the first look may fill a cache, the second be answered by it.
            looks(reader, &key, Some((content, &version)), lists).await?;
            looks(writer, &key, Some((content, &version)), lists).await?;
        }
        ok(format!("delete of {key:?}"), a.delete(&key, None).await?)?;
        looks(b, &key, None, lists).await?;
        let version = a.put(&key, content(5), Condition::Always, Form::Whole).await?;
        let version = ok(format!("put of {key:?} after its delete"), version)?;
        looks(b, &key, Some((content(5), &version)), lists).await?;
        ok(format!("delete of {key:?}"), b.delete(&key, None).await?)?;
        looks(a, &key, None, lists).await?;
    }
    Ok(())
}

/// Expects one side to see what the other side did last.
async fn looks(
    side: &mut Side,
    key: &str,
    expected: Option<(Content, &str)>,
    lists: bool,
) -> Outcome {
    let after = match expected {
        Some((content, _)) => format!("the other side's put of {} bytes", content.size),
        None => "its delete by the other side, or before its first put".to_owned(),
    };
    if lists {
        let listed = ok(format!("list of {key:?} after {after}"), side.list(key).await?)?;
        let expected: Vec<_> =
            expected.iter().map(|(_, version)| (key.to_owned(), (*version).to_owned())).collect();
        equal(format!("list of {key:?} after {after}"), &expected, &listed)?;
    }
    let heads = format!("head of {key:?} after {after}");
    let gets = format!("get of {key:?} after {after}");
    let (head, got) = (side.head(key).await?, side.get(key).await?);
    let Some((content, version)) = expected else {
        fails_with(heads, ErrorKind::NotFound, head)?;
        return fails_with(gets, ErrorKind::NotFound, got).map(|_| ());
    };
    let (head, got) = (ok(&heads, head)?, ok(&gets, got)?);
    equal(heads, &(version, Some(content)), &(head.version.as_str(), head.named))?;
    equal(&gets, &(version, Some(content)), &(got.version.as_str(), got.named))?;
    equal(gets + ": content", &Some(content), &got.content)
}

async fn keys_do_not_disturb_each_other(cx: &Context) -> Outcome {
    /// Users, each with keys of his own, and how often each rewrites them.
    const USERS: u64 = 24;
    const ROUNDS: u64 = 4;

    let stores = [cx.open().await?, cx.open().await?];
    let start = Arc::new(Barrier::new(USERS as usize));
    let users = (0..USERS).map(|user| {
        let mut side = Side::Here(Arc::clone(&stores[user as usize % 2]));
        let start = Arc::clone(&start);
        let task = tokio::spawn(async move {
            start.wait().await;
            // Neighbours in the order of keys, and one below the other.
            let keys = [format!("user/{user}"), format!("user/{user}/below")];
            let mut last = Vec::new();
            for round in 0..ROUNDS {
                last.clear();
                for (number, key) in (0..).zip(&keys) {
                    let size = SIZES[((user + round + number) % 6) as usize];
                    let content = Content::new(user * 1000 + round * 10 + number, size);
                    let form = if (user + round) % 2 == 0 { Form::Whole } else { Form::Stream };
                    let put = side.put(key, content, Condition::Always, form).await?;
                    let version = ok(format!("put of {key:?} among puts of other keys"), put)?;
                    looks_alone(&mut side, key, Some((content, &version))).await?;
                    last.push((key.clone(), content, version));
                }
                if (user + round) % 3 == 0 {
                    let (key, ..) = last.remove(0);
                    ok(format!("delete of {key:?}"), side.delete(&key, None).await?)?;
                    looks_alone(&mut side, &key, None).await?;
                }
            }
            Ok::<_, Failure>(last)
        });
        async move {
            match task.await {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
    });
    let mut kept = try_join_all(users).await?.concat();
    kept.sort();
    let mut side = Side::Here(Arc::clone(&stores[0]));
    for (key, content, version) in &kept {
        looks_alone(&mut side, key, Some((*content, version))).await?;
    }
    if stores[0].capabilities().list_delay.is_zero() {
        let mut listed = ok("list of all keys", side.list("user/").await?)?;
        listed.sort();
        let expected: Vec<_> = kept.into_iter().map(|(key, _, version)| (key, version)).collect();
        equal("list of all keys after writes in parallel", &expected, &listed)?;
    }
    Ok(())
}

/// Expects a key to be as its only user left it.
async fn looks_alone(side: &mut Side, key: &str, expected: Option<(Content, &str)>) -> Outcome {
    let situation = format!("get of {key:?} while other keys are written and deleted");
    let got = side.get(key).await?;
    let Some((content, version)) = expected else {
        return fails_with(situation, ErrorKind::NotFound, got).map(|_| ());
    };
    let got = ok(&situation, got)?;
    let seen = (got.version.as_str(), got.content, got.named);
    equal(situation, &(version, Some(content), Some(content)), &seen)
}

async fn processes_have_one_winner(cx: &Context) -> Outcome {
    const WORKERS: u64 = 3;

    let store = cx.open().await?;
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(cx.worker().await?);
    }
    if store.capabilities().has(Capability::ConditionalCreate) {
        let count = 120;
        for (seed, worker) in (1..).zip(&mut workers) {
            let (prefix, seed) = ("race/".to_owned(), seed * 1_000_000);
            worker.send(&Command::Race { prefix, count, seed })?;
        }
        let mut winners: Vec<Vec<(u64, String)>> = vec![Vec::new(); count];
        for (seed, worker) in (1..).zip(&mut workers) {
            let won = match worker.reply().await? {
                Reply::Raced(won) => won,
                other => return Err(unexpected("creates from several processes", &other)),
            };
            for (number, version) in won.into_iter().enumerate() {
                let seed = seed * 1_000_000 + number as u64;
                winners[number].extend(version.map(|version| (seed, version)));
            }
        }
        let mut side = Side::Here(Arc::clone(&store));
        for (number, winners) in winners.iter().enumerate() {
            let situation =
                format!("create of the key race/{number} by {WORKERS} processes at once");
            holds(&situation, winners.len() == 1, "exactly one winner", winners)?;
            let got = ok(&situation, side.get(&format!("race/{number}")).await?)?;
            let seen = (got.content.map_or(0, |content| content.seed), got.version);
            equal(format!("{situation}: the object"), &winners[0], &seen)?;
        }
    }
    if store.capabilities().has(Capability::ConditionalUpdate) {
        let times = 20;
        let key = ok("the key of a counter", Key::new("counter"))?;
        let counter = store.put(&key, "0".into(), &Default::default()).await;
        ok("put of a counter", counter)?;
        for worker in &mut workers {
            worker.send(&Command::Increment { key: key.to_string(), times })?;
        }
        for worker in &mut workers {
            match worker.reply().await? {
                Reply::Done => {}
                other => return Err(unexpected("increments from several processes", &other)),
            }
        }
        let got = ok("get of the counter", store.get(&key, &Default::default()).await)?;
        let bytes = ok("get of the counter", got.body.collect().await)?;
        let expected = (WORKERS * times).to_string();
        let situation = format!("{WORKERS} processes increment a counter {times} times each");
        equal(situation, &expected.as_str(), &&*String::from_utf8_lossy(&bytes))?;
    }
    Ok(())
}

fn unexpected(situation: &str, reply: &Reply) -> Failure {
    let seen = match reply {
        Reply::Failed(problem) => format!("error: {}", problem.error()),
        other => format!("{other:?}"),
    };
    Failure::new(situation, "success", seen)
}
