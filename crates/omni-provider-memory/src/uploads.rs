//! Multipart uploads in memory: received parts, and joining them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use omni_contracts::storage::{
    Attributes, Crc32c, Key, PageToken, Part, PartNumber, Prefix, UploadEntry, UploadId,
    UploadPage, Version,
};
use omni_contracts::{Error, ErrorKind, Result};

#[derive(Debug, Default)]
pub(crate) struct Uploads(BTreeMap<UploadId, Upload>);

#[derive(Debug)]
pub(crate) struct Upload {
    key: Key,
    created: SystemTime,
    pub(crate) attributes: Arc<Attributes>,
    parts: BTreeMap<PartNumber, (Part, Bytes)>,
}

impl Uploads {
    pub(crate) fn create(
        &mut self,
        key: &Key,
        attributes: Arc<Attributes>,
        name: &Version,
    ) -> UploadId {
        let id = UploadId::new(format!("upload-{name}"));
        let created = SystemTime::now();
        let parts = BTreeMap::new();
        self.0.insert(id.clone(), Upload { key: key.clone(), created, attributes, parts });
        id
    }

    pub(crate) fn get(&self, key: &Key, id: &UploadId) -> Result<&Upload> {
        self.0.get(id).filter(|upload| upload.key == *key).ok_or_else(not_found)
    }

    pub(crate) fn receive(
        &mut self,
        key: &Key,
        id: &UploadId,
        part: Part,
        content: Bytes,
    ) -> Result<()> {
        let upload =
            self.0.get_mut(id).filter(|upload| upload.key == *key).ok_or_else(not_found)?;
        upload.parts.insert(part.number, (part, content));
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: &Key, id: &UploadId) {
        if self.get(key, id).is_ok() {
            self.0.remove(id);
        }
    }

    pub(crate) fn list(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: usize,
    ) -> Result<UploadPage> {
        let scope = ["uploads", prefix.as_str()];
        let after = token.map(|token| token.open(&scope)).transpose()?.unwrap_or_default();
        // By key, then by id; the token is both.
        let name = |key: &Key, id: &UploadId| format!("{key}\0{}", id.as_str());
        let mut found: Vec<_> = self
            .0
            .iter()
            .filter(|(_, upload)| upload.key.as_str().starts_with(prefix.as_str()))
            .map(|(id, upload)| (name(&upload.key, id), id, upload))
            .filter(|(name, ..)| name.as_str() > after)
            .collect();
        found.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(name, ..)| PageToken::sealed(&scope, name));
        let entry = |(_, id, upload): (String, &UploadId, &Upload)| UploadEntry {
            id: id.clone(),
            key: upload.key.clone(),
            created: upload.created,
        };
        Ok(UploadPage { entries: found.into_iter().map(entry).collect(), next })
    }
}

impl Upload {
    pub(crate) fn parts(&self) -> Vec<Part> {
        self.parts.values().map(|(part, _)| part.clone()).collect()
    }

    /// The content that the stated parts make, and its checksum.
    pub(crate) fn join(&self, parts: &[Part]) -> Result<(Bytes, Crc32c)> {
        if parts.is_empty() {
            return Err(Error::invalid("an upload is completed with at least one part"));
        }
        if let Some(pair) = parts.windows(2).find(|pair| pair[0].number >= pair[1].number) {
            let (first, second) = (pair[0].number, pair[1].number);
            return Err(Error::invalid(format!(
                "parts must be stated in ascending order, {second} follows {first}"
            )));
        }
        let mut content = BytesMut::new();
        let mut checksum = Crc32c::default();
        for part in parts {
            match self.parts.get(&part.number) {
                Some((received, bytes)) if received.version == part.version => {
                    checksum.update(bytes);
                    content.extend_from_slice(bytes);
                }
                Some(_) => {
                    return Err(Error::invalid(format!("part {} was replaced since", part.number)));
                }
                None => {
                    return Err(Error::invalid(format!("part {} was not received", part.number)));
                }
            }
        }
        Ok((content.freeze(), checksum))
    }
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "no such upload for this key")
}
