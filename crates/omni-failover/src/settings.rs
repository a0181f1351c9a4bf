//! The settings of a failover instance, and which values they accept.

use std::collections::BTreeMap;
use std::time::Duration;

use omni_config::{Labels, Section};
use omni_contracts::{Error, ErrorKind, Result};
use serde::Deserialize;

/// The name of the provider where all members are required by default.
const MIRROR: &str = "mirror";

/// How a storage on several members is kept.
///
/// ```toml
/// [ha.storage.main]
/// provider = "failover"
/// members = ["primary", "standby"]
/// witness = "witness"
/// replication = "sync"
/// targets = { rto = "2s", rpo = "0s" }
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailoverSettings {
    /// The instances that keep the objects, at least two. The first is the primary when nothing is
    /// stored yet; whom the others follow when it is away is decided in this order.
    pub members: Vec<String>,
    /// The instance that keeps who is primary, what a member has still to receive, and what was in
    /// conflict, below `omni-failover/`. For programs on one machine a folder of it, for others a store
    /// that all of them reach, best in a third place. While it does not answer nothing is written.
    pub witness: String,
    /// When a write is acknowledged; by default `"sync"`.
    #[serde(default)]
    pub replication: Replication,
    /// The fewest members that must have what is acknowledged, for `sync`; by default 1, with
    /// `provider = "mirror"` all of them: nothing is ever written without one of them. With fewer members
    /// left, writes are refused.
    pub required: Option<usize>,
    /// The labels that members must have, each with the values that are allowed, such as
    /// `{ residency = ["eu", "ch"] }`; by default none. A member that has another value, or none, is left
    /// out: it is not opened, and gets nothing. The witness must have them, too.
    #[serde(default)]
    pub only: BTreeMap<String, Vec<String>>,
    /// What is promised, and watched.
    #[serde(default)]
    pub targets: TargetsSettings,
    /// How often members are looked at, and the longest time until this program sees that another one
    /// has switched, if it only reads; by default `"1s"`.
    #[serde(default = "second", deserialize_with = "omni_config::Duration::std")]
    pub probe_every: Duration,
    /// How long a member may take to say that it is there, after a call has failed on it; by default
    /// `"1s"`.
    #[serde(default = "second", deserialize_with = "omni_config::Duration::std")]
    pub probe_timeout: Duration,
    /// How long a member that was away must have been back before it is brought up to date; by default
    /// `"10s"`.
    #[serde(default = "ten_seconds", deserialize_with = "omni_config::Duration::std")]
    pub return_after: Duration,
}

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replication {
    /// When every member that is there has it: a switch loses nothing.
    #[default]
    Sync,
    /// When the primary has it, and the witness what is still to be sent: a switch loses at most what
    /// was written within `targets.rpo`.
    Async,
    /// As `async`, but writes never switch: a standby answers reads while the primary is away.
    Read,
}

/// What is promised.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetsSettings {
    /// How long it may take from the first failure to the first success. Not enforced: drills and alerts
    /// compare with it.
    #[serde(deserialize_with = "omni_config::Duration::optional_std")]
    pub rto: Option<Duration>,
    /// How far a standby may be behind: `"0s"` with `sync`; else how long what is acknowledged may wait
    /// to be sent. Writes wait, then fail, rather than go beyond it; by default `"30s"`.
    #[serde(deserialize_with = "omni_config::Duration::optional_std")]
    pub rpo: Option<Duration>,
}

fn second() -> Duration {
    Duration::from_secs(1)
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

impl FailoverSettings {
    /// The names of the provider. They are the same but for what is [`required`](Self::required) by default.
    pub const PROVIDERS: [&str; 2] = ["failover", MIRROR];

    /// The settings of an instance, with the members that [`only`](Self::only) allows. `labels` tells
    /// those of the instance of a name.
    ///
    /// # Errors
    ///
    /// `Configuration` for wrong settings, and where too few members are allowed, or the witness is not.
    pub fn of(section: &Section, labels: impl Fn(&str) -> Result<Labels>) -> Result<Self> {
        let mut settings: Self = section.settings()?;
        settings.leave_out(labels)?;
        if section.provider() == MIRROR {
            settings.required.get_or_insert(settings.members.len());
        }
        Ok(settings)
    }

    /// Leaves out the members that [`only`](Self::only) does not allow. `labels` tells those of the
    /// instance of a name.
    ///
    /// # Errors
    ///
    /// `Configuration` where fewer than two members are allowed, or the witness is not; what `labels` fails with.
    pub fn leave_out(&mut self, labels: impl Fn(&str) -> Result<Labels>) -> Result<()> {
        let mut left_out = Vec::new();
        for name in self.members.iter().chain([&self.witness]) {
            left_out.extend(self.forbids(&labels(name)?).map(|why| (name.clone(), why)));
        }
        let wrong = |problem: String| Err(Error::new(ErrorKind::Configuration, problem));
        if let Some((name, why)) = left_out.iter().find(|(name, _)| *name == self.witness) {
            return wrong(format!("the witness is not allowed by `only`: {name} has {why}"));
        }
        self.members.retain(|member| left_out.iter().all(|(name, _)| name != member));
        if self.members.len() < 2 && !left_out.is_empty() {
            let left_out: Vec<_> =
                left_out.iter().map(|(name, why)| format!("{name} has {why}")).collect();
            return wrong(format!(
                "`only` leaves {} of the members, two are needed: {}",
                self.members.len(),
                left_out.join(", ")
            ));
        }
        Ok(())
    }

    /// Why [`only`](Self::only) does not allow a place with these labels.
    fn forbids(&self, labels: &Labels) -> Option<String> {
        self.only.iter().find_map(|(label, allowed)| match labels.get(label) {
            Some(value) if allowed.contains(value) => None,
            Some(value) => {
                Some(format!("{label} = {value:?}, which is none of {}", allowed.join(", ")))
            }
            None => Some(format!("no label {label}")),
        })
    }

    /// The fewest members that must have what is acknowledged.
    pub(crate) fn needed(&self) -> usize {
        self.required.unwrap_or(1)
    }

    /// Settings for these members and this witness, the rest as by default.
    #[must_use]
    pub fn new(members: &[&str], witness: &str) -> Self {
        Self {
            members: members.iter().map(|name| (*name).to_owned()).collect(),
            witness: witness.to_owned(),
            replication: Replication::default(),
            required: None,
            only: BTreeMap::new(),
            targets: TargetsSettings::default(),
            probe_every: second(),
            probe_timeout: second(),
            return_after: ten_seconds(),
        }
    }

    /// How long what is acknowledged may wait to be sent; `None` where nothing waits.
    pub(crate) fn lag(&self) -> Option<Duration> {
        match self.replication {
            Replication::Sync => None,
            _ => Some(self.targets.rpo.unwrap_or(Duration::from_secs(30))),
        }
    }

    /// # Errors
    ///
    /// `Configuration`, naming the setting and what is allowed.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |problem: String| Err(Error::new(ErrorKind::Configuration, problem));
        if self.members.len() < 2 {
            return wrong(format!(
                "members must name at least two instances, it names {}",
                self.members.len()
            ));
        }
        for (at, name) in self.members.iter().enumerate() {
            if self.members[..at].contains(name) {
                return wrong(format!("members names {name:?} twice"));
            }
            if *name == self.witness {
                return wrong(format!("the witness must not be one of the members: {name:?}"));
            }
            if name.contains('/') {
                return wrong(format!("the name of a member must not contain `/`: {name:?}"));
            }
        }
        if self.needed() == 0 || self.needed() > self.members.len() {
            return wrong(format!(
                "required must be 1 to {}, the number of members, it is {}",
                self.members.len(),
                self.needed()
            ));
        }
        let is_sync = self.replication == Replication::Sync;
        if !is_sync && self.needed() > 1 {
            let problem = "required above 1, as in a mirror, needs replication = \"sync\"";
            return wrong(problem.to_owned());
        }
        match self.targets.rpo {
            Some(rpo) if is_sync && !rpo.is_zero() => {
                wrong("with replication = \"sync\" targets.rpo is \"0s\"".to_owned())
            }
            Some(rpo) if !is_sync && rpo.is_zero() => {
                wrong("targets.rpo = \"0s\" needs replication = \"sync\"".to_owned())
            }
            _ => Ok(()),
        }
    }
}
