//! `Member`: one of the stores, and the names that versions, uploads and pages of it have outside.

use std::sync::Arc;

use omni_contracts::storage::{
    ListRequest, ObjectMeta, PageToken, StorageProvider, UploadId, Version, WriteCondition, Written,
};
use omni_contracts::{Error, ErrorKind, Result};

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: Arc<str>,
    pub(crate) store: Arc<dyn StorageProvider>,
}

/// Between a member's name and its own token.
const MARK: char = '/';

impl Member {
    /// A version of this member as the application sees it.
    pub(crate) fn shown(&self, version: &Version) -> Result<Version> {
        Version::new(format!("{}{MARK}{}", self.name, version.as_str()))
    }

    /// A version as the application has it; `None` when it is of another member, where it says nothing.
    pub(crate) fn own(&self, version: &Version) -> Option<Version> {
        let (name, own) = version.as_str().split_once(MARK)?;
        (*name == *self.name).then(|| Version::new(own).ok()).flatten()
    }

    pub(crate) fn shown_meta(&self, mut meta: ObjectMeta) -> Result<ObjectMeta> {
        meta.version = self.shown(&meta.version)?;
        Ok(meta)
    }

    pub(crate) fn shown_written(&self, mut written: Written) -> Result<Written> {
        written.version = self.shown(&written.version)?;
        Ok(written)
    }

    /// A condition as this member understands it.
    ///
    /// # Errors
    ///
    /// `PreconditionFailed` for a version of another member: the object may be the same, but nobody can
    /// say so.
    pub(crate) fn own_condition(&self, condition: &WriteCondition) -> Result<WriteCondition> {
        match condition {
            WriteCondition::IfMatch(version) => {
                Ok(WriteCondition::IfMatch(self.own(version).ok_or_else(|| self.foreign(version))?))
            }
            other => Ok(other.clone()),
        }
    }

    pub(crate) fn foreign(&self, version: &Version) -> Error {
        let problem = format!(
            "the version {version} is not one of the primary, which is `{}`: read again, then decide",
            self.name
        );
        Error::new(ErrorKind::PreconditionFailed, problem)
    }

    pub(crate) fn shown_upload(&self, upload: &UploadId) -> UploadId {
        UploadId::new(format!("{}{MARK}{}", self.name, upload.as_str()))
    }

    /// Where a listing continues, on this member or, after its last entry, on another.
    pub(crate) fn shown_page(
        &self,
        request: &ListRequest,
        next: &PageToken,
        last: Option<&str>,
    ) -> PageToken {
        let last = last.unwrap_or_default();
        let place = format!("{}{MARK}{}{MARK}{last}{}", self.name, last.len(), next.as_str());
        PageToken::sealed(&scope(request), &place)
    }
}

/// Whose token that is.
pub(crate) fn split_upload(upload: &UploadId) -> Option<(&str, UploadId)> {
    let (name, own) = upload.as_str().split_once(MARK)?;
    Some((name, UploadId::new(own)))
}

/// A token of a page, taken apart.
pub(crate) struct Page<'a> {
    pub(crate) member: &'a str,
    /// The last entry that was listed.
    pub(crate) last: &'a str,
    /// What the member itself gave.
    pub(crate) own: &'a str,
}

/// # Errors
///
/// `InvalidArgument` for a token of another listing.
pub(crate) fn split_page<'a>(request: &ListRequest, token: &'a PageToken) -> Result<Page<'a>> {
    let place = token.open(&scope(request))?;
    let parts = place.split_once(MARK).and_then(|(member, rest)| {
        let (length, rest) = rest.split_once(MARK)?;
        let (last, own) = rest.split_at_checked(length.parse().ok()?)?;
        Some(Page { member, last, own })
    });
    parts.ok_or_else(|| Error::invalid("the page token does not continue this listing"))
}

fn scope(request: &ListRequest) -> [&str; 3] {
    ["failover", request.prefix.as_str(), request.delimiter.as_deref().unwrap_or_default()]
}
