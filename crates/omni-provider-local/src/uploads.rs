//! Multipart uploads, as the contract asks for them. Their rows live in `multipart`.

use std::sync::Arc;

use omni_contracts::storage::{
    Attributes, CompleteOptions, Key, Part, PartNumber, PutOptions, UploadId, WriteCondition,
    Written,
};
use omni_contracts::{Body, Error, Result};

use crate::blobs::changed_too_often;
use crate::blocking::blocking;
use crate::multipart::{self, Completion, find_upload, inline_part};
use crate::objects::FOLLOWS;
use crate::provider::LocalStorage;
use crate::receive::{Received, receive};
use crate::write::portable;

impl LocalStorage {
    pub(crate) async fn try_create_upload(
        &self,
        key: &Key,
        options: &PutOptions,
    ) -> Result<UploadId> {
        portable(key)?;
        options.attributes.validate()?;
        let unused = options.condition == WriteCondition::Always
            && options.checksum.is_none()
            && options.write_id.is_none();
        if !unused {
            return Err(Error::invalid(
                "condition, checksum and write id are stated when the upload is completed",
            ));
        }
        let (key, attributes) = (key.clone(), Arc::clone(&options.attributes));
        self.writer
            .run(move |transaction| transaction.create_upload(key.as_str(), &attributes))
            .await
    }

    pub(crate) async fn try_upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        // Before the content is sent for nothing; decided again when it is stored.
        self.try_list_parts(key, upload).await?;
        let received = receive(&self.blobs, body, self.terms(None)).await?;
        let new = received.into_record(Attributes::none(), None);
        let (key, upload) = (key.clone(), upload.clone());
        self.writer
            .run(move |transaction| transaction.put_part(key.as_str(), &upload, number, &new))
            .await
    }

    pub(crate) async fn try_list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>> {
        let (key, upload) = (key.clone(), upload.clone());
        let find = self.readers.run(move |index| {
            let snapshot = index.unchecked_transaction()?;
            let upload = find_upload(&snapshot, key.as_str(), &upload)?;
            Ok(upload.into_parts()?)
        });
        find.await
    }

    pub(crate) async fn try_complete_upload(
        &self,
        key: &Key,
        upload: &UploadId,
        parts: &[Part],
        options: &CompleteOptions,
    ) -> Result<Written> {
        multipart::validate(parts)?;
        for _ in 0..FOLLOWS {
            let (key, upload) = (key.clone(), upload.clone());
            let (parts, options) = (parts.to_vec(), options.clone());
            let max_size = self.settings.max_object_size;
            let join = {
                let (key, upload) = (key.clone(), upload.clone());
                let (parts, options) = (parts.clone(), options.clone());
                let plan = self.readers.run(move |index| {
                    multipart::plan(index, key.as_str(), &upload, &parts, &options, max_size)
                });
                match plan.await? {
                    Completion::Done(written) => return Ok(written),
                    Completion::Join(join) => join,
                }
            };
            let received = Received {
                size: join.size,
                crc: join.crc,
                content: {
                    let (blobs, readers) = (Arc::clone(&self.blobs), Arc::clone(&self.readers));
                    let inline_limit = self.settings.inline_limit;
                    let parts = join.parts;
                    let joined = blocking(move || {
                        multipart::join(&blobs, &parts, join.size, inline_limit, |part| {
                            readers.run_here(|index| inline_part(index, part))
                        })
                    });
                    match joined.await? {
                        Some(content) => content,
                        None => continue,
                    }
                },
            };
            let write_id = Some(upload.as_str().to_owned());
            let new = received.into_record(join.attributes, write_id);
            let complete = self.writer.run(move |transaction| {
                transaction.complete_upload(key.as_str(), &upload, &parts, &options, &new)
            });
            return complete.await;
        }
        Err(changed_too_often())
    }

    pub(crate) async fn try_abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()> {
        let (key, upload) = (key.clone(), upload.clone());
        self.writer.run(move |transaction| transaction.abort_upload(key.as_str(), &upload)).await
    }
}
