//! Mutants of messaging: the provider in memory, wrong in one way, each to be killed by the check of the
//! clause that it breaks.

mod messages;
mod operation;
mod sabotage;
mod settling;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use omni_contracts::messaging::MessagingProvider;
use omni_contracts::{Contract, Result};

use crate::{Clock, Evidence, Place, Subject};
use sabotage::{HONEST, Sabotage, Sabotaged};

/// Messaging that is wrong in one way.
#[derive(Clone, Copy)]
pub struct MessagingMutant {
    /// The clause that it breaks, and whose check must fail on it.
    pub clause: &'static str,
    /// Its name, as an identifier.
    pub name: &'static str,
    /// What it does wrong.
    pub wrong: &'static str,
    sabotage: Sabotage,
}

impl MessagingMutant {
    /// Nothing is wrong with it: no check may fail on it.
    pub const HONEST: Self = Self::new("", "honest", "nothing");

    const fn new(clause: &'static str, name: &'static str, wrong: &'static str) -> Self {
        Self { clause, name, wrong, sabotage: HONEST }
    }

    /// The mutant as a subject.
    #[must_use]
    pub fn subject(self) -> impl Subject {
        MutantSubject { name: format!("{self:?}"), mutant: self, places: Mutex::default() }
    }
}

impl std::fmt::Debug for MessagingMutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.clause, self.name)
    }
}

/// Every mutant, section by section.
pub fn messaging_mutants() -> impl Iterator<Item = &'static MessagingMutant> {
    [messages::MUTANTS, settling::MUTANTS, operation::MUTANTS].into_iter().flatten()
}

/// A mutant as a subject.
struct MutantSubject {
    name: String,
    mutant: MessagingMutant,
    places: Mutex<HashMap<String, sabotage::Place>>,
}

#[async_trait]
impl Subject for MutantSubject {
    fn name(&self) -> &str {
        &self.name
    }

    fn evidence(&self) -> Evidence {
        Evidence::Embedded
    }

    fn contract(&self) -> Contract {
        Contract::Messaging
    }

    fn clock(&self) -> Clock {
        Clock::Virtual
    }

    async fn open_messaging(&self, place: &Place<'_>) -> Result<Arc<dyn MessagingProvider>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = places.entry(place.store.to_owned()).or_insert_with(sabotage::Place::new);
        Ok(Arc::new(Sabotaged::new(shared.clone(), self.mutant.sabotage)))
    }
}
