//! Objects made of other objects without their bytes leaving the service: composed and rewritten.
//!
//! From `cloud.google.com/storage/docs/composite-objects`,
//! `cloud.google.com/storage/docs/json_api/v1/objects/rewrite` and the comments of
//! `ComposeObjectRequest` and `RewriteObjectRequest`.

use super::conditions::Conditions;
use super::encryption::{KeyHash, unlock};
use super::fault::{Fault, Kind};
use super::object::{Attributes, Content, Object, Stated};
use super::store::{Draft, Store};

/// The most sources of one composition.
const MOST_SOURCES: usize = 32;

/// What the bytes per call of a rewrite are a multiple of.
const REWRITE_QUANTUM: usize = 1 << 20;

/// Sources that become one object.
#[derive(Clone, Debug)]
pub(super) struct Compose {
    pub(super) bucket: String,
    pub(super) target: String,
    pub(super) attributes: Attributes,
    pub(super) conditions: Conditions,
    pub(super) sources: Vec<Source>,
    /// Of the whole.
    pub(super) stated: Stated,
    pub(super) delete_sources: bool,
    /// Of the sources and of what they become.
    pub(super) key: Option<KeyHash>,
}

/// A part of what is composed.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) generation: Option<i64>,
    pub(super) conditions: Conditions,
}

/// An object that is copied, in one request or in several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) source_bucket: String,
    pub(super) source: String,
    pub(super) source_generation: Option<i64>,
    pub(super) source_conditions: Conditions,
    pub(super) source_key: Option<KeyHash>,
    pub(super) target_bucket: String,
    pub(super) target: String,
    /// `None`: those of the source.
    pub(super) attributes: Option<Attributes>,
    /// It is never taken from the source.
    pub(super) kms_key: String,
    pub(super) conditions: Conditions,
    pub(super) stated: Stated,
    /// Zero: as many as the service likes, which is all.
    pub(super) bytes_per_call: usize,
    pub(super) key: Option<KeyHash>,
}

/// A copy that needs more requests.
#[derive(Debug)]
pub(super) struct Rewrite {
    copy: Copy,
    /// The source as it was in the first request.
    object: Object,
    written: usize,
}

impl Rewrite {
    pub(super) fn concerns(&self, bucket: &str) -> bool {
        self.copy.source_bucket == bucket || self.copy.target_bucket == bucket
    }
}

/// How far a copy is.
#[derive(Debug)]
pub(super) enum Progress {
    Done(Box<Object>),
    More { written: usize, size: usize, token: String },
}

impl Store {
    /// Concatenates objects. The sources stay as they are, unless they are to be deleted.
    pub(super) fn compose(&mut self, compose: &Compose) -> Result<Object, Fault> {
        if !(1..=MOST_SOURCES).contains(&compose.sources.len()) {
            return Err(Fault::invalid(format!(
                "The number of source components provided ({}) must be between 1 and {MOST_SOURCES}",
                compose.sources.len()
            )));
        }
        let bucket = self.bucket(&compose.bucket)?;
        let sources = compose.sources.iter().map(|source| {
            let found = bucket.object_if(&source.name, source.generation, &source.conditions)?;
            unlock(found.key, compose.key).map(|()| found)
        });
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let mut attributes = compose.attributes.clone();
        let class = &sources[0].attributes.storage_class;
        if sources.iter().any(|source| source.attributes.storage_class != *class) {
            return Err(Fault::invalid("The source objects must have the same storage class"));
        }
        if attributes.storage_class.is_empty() {
            attributes.storage_class.clone_from(class);
        } else if attributes.storage_class != *class {
            return Err(Fault::invalid("The target must have the storage class of the sources"));
        }
        let components = sources.iter().map(|source| source.components.unwrap_or(1));
        let components = components.fold(0, i32::saturating_add);
        let content = Content::composed(sources.iter().map(|source| &source.content));
        compose.stated.check(&content)?;
        let used: Vec<_> =
            sources.iter().map(|source| (source.name.clone(), source.generation)).collect();
        let components = Some(components);
        let draft = Draft { attributes, content, components, key: compose.key };
        let object =
            self.insert(&compose.bucket, &compose.target, draft, &compose.conditions)?.clone();
        for (name, generation) in used.into_iter().filter(|_| compose.delete_sources) {
            let live = Conditions { generation: Some(generation), ..Conditions::default() };
            match self.delete(&compose.bucket, &name, None, &live) {
                // The target has taken its place, or it was named twice.
                Err(fault) if matches!(fault.kind, Kind::NotFound | Kind::ConditionNotMet) => {}
                deleted => deleted?,
            }
        }
        Ok(object)
    }

    /// Copies an object, or as much of it as one request may.
    pub(super) fn rewrite(&mut self, copy: Copy, token: &str) -> Result<Progress, Fault> {
        if !copy.bytes_per_call.is_multiple_of(REWRITE_QUANTUM) {
            return Err(Fault::invalid(format!(
                "maxBytesRewrittenPerCall must be a multiple of {REWRITE_QUANTUM}"
            )));
        }
        let rewrite = match token {
            "" => self.begin(copy)?,
            token => match self.rewrites.remove(token) {
                Some(rewrite) if rewrite.copy == copy => rewrite,
                Some(_) => return Err(Fault::invalid("The rewriteToken is of another request")),
                None => return Err(Fault::invalid("Invalid rewriteToken")),
            },
        };
        let size = rewrite.object.size();
        let step = match rewrite.copy.bytes_per_call {
            0 => size,
            step => step,
        };
        let written = rewrite.written.saturating_add(step);
        if written < size {
            let token = self.next_token("rewrite");
            self.rewrites.insert(token.clone(), Rewrite { written, ..rewrite });
            return Ok(Progress::More { written, size, token });
        }
        let Rewrite { copy, object, .. } = rewrite;
        copy.stated.check(&object.content)?;
        let mut attributes = copy.attributes.unwrap_or_else(|| object.attributes.clone());
        attributes.kms_key = copy.kms_key;
        let Object { content, components, .. } = object;
        let draft = Draft { attributes, content, components, key: copy.key };
        let made = self.insert(&copy.target_bucket, &copy.target, draft, &copy.conditions)?;
        Ok(Progress::Done(Box::new(made.clone())))
    }

    /// Looks at both ends of a copy before its first byte.
    fn begin(&self, copy: Copy) -> Result<Rewrite, Fault> {
        super::names::object(&copy.target)?;
        let source = self.bucket(&copy.source_bucket)?.object_if(
            &copy.source,
            copy.source_generation,
            &copy.source_conditions,
        )?;
        unlock(source.key, copy.source_key)?;
        let object = source.clone();
        let target = self.bucket(&copy.target_bucket)?.object(&copy.target, None).ok();
        copy.conditions.check(target)?;
        Ok(Rewrite { copy, object, written: 0 })
    }
}
