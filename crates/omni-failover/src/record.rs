//! `Record`: who is primary and who has everything, kept by conditional writes at the witness.

use std::collections::BTreeMap;

use omni_contracts::storage::Version;
use serde::{Deserialize, Serialize};

/// Who is primary, and where each member stands. Every change has a new epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) epoch: u64,
    pub(crate) primary: String,
    /// All members but the primary.
    pub(crate) others: BTreeMap<String, Standing>,
}

/// Where a member stands that is not the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has everything that was acknowledged, and may become primary.
    InSync,
    /// It receives what is acknowledged after a while, and may become primary.
    Following,
    /// It receives every write, but not yet all that was written before.
    Joining,
    /// It is away, or was, and what it has may be old.
    Out,
}

impl Standing {
    /// The name in records and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in-sync",
            Self::Following => "following",
            Self::Joining => "joining",
            Self::Out => "out",
        }
    }

    /// Whether a write is acknowledged only when the member has it.
    pub(crate) fn receives(self) -> bool {
        matches!(self, Self::InSync | Self::Joining)
    }

    /// Whether it may become primary.
    pub(crate) fn may_lead(self) -> bool {
        matches!(self, Self::InSync | Self::Following)
    }
}

/// A record as it was read, with the version by which it is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) record: Record,
    pub(crate) version: Version,
}

impl Record {
    pub(crate) fn standing(&self, member: &str) -> Option<Standing> {
        self.others.get(member).copied()
    }

    /// The next record, where a member stands elsewhere.
    pub(crate) fn with(&self, member: &str, standing: Standing) -> Self {
        let mut next = self.clone();
        next.epoch += 1;
        next.others.insert(member.to_owned(), standing);
        next
    }

    /// The next record, where another member is primary and the old one is out.
    pub(crate) fn led_by(&self, member: &str) -> Self {
        let mut next = self.clone();
        next.epoch += 1;
        next.others.remove(member);
        next.others.insert(std::mem::replace(&mut next.primary, member.to_owned()), Standing::Out);
        next
    }

    /// How many members have everything.
    pub(crate) fn in_sync(&self) -> usize {
        1 + self.others.values().filter(|standing| **standing == Standing::InSync).count()
    }

    /// The same with the members that are configured now: a new one is out until it has everything, one
    /// that is gone is forgotten. `None` when that is as it was.
    pub(crate) fn configured(&self, members: &[String]) -> Option<Self> {
        let others: BTreeMap<_, _> = members
            .iter()
            .filter(|name| **name != self.primary)
            .map(|name| (name.clone(), self.standing(name).unwrap_or(Standing::Out)))
            .collect();
        (others != self.others).then(|| Self { epoch: self.epoch + 1, others, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn first(members: &[&str]) -> Record {
        let others = members.iter().skip(1).map(|name| ((*name).to_owned(), Standing::InSync));
        Record { epoch: 1, primary: members[0].to_owned(), others: others.collect() }
    }

    #[test]
    fn a_switch_leaves_the_old_primary_out() {
        let record = first(&["a", "b", "c"]).led_by("b");
        assert_eq!((record.epoch, record.primary.as_str()), (2, "b"));
        assert_eq!(record.standing("a"), Some(Standing::Out));
        assert_eq!(record.standing("b"), None);
        assert_eq!(record.in_sync(), 2);
    }

    #[test]
    fn members_come_and_go() {
        let record = first(&["a", "b"]);
        assert_eq!(record.configured(&names(&["b", "a"])), None);
        let more = record.configured(&names(&["a", "b", "c"])).unwrap();
        assert_eq!((more.epoch, more.standing("c")), (2, Some(Standing::Out)));
        assert_eq!(more.configured(&names(&["a", "b"])).unwrap().standing("c"), None);
    }
}
