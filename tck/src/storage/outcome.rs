//! STO-150 to STO-152: repetition, truthful failures, and no failure without a reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::storage::{
    Attributes, ByteRange, Capability, CompleteOptions, CopyOptions, DeleteOptions, Key,
    PartNumber, PutOptions, StorageProvider, WriteCondition, WriteId,
};
use omni_contracts::{Body, Effect, ErrorKind};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

use super::attributes::{full, put_with};
use super::inputs::{
    KIB, MIB, brief, chunked, has_content, has_no_object, head, key, listed, payload, put,
    same_bytes, streamed,
};
use super::race::race_of;
use super::scene::{Scene, keys_of};
use super::snapshot::Snapshot;
use crate::check::{Failure, Outcome, check, equal, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-150",
        repetition_changes_nothing,
        "an unconditional write must not depend on what the same write left before"
    ),
    check!(
        "STO-151",
        failures_tell_the_truth,
        "state `Effect::No` only when nothing was published, and know it for what you refuse yourself"
    ),
    check!(
        "STO-152",
        healthy_operations_succeed,
        "look for limits, counters, caches and races that make an ordinary call fail or get lost"
    ),
];

/// One write that may be repeated.
#[derive(Clone, Copy, Debug)]
enum Write {
    Put,
    StreamedPut,
    NamedPut,
    Delete,
    DeleteMany,
    DeleteOfNothing,
    Copy,
    CopyWithAttributes,
    CopyOntoItself,
    Abort,
}

async fn repetition_changes_nothing(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let writes = [
        Write::Put,
        Write::StreamedPut,
        Write::NamedPut,
        Write::Delete,
        Write::DeleteMany,
        Write::DeleteOfNothing,
        Write::Copy,
        Write::CopyWithAttributes,
        Write::CopyOntoItself,
        Write::Abort,
    ];
    let keys = ["target", "source", "target/below", "target2", "free"].map(key);
    let places = [(100, false), (0, true), (64 * KIB + 1, true), (MIB + 1, false)];
    for (size, over) in cx.some(places) {
        for write in cx.some(writes) {
            for at in &keys {
                ok("delete", store.delete(at, &DeleteOptions::default()).await)?;
            }
            for (number, at) in keys[1..4].iter().enumerate() {
                let seed = number as u64;
                let content = payload(seed, size + number);
                ok("put", put_with(store, at, content, &full(seed)).await)?;
            }
            if over {
                let content = payload(5, 70_000);
                ok("put", put_with(store, &keys[0], content, &full(5)).await)?;
            }
            let uploads = begin_two(store, &keys[0]).await?;
            let what = format!("{write:?} of {size} bytes, over an object: {over}");
            repeat(store, write, &keys[0], size, &uploads, &what).await?;
            let once = Snapshot::take(store, &keys).await?;
            for time in 2..=3 {
                let situation = format!("{what}, time {time}");
                repeat(store, write, &keys[0], size, &uploads, &situation).await?;
                let now = Snapshot::take(store, &keys).await?;
                equal(
                    format!("{situation}: contents and attributes of the store"),
                    &once.contents(),
                    &now.contents(),
                )?;
                once.same_uploads(&now, &situation)?;
            }
            for upload in uploads {
                ok("abort_upload", store.abort_upload(&keys[0], &upload).await)?;
            }
        }
    }
    Ok(())
}

/// Two uploads of one key, where multipart is declared.
async fn begin_two(
    store: &dyn StorageProvider,
    at: &Key,
) -> std::result::Result<Vec<omni_contracts::storage::UploadId>, Failure> {
    let mut uploads = Vec::new();
    while store.capabilities().has(Capability::Multipart) && uploads.len() < 2 {
        let id = store.create_upload(at, &PutOptions::default()).await;
        uploads.push(ok("create_upload", id)?);
    }
    Ok(uploads)
}

async fn repeat(
    store: &dyn StorageProvider,
    write: Write,
    target: &Key,
    size: usize,
    uploads: &[omni_contracts::storage::UploadId],
    situation: &str,
) -> Outcome {
    let content = payload(size as u64, size);
    let described = || PutOptions { attributes: Arc::new(full(1)), ..PutOptions::default() };
    let plain = CopyOptions::default;
    let delete = DeleteOptions::default();
    let source = key("source");
    let done = match write {
        Write::Put => store.put(target, content.into(), &described()).await.map(drop),
        Write::StreamedPut => {
            store.put(target, chunked(content, &[9000]), &described()).await.map(drop)
        }
        Write::NamedPut => {
            let write_id = WriteId::new(format!("w-{size}")).ok();
            let options = PutOptions { write_id, ..described() };
            store.put(target, content.into(), &options).await.map(drop)
        }
        Write::Delete => store.delete(target, &delete).await.map(drop),
        Write::DeleteOfNothing => store.delete(&key("free"), &delete).await.map(drop),
        Write::DeleteMany => {
            let keys = [target.clone(), key("target2"), key("free"), target.clone()];
            store.delete_many(&keys).await.into_iter().try_for_each(|result| result.map(drop))
        }
        Write::Copy => store.copy(&source, target, &plain()).await.map(drop),
        Write::CopyWithAttributes => {
            let options = CopyOptions { attributes: Some(Arc::new(full(7))), ..plain() };
            store.copy(&source, target, &options).await.map(drop)
        }
        Write::CopyOntoItself => {
            let options = CopyOptions { attributes: Some(Arc::new(full(7))), ..plain() };
            store.copy(&source, &source, &options).await.map(drop)
        }
        Write::Abort => match uploads.first() {
            Some(upload) => store.abort_upload(target, upload).await,
            None => Ok(()),
        },
    };
    ok(situation, done)
}

async fn failures_tell_the_truth(cx: &Context) -> Outcome {
    let scene = Scene::set(cx).await?;
    let calls = scene.unsupported().into_iter().chain(scene.invalid());
    let mut calls = cx.some(calls.chain(scene.refused_writes()));
    let before = scene.look(keys_of(&calls)).await?;
    for call in &mut calls {
        let situation = call.situation.clone();
        let error = match call.run().await {
            Err(error) => error,
            Ok(value) => {
                return Err(Failure::new(situation, "an error", format!("success: {value:.400}")));
            }
        };
        // None of these writes may be made, so "it was made" is a lie as well.
        equal(
            format!("{situation}: the effect it reports, {error}"),
            &Effect::No,
            &error.effect(),
        )?;
        scene.is_as(&before, &format!("{situation}, which reports no effect")).await?;
    }
    Ok(())
}

async fn healthy_operations_succeed(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let steps = if store.capabilities().durability >= omni_contracts::storage::Durability::Process {
        600
    } else {
        2500
    };
    let mut alone = Worker::new(Arc::clone(&store), "alone", cx.rng("alone"));
    let steps = cx.rounds(steps);
    for _ in 0..steps {
        alone.step().await?;
    }
    alone.finish().await?;
    const WORKERS: usize = 8;
    let outcomes = race_of(WORKERS, |number| {
        let name = format!("worker/{number}");
        let mut worker = Worker::new(Arc::clone(&store), &name, cx.rng(&name));
        async move {
            for _ in 0..steps / 5 {
                worker.step().await?;
            }
            worker.finish().await
        }
    })
    .await?;
    outcomes.into_iter().collect::<Outcome>()?;
    one_key_is_enough(cx, &store).await
}

/// Unconditional calls on one key at the same time all succeed, or find no object.
async fn one_key_is_enough(cx: &Context, store: &Arc<dyn StorageProvider>) -> Outcome {
    for round in 0..cx.rounds(30) {
        let at = key(format!("shared/{round}"));
        let size = [8, 64 * KIB + 8][round % 2];
        for outcome in race_of(9, |racer| {
            let (store, at) = (Arc::clone(store), at.clone());
            async move {
                for turn in 0..3 {
                    let content = payload(racer as u64, size);
                    let done = match (racer + turn) % 5 {
                        0 | 1 => put(&*store, &at, content).await.map(drop),
                        2 => put(&*store, &at, chunked(content, &[9000])).await.map(drop),
                        3 => match head(&*store, &at).await {
                            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                            other => other.map(drop),
                        },
                        _ => store.delete(&at, &DeleteOptions::default()).await.map(drop),
                    };
                    done?;
                }
                Ok(())
            }
        })
        .await?
        {
            ok("put, head and delete of one key by 9 at the same time", outcome)?;
        }
        ok("put after them", put(&**store, &at, payload(1, size)).await)?;
        has_content(&**store, &at, &payload(1, size), "put after them").await?;
    }
    Ok(())
}

/// Works on keys of its own, and knows what they must hold.
struct Worker {
    store: Arc<dyn StorageProvider>,
    name: String,
    rng: StdRng,
    known: BTreeMap<Key, (Bytes, Attributes)>,
    steps: Vec<String>,
    count: u64,
}

impl Worker {
    fn new(store: Arc<dyn StorageProvider>, name: &str, rng: StdRng) -> Self {
        let name = name.to_owned();
        Self { store, name, rng, known: BTreeMap::new(), steps: Vec::new(), count: 0 }
    }

    /// One operation and a look at what it did.
    async fn step(&mut self) -> Outcome {
        self.count += 1;
        let outcome = self.any_operation().await;
        outcome.map_err(|failure| {
            let number = self.count;
            let situation = format!("operation {number} of {}: {}", self.name, failure.situation);
            let steps = self.steps.split_off(self.steps.len().saturating_sub(15));
            Failure { situation, ..failure }.with_steps(steps)
        })
    }

    fn pick(&mut self) -> Key {
        const NAMES: &[&str] =
            &["a", "a/b", "a/b/c", "A", " x ", "%41", "\u{e4}", "a-b", "ab", ".x", "x#1", "k~"];
        key(format!("{}/{}", self.name, NAMES[self.rng.random_range(0..NAMES.len())]))
    }

    fn content(&mut self) -> Bytes {
        const SIZES: &[usize] = &[0, 1, 10, 100, 511, 4096, 4097, 9000, 64 * KIB + 1];
        let size = SIZES[self.rng.random_range(0..SIZES.len())];
        payload(self.rng.next_u64(), size)
    }

    fn note(&mut self, what: &str, at: &Key) -> String {
        let step = format!("{what} {}", brief(at));
        self.steps.push(step.clone());
        step
    }

    async fn any_operation(&mut self) -> Outcome {
        let at = self.pick();
        match self.rng.random_range(0..100) {
            0..40 => self.write(&at).await,
            40..52 => self.copy(&at).await,
            52..64 => self.delete(&at).await,
            64..72 => self.list(&at).await,
            72..80 => self.upload(&at).await,
            80..82 => {
                self.note("check", &at);
                ok("check", self.store.check().await)
            }
            _ => self.ranges(&at).await,
        }
    }

    /// Expects what is known of `at`.
    async fn look(&self, at: &Key, situation: &str) -> Outcome {
        match self.known.get(at) {
            None => match head(&*self.store, at).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                other => Err(Failure::new(
                    format!("{situation}: head"),
                    "an error of kind `not found`",
                    format!("{other:?}"),
                )),
            },
            Some((content, attributes)) => {
                let meta = has_content(&*self.store, at, content, situation).await?;
                equal(format!("{situation}: attributes"), attributes, &meta.attributes)
            }
        }
    }

    async fn write(&mut self, at: &Key) -> Outcome {
        let content = self.content();
        let attributes =
            if self.rng.random_bool(0.5) { full(self.count) } else { Attributes::default() };
        let declared = self.store.capabilities().clone();
        let mut options =
            PutOptions { attributes: Arc::new(attributes.clone()), ..PutOptions::default() };
        let mut how = "put";
        if self.rng.random_bool(0.4) {
            if !self.known.contains_key(at) && declared.has(Capability::ConditionalCreate) {
                options.condition = WriteCondition::IfAbsent;
                how = "put if absent";
            } else if self.known.contains_key(at) && declared.has(Capability::ConditionalUpdate) {
                let version = ok("head", head(&*self.store, at).await)?.version;
                options.condition = WriteCondition::IfMatch(version);
                how = "put if match";
            }
        }
        let body = match self.rng.random_range(0..3) {
            0 => chunked(content.clone(), &[1000, 0, 5000]),
            1 => streamed(content.clone(), &[4096], None),
            _ => Body::from(content.clone()),
        };
        let situation = self.note(&format!("{how} of {} bytes to", content.len()), at);
        ok(situation.clone(), self.store.put(at, body, &options).await)?;
        self.known.insert(at.clone(), (content, attributes));
        self.look(at, &situation).await
    }

    async fn copy(&mut self, from: &Key) -> Outcome {
        let to = self.pick();
        let Some(source) = self.known.get(from).cloned() else {
            return self.look(from, "missing").await;
        };
        if *from == to {
            return self.look(from, "present").await;
        }
        let situation = self.note(&format!("copy {} to", brief(from)), &to);
        ok(situation.clone(), self.store.copy(from, &to, &CopyOptions::default()).await)?;
        self.known.insert(to.clone(), source);
        self.look(&to, &situation).await
    }

    async fn delete(&mut self, at: &Key) -> Outcome {
        let many = self.rng.random_bool(0.3);
        let situation = self.note(if many { "delete_many with" } else { "delete" }, at);
        let mut keys = vec![at.clone()];
        if many {
            keys.push(self.pick());
            for deleted in self.store.delete_many(&keys).await {
                ok(situation.clone(), deleted)?;
            }
        } else {
            let deleted = self.store.delete(at, &DeleteOptions::default()).await;
            let existed = ok(situation.clone(), deleted)?.existed;
            holds(
                format!("{situation}: existed"),
                existed.is_none_or(|existed| existed == self.known.contains_key(at)),
                "the truth, or nothing",
                existed,
            )?;
        }
        for key in &keys {
            self.known.remove(key);
            self.look(key, &situation).await?;
        }
        Ok(())
    }

    async fn list(&mut self, at: &Key) -> Outcome {
        let situation = self.note("list below", at);
        let below = listed(&*self.store, at.as_str()).await;
        let mut seen: Vec<_> = ok(situation.clone(), below)?
            .into_iter()
            .map(|entry| (entry.key, entry.size))
            .collect();
        seen.sort();
        let known = self.known.iter().filter(|(key, _)| key.as_str().starts_with(at.as_str()));
        let expected: Vec<_> =
            known.map(|(key, (content, _))| (key.clone(), content.len() as u64)).collect();
        equal(situation, &expected, &seen)
    }

    async fn upload(&mut self, at: &Key) -> Outcome {
        if !self.store.capabilities().has(Capability::Multipart) {
            return self.write(at).await;
        }
        let content = self.content();
        let situation = self.note(&format!("upload {} bytes to", content.len()), at);
        let store = Arc::clone(&self.store);
        let id = ok(situation.clone(), store.create_upload(at, &PutOptions::default()).await)?;
        let number = ok(situation.clone(), PartNumber::new(1))?;
        let part = store.upload_part(at, &id, number, content.clone().into()).await;
        let part = ok(situation.clone(), part)?;
        if self.rng.random_bool(0.3) {
            ok(situation.clone(), store.abort_upload(at, &id).await)?;
        } else {
            let options = CompleteOptions::default();
            ok(situation.clone(), store.complete_upload(at, &id, &[part], &options).await)?;
            self.known.insert(at.clone(), (content, Attributes::default()));
        }
        self.look(at, &situation).await
    }

    async fn ranges(&mut self, at: &Key) -> Outcome {
        let situation = self.note("get_ranges of", at);
        let Some((content, _)) = self.known.get(at) else {
            return self.look(at, &situation).await;
        };
        let half = content.len() / 2;
        let ranges = [ByteRange::from(half as u64..), (0..half as u64).into()];
        let parts = self.store.get_ranges(at, &ranges, &Default::default()).await;
        let parts = ok(situation.clone(), parts)?;
        let expected = [content.slice(half..), content.slice(..half)];
        equal(format!("{situation}: how many"), &2, &parts.len())?;
        for (expected, seen) in expected.iter().zip(&parts) {
            same_bytes(situation.clone(), expected, seen)?;
        }
        Ok(())
    }

    /// Everything is still as known, then everything is deleted.
    async fn finish(&mut self) -> Outcome {
        let situation = format!("after {} operations of {}", self.count, self.name);
        let store = Arc::clone(&self.store);
        self.list(&key(&self.name)).await?;
        for at in self.known.keys() {
            self.look(at, &situation).await?;
        }
        let keys: Vec<_> = self.known.keys().cloned().collect();
        for at in keys {
            ok(situation.clone(), store.delete(&at, &DeleteOptions::default()).await)?;
            has_no_object(&*store, &at, &situation).await?;
        }
        ok(situation, put(&*store, &key(&self.name), "done").await).map(drop)
    }
}
