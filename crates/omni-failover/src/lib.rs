//! One storage on several members, which may be in several clouds: what is written is on all of them,
//! and when one goes away the application goes on with another.
//!
//! What lives here: [`FailoverStorage`], a provider like any other, made of other instances. What does
//! not: the opening of those instances by configuration, which is the handle's.
//!
//! # How it works
//!
//! A *record* at the *witness* says which member is primary and where the others stand. It is changed by
//! conditional writes alone, and every change has a new epoch. A write goes to the primary, then to each
//! member that must have it, over exactly the version that the member was seen to have before: whoever
//! works by an old record finds another version, and asks the witness again. For members that are away
//! the key is noted at the witness; when such a member is back, it is sent what was noted, compared, and
//! counts again. What it has that nobody else has is kept before it is replaced, and listed.
//!
//! The promises are the clauses `FAI-` of `docs/spec/failover.md`; how to choose is
//! `docs/guides/failover.md`.

mod bring;
mod catchup;
mod gauges;
mod member;
mod observer;
mod provider;
mod record;
mod settings;
mod shared;
mod watch;
mod witness;
mod write;

pub use observer::Observer;
pub use provider::{FailoverStorage, MemberStatus, Status};
pub use record::Standing;
pub use settings::{FailoverSettings, Replication, TargetsSettings};
pub use witness::Conflict;
