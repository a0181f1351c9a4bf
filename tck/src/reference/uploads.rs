//! Multipart uploads of the reference: begun, fed with parts, completed or aborted.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::ErrorKind;
use omni_contracts::storage::Attributes;

use super::store::{Condition, Outcome, Store, Write};

/// An upload; its number is its place in [`Store::uploads`].
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) attributes: Arc<Attributes>,
    /// The parts by number; each has a version of its own.
    pub(crate) parts: BTreeMap<u16, (u64, Bytes)>,
    pub(crate) state: State,
}

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Unfinished,
    /// With the version of its object.
    Completed(u64),
    Aborted,
}

impl Store {
    /// Begins an upload; gives its number.
    pub(crate) fn create_upload(&mut self, key: &str, attributes: Arc<Attributes>) -> usize {
        self.uploads.push(Upload {
            key: key.to_owned(),
            attributes,
            parts: BTreeMap::new(),
            state: State::Unfinished,
        });
        self.uploads.len() - 1
    }

    /// Receives a part; gives its version.
    pub(crate) fn upload_part(
        &mut self,
        key: &str,
        upload: usize,
        number: u16,
        content: Bytes,
        mut flaws: Vec<ErrorKind>,
    ) -> Outcome<u64> {
        if self.limits.max_object_size.is_some_and(|max| content.len() as u64 > max) {
            flaws.push(ErrorKind::TooLarge);
        }
        self.last_version += 1;
        let version = self.last_version;
        match self.unfinished(key, upload) {
            None => flaws.push(ErrorKind::NotFound),
            Some(upload) if flaws.is_empty() => _ = upload.parts.insert(number, (version, content)),
            Some(_) => {}
        }
        if flaws.is_empty() { Ok(version) } else { Err(flaws) }
    }

    /// The parts received: number, version and size.
    pub(crate) fn list_parts(&mut self, key: &str, upload: usize) -> Outcome<Vec<u64>> {
        let upload = self.unfinished(key, upload).ok_or_else(|| vec![ErrorKind::NotFound])?;
        Ok(upload.parts.values().map(|(version, _)| *version).collect())
    }

    /// Joins the stated parts, each a number and a version, into the object; gives its version.
    pub(crate) fn complete_upload(
        &mut self,
        key: &str,
        upload: usize,
        stated: &[(u16, u64)],
        condition: Condition,
        mut flaws: Vec<ErrorKind>,
    ) -> Outcome<u64> {
        let ascending = stated.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if stated.is_empty() || !ascending {
            flaws.push(ErrorKind::InvalidArgument);
        }
        if let Some(Upload { key: of, state: State::Completed(version), .. }) =
            self.uploads.get(upload)
            && of == key
            && flaws.is_empty()
            && self.objects.get(key).is_some_and(|object| object.version == *version)
        {
            return Ok(*version);
        }
        let min_part_size = self.limits.min_part_size;
        let Some(found) = self.unfinished(key, upload) else {
            flaws.push(ErrorKind::NotFound);
            let current = self.objects.get(key).map(|object| object.version);
            flaws.extend(condition.refusal(current));
            return Err(flaws);
        };
        let mut content = Vec::new();
        for (at, (number, version)) in stated.iter().enumerate() {
            match found.parts.get(number) {
                Some((received, bytes)) if received == version => {
                    if at + 1 < stated.len() && (bytes.len() as u64) < min_part_size {
                        flaws.push(ErrorKind::InvalidArgument);
                    }
                    content.extend_from_slice(bytes);
                }
                _ => flaws.push(ErrorKind::InvalidArgument),
            }
        }
        let attributes = Arc::clone(&found.attributes);
        let content = content.into();
        let version =
            self.put(key, Write { content, attributes, condition, write: None, flaws })?;
        self.uploads[upload].state = State::Completed(version);
        Ok(version)
    }

    /// Gives an upload up; what is unknown or finished stays as it is.
    pub(crate) fn abort_upload(&mut self, key: &str, upload: usize) {
        if let Some(upload) = self.unfinished(key, upload) {
            upload.state = State::Aborted;
        }
    }

    /// The unfinished uploads below `prefix`.
    pub(crate) fn list_uploads(&self, prefix: &str) -> Vec<usize> {
        let shown =
            |upload: &Upload| upload.state == State::Unfinished && upload.key.starts_with(prefix);
        (0..self.uploads.len()).filter(|number| shown(&self.uploads[*number])).collect()
    }

    fn unfinished(&mut self, key: &str, upload: usize) -> Option<&mut Upload> {
        let found = self.uploads.get_mut(upload)?;
        (found.key == key && found.state == State::Unfinished).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_by_number_and_refuses_holes() {
        let mut store = Store::default();
        let upload = store.create_upload("k", Attributes::none());
        let part = |store: &mut Store, number, content: &'static str| {
            store.upload_part("k", upload, number, content.into(), Vec::new()).unwrap()
        };
        let second = part(&mut store, 2, "b");
        let first = part(&mut store, 1, "a");
        let again = part(&mut store, 1, "A");
        let invalid = Err(vec![ErrorKind::InvalidArgument]);
        let mut complete = |key: &str, stated: &[(u16, u64)]| {
            store.complete_upload(key, upload, stated, Condition::Always, Vec::new())
        };
        assert_eq!(complete("k", &[]), invalid);
        assert_eq!(complete("k", &[(2, second), (1, again)]), invalid);
        assert_eq!(complete("k", &[(1, first), (2, second)]), invalid);
        assert_eq!(complete("x", &[(1, again)]), Err(vec![ErrorKind::NotFound]));
        let version = complete("k", &[(1, again), (2, second)]);
        assert_eq!(complete("k", &[(1, again), (2, second)]), version);
        assert_eq!(store.objects["k"].content, "Ab");
        assert!(store.list_uploads("").is_empty());
    }
}
