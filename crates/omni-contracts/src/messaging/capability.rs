//! Capabilities of messaging as data: what a provider supports beyond the core, and its limits.

use std::time::Duration;

use crate::capability::{Set, capabilities};
use crate::{Durability, Error, Result};

capabilities! {
    /// Something that not every provider can do. Declared means that its clauses pass; undeclared means
    /// `Unsupported` before any I/O (clauses `MSG-090`, `MSG-091`).
    Capability {
        /// A message that is published again under one dedup id is delivered once.
        Dedup = "dedup",
        /// Messages that are delivered later.
        Delay = "delay",
        /// The number of messages of a subscription.
        Depth = "depth",
        /// Leases that are extended.
        Extend = "extend",
        /// More than one subscription of a topic.
        FanOut = "fan-out",
        /// Several processes may use the same topics at once.
        MultiProcess = "multi-process",
        /// Messages of one key in order.
        Ordering = "ordering",
        /// Messages that expire.
        Ttl = "ttl",
    }
}

/// The numbers that a provider promises to keep to. No provider promises less than
/// [`Limits::PORTABLE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, in bytes. Above it: `TooLarge`.
    pub max_body_size: usize,
    /// The most headers. Above it: `TooLarge`.
    pub max_headers: usize,
    /// The bytes of names and values of all headers together. Above it: `TooLarge`.
    pub max_headers_size: usize,
    /// The shortest lease. Below it: `InvalidArgument`.
    pub min_lease: Duration,
    /// The longest lease. Above it: `InvalidArgument`.
    pub max_lease: Duration,
    /// The largest number of deliveries until a message is a dead letter. Above it: `InvalidArgument`.
    pub max_deliveries: u32,
    /// The longest delay, of a message and of a `nack`. Above it: `InvalidArgument`.
    pub max_delay: Duration,
    /// How long a dedup id is known.
    pub dedup_window: Duration,
}

impl Limits {
    /// What every provider promises at least.
    pub const PORTABLE: Self = Self {
        max_body_size: 32 << 10,
        max_headers: 32,
        max_headers_size: 4 << 10,
        min_lease: Duration::from_secs(10),
        max_lease: Duration::from_secs(600),
        max_deliveries: 100,
        max_delay: Duration::from_secs(600),
        dedup_window: Duration::from_secs(60),
    };

    /// Refuses a lease out of bounds.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`.
    pub fn expect_lease(&self, lease: Duration) -> Result<()> {
        match lease >= self.min_lease && lease <= self.max_lease {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "the lease is {lease:?}; {:?} to {:?} are allowed",
                self.min_lease, self.max_lease
            ))),
        }
    }

    /// Refuses a delay out of bounds.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`.
    pub fn expect_delay(&self, delay: Duration) -> Result<()> {
        match delay <= self.max_delay {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "the delay is {delay:?}; at most {:?} are allowed",
                self.max_delay
            ))),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::PORTABLE
    }
}

/// What one provider instance supports and promises.
///
/// ```
/// use omni_contracts::Durability;
/// use omni_contracts::messaging::{Capabilities, Capability};
///
/// let capabilities = Capabilities::new(Durability::Disk).with(&[Capability::Delay]);
/// assert!(capabilities.has(Capability::Delay));
/// assert!(capabilities.require("durability-process").is_ok());
/// assert!(capabilities.require("ordering").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    flags: Set<Capability>,
    /// What a message that was accepted survives.
    pub durability: Durability,
    /// How late the end of a lease or of a delay may be noticed. It is never early.
    pub time_precision: Duration,
    /// The limits.
    pub limits: Limits,
}

impl Capabilities {
    /// The core contract alone, at the given durability: exact times, portable limits.
    #[must_use]
    pub fn new(durability: Durability) -> Self {
        Self {
            flags: Set::empty(),
            durability,
            time_precision: Duration::from_millis(1),
            limits: Limits::PORTABLE,
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

    /// Checks one entry of a configuration's `require` list: the name of a capability, or
    /// `durability-process`, `durability-disk`, `durability-replicated`.
    ///
    /// # Errors
    ///
    /// `Configuration`: the name is unknown (the message lists the known ones), or the provider does
    /// not have what is required.
    pub fn require(&self, requirement: &str) -> Result<()> {
        self.flags.require(self.durability, requirement, &[])
    }
}
