//! Runs a program on the provider and on the reference, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use omni_contracts::Result;
use omni_contracts::storage::{
    Capabilities, Capability, CompleteOptions, CopyOptions, Crc32c, DeleteOptions, GetOptions, Key,
    ObjectMeta, Part, PutOptions, StorageProvider, UploadId, WriteId, Written, delete_prefix,
};

use super::compare::{Stop, Verdict, agreed, differ, existed, same};
use super::program::{ATTRIBUTES, Checksum, KEYS, Op, Parts, Source, Step, When};
use super::tokens::{checked, name, number_of};
use crate::reference::{self, Condition, Outcome, State, Store, Write};
use crate::{Failure, Place, Subject, check};

/// A program under way: the reference, the handles, and what the provider's tokens stand for.
pub(super) struct Run {
    pub(super) model: Store,
    pub(super) handles: [Arc<dyn StorageProvider>; 2],
    pub(super) capabilities: Capabilities,
    /// What the provider said of each version when it had made it.
    pub(super) receipts: BTreeMap<u64, ObjectMeta>,
    /// The versions that each key ever had, in their order.
    pub(super) versions: BTreeMap<String, Vec<u64>>,
    /// Versions made by a copy: the contract does not say whether they keep a write id.
    copies: BTreeSet<u64>,
    pub(super) uploads: Vec<UploadId>,
    /// The receipts of parts, with their uploads.
    pub(super) parts: BTreeMap<u64, (usize, Part)>,
    /// The conditional puts and the completions that can be repeated, by key and by upload.
    puts: BTreeMap<String, (Write, PutOptions, Source)>,
    completions: BTreeMap<usize, (Vec<(u16, u64)>, Condition)>,
    writes: u64,
}

/// Runs a program on a fresh store; returns what each step gave.
pub(super) async fn run(
    subject: &dyn Subject,
    place: &Place<'_>,
    program: &[Step],
) -> std::result::Result<Vec<String>, Failure> {
    let open = async || check::ok("opening the store", subject.open(place).await);
    let handles = [open().await?, open().await?];
    let capabilities = handles[0].capabilities().clone();
    let mut run = Run {
        model: Store::new(reference::Limits {
            max_object_size: capabilities.limits.max_object_size,
            min_part_size: capabilities.limits.min_part_size,
        }),
        handles,
        capabilities,
        receipts: BTreeMap::new(),
        versions: BTreeMap::new(),
        copies: BTreeSet::new(),
        uploads: Vec::new(),
        parts: BTreeMap::new(),
        puts: BTreeMap::new(),
        completions: BTreeMap::new(),
        writes: 0,
    };
    let mut steps = Vec::new();
    for step in program {
        let verdict = match step.op {
            Op::Reopen => {
                run.handles[step.handle] = open().await?;
                Ok("done".to_owned())
            }
            _ => run.step(step).await,
        };
        judge(&mut steps, step.to_string(), verdict)?;
    }
    judge(&mut steps, "read everything".to_owned(), run.inspect().await)?;
    Ok(steps)
}

/// Writes down what a step gave; fails where provider and reference differ.
fn judge(
    steps: &mut Vec<String>,
    step: String,
    verdict: Verdict,
) -> std::result::Result<(), Failure> {
    let (outcome, mismatch) = match verdict {
        Ok(outcome) => (outcome, None),
        Err(Stop::Refused(kind)) => (kind.to_string(), None),
        Err(Stop::Mismatch { expected, seen }) => (seen.clone(), Some((expected, seen))),
    };
    steps.push(format!("{step} -> {outcome}"));
    match mismatch {
        None => Ok(()),
        Some((expected, seen)) => {
            let situation = format!("{step}, after the steps below");
            Err(Failure::new(situation, expected, seen).with_steps(steps.clone()))
        }
    }
}

impl Run {
    async fn step(&mut self, step: &Step) -> Verdict {
        let store = Arc::clone(&self.handles[step.handle]);
        let other = Arc::clone(&self.handles[1 - step.handle]);
        match &step.op {
            Op::Put { key, source, checksum, when, named, attributes } => {
                let text = &KEYS[*key];
                self.writes += 1;
                let write = named.then_some(self.writes);
                let condition = self.condition(text, *when);
                let content = source.content.bytes();
                let (sum, mut flaws) = checked(&content, *checksum);
                flaws.extend(source.flaws());
                let attributes = Arc::clone(&ATTRIBUTES[*attributes]);
                let options = PutOptions {
                    condition: self.native_condition(condition),
                    attributes: Arc::clone(&attributes),
                    checksum: sum,
                    write_id: write.and_then(|write| WriteId::new(format!("w{write}")).ok()),
                };
                let write = Write { content, attributes, condition, write, flaws };
                if write.write.is_some() && condition != Condition::Always && write.flaws.is_empty()
                {
                    self.puts.insert(text.clone(), (write.clone(), options.clone(), *source));
                }
                let expected = self.model.put(text, write);
                let seen = store.put(&name(text), source.body(), &options).await;
                self.written(store.as_ref(), text, expected, seen).await
            }
            Op::RepeatPut { key } => {
                let text = &KEYS[*key];
                let current = self.model.objects.get(text).map(|object| object.version);
                let Some((mut write, options, source)) = self.puts.get(text).cloned() else {
                    return Ok("nothing to repeat".to_owned());
                };
                if let Condition::IfMatch(version) = write.condition {
                    write.condition = Condition::IfMatch(self.distinct(text, version));
                }
                if current.is_some_and(|version| self.copies.contains(&version)) {
                    return Ok("not repeated over a copy".to_owned());
                }
                let expected = self.model.put(text, write);
                let seen = store.put(&name(text), source.body(), &options).await;
                self.written(store.as_ref(), text, expected, seen).await
            }
            Op::Get { key, range, reading } => {
                self.get(store.as_ref(), &KEYS[*key], *range, reading).await
            }
            Op::GetRanges { key, ranges, reading } => {
                self.get_ranges(store.as_ref(), &KEYS[*key], ranges, reading).await
            }
            Op::Head { key, reading } => {
                let text = &KEYS[*key];
                let (version, condition, options) = self.reading(text, reading);
                let expected = self.model.head(text, version, condition);
                let seen = store.head(&name(text), &options).await;
                let expected = expected.map(|object| object.version);
                let (version, meta) = agreed(expected, seen)?;
                same("the description", &self.receipts[&version], &meta)?;
                Ok(format!("version {version}"))
            }
            Op::Delete { key, if_match } => {
                let text = &KEYS[*key];
                let if_match = if_match.map(|which| self.which(text, which));
                let options = DeleteOptions {
                    if_match: if_match.map(|version| self.native(version)),
                    version: None,
                };
                let expected = self.model.delete(text, if_match);
                let seen = store.delete(&name(text), &options).await;
                existed(agreed(expected, seen.map(|deleted| deleted.existed))?)
            }
            Op::DeleteVersion { key, which } => {
                let text = &KEYS[*key];
                let version = self.which(text, *which);
                if self.model.objects.get(text).is_some_and(|object| object.version == version) {
                    return Ok("not done to the current version".to_owned());
                }
                let options = DeleteOptions { if_match: None, version: Some(self.native(version)) };
                let expected = self.model.delete_version(text, version);
                let seen = store.delete(&name(text), &options).await;
                existed(agreed(expected, seen.map(|deleted| deleted.existed))?)
            }
            Op::DeleteMany { keys } => {
                let names: Vec<Key> = keys.iter().map(|key| name(&KEYS[*key])).collect();
                let seen = store.delete_many(&names).await;
                same("the number of results", &keys.len(), &seen.len())?;
                for (key, seen) in keys.iter().zip(seen) {
                    let repeated = keys.iter().filter(|other| *other == key).count() > 1;
                    let expected = self.model.delete(&KEYS[*key], None);
                    // Which of several deletes of one key finds it is not promised.
                    let seen = seen.map(|deleted| deleted.existed.filter(|_| !repeated));
                    existed(agreed(expected, seen)?)?;
                }
                Ok("done".to_owned())
            }
            Op::DeleteFolder { key } => {
                let folder = format!("{}/", KEYS[*key]);
                let below: Vec<String> = self
                    .model
                    .objects
                    .keys()
                    .filter(|key| key.starts_with(&folder))
                    .cloned()
                    .collect();
                for key in &below {
                    agreed(self.model.delete(key, None), Ok(()))?;
                }
                let seen = delete_prefix(store.as_ref(), &folder).await;
                let (expected, seen) = agreed(Ok(below.len() as u64), seen)?;
                same("the number of deleted objects", &expected, &seen)?;
                Ok(format!("{seen} objects"))
            }
            Op::List { prefix, delimiter, start_after, limit } => {
                self.list([&store, &other], *prefix, *delimiter, *start_after, *limit).await
            }
            Op::ListVersions { prefix, limit } => {
                self.list_versions(store.as_ref(), *prefix, *limit).await
            }
            Op::Copy { from, to, source, when, attributes } => {
                let (from, to) = (&KEYS[*from], &KEYS[*to]);
                let source = source.map(|which| self.which(from, which));
                let condition = self.condition(to, *when);
                let attributes = attributes.map(|at| Arc::clone(&ATTRIBUTES[at]));
                let options = CopyOptions {
                    condition: self.native_condition(condition),
                    source_version: source.map(|version| self.native(version)),
                    attributes: attributes.clone(),
                };
                let expected = self.model.copy(from, to, source, condition, attributes);
                self.copies.extend(expected.iter());
                let seen = store.copy(&name(from), &name(to), &options).await;
                self.written(store.as_ref(), to, expected, seen).await
            }
            Op::CreateUpload { key, attributes } => {
                let text = &KEYS[*key];
                let attributes = Arc::clone(&ATTRIBUTES[*attributes]);
                let options = PutOptions { attributes, ..PutOptions::default() };
                let expected = self.model.create_upload(text, Arc::clone(&options.attributes));
                let seen = store.create_upload(&name(text), &options).await;
                let (number, id) = agreed(Ok(expected), seen)?;
                if self.uploads.contains(&id) {
                    return Err(differ("an id that no other upload has", format!("{id:?}")));
                }
                self.uploads.push(id);
                Ok(format!("upload {number}"))
            }
            Op::UploadPart { upload, owner, number, source } => {
                let (upload, id, key) = self.upload(*upload, *owner);
                let content = source.content.bytes();
                let size = content.len() as u64;
                let checksum = Crc32c::of(&content);
                let flaws = source.flaws();
                let expected = self.model.upload_part(&key, upload, *number, content, flaws);
                let seen =
                    store.upload_part(&name(&key), &id, number_of(*number), source.body()).await;
                let (version, seen) = agreed(expected, seen)?;
                same("the number of the part", number, &seen.number.get())?;
                same("the size of the part", &size, &seen.size)?;
                same("the checksum of the part", &checksum, &seen.checksum.unwrap_or(checksum))?;
                let unique = store.capabilities().has(Capability::UniqueVersions);
                let mut earlier = self.parts.values().filter(|(of, _)| *of == upload);
                if unique
                    && earlier.any(|(_, earlier)| {
                        earlier.number == seen.number && earlier.version == seen.version
                    })
                {
                    let seen = format!("{:?} again", seen.version);
                    return Err(differ("a version that this part did not have before", seen));
                }
                self.parts.insert(version, (upload, seen));
                Ok(format!("part version {version}"))
            }
            Op::ListParts { upload, owner } => {
                let (upload, id, key) = self.upload(*upload, *owner);
                let expected = self.model.list_parts(&key, upload);
                let seen = store.list_parts(&name(&key), &id).await;
                let (expected, seen) = agreed(expected, seen)?;
                let expected: Vec<&Part> =
                    expected.iter().map(|part| &self.parts[part].1).collect();
                same("the parts", &expected, &seen.iter().collect())?;
                Ok(format!("{} parts", seen.len()))
            }
            Op::CompleteUpload { upload, owner, parts, when, checksum } => {
                let (upload, id, key) = self.upload(*upload, *owner);
                self.complete(store.as_ref(), (upload, &id, &key), *parts, *when, *checksum).await
            }
            Op::AbortUpload { upload, owner } => {
                let (upload, id, key) = self.upload(*upload, *owner);
                self.model.abort_upload(&key, upload);
                agreed(Ok(()), store.abort_upload(&name(&key), &id).await)?;
                Ok("done".to_owned())
            }
            Op::ListUploads { prefix } => self.list_uploads(store.as_ref(), *prefix).await,
            Op::Reopen => Ok("done".to_owned()),
        }
    }

    async fn complete(
        &mut self,
        store: &dyn StorageProvider,
        (upload, id, key): (usize, &UploadId, &str),
        parts: Parts,
        when: When,
        checksum: Checksum,
    ) -> Verdict {
        let found = self.model.uploads.get(upload);
        // A finished upload is completed again as it was; anything else is not promised.
        let made = found.and_then(|found| match found.state {
            State::Completed(version) => Some(self.native(version)),
            _ => None,
        });
        let finished = made.is_some();
        let (stated, condition) = match self.completions.get(&upload) {
            Some(earlier) if finished => earlier.clone(),
            _ => {
                let received = found.map(|found| {
                    found.parts.iter().map(|(number, (version, _))| (*number, *version)).collect()
                });
                (
                    self.stated(upload, received.unwrap_or_default(), parts),
                    self.condition(key, when),
                )
            }
        };
        let content: Vec<u8> = stated
            .iter()
            .filter_map(|(number, _)| found?.parts.get(number))
            .flat_map(|(_, bytes)| bytes.iter().copied())
            .collect();
        let (sum, flaws) = if finished { (None, Vec::new()) } else { checked(&content, checksum) };
        let options =
            CompleteOptions { condition: self.native_condition(condition), checksum: sum };
        let native: Vec<Part> = stated.iter().map(|stated| self.native_part(*stated)).collect();
        let expected = self.model.complete_upload(key, upload, &stated, condition, flaws);
        let seen = store.complete_upload(&name(key), id, &native, &options).await;
        if let (Err(_), Ok(again)) = (&expected, &seen)
            && made.as_ref() == Some(&again.version)
        {
            // Repeated too late, it may say again what it made; the objects are looked at later.
            return Ok("what it made before".to_owned());
        }
        if expected.is_ok() {
            self.completions.insert(upload, (stated, condition));
        }
        self.written(store, key, expected, seen).await
    }

    /// Compares what a write gave, and remembers the provider's token of a new version.
    async fn written(
        &mut self,
        store: &dyn StorageProvider,
        key: &str,
        expected: Outcome<u64>,
        seen: Result<Written>,
    ) -> Verdict {
        let (version, written) = agreed(expected, seen)?;
        if let Some(receipt) = self.receipts.get(&version) {
            same("what was written", &receipt.written(), &written)?;
            return Ok(format!("version {version} again"));
        }
        let head = store.head(&name(key), &GetOptions::default()).await;
        let (_, meta) = agreed(Ok(()), head)?;
        same("what was written, by head", &written, &meta.written())?;
        let object = &self.model.objects[key];
        let sum = Crc32c::of(&object.content);
        same("the size", &(object.content.len() as u64), &meta.size)?;
        same("the attributes", &object.attributes, &meta.attributes)?;
        same("the checksum", &sum, &meta.checksum.unwrap_or(sum))?;
        let unique = store.capabilities().has(Capability::UniqueVersions);
        let earlier = self.versions.entry(key.to_owned()).or_default();
        if unique
            && let Some(earlier) = earlier.iter().find(|v| self.receipts[v].version == meta.version)
        {
            let seen = format!("{:?}, as version {earlier} had", meta.version);
            return Err(differ("a version that this key did not have before", seen));
        }
        earlier.push(version);
        self.receipts.insert(version, meta);
        Ok(format!("version {version}"))
    }
}
