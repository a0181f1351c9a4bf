//! What the capabilities of all contracts share: their names as data, sets of them, and durability.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// A list of capabilities: an enum whose variants have names in configurations and reports.
pub(crate) trait Names: Copy + Eq + fmt::Display + 'static {
    /// Every capability, in alphabetical order.
    const ALL: &'static [Self];

    /// Its place in a set.
    fn bit(self) -> u32;
}

/// Makes the enum of a contract's capabilities.
macro_rules! capabilities {
    ($(#[$meta:meta])* $Capability:ident { $($(#[$doc:meta])* $Variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum $Capability {
            $($(#[$doc])* $Variant,)*
        }

        impl $Capability {
            /// Every capability, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$Variant,)*];

            /// The name in configurations, specifications and reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)*
                }
            }
        }

        impl $crate::capability::Names for $Capability {
            const ALL: &'static [Self] = Self::ALL;

            fn bit(self) -> u32 {
                1 << self as u8
            }
        }

        impl std::fmt::Display for $Capability {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $Capability {
            type Err = $crate::Error;

            /// # Errors
            ///
            /// `Configuration`; the message lists the known ones.
            fn from_str(name: &str) -> $crate::Result<Self> {
                let found = Self::ALL.iter().find(|known| known.as_str() == name);
                found.copied().ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|known| known.as_str()).collect();
                    let problem =
                        format!("unknown capability {name:?}; known are {}", known.join(", "));
                    $crate::Error::new($crate::ErrorKind::Configuration, problem)
                })
            }
        }
    };
}
pub(crate) use capabilities;

/// A set of capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Set<C> {
    bits: u32,
    of: std::marker::PhantomData<C>,
}

impl<C: Names> Set<C> {
    pub(crate) fn empty() -> Self {
        Self { bits: 0, of: std::marker::PhantomData }
    }

    pub(crate) fn add(&mut self, capabilities: &[C]) {
        self.bits |= capabilities.iter().fold(0, |bits, capability| bits | capability.bit());
    }

    pub(crate) fn remove(&mut self, capabilities: &[C]) {
        self.bits &= !capabilities.iter().fold(0, |bits, capability| bits | capability.bit());
    }

    pub(crate) fn has(self, capability: C) -> bool {
        self.bits & capability.bit() != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = C> {
        C::ALL.iter().copied().filter(move |capability| self.has(*capability))
    }

    /// Checks one entry of a configuration's `require` list: the name of a capability, one of the
    /// `groups`, or a durability.
    pub(crate) fn require(
        self,
        durability: Durability,
        requirement: &str,
        groups: &[(&str, &[C])],
    ) -> Result<()> {
        let wrong = |message: String| Err(Error::new(ErrorKind::Configuration, message));
        let level = requirement.strip_prefix("durability-");
        if let Some(level) = Durability::ALL.iter().find(|known| Some(known.as_str()) == level) {
            if durability >= *level {
                return Ok(());
            }
            return wrong(format!("durability is {durability}, required is {level}"));
        }
        let group = groups.iter().find(|(name, _)| *name == requirement);
        let wanted: Vec<_> = match group {
            Some((_, group)) => group.to_vec(),
            None => C::ALL.iter().copied().filter(|c| c.to_string() == requirement).collect(),
        };
        if wanted.is_empty() {
            let capabilities = C::ALL.iter().map(C::to_string);
            let levels = Durability::ALL.iter().map(|known| format!("durability-{known}"));
            let groups = groups.iter().map(|(name, _)| (*name).to_owned());
            let known: Vec<_> = capabilities.chain(groups).chain(levels).collect();
            return wrong(format!(
                "unknown capability {requirement:?}; known are {}",
                known.join(", ")
            ));
        }
        match wanted.into_iter().find(|capability| !self.has(*capability)) {
            None => Ok(()),
            Some(missing) => wrong(format!("the provider does not declare {missing}")),
        }
    }
}

/// What is acknowledged survives (clauses `STO-170` to `STO-173`, `MSG-008`). Ordered, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Durability {
    /// Nothing: it is gone with the handle.
    Memory,
    /// The end of the process, however it ends.
    Process,
    /// The end of the machine's power.
    Disk,
    /// The end of the machine.
    Replicated,
}

impl Durability {
    /// Every level, weakest first.
    pub const ALL: &'static [Self] = &[Self::Memory, Self::Process, Self::Disk, Self::Replicated];

    /// The name in configurations and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Process => "process",
            Self::Disk => "disk",
            Self::Replicated => "replicated",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
