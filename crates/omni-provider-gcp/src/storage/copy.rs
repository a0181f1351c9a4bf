//! Copying within the bucket, by the service.

use google_cloud_storage::model::Object;
use omni_contracts::storage::{CopyOptions, Key, ObjectMeta, WriteCondition, Written};
use omni_contracts::{Error, ErrorKind, Operation, Result};

use super::area;
use super::compose::joining;
use super::describe::{self, Own};
use super::provider::{GcsStorage, NAME};
use super::write::Terms;

/// How often a source that is replaced meanwhile is followed.
const FOLLOWS: usize = 32;

impl GcsStorage {
    pub(crate) async fn try_copy(
        &self,
        from: &Key,
        to: &Key,
        options: &CopyOptions,
    ) -> Result<Written> {
        area::writable(to)?;
        match &options.attributes {
            Some(attributes) => attributes.validate()?,
            None if from == to => {
                return Err(Error::invalid("a copy of an object onto itself needs new attributes"));
            }
            None => {}
        }
        options.expect_supported(&self.capabilities)?;
        let terms = Terms::new(&options.condition)?;
        for _ in 0..FOLLOWS {
            let source = self.source(from).await?;
            if let Some(version) = &options.source_version {
                WriteCondition::IfMatch(version.clone()).check(Some(&source.version))?;
            }
            match self.rewrite(from, to, &source, options, terms).await {
                // Replaced since it was looked at.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                copied => return copied,
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the source is replaced again and again"))
    }

    async fn source(&self, from: &Key) -> Result<ObjectMeta> {
        let described = self.bucket.describe(from).await;
        Ok(described.map_err(|error| error.at(Operation::Copy, NAME, from.as_str()))?.0)
    }

    /// Copies the generation that was looked at, in as many requests as the service wants.
    async fn rewrite(
        &self,
        from: &Key,
        to: &Key,
        source: &ObjectMeta,
        options: &CopyOptions,
        terms: Terms,
    ) -> Result<Written> {
        let attributes = options.attributes.as_ref().unwrap_or(&source.attributes);
        // Always stated, so that the copy does not pass for the write that made the source.
        let target = self.bucket.target(attributes, &Own::new(attributes));
        let generation = describe::generation(&source.version)
            .ok_or_else(|| describe::unexpected("the version is no generation"))?;
        let mut token = String::new();
        loop {
            let rewrite = self
                .bucket
                .rewrite(from.as_str(), to.as_str())
                .set_source_generation(generation)
                .set_destination(target.clone())
                .set_or_clear_if_generation_match(terms.generation)
                .set_rewrite_token(&token);
            // What is not found is the source: that there is no target is told as a condition.
            let intent = joining(terms.intent);
            let answer = self.bucket.ask(intent, rewrite.send()).await?;
            if answer.done {
                let made = answer.resource.unwrap_or_else(Object::new);
                return describe::written(&made);
            }
            token = answer.rewrite_token;
        }
    }
}
