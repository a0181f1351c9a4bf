//! The messaging contract: messages by topics and subscriptions. Clauses `MSG-` in
//! `docs/spec/messaging.md`.
//!
//! A [topic](TopicName) receives messages; each [`Subscription`] of it gets every later message, and who
//! receives from one subscription shares its messages with whoever else does. A queue is a topic with one
//! subscription. [`MessagingProvider`] is what a provider implements; applications use the handle of
//! `omni-messaging`.

mod capability;
mod delivery;
mod intercept;
mod message;
mod name;
mod provider;
mod settings;

pub use capability::{Capabilities, Capability, Limits};
pub use delivery::{DeadLetter, DeadReason, Delivery, MessageId, Receipt};
pub use intercept::Intercepted;
pub use message::Message;
pub use name::{Subscription, SubscriptionName, TopicName};
pub use provider::{Depth, MessagingProvider};
pub use settings::SubscriptionSettings;
