//! `Plan`: what a drill does, and what it demands, as a TOML file says it.

use std::collections::BTreeMap;
use std::time::Duration;

use omni_config::ByteSize;
use serde::{Deserialize, Serialize};

/// A drill: instances, a load, faults, targets.
///
/// ```
/// let plan = omni_drill::Plan::from_toml(
///     r#"
///     instance = "main"
///
///     [servers.primary]
///     emulator = "ministack"
///
///     [[faults]]
///     fault = "kill"
///     on = "primary"
///     after = "3s"
///     lasts = "5s"
///
///     [targets]
///     rto = "2s"
///     rpo = "0s"
///     "#,
/// )?;
/// assert_eq!(plan.load.clients, 16);
/// # Ok::<_, omni_drill::PlanError>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is about, for the report.
    #[serde(default)]
    pub title: String,
    /// The instance that the load uses.
    pub instance: String,
    /// Servers that the drill starts, by the names of the instances that are to use them.
    #[serde(default)]
    pub servers: BTreeMap<String, ServerPlan>,
    /// Instances, as in `omni.toml`; `{folder}` is a folder of the drill. Without any, the configuration
    /// in force has them.
    #[serde(default)]
    pub storage: BTreeMap<String, toml::Table>,
    /// What the application does meanwhile.
    #[serde(default)]
    pub load: Load,
    /// What goes wrong, each at its time.
    #[serde(default)]
    pub faults: Vec<FaultPlan>,
    /// What goes wrong at random, round by round, after that.
    pub random: Option<Random>,
    /// What is demanded. What is not stated here is what the instance promises.
    #[serde(default)]
    pub targets: Targets,
    /// When the drill gives up.
    #[serde(default)]
    pub abort: Abort,
}

/// A server that the drill starts and stops.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPlan {
    /// An emulator of the kit: `ministack`, `moto`, `azurite`. It is installed where it is not; the
    /// settings by which it is used are those of the instance then.
    pub emulator: Option<String>,
    /// Instead, a program and its arguments. `{port}` is a free port, `{folder}` a folder that stays when
    /// the server is killed.
    #[serde(default)]
    pub command: Vec<String>,
    /// With `command`: the path that is asked for until there is an answer; by default `/`.
    #[serde(default = "root")]
    pub ready: String,
    /// With `command`: settings of the instance, in which `{port}` is filled in.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// What the application does: each client works on keys of its own, one call after the other.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Load {
    /// How many programs, each of which opens the instance; by default 1.
    pub programs: usize,
    /// How many clients each of them has; by default 16.
    pub clients: usize,
    /// How many keys each client has; by default 8.
    pub keys: usize,
    /// The size of an object; by default `"1KiB"`.
    #[serde(deserialize_with = "ByteSize::bytes")]
    pub size: u64,
    /// How long a client waits between two calls; by default not at all.
    #[serde(deserialize_with = "omni_config::Duration::std", serialize_with = "as_millis")]
    pub pause: Duration,
    /// How long the load lasts at least; by default `"15s"`. It goes on until all faults are over, and
    /// all members have returned.
    #[serde(deserialize_with = "omni_config::Duration::std", serialize_with = "as_millis")]
    pub lasts: Duration,
}

/// Something that goes wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// What.
    pub fault: Fault,
    /// To which instance, or `program` for the first program of the load.
    pub on: String,
    /// When, from the beginning of the load.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub after: Duration,
    /// How long; without it until the end of the drill.
    #[serde(default, deserialize_with = "omni_config::Duration::optional_std")]
    pub lasts: Option<Duration>,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The server is ended by SIGKILL, and started again afterwards. On `program`: the application is.
    Kill,
    /// The server is asked to end, by SIGTERM, and started again afterwards.
    Stop,
    /// The server is halted by SIGSTOP: connections are taken, and nothing answers. Then it goes on.
    Hang,
    /// Connections are broken and refused.
    Partition,
    /// Requests are swallowed: nothing comes back.
    Silence,
    /// Answers come in drops.
    Slow,
    /// Every request is answered with 429 and a wait.
    Throttle,
    /// One bit of every content that is read is turned.
    Corrupt,
}

/// Rounds of faults at random moments. Each round ends when all members have returned.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// How many.
    pub rounds: usize,
    /// What may go wrong.
    pub faults: Vec<Fault>,
    /// To whom.
    pub on: Vec<String>,
    /// The longest time between the beginning of a round and its fault; by default `"1s"`.
    #[serde(default = "second", deserialize_with = "omni_config::Duration::std")]
    pub within: Duration,
    /// The longest time that a fault lasts; by default `"2s"`.
    #[serde(default = "two_seconds", deserialize_with = "omni_config::Duration::std")]
    pub lasts: Duration,
}

/// What is demanded.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Targets {
    /// The longest time, for any client, from a fault to the end of the first call that was begun after
    /// it and succeeded.
    #[serde(deserialize_with = "omni_config::Duration::optional_std")]
    pub rto: Option<Duration>,
    /// The age that what is lost may have had at the fault; `"0s"`: nothing may be lost.
    #[serde(deserialize_with = "omni_config::Duration::optional_std")]
    pub rpo: Option<Duration>,
    /// The longest call in a hundred that met a fault.
    #[serde(deserialize_with = "omni_config::Duration::optional_std")]
    pub p99: Option<Duration>,
    /// How many errors the application may see; by default any number.
    pub errors: Option<u64>,
    /// The longest time from the end of a fault until every member counts again.
    #[serde(rename = "return", deserialize_with = "omni_config::Duration::optional_std")]
    pub returned: Option<Duration>,
}

/// When the drill gives up.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Abort {
    /// After this time; by default `"10m"`.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub after: Duration,
    /// After this many errors; by default at no number.
    pub errors: Option<u64>,
}

/// What faults call the application.
pub const PROGRAM: &str = "program";

impl Fault {
    /// The name in plans.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Hang => "hang",
            Self::Partition => "partition",
            Self::Silence => "silence",
            Self::Slow => "slow",
            Self::Throttle => "throttle",
            Self::Corrupt => "corrupt",
        }
    }

    /// Whether it is done to a process; else to what goes to and fro.
    pub(crate) fn is_of_a_process(self) -> bool {
        matches!(self, Self::Kill | Self::Stop | Self::Hang)
    }
}

fn root() -> String {
    "/".to_owned()
}

fn second() -> Duration {
    Duration::from_secs(1)
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

fn as_millis<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{}ms", duration.as_millis()))
}

impl Default for Load {
    fn default() -> Self {
        Self {
            programs: 1,
            clients: 16,
            keys: 8,
            size: 1024,
            pause: Duration::ZERO,
            lasts: Duration::from_secs(15),
        }
    }
}

impl Default for Abort {
    fn default() -> Self {
        Self { after: Duration::from_secs(600), errors: None }
    }
}

/// What is wrong with a plan.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(String);

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    ///
    /// What is no TOML, names a setting that there is not, or contradicts itself; where, and what is
    /// allowed.
    pub fn from_toml(text: &str) -> Result<Self, PlanError> {
        let plan: Self = toml::from_str(text).map_err(|error| PlanError(error.to_string()))?;
        plan.check().map_err(PlanError)?;
        Ok(plan)
    }

    /// The faults that this may do to somebody.
    pub(crate) fn faults_on(&self, name: &str) -> Vec<Fault> {
        let timed = self.faults.iter().filter(|fault| fault.on == name).map(|fault| fault.fault);
        let random = self.random.iter().filter(|random| random.on.iter().any(|on| on == name));
        let mut faults: Vec<_> =
            timed.chain(random.flat_map(|random| random.faults.iter().copied())).collect();
        faults.sort_unstable();
        faults.dedup();
        faults
    }

    /// Everybody to whom something may be done.
    pub(crate) fn victims(&self) -> Vec<&str> {
        let timed = self.faults.iter().map(|fault| fault.on.as_str());
        let random = self.random.iter().flat_map(|random| random.on.iter().map(String::as_str));
        let mut victims: Vec<_> = timed.chain(random).collect();
        victims.sort_unstable();
        victims.dedup();
        victims
    }

    fn check(&self) -> Result<(), String> {
        let Load { programs, clients, keys, size, .. } = self.load;
        let within = |name: &str, value: u64, least: u64, most: u64| match value {
            value if (least..=most).contains(&value) => Ok(()),
            value => Err(format!("load.{name} must be {least} to {most}, it is {value}")),
        };
        within("programs", programs as u64, 1, 64)?;
        within("clients", clients as u64, 1, 1024)?;
        within("keys", keys as u64, 1, 1000)?;
        // What says whose content it is needs room; the rest is to be kept in memory.
        within("size", size, 64, 64 << 20)?;
        for (name, server) in &self.servers {
            if server.emulator.is_some() != server.command.is_empty() {
                return Err(format!("servers.{name} needs either `emulator` or `command`"));
            }
            if server.emulator.is_some() && !server.settings.is_empty() {
                return Err(format!("servers.{name}: the settings of an emulator are known"));
            }
            if *name == self.instance {
                return Err(format!("servers.{name} would be the instance that is drilled"));
            }
            if !self.storage.is_empty() && !self.storage.contains_key(name) {
                return Err(format!("servers.{name}: there is no [storage.{name}]"));
            }
        }
        if !self.storage.is_empty() && !self.storage.contains_key(&self.instance) {
            return Err(format!("there is no [storage.{}], which `instance` names", self.instance));
        }
        if let Some(random) = &self.random {
            for (name, is_empty) in
                [("faults", random.faults.is_empty()), ("on", random.on.is_empty())]
            {
                if is_empty {
                    return Err(format!("random.{name} is empty"));
                }
            }
        }
        for victim in self.victims() {
            for fault in self.faults_on(victim) {
                self.check_fault(fault, victim)?;
            }
        }
        Ok(())
    }

    fn check_fault(&self, fault: Fault, on: &str) -> Result<(), String> {
        let name = fault.as_str();
        if on == PROGRAM {
            // At random, it is killed whatever else is asked for.
            return match fault {
                Fault::Kill => Ok(()),
                _ if self.random.is_some() => Ok(()),
                _ => Err(format!("the fault `{name}` on `{PROGRAM}`: only `kill` is possible")),
            };
        }
        if on == self.instance {
            return Err(format!(
                "the fault `{name}` on `{on}`, which is what is drilled: name one of its members, or \
                 `{PROGRAM}`"
            ));
        }
        if !self.storage.is_empty() && !self.storage.contains_key(on) {
            let known: Vec<_> = self.storage.keys().map(String::as_str).collect();
            return Err(format!(
                "the fault `{name}` on `{on}`: there is no such instance, there are {}",
                known.join(", ")
            ));
        }
        if fault.is_of_a_process() && !self.servers.contains_key(on) {
            return Err(format!(
                "the fault `{name}` on `{on}` needs [servers.{on}]: only what the drill starts can be \
                 killed, stopped or halted; for others there are partition, silence, slow, throttle \
                 and corrupt"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Plan::from_toml(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, says) in [
            ("instance = 1", "expected a string"),
            ("instance = 'main'\nfaluts = []", "unknown field `faluts`"),
            (
                "instance = 'main'\nload = { clients = 0 }",
                "load.clients must be 1 to 1024, it is 0",
            ),
            ("instance = 'main'\nload = { pause = 'soon' }", "soon"),
            (
                "instance = 'main'\n[[faults]]\nfault = 'kill'\non = 'primary'\nafter = '1s'",
                "needs [servers.primary]",
            ),
            (
                "instance = 'main'\n[[faults]]\nfault = 'slow'\non = 'main'\nafter = '1s'",
                "which is what is drilled",
            ),
            (
                "instance = 'main'\n[[faults]]\nfault = 'hang'\non = 'program'\nafter = '1s'",
                "only `kill` is possible",
            ),
            (
                "instance = 'main'\n[servers.primary]\ncommand = []",
                "servers.primary needs either `emulator` or `command`",
            ),
            (
                "instance = 'main'\n[storage.other]\nprovider = 'memory'",
                "there is no [storage.main]",
            ),
            (
                "instance = 'main'\n[[faults]]\nfault = 'melt'\non = 'a'\nafter = '1s'",
                "unknown variant `melt`",
            ),
        ] {
            let error = wrong(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
