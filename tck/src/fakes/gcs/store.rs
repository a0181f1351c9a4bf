//! Buckets and the generations of their objects: what is there, and how it changes.
//!
//! Pure state behind one lock, so that a condition and the change that depends on it are one step.
//! What a whole request needs more than this is in `listing`, `copies` and `uploads`.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::conditions::Conditions;
use super::copies::Rewrite;
use super::encryption::KeyHash;
use super::fault::{Fault, Kind};
use super::names;
use super::object::{Attributes, Content, Object};
use super::signed::Signers;
use super::uploads::Upload;

/// Everything that the server knows.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) uploads: HashMap<String, Upload>,
    pub(super) rewrites: HashMap<String, Rewrite>,
    pub(super) signers: Signers,
    latest_generation: i64,
    latest_token: u64,
}

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) project: String,
    pub(super) storage_class: String,
    pub(super) location: String,
    pub(super) versioning: bool,
    /// Whether a request without a credential is refused.
    pub(super) private: bool,
    pub(super) created: Timestamp,
    /// The generations of each object, in ascending order. Only the last one can be live.
    pub(super) objects: BTreeMap<String, Vec<Object>>,
}

impl Bucket {
    /// A bucket as it is made when nothing is said about it.
    pub(super) fn new(name: &str, project: &str) -> Self {
        Self {
            name: name.to_owned(),
            project: project.to_owned(),
            storage_class: "STANDARD".to_owned(),
            location: "US".to_owned(),
            versioning: false,
            private: false,
            created: now(),
            objects: BTreeMap::new(),
        }
    }

    /// Refuses who has no credential where one is wanted.
    pub(super) fn admit(&self, has_credential: bool) -> Result<(), Fault> {
        if self.private && !has_credential {
            let message =
                "Anonymous caller does not have access to the Google Cloud Storage bucket.";
            return Err(Fault::new(Kind::Unauthenticated, message));
        }
        Ok(())
    }

    fn live(&self, name: &str) -> Option<&Object> {
        self.objects.get(name)?.last().filter(|object| object.deleted.is_none())
    }

    /// The live object, or the generation that is asked for.
    pub(super) fn object(&self, name: &str, generation: Option<i64>) -> Result<&Object, Fault> {
        names::object(name)?;
        let found = match generation {
            None => self.live(name),
            Some(wanted) => self
                .objects
                .get(name)
                .and_then(|all| all.iter().find(|object| object.generation == wanted)),
        };
        found.ok_or_else(|| {
            let object = format!("{}/{name}", self.name);
            Fault::new(Kind::NotFound, format!("No such object: {object}"))
        })
    }

    /// As [`Self::object`], where the conditions hold. A missing object is found missing first: the
    /// conditions of a read, an update or a delete are about an object that is there.
    pub(super) fn object_if(
        &self,
        name: &str,
        generation: Option<i64>,
        conditions: &Conditions,
    ) -> Result<&Object, Fault> {
        let object = self.object(name, generation)?;
        conditions.check(Some(object))?;
        Ok(object)
    }

    /// Makes the live object a noncurrent one, or forgets it where there are no versions.
    fn retire(&mut self, name: &str, now: Timestamp) {
        let Some(generations) = self.objects.get_mut(name) else { return };
        if self.versioning {
            let live = generations.last_mut().filter(|object| object.deleted.is_none());
            if let Some(live) = live {
                live.deleted = Some(now);
            }
        } else {
            generations.retain(|object| object.deleted.is_some());
        }
        if generations.is_empty() {
            self.objects.remove(name);
        }
    }
}

impl Store {
    /// Makes a bucket.
    pub(super) fn create_bucket(&mut self, bucket: Bucket) -> Result<&Bucket, Fault> {
        names::bucket(&bucket.name)?;
        if self.buckets.contains_key(&bucket.name) {
            let message = "Your previous request to create the named bucket succeeded and you \
                           already own it.";
            return Err(Fault::new(Kind::Conflict, message));
        }
        Ok(self.buckets.entry(bucket.name.clone()).or_insert(bucket))
    }

    /// Deletes a bucket that holds no object, live or noncurrent.
    pub(super) fn delete_bucket(&mut self, name: &str) -> Result<(), Fault> {
        if !self.bucket(name)?.objects.is_empty() {
            let message = "The bucket you tried to delete is not empty.";
            return Err(Fault::new(Kind::Conflict, message));
        }
        self.forget_bucket(name);
        Ok(())
    }

    /// Removes a bucket and everything in it.
    pub(super) fn forget_bucket(&mut self, name: &str) {
        self.buckets.remove(name);
        self.uploads.retain(|_, upload| upload.bucket != name);
        self.rewrites.retain(|_, rewrite| !rewrite.concerns(name));
    }

    pub(super) fn bucket(&self, name: &str) -> Result<&Bucket, Fault> {
        self.buckets.get(name).ok_or_else(no_bucket)
    }

    pub(super) fn bucket_mut(&mut self, name: &str) -> Result<&mut Bucket, Fault> {
        self.buckets.get_mut(name).ok_or_else(no_bucket)
    }

    /// Stores a new generation of an object, where the conditions hold of the live one.
    pub(super) fn insert(
        &mut self,
        bucket: &str,
        name: &str,
        draft: Draft,
        conditions: &Conditions,
    ) -> Result<&Object, Fault> {
        names::object(name)?;
        draft.attributes.check()?;
        conditions.check(self.bucket(bucket)?.live(name))?;
        let generation = self.next_generation();
        let now = now();
        let bucket = self.bucket_mut(bucket)?;
        let mut attributes = draft.attributes;
        if attributes.storage_class.is_empty() {
            attributes.storage_class.clone_from(&bucket.storage_class);
        }
        let object = Object {
            name: name.to_owned(),
            generation,
            metageneration: 1,
            attributes,
            content: draft.content,
            components: draft.components,
            key: draft.key,
            created: now,
            updated: now,
            deleted: None,
        };
        bucket.retire(name, now);
        let generations = bucket.objects.entry(name.to_owned()).or_default();
        let at = generations.len();
        generations.push(object);
        Ok(&generations[at])
    }

    /// Deletes the live object, or for good the generation that is asked for.
    pub(super) fn delete(
        &mut self,
        bucket: &str,
        name: &str,
        generation: Option<i64>,
        conditions: &Conditions,
    ) -> Result<(), Fault> {
        let bucket = self.bucket_mut(bucket)?;
        bucket.object_if(name, generation, conditions)?;
        match generation {
            None => bucket.retire(name, now()),
            Some(unwanted) => {
                if let Some(generations) = bucket.objects.get_mut(name) {
                    generations.retain(|object| object.generation != unwanted);
                    if generations.is_empty() {
                        bucket.objects.remove(name);
                    }
                }
            }
        }
        Ok(())
    }

    /// Changes the attributes of an object; its metageneration grows by one.
    pub(super) fn update(
        &mut self,
        bucket: &str,
        name: &str,
        generation: Option<i64>,
        conditions: &Conditions,
        change: impl FnOnce(&mut Attributes) -> Result<(), Fault>,
    ) -> Result<&Object, Fault> {
        let bucket = self.bucket_mut(bucket)?;
        let found = bucket.object_if(name, generation, conditions)?;
        let mut attributes = found.attributes.clone();
        change(&mut attributes)?;
        attributes.check()?;
        if attributes.storage_class != found.attributes.storage_class {
            return Err(Fault::invalid("The storage class is changed by a rewrite"));
        }
        let generation = found.generation;
        let objects = bucket.objects.get_mut(name).into_iter().flatten();
        let object = objects.into_iter().find(|object| object.generation == generation);
        let object = object.ok_or_else(|| Fault::new(Kind::NotFound, "No such object"))?;
        object.attributes = attributes;
        object.metageneration += 1;
        object.updated = now();
        Ok(object)
    }

    /// Flips a bit of the live object, behind the back of everybody.
    pub(super) fn damage(&mut self, bucket: &str, name: &str) -> Result<bool, Fault> {
        let bucket = self.bucket_mut(bucket)?;
        let generation = bucket.object(name, None)?.generation;
        let objects = bucket.objects.get_mut(name).into_iter().flatten();
        for object in objects.filter(|object| object.generation == generation) {
            if let Some(damaged) = object.content.damaged() {
                object.content = damaged;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The bytes in a bucket: of every generation, and of uploads that are not finished.
    pub(super) fn space(&self, bucket: &str) -> Result<u64, Fault> {
        let objects = self.bucket(bucket)?.objects.values().flatten().map(Object::size);
        let uploads = self.uploads.values().filter(|upload| upload.bucket == bucket);
        Ok(objects.chain(uploads.map(|upload| upload.content.len())).sum::<usize>() as u64)
    }

    /// A word that was never handed out before.
    pub(super) fn next_token(&mut self, kind: &str) -> String {
        self.latest_token += 1;
        format!("{kind}-{}", self.latest_token)
    }

    /// The clock in microseconds, but always more than before.
    fn next_generation(&mut self) -> i64 {
        let clock = Timestamp::now().as_microsecond();
        self.latest_generation = clock.max(self.latest_generation + 1);
        self.latest_generation
    }
}

/// An object that is about to be stored.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) attributes: Attributes,
    pub(super) content: Content,
    pub(super) components: Option<i32>,
    pub(super) key: Option<KeyHash>,
}

impl Draft {
    pub(super) fn uploaded(attributes: Attributes, content: Content, key: Option<KeyHash>) -> Self {
        Self { attributes, content, components: None, key }
    }
}

/// The time, in milliseconds as the service states it.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

fn no_bucket() -> Fault {
    Fault::new(Kind::NoBucket, "The specified bucket does not exist.")
}
