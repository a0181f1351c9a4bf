//! The area of the container where things are made out of sight: multipart uploads, for which the service
//! has no word, and contents on their way to other attributes. Listings hide it. Its name holds an
//! empty segment, so that no portable key lies in it.
//!
//! Everything staged names the key that it is for, so that `list_uploads` shows what was left behind.

use azure_core::http::Method;
use bytes::Bytes;
use omni_contracts::storage::{Attributes, Key, UploadId, WriteCondition};
use omni_contracts::{Error, ErrorKind, Result};

use super::call::Answer;
use super::client::Container;
use super::describe::{self, Own};
use super::error::Intent;
use super::write::Terms;
use super::xml::Element;

/// What the names of everything staged begin with.
pub(crate) const AREA: &str = ".omni-uploads//";

/// The entry of the metadata that names the key which something staged is for.
const FOR: &str = "_omni_key";
const FOR_HEADER: &str = "x-ms-meta-_omni_key";

/// Whether a name lies in the area.
pub(crate) fn is_staged(name: &str) -> bool {
    name.starts_with(AREA)
}

/// The upload that a name in the area stands for.
pub(crate) fn upload_of(name: &str) -> Option<UploadId> {
    name.strip_prefix(AREA).filter(|id| is_id(id)).map(UploadId::new)
}

/// The key that the metadata of a listed blob names.
pub(crate) fn named_key(metadata: &Element) -> Option<Key> {
    metadata.text(FOR).map(|key| Key::native(describe::decoded(key)))
}

fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Something staged.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    pub(crate) id: UploadId,
    /// Where it lies.
    pub(crate) place: Key,
    pub(crate) attributes: Attributes,
    /// When the service was asked, in seconds by its clock.
    pub(crate) seen: u64,
}

/// The place of an upload; `None` when it is none of this provider.
fn place(id: &UploadId) -> Option<Key> {
    is_id(id.as_str()).then(|| Key::native(format!("{AREA}{}", id.as_str())))
}

/// The headers that describe something staged for `key`.
pub(crate) fn headers(key: &Key, attributes: &Attributes) -> Vec<(String, String)> {
    let mut headers = describe::fields(attributes);
    headers.extend(describe::metadata(attributes, &Own::new(attributes, None)));
    headers.push((FOR_HEADER.to_owned(), describe::encoded(key.as_str())));
    headers
}

pub(crate) fn no_upload() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such upload for this key")
}

impl Container {
    /// A new, free place in the area.
    pub(crate) fn free_place() -> (UploadId, Key) {
        let id = format!("{:032x}", rand::random::<u128>());
        let place = Key::native(format!("{AREA}{id}"));
        (UploadId::new(id), place)
    }

    /// Begins something for `key`.
    pub(crate) async fn stage(&self, key: &Key, attributes: &Attributes) -> Result<UploadId> {
        let (id, place) = Self::free_place();
        let always = Terms::new(&WriteCondition::Always)?;
        self.put_blob(&place, Bytes::new(), headers(key, attributes), &always).await?;
        Ok(id)
    }

    /// What is staged for `key` under an id.
    ///
    /// # Errors
    ///
    /// `NotFound` when nothing is.
    pub(crate) async fn staged(&self, key: &Key, id: &UploadId) -> Result<Staged> {
        let place = place(id).ok_or_else(no_upload)?;
        let answer = match self.send(self.blob(Method::Head, &place)?, Intent::Read).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_upload()),
            answer => answer?,
        };
        if answer.text(FOR_HEADER).map(describe::decoded).as_deref() != Some(key.as_str()) {
            return Err(no_upload());
        }
        read(id.clone(), place, &answer)
    }

    /// Frees what is staged; nothing being there is a success.
    pub(crate) async fn unstage(&self, place: &Key) -> Result<()> {
        let delete = self.blob(Method::Delete, place)?;
        match self.send(delete, Intent::Write).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn read(id: UploadId, place: Key, answer: &Answer) -> Result<Staged> {
    let (meta, _) = describe::read(answer, 0)?;
    let mut attributes = Attributes::clone(&meta.attributes);
    attributes.metadata.remove(FOR);
    let now = describe::time(answer.text("date"))?;
    let seen = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(Staged { id, place, attributes, seen })
}

/// A place in the area that is freed when its user is done, however he ends.
#[derive(Debug)]
pub(crate) struct Guard {
    container: Container,
    place: Option<Key>,
}

impl Guard {
    pub(crate) fn new(container: &Container, place: &Key) -> Self {
        Self { container: container.clone(), place: Some(place.clone()) }
    }

    /// Frees it now. What cannot be freed is shown by `list_uploads`.
    pub(crate) async fn free(mut self) {
        if let Some(place) = self.place.take() {
            let _ = self.container.unstage(&place).await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let container = self.container.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = container.unstage(&place).await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_holds_no_portable_key() {
        let (id, place) = Container::free_place();
        assert!(is_staged(place.as_str()) && !place.is_portable());
        assert_eq!(upload_of(place.as_str()), Some(id));
        assert!(!is_staged(".omni-uploads/x"));
        assert_eq!(upload_of(".omni-uploads//other"), None);
        assert_eq!(super::place(&UploadId::new("../x")), None);
    }
}
