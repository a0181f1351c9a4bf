//! `Delivery`: a message that is leased to whoever received it, and by what it is settled.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use smol_str::SmolStr;

use super::Subscription;

/// A message and its lease (clauses `MSG-030` to `MSG-038`).
///
/// Whoever received it settles it by its [`receipt`](Self::receipt) before the lease ends: `ack`, `nack`
/// or `reject`. Until then nobody else receives it from this subscription; not settled, it is delivered
/// again. Dropping it settles nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The message's id: the publisher's, the same in every delivery (`MSG-016`).
    pub id: MessageId,
    /// The body, as it was published.
    pub body: Bytes,
    /// The headers, as they were published.
    pub headers: BTreeMap<String, String>,
    /// The ordering key, as it was published.
    pub key: Option<String>,
    /// When it was published, by the provider's clock.
    pub published: SystemTime,
    /// Which delivery of this message to this subscription it is, from 1.
    pub attempt: u32,
    /// How long the lease lasts, from when it was received.
    pub lease: Duration,
    /// By what it is settled.
    pub receipt: Receipt,
    /// Why it is a dead letter, if it is one.
    pub dead: Option<DeadLetter>,
}

impl Delivery {
    /// A first delivery, without headers and key.
    #[must_use]
    pub fn new(id: MessageId, body: Bytes, receipt: Receipt) -> Self {
        Self {
            id,
            body,
            headers: BTreeMap::new(),
            key: None,
            published: SystemTime::UNIX_EPOCH,
            attempt: 1,
            lease: Duration::ZERO,
            receipt,
            dead: None,
        }
    }
}

/// Why a message is a dead letter (`MSG-052`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The subscription that it was delivered by.
    pub origin: Subscription,
    /// How often it was delivered.
    pub attempts: u32,
    /// What it was given up for.
    pub reason: DeadReason,
    /// When, by the provider's clock.
    pub at: SystemTime,
}

impl DeadLetter {
    /// Given up after `attempts` deliveries.
    #[must_use]
    pub fn new(origin: Subscription, attempts: u32, reason: DeadReason, at: SystemTime) -> Self {
        Self { origin, attempts, reason, at }
    }
}

/// What a message is given up for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadReason {
    /// So many attempts failed as the subscription allows.
    Attempts,
    /// Its time to live passed.
    Expired,
    /// Who received it rejected it, with these words.
    Rejected(String),
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempts => f.write_str("every attempt failed"),
            Self::Expired => f.write_str("expired"),
            Self::Rejected(words) => write!(f, "rejected: {words}"),
        }
    }
}

/// A text that a provider makes and only it understands.
macro_rules! opaque {
    ($(#[$doc:meta])* $Name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(SmolStr);

        impl $Name {
            /// Of the text that the provider made.
            #[must_use]
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(SmolStr::new(text))
            }

            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

opaque! {
    /// The id of a message: unique, made by the provider when it is published.
    MessageId
}

opaque! {
    /// Proof of one lease. Opaque; made by the provider for each delivery.
    Receipt
}
