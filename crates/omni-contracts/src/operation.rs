//! `Operation`: the operations of all contracts, as a table, and what layers decide by.

use std::fmt;

use crate::Contract;

/// Whether repeating a call whose answer was lost can do harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// Twice is the same as once.
    Idempotent,
    /// A repeat may fail, or do the work twice.
    NotIdempotent,
}

/// Whether an operation may change what is stored.
#[derive(PartialEq)]
enum Effects {
    Reads,
    Changes,
}
use Effects::{Changes, Reads};

const ALL: &[Contract] = Contract::ALL;
const MESSAGING: &[Contract] = &[Contract::Messaging];
const STORAGE: &[Contract] = &[Contract::Storage];

macro_rules! operations {
    ($($(#[$doc:meta])* $Operation:ident = $name:literal, $contracts:ident, $effects:ident;)*) => {
        /// The operations of all contracts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$doc])* $Operation,)*
        }

        impl Operation {
            /// Every operation, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$Operation,)*];

            /// The operation's name, as it stands in errors, spans and metrics.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Operation => $name,)*
                }
            }

            /// The contracts that have the operation.
            #[must_use]
            pub fn contracts(self) -> &'static [Contract] {
                match self {
                    $(Self::$Operation => $contracts,)*
                }
            }

            /// Whether the operation may change what is stored: whether it is unknown what a call that
            /// was cut off has done. Receiving does: what is received is leased.
            #[must_use]
            pub fn changes(self) -> bool {
                match self {
                    $(Self::$Operation => $effects == Changes,)*
                }
            }
        }
    };
}

operations! {
    /// Abort a multipart upload.
    AbortUpload = "abort_upload", STORAGE, Changes;
    /// Settle deliveries: done.
    Ack = "ack", MESSAGING, Changes;
    /// Ask whether the back-end answers.
    Check = "check", ALL, Reads;
    /// Complete a multipart upload.
    CompleteUpload = "complete_upload", STORAGE, Changes;
    /// Copy an object.
    Copy = "copy", STORAGE, Changes;
    /// Create a subscription.
    CreateSubscription = "create_subscription", MESSAGING, Changes;
    /// Create a topic.
    CreateTopic = "create_topic", MESSAGING, Changes;
    /// Begin a multipart upload.
    CreateUpload = "create_upload", STORAGE, Changes;
    /// Delete one object.
    Delete = "delete", STORAGE, Changes;
    /// Delete many objects.
    DeleteMany = "delete_many", STORAGE, Changes;
    /// Delete a subscription.
    DeleteSubscription = "delete_subscription", MESSAGING, Changes;
    /// Delete a topic.
    DeleteTopic = "delete_topic", MESSAGING, Changes;
    /// Count the messages of a subscription.
    Depth = "depth", MESSAGING, Reads;
    /// Read the settings of a subscription.
    Describe = "describe", MESSAGING, Reads;
    /// Extend the leases of deliveries.
    Extend = "extend", MESSAGING, Changes;
    /// Read an object or a range of it.
    Get = "get", STORAGE, Reads;
    /// Read several ranges of an object.
    GetRanges = "get_ranges", STORAGE, Reads;
    /// Read what is known about an object.
    Head = "head", STORAGE, Reads;
    /// List objects.
    List = "list", STORAGE, Reads;
    /// List the parts of an upload.
    ListParts = "list_parts", STORAGE, Reads;
    /// List the subscriptions of a topic.
    ListSubscriptions = "list_subscriptions", MESSAGING, Reads;
    /// List topics.
    ListTopics = "list_topics", MESSAGING, Reads;
    /// List unfinished uploads.
    ListUploads = "list_uploads", STORAGE, Reads;
    /// List the versions of objects.
    ListVersions = "list_versions", STORAGE, Reads;
    /// Give deliveries back.
    Nack = "nack", MESSAGING, Changes;
    /// Make a URL that works without credentials.
    Presign = "presign", STORAGE, Reads;
    /// Publish messages.
    Publish = "publish", MESSAGING, Changes;
    /// Remove every message of a subscription.
    Purge = "purge", MESSAGING, Changes;
    /// Write an object.
    Put = "put", STORAGE, Changes;
    /// Receive messages.
    Receive = "receive", MESSAGING, Changes;
    /// Return dead letters to where they came from.
    Redrive = "redrive", MESSAGING, Changes;
    /// Make deliveries dead letters.
    Reject = "reject", MESSAGING, Changes;
    /// Send one part of an upload.
    UploadPart = "upload_part", STORAGE, Changes;
}

impl Operation {
    /// Every operation of a contract, in alphabetical order.
    pub fn of(contract: Contract) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |one| one.contracts().contains(&contract))
    }

    /// The idempotency of the operation without conditions (clauses `STO-150`, `MSG-017`).
    #[must_use]
    pub fn idempotency(self) -> Idempotency {
        match self {
            Self::CreateUpload | Self::Publish => Idempotency::NotIdempotent,
            _ => Idempotency::Idempotent,
        }
    }

    /// Whether the back-end may work for minutes before it answers: it moves contents, or the call
    /// becomes many requests.
    #[must_use]
    pub fn is_long(self) -> bool {
        matches!(
            self,
            Self::CompleteUpload
                | Self::Copy
                | Self::DeleteMany
                | Self::GetRanges
                | Self::Purge
                | Self::Redrive
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
