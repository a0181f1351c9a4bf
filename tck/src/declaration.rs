//! `Declaration`: what a provider declares, of whichever contract.

use omni_contracts::{Contract, Durability, messaging, storage};

/// What a provider declares, of whichever contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declaration {
    /// Of messaging.
    Messaging(messaging::Capabilities),
    /// Of storage.
    Storage(storage::Capabilities),
}

impl Declaration {
    /// Whose declaration it is.
    #[must_use]
    pub fn contract(&self) -> Contract {
        match self {
            Self::Messaging(_) => Contract::Messaging,
            Self::Storage(_) => Contract::Storage,
        }
    }

    /// The names of the capabilities, in alphabetical order.
    #[must_use]
    pub fn capabilities(&self) -> Vec<&'static str> {
        match self {
            Self::Messaging(declared) => declared.iter().map(|one| one.as_str()).collect(),
            Self::Storage(declared) => declared.iter().map(|one| one.as_str()).collect(),
        }
    }

    /// Whether the capability of this name is declared.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.capabilities().contains(&name)
    }

    /// What is acknowledged survives.
    #[must_use]
    pub fn durability(&self) -> Durability {
        match self {
            Self::Messaging(declared) => declared.durability,
            Self::Storage(declared) => declared.durability,
        }
    }
}

impl From<&messaging::Capabilities> for Declaration {
    fn from(declared: &messaging::Capabilities) -> Self {
        Self::Messaging(declared.clone())
    }
}

impl From<&storage::Capabilities> for Declaration {
    fn from(declared: &storage::Capabilities) -> Self {
        Self::Storage(declared.clone())
    }
}
