//! `SubscriptionSettings`: how a subscription delivers.

use std::time::Duration;

use super::{Capabilities, Capability};
use crate::{Error, Result};

/// How a subscription delivers. Fixed when it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionSettings {
    /// How long whoever receives a message has to settle it; by default 30 s.
    pub lease: Duration,
    /// After so many failed attempts a message is a dead letter; by default never: it is delivered until
    /// it is settled.
    pub max_deliveries: Option<u32>,
    /// Whether messages of one key are delivered in the order in which they were published, each after
    /// the one before it is settled. Needs `ordering`; off by default.
    pub ordered: bool,
}

impl Default for SubscriptionSettings {
    fn default() -> Self {
        Self { lease: Duration::from_secs(30), max_deliveries: None, ordered: false }
    }
}

impl SubscriptionSettings {
    /// With another lease.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// With dead letters after so many failed attempts.
    #[must_use]
    pub fn max_deliveries(mut self, deliveries: u32) -> Self {
        self.max_deliveries = Some(deliveries);
        self
    }

    /// With messages of one key in order.
    #[must_use]
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Refuses what is out of bounds or not declared, before any I/O.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `Unsupported`.
    pub fn validate(&self, capabilities: &Capabilities) -> Result<()> {
        capabilities.limits.expect_lease(self.lease)?;
        if self.ordered {
            capabilities.expect(Capability::Ordering)?;
        }
        let most = capabilities.limits.max_deliveries;
        match self.max_deliveries {
            Some(deliveries) if deliveries == 0 || deliveries > most => Err(Error::invalid(
                format!("the number of deliveries is {deliveries}; 1 to {most} are allowed"),
            )),
            _ => Ok(()),
        }
    }

    /// What differs from `other`, in words; nothing where they are the same.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.lease != other.lease {
            return Some(format!("its lease is {:?}, not {:?}", self.lease, other.lease));
        }
        if self.max_deliveries != other.max_deliveries {
            let words = |most: Option<u32>| most.map_or("unlimited".to_owned(), |n| n.to_string());
            let (ours, theirs) = (words(self.max_deliveries), words(other.max_deliveries));
            return Some(format!("its number of deliveries is {ours}, not {theirs}"));
        }
        (self.ordered != other.ordered)
            .then(|| format!("its `ordered` is {}, not {}", self.ordered, other.ordered))
    }
}
