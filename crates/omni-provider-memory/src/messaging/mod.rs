//! The messaging provider in memory: the reference implementation of that contract.

mod broker;
mod provider;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use omni_contracts::Durability;
use omni_contracts::messaging::{Capabilities, Capability, Limits};
use serde::Deserialize;

use broker::Broker;

/// The settings of a [`MemoryMessaging`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryMessagingSettings {
    /// Refuses larger bodies with `TooLarge`; in bytes, 4 MiB by default.
    pub max_body_size: Option<usize>,
}

/// Topics and subscriptions in memory. Clones share the same topics, which live as long as the last of
/// them. Time is tokio's: it stands still where that is paused.
///
/// ```
/// use std::time::Duration;
///
/// use omni_contracts::messaging::{Message, MessagingProvider, Subscription, SubscriptionSettings};
/// use omni_provider_memory::MemoryMessaging;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> omni_contracts::Result<()> {
/// let messaging = MemoryMessaging::new(Default::default());
/// let billing: Subscription = "orders/billing".parse()?;
/// messaging.create_topic(billing.topic()).await?;
/// messaging.create_subscription(&billing, &SubscriptionSettings::default()).await?;
/// for result in messaging.publish(billing.topic(), &[Message::new("an order")]).await {
///     result?;
/// }
/// for delivery in messaging.receive(&billing, 10, Duration::ZERO).await? {
///     assert_eq!(delivery.body, "an order");
///     messaging.ack(&billing, &[delivery.receipt]).await;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryMessaging {
    capabilities: Arc<Capabilities>,
    broker: Arc<Broker>,
}

/// The largest body, unless the settings say otherwise.
const MAX_BODY_SIZE: usize = 4 << 20;

impl MemoryMessaging {
    /// A provider without topics.
    #[must_use]
    pub fn new(settings: MemoryMessagingSettings) -> Self {
        let mut capabilities = Capabilities::new(Durability::Memory).with(&[
            Capability::Dedup,
            Capability::Delay,
            Capability::Depth,
            Capability::Extend,
            Capability::FanOut,
            Capability::Ordering,
            Capability::Ttl,
        ]);
        capabilities.limits = Limits {
            max_body_size: settings.max_body_size.unwrap_or(MAX_BODY_SIZE),
            max_headers: 256,
            max_headers_size: 64 << 10,
            min_lease: Duration::from_millis(1),
            max_lease: Duration::from_secs(86_400),
            max_deliveries: 1000,
            max_delay: Duration::from_secs(30 * 86_400),
            dedup_window: Duration::from_secs(300),
        };
        let broker = Arc::new(Broker::new(capabilities.limits.dedup_window));
        Self { capabilities: Arc::new(capabilities), broker }
    }
}
