//! Capabilities as data: what a provider supports beyond the core, and its limits.

use std::time::Duration;

use crate::capability::{Set, capabilities};
use crate::{Durability, Error, Result};

capabilities! {
    /// Something that not every provider can do. Declared means that its clauses pass; undeclared means
    /// `Unsupported` before any I/O (clauses `STO-180` to `STO-182`).
    Capability {
        /// Copy with a condition on the target.
        ConditionalCopy = "conditional-copy",
        /// Put only when the key is free.
        ConditionalCreate = "conditional-create",
        /// Delete only a stated version.
        ConditionalDelete = "conditional-delete",
        /// Complete a multipart upload with a condition.
        ConditionalMultipart = "conditional-multipart",
        /// Read with conditions on version and time.
        ConditionalRead = "conditional-read",
        /// Put only over a stated version.
        ConditionalUpdate = "conditional-update",
        /// Several processes may use the same store at once.
        MultiProcess = "multi-process",
        /// Explicit multipart uploads.
        Multipart = "multipart",
        /// Listings in UTF-8 byte order.
        OrderedList = "ordered-list",
        /// URLs that work without credentials.
        Presign = "presign",
        /// Every write gives the object a new version, also when it writes the same bytes.
        UniqueVersions = "unique-versions",
        /// Older versions are kept, and can be read, listed and removed.
        Versioning = "versioning",
    }
}

/// The numbers that a provider promises to keep to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest object, in bytes; `None` when only space limits it. Above it: `TooLarge`.
    pub max_object_size: Option<u64>,
    /// The smallest part of a multipart upload but the last, in bytes. Below it: `InvalidArgument`
    /// when completing.
    pub min_part_size: u64,
    /// The most entries of a page.
    pub max_page_size: usize,
    /// The longest time that a presigned URL works.
    pub max_presign_expiry: Option<Duration>,
    /// Ranges of a vectored read at most this many bytes apart are read as one.
    pub coalesce_gap: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_object_size: None,
            min_part_size: 0,
            max_page_size: 1000,
            max_presign_expiry: None,
            coalesce_gap: 0,
        }
    }
}

/// What one provider instance supports and promises.
///
/// ```
/// use omni_contracts::storage::{Capabilities, Capability, Durability};
///
/// let capabilities = Capabilities::new(Durability::Disk).with(&[Capability::Multipart]);
/// assert!(capabilities.has(Capability::Multipart));
/// assert!(capabilities.require("durability-process").is_ok());
/// let error = capabilities.require("conditional-put").unwrap_err();
/// assert!(error.to_string().contains("conditional-create"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    flags: Set<Capability>,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// The longest time until a listing shows a write or a delete.
    pub list_delay: Duration,
    /// The precision of [`modified`](super::ObjectMeta::modified).
    pub time_precision: Duration,
    /// The limits.
    pub limits: Limits,
}

impl Capabilities {
    /// The core contract alone, at the given durability: consistent listings, default limits.
    #[must_use]
    pub fn new(durability: Durability) -> Self {
        Self {
            flags: Set::empty(),
            durability,
            list_delay: Duration::ZERO,
            time_precision: Duration::from_millis(1),
            limits: Limits::default(),
        }
    }

    /// Declares capabilities.
    #[must_use]
    pub fn with(mut self, capabilities: &[Capability]) -> Self {
        self.flags.add(capabilities);
        self
    }

    /// Takes declarations back.
    #[must_use]
    pub fn without(mut self, capabilities: &[Capability]) -> Self {
        self.flags.remove(capabilities);
        self
    }

    /// Whether `capability` is declared.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.flags.has(capability)
    }

    /// What is declared, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = Capability> {
        self.flags.iter()
    }

    /// Refuses a call that needs an undeclared capability, before any I/O.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn expect(&self, capability: Capability) -> Result<()> {
        if self.has(capability) { Ok(()) } else { Err(Error::unsupported(capability)) }
    }

    /// Checks one entry of a configuration's `require` list: the name of a capability,
    /// `conditional-put` for create and update together, or `durability-process`, `durability-disk`,
    /// `durability-replicated`.
    ///
    /// # Errors
    ///
    /// `Configuration`: the name is unknown (the message lists the known ones), or the provider does
    /// not have what is required.
    pub fn require(&self, requirement: &str) -> Result<()> {
        const CONDITIONAL_PUT: &[Capability] =
            &[Capability::ConditionalCreate, Capability::ConditionalUpdate];
        self.flags.require(self.durability, requirement, &[("conditional-put", CONDITIONAL_PUT)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_separate() {
        for capability in Capability::ALL {
            let declared = Capabilities::new(Durability::Memory).with(&[*capability]);
            assert_eq!(declared.iter().collect::<Vec<_>>(), [*capability]);
            assert!(declared.require(capability.as_str()).is_ok());
            assert!(declared.expect(*capability).is_ok());
            assert_eq!(declared.without(&[*capability]).iter().count(), 0);
        }
    }

    #[test]
    fn requirements_say_what_is_missing_or_known() {
        let declared = Capabilities::new(Durability::Process);
        let message = |requirement: &str| declared.require(requirement).unwrap_err().to_string();
        assert!(message("presign").contains("does not declare presign"));
        assert!(message("durability-disk").contains("durability is process"));
        assert!(message("telepathy").contains("known are conditional-copy"));
        assert!(message("durability-eternal").contains("durability-disk"));
        assert!(declared.require("durability-process").is_ok());
    }
}
