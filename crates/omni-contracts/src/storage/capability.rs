//! Capabilities as data: what a provider supports beyond the core, and its limits.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// Something that not every provider can do. Declared means that its clauses pass; undeclared means
/// `Unsupported` before any I/O (clauses `STO-180` to `STO-182`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Capability {
    /// Copy with a condition on the target.
    ConditionalCopy,
    /// Put only when the key is free.
    ConditionalCreate,
    /// Delete only a stated version.
    ConditionalDelete,
    /// Complete a multipart upload with a condition.
    ConditionalMultipart,
    /// Read with conditions on version and time.
    ConditionalRead,
    /// Put only over a stated version.
    ConditionalUpdate,
    /// Several processes may use the same store at once.
    MultiProcess,
    /// Explicit multipart uploads.
    Multipart,
    /// Listings in UTF-8 byte order.
    OrderedList,
    /// URLs that work without credentials.
    Presign,
    /// Every write gives the object a new version, also when it writes the same bytes.
    UniqueVersions,
    /// Older versions are kept, and can be read, listed and removed.
    Versioning,
}

impl Capability {
    /// Every capability, in alphabetical order.
    pub const ALL: &'static [Self] = &[
        Self::ConditionalCopy,
        Self::ConditionalCreate,
        Self::ConditionalDelete,
        Self::ConditionalMultipart,
        Self::ConditionalRead,
        Self::ConditionalUpdate,
        Self::MultiProcess,
        Self::Multipart,
        Self::OrderedList,
        Self::Presign,
        Self::UniqueVersions,
        Self::Versioning,
    ];

    /// The name in configurations, specifications and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConditionalCopy => "conditional-copy",
            Self::ConditionalCreate => "conditional-create",
            Self::ConditionalDelete => "conditional-delete",
            Self::ConditionalMultipart => "conditional-multipart",
            Self::ConditionalRead => "conditional-read",
            Self::ConditionalUpdate => "conditional-update",
            Self::MultiProcess => "multi-process",
            Self::Multipart => "multipart",
            Self::OrderedList => "ordered-list",
            Self::Presign => "presign",
            Self::UniqueVersions => "unique-versions",
            Self::Versioning => "versioning",
        }
    }

    fn bit(self) -> u32 {
        1 << self as u8
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Capability {
    type Err = Error;

    /// # Errors
    ///
    /// `Configuration`; the message lists the known ones.
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|known| known.as_str() == name);
        found.copied().ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|known| known.as_str()).collect();
            let problem = format!("unknown capability {name:?}; known are {}", known.join(", "));
            Error::new(ErrorKind::Configuration, problem)
        })
    }
}

/// What an acknowledged write survives (clauses `STO-170` to `STO-173`). Ordered, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Durability {
    /// Nothing: it is gone with the handle.
    Memory,
    /// The end of the process, however it ends.
    Process,
    /// The end of the machine's power.
    Disk,
    /// The end of the machine.
    Replicated,
}

impl Durability {
    /// Every level, weakest first.
    pub const ALL: &'static [Self] = &[Self::Memory, Self::Process, Self::Disk, Self::Replicated];

    /// The name in configurations and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Process => "process",
            Self::Disk => "disk",
            Self::Replicated => "replicated",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    flags: u32,
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
            flags: 0,
            durability,
            list_delay: Duration::ZERO,
            time_precision: Duration::from_millis(1),
            limits: Limits::default(),
        }
    }

    /// Declares capabilities.
    #[must_use]
    pub fn with(mut self, capabilities: &[Capability]) -> Self {
        self.flags |= capabilities.iter().fold(0, |flags, capability| flags | capability.bit());
        self
    }

    /// Takes declarations back.
    #[must_use]
    pub fn without(mut self, capabilities: &[Capability]) -> Self {
        self.flags &= !capabilities.iter().fold(0, |flags, capability| flags | capability.bit());
        self
    }

    /// Whether `capability` is declared.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.flags & capability.bit() != 0
    }

    /// What is declared, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(|capability| self.has(*capability))
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
        let wrong = |message: String| Err(Error::new(ErrorKind::Configuration, message));
        let level = requirement.strip_prefix("durability-");
        if let Some(level) = Durability::ALL.iter().find(|known| Some(known.as_str()) == level) {
            if self.durability >= *level {
                return Ok(());
            }
            return wrong(format!("durability is {}, required is {level}", self.durability));
        }
        let wanted: Vec<_> = match requirement {
            "conditional-put" => vec![Capability::ConditionalCreate, Capability::ConditionalUpdate],
            name => Capability::ALL.iter().copied().filter(|c| c.as_str() == name).collect(),
        };
        if wanted.is_empty() {
            let capabilities = Capability::ALL.iter().map(|known| known.as_str().to_owned());
            let levels = Durability::ALL.iter().map(|known| format!("durability-{known}"));
            let known: Vec<_> =
                capabilities.chain(["conditional-put".to_owned()]).chain(levels).collect();
            return wrong(format!(
                "unknown capability {requirement:?}; known are {}",
                known.join(", ")
            ));
        }
        match wanted.into_iter().find(|capability| !self.has(*capability)) {
            None => Ok(()),
            Some(missing) => wrong(format!("the provider does not declare {missing}")),
        }
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
