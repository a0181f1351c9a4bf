//! `Message`: what is published, and the rules that it keeps on every provider.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::{Capabilities, Capability};
use crate::{Error, ErrorKind, Result};

/// What is published: a body of any bytes, and headers.
///
/// ```
/// use omni_contracts::messaging::Message;
///
/// let message = Message::new("{\"order\": 7}").header("content-type", "application/json").key("customer-3");
/// assert_eq!(message.headers["content-type"], "application/json");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Any bytes, none included (`MSG-010` to `MSG-012`).
    pub body: Bytes,
    /// Any texts by names of 1 to [`Message::MAX_HEADER_NAME`] bytes; those that begin with `omni-` are
    /// reserved (`MSG-013`, `MSG-014`).
    pub headers: BTreeMap<String, String>,
    /// What an [ordered](super::SubscriptionSettings::ordered) subscription keeps in order. None is not
    /// the same as an empty one (`MSG-015`).
    pub key: Option<String>,
    /// Names the message to the topic: published again within the window, it is delivered once. Needs
    /// `dedup` (`MSG-017`).
    pub dedup_id: Option<String>,
    /// How long it is not delivered. Needs `delay` (`MSG-070`).
    pub delay: Duration,
    /// How long it is worth delivering; then it is a dead letter. Needs `ttl` (`MSG-072`).
    pub ttl: Option<Duration>,
}

impl Message {
    /// The longest name of a header, in bytes.
    pub const MAX_HEADER_NAME: usize = 256;
    /// The longest ordering key and dedup id, in bytes.
    pub const MAX_KEY: usize = 128;
    /// The beginning of the names of headers that are reserved, in any case.
    pub const RESERVED: &str = "omni-";

    /// A message with this body and nothing else.
    #[must_use]
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// With an ordering key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// With a name by which the topic knows it again.
    #[must_use]
    pub fn dedup_id(mut self, id: impl Into<String>) -> Self {
        self.dedup_id = Some(id.into());
        self
    }

    /// To be delivered no earlier than after `delay`.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// To be delivered within `ttl` or not at all.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The bytes of names and values of all headers.
    #[must_use]
    pub fn headers_size(&self) -> usize {
        self.headers.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Refuses what breaks a rule or a limit, or needs what is not declared, before any I/O.
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `InvalidArgument` | name of a header, key, dedup id, delay or time to live out of bounds |
    /// | `TooLarge` | body or headers above a declared limit |
    /// | `Unsupported` | dedup id, delay or time to live are not declared |
    pub fn validate(&self, capabilities: &Capabilities) -> Result<()> {
        let limits = &capabilities.limits;
        for name in self.headers.keys() {
            header_name(name)?;
        }
        let too_large = |what: &str, unit: &str, size: usize, limit: usize| {
            let problem = format!("{what} of {size}{unit}; at most {limit}{unit} are allowed");
            Err(Error::new(ErrorKind::TooLarge, problem))
        };
        if self.body.len() > limits.max_body_size {
            return too_large("a body", " bytes", self.body.len(), limits.max_body_size);
        }
        if self.headers.len() > limits.max_headers {
            return too_large("a number of headers", "", self.headers.len(), limits.max_headers);
        }
        if self.headers_size() > limits.max_headers_size {
            return too_large("headers", " bytes", self.headers_size(), limits.max_headers_size);
        }
        let long = |what: &str, text: &str| match text.len() > Self::MAX_KEY {
            true => Err(Error::invalid(format!(
                "{what} has at most {} bytes, this has {}",
                Self::MAX_KEY,
                text.len()
            ))),
            false => Ok(()),
        };
        if let Some(key) = &self.key {
            long("an ordering key", key)?;
        }
        if let Some(id) = &self.dedup_id {
            capabilities.expect(Capability::Dedup)?;
            long("a dedup id", id)?;
            if id.is_empty() {
                return Err(Error::invalid("a dedup id must not be empty; leave it out instead"));
            }
        }
        if !self.delay.is_zero() {
            capabilities.expect(Capability::Delay)?;
            limits.expect_delay(self.delay)?;
        }
        if let Some(ttl) = self.ttl {
            capabilities.expect(Capability::Ttl)?;
            if ttl.is_zero() {
                return Err(Error::invalid("a time to live must not be 0"));
            }
        }
        Ok(())
    }
}

fn header_name(name: &str) -> Result<()> {
    let shown = || name.chars().take(80).collect::<String>();
    if name.is_empty() {
        return Err(Error::invalid("the name of a header must not be empty"));
    }
    if name.len() > Message::MAX_HEADER_NAME {
        return Err(Error::invalid(format!(
            "the name of a header has at most {} bytes, {:?}... has {}",
            Message::MAX_HEADER_NAME,
            shown(),
            name.len()
        )));
    }
    let start = name.as_bytes().get(..Message::RESERVED.len());
    if start.is_some_and(|start| start.eq_ignore_ascii_case(Message::RESERVED.as_bytes())) {
        return Err(Error::invalid(format!(
            "names of headers that begin with `{}` are reserved: {:?}",
            Message::RESERVED,
            shown()
        )));
    }
    Ok(())
}

impl<B: Into<Bytes>> From<B> for Message {
    fn from(body: B) -> Self {
        Self::new(body)
    }
}
