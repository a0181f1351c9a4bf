//! `TopicName`, `SubscriptionName`: one portable rule for both. `Subscription`: what is received from.

use std::fmt;
use std::str::FromStr;

use smol_str::{SmolStr, format_smolstr};

use crate::{Error, Result};

/// The longest name, in bytes.
const MAX_BYTES: usize = 80;

/// The first rule that `text` breaks.
fn broken_rule(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("a name must not be empty".to_owned());
    }
    if text.len() > MAX_BYTES {
        return Some(format!("a name has at most {MAX_BYTES} bytes, this has {}", text.len()));
    }
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let wrong = text.chars().find(|letter| !allowed(*letter))?;
    Some(format!("{wrong:?} is not allowed: letters, digits, `-`, `_` and `.` are"))
}

macro_rules! name {
    ($(#[$doc:meta])* $Name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(SmolStr);

        impl $Name {
            /// Validates `text`.
            ///
            /// # Errors
            ///
            /// `InvalidArgument`, naming the rule that is broken.
            pub fn new(text: impl AsRef<str>) -> Result<Self> {
                let text = text.as_ref();
                match broken_rule(text) {
                    None => Ok(Self(SmolStr::new(text))),
                    Some(rule) => {
                        let shown: String = text.chars().take(MAX_BYTES).collect();
                        let problem = format!(concat!("not a name of a ", $what, ": {}"), rule);
                        Err(Error::invalid(problem).with_resource(shown))
                    }
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $Name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $Name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
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

name! {
    /// The name of a topic: 1 to 80 letters, digits, `-`, `_` and `.`, compared byte by byte
    /// (`MSG-001`, `MSG-002`).
    ///
    /// ```
    /// use omni_contracts::messaging::TopicName;
    ///
    /// assert_eq!(TopicName::new("orders.eu")?.as_str(), "orders.eu");
    /// assert!(TopicName::new("orders/eu").is_err());
    /// # Ok::<(), omni_contracts::Error>(())
    /// ```
    TopicName, "topic"
}

name! {
    /// The name of a subscription within its topic, by the rule of [`TopicName`].
    SubscriptionName, "subscription"
}

/// What is received from: a subscription of a topic, or its [dead letters](Self::dead_letters).
///
/// Its text is `topic/subscription`, that of the dead letters `topic/subscription/dead-letters`.
///
/// ```
/// use omni_contracts::messaging::Subscription;
///
/// let billing: Subscription = "orders/billing".parse()?;
/// assert_eq!(billing.topic().as_str(), "orders");
/// assert_eq!(billing.dead_letters().to_string(), "orders/billing/dead-letters");
/// assert_eq!(billing.dead_letters().source(), billing);
/// # Ok::<(), omni_contracts::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subscription {
    topic: TopicName,
    name: SubscriptionName,
    dead_letters: bool,
    text: SmolStr,
}

/// The end of the text of dead letters.
const DEAD_LETTERS: &str = "dead-letters";

impl Subscription {
    /// The subscription of this name of `topic`.
    #[must_use]
    pub fn new(topic: TopicName, name: SubscriptionName) -> Self {
        let text = format_smolstr!("{topic}/{name}");
        Self { topic, name, dead_letters: false, text }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// The name within the topic.
    #[must_use]
    pub fn name(&self) -> &SubscriptionName {
        &self.name
    }

    /// Where its messages go that nobody could process; received from like any other.
    #[must_use]
    pub fn dead_letters(&self) -> Self {
        let text = format_smolstr!("{}/{}/{DEAD_LETTERS}", self.topic, self.name);
        Self { dead_letters: true, text, ..self.clone() }
    }

    /// Whether these are the dead letters of a subscription.
    #[must_use]
    pub fn is_dead_letters(&self) -> bool {
        self.dead_letters
    }

    /// The subscription itself, of its dead letters.
    #[must_use]
    pub fn source(&self) -> Self {
        Self::new(self.topic.clone(), self.name.clone())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Subscription {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let problem = "not a subscription: `topic/subscription` is, and with `/dead-letters`";
            Error::invalid(problem).with_resource(text.chars().take(200).collect::<String>())
        };
        let mut parts = text.split('/');
        let (topic, name) = (parts.next().ok_or_else(wrong)?, parts.next().ok_or_else(wrong)?);
        let subscription = Self::new(TopicName::new(topic)?, SubscriptionName::new(name)?);
        match (parts.next(), parts.next()) {
            (None, _) => Ok(subscription),
            (Some(DEAD_LETTERS), None) => Ok(subscription.dead_letters()),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_one_rule() {
        for good in ["a", "A-b_c.9", &"x".repeat(80)] {
            assert_eq!(TopicName::new(good).unwrap().as_str(), good);
            assert_eq!(SubscriptionName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a/b", "a b", "ä", "a\n", &"x".repeat(81)] {
            let error = TopicName::new(bad).unwrap_err();
            assert!(error.to_string().contains("not a name of a topic"), "{error}");
        }
    }

    #[test]
    fn subscriptions_are_read_from_their_text() {
        for good in ["a/b", "a/b/dead-letters", "a/dead-letters", "a/dead-letters/dead-letters"] {
            assert_eq!(good.parse::<Subscription>().unwrap().as_str(), good);
        }
        for bad in ["", "a", "a/", "/b", "a/b/c", "a/b/", "a/b/dead-letters/d"] {
            assert!(bad.parse::<Subscription>().is_err(), "{bad}");
        }
    }
}
