//! Writing, as the contract asks for it: validated, the content received, then one change of the index.

use std::sync::Arc;

use omni_contracts::storage::{
    Attributes, CopyOptions, Crc32c, DeleteOptions, Deleted, Key, PutOptions, WriteCondition,
    Written,
};
use omni_contracts::{Body, Error, Result};

use crate::blobs::changed_too_often;
use crate::blocking::blocking;
use crate::objects::{FOLLOWS, no_object};
use crate::provider::LocalStorage;
use crate::receive::{Content, Received, Terms, receive};
use crate::record::Place;
use crate::transaction::{NewRecord, check, current};

impl LocalStorage {
    pub(crate) async fn try_put(
        &self,
        key: &Key,
        body: Body,
        options: &PutOptions,
    ) -> Result<Written> {
        portable(key)?;
        options.attributes.validate()?;
        let received = receive(&self.blobs, body, self.terms(options.checksum)).await?;
        let write_id = options.write_id.as_ref().map(|id| id.as_str().to_owned());
        let new = received.into_record(Arc::clone(&options.attributes), write_id);
        let (key, condition) = (key.clone(), options.condition.clone());
        self.writer.run(move |transaction| transaction.put(key.as_str(), &condition, &new)).await
    }

    pub(crate) async fn try_delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        options.expect_supported(&self.capabilities)?;
        let (key, options) = (key.clone(), options.clone());
        let delete = self.writer.run(move |transaction| {
            let if_match = options.if_match.as_ref();
            match &options.version {
                None => transaction.delete(key.as_str(), if_match),
                Some(version) => transaction.delete_version(key.as_str(), version, if_match),
            }
        });
        delete.await
    }

    pub(crate) async fn try_copy(
        &self,
        from: &Key,
        to: &Key,
        options: &CopyOptions,
    ) -> Result<Written> {
        portable(to)?;
        match &options.attributes {
            Some(attributes) => attributes.validate()?,
            None if from == to => {
                return Err(Error::invalid("a copy of an object to itself needs new attributes"));
            }
            None => {}
        }
        for _ in 0..FOLLOWS {
            let key = from.clone();
            let find = self.readers.run(move |index| Ok(current(index, key.as_str())?));
            let source = find.await?.ok_or_else(no_object)?;
            if let Some(version) = &options.source_version {
                check(&WriteCondition::IfMatch(version.clone()), Some(&source))?;
            }
            let content = match source.place.clone() {
                Place::Inline => Content::CopyOf(source.stamp.write),
                Place::File(file) => {
                    let blobs = Arc::clone(&self.blobs);
                    match blocking(move || blobs.duplicate(&file)).await? {
                        Some(blob) => Content::File(Arc::new(blob)),
                        None => continue,
                    }
                }
            };
            let attributes = options.attributes.as_ref().unwrap_or(&source.attributes);
            let new = NewRecord {
                size: source.size,
                crc: source.crc,
                content,
                attributes: Arc::clone(attributes),
                write_id: None,
            };
            let (from, to, stamp) = (from.clone(), to.clone(), source.stamp);
            let condition = options.condition.clone();
            let copy = self.writer.run(move |transaction| {
                if transaction.is_current(from.as_str(), stamp)? {
                    transaction.put(to.as_str(), &condition, &new).map(Some)
                } else {
                    Ok(None)
                }
            });
            // Replaced since it was read: once more, from what is there now.
            if let Some(written) = copy.await? {
                return Ok(written);
            }
        }
        Err(changed_too_often())
    }

    pub(crate) fn terms(&self, checksum: Option<Crc32c>) -> Terms {
        Terms {
            inline_limit: self.settings.inline_limit,
            max_size: self.settings.max_object_size,
            checksum,
        }
    }
}

impl Received {
    pub(crate) fn into_record(
        self,
        attributes: Arc<Attributes>,
        write_id: Option<String>,
    ) -> NewRecord {
        NewRecord { size: self.size, crc: self.crc, content: self.content, attributes, write_id }
    }
}

/// Refuses a key outside the portable profile, naming the rule.
pub(crate) fn portable(key: &Key) -> Result<()> {
    Key::new(key.as_str()).map(drop)
}
