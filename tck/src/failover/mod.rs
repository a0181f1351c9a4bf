//! The suite of `docs/spec/failover.md`: whether one storage on several members keeps its promises.
//!
//! Each check has a stage of its own: members and a witness in memory, which go away, hang or lose
//! answers when they are told to, on a clock that stands still until everybody waits.

mod checks;
mod scene;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use omni_contracts::Gauge;
use omni_contracts::storage::StorageProvider;
use omni_failover::FailoverSettings;
use tokio::time::timeout;

use crate::{Failure, Outcome};

pub use crate::mutants::{FailoverMutant, failover_mutants as mutants};

/// What is tested: the failover, and whatever a mutant puts around it or its parts.
pub trait FailoverSubject: Send + Sync + 'static {
    /// The settings that it is opened with.
    fn settings(&self, settings: FailoverSettings) -> FailoverSettings {
        settings
    }

    /// The member of that number, as the failover sees it.
    fn member(&self, at: usize, member: Arc<dyn StorageProvider>) -> Arc<dyn StorageProvider> {
        let _ = at;
        member
    }

    /// The witness, as the failover sees it.
    fn witness(&self, witness: Arc<dyn StorageProvider>) -> Arc<dyn StorageProvider> {
        witness
    }

    /// The failover, as the application sees it.
    fn opened(&self, failover: Arc<dyn StorageProvider>) -> Arc<dyn StorageProvider> {
        failover
    }

    /// What it tells of itself.
    fn told(&self, gauges: Vec<Gauge>) -> Vec<Gauge> {
        gauges
    }
}

/// The failover of `omni-failover`.
#[derive(Clone, Copy, Debug)]
pub struct OmniFailover;

impl FailoverSubject for OmniFailover {}

/// The check of one clause.
#[derive(Clone, Copy)]
pub struct FailoverCheck {
    /// The clause: `FAI-010`.
    pub id: &'static str,
    /// What is checked, as an identifier.
    pub name: &'static str,
    run: for<'a> fn(&'a dyn FailoverSubject) -> BoxFuture<'a, Outcome>,
}

impl std::fmt::Debug for FailoverCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.id, self.name)
    }
}

/// Makes a [`FailoverCheck`] of an `async fn(subject: &dyn FailoverSubject) -> Outcome`.
macro_rules! check {
    ($id:literal, $module:ident::$function:ident) => {
        $crate::failover::FailoverCheck {
            id: $id,
            name: stringify!($function),
            run: |subject| Box::pin($module::$function(subject)),
        }
    };
}
use check;

/// No check takes as long, on its own clock.
const END: Duration = Duration::from_secs(86_400);

impl FailoverCheck {
    /// Runs the check on its own clock. Blocks; must not be called from async code.
    ///
    /// # Errors
    ///
    /// What was expected and what was seen instead.
    ///
    /// # Panics
    ///
    /// When the system gives no runtime.
    pub fn run(&self, subject: &Arc<dyn FailoverSubject>) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("the system gives a runtime");
        let ended = runtime.block_on(async { timeout(END, (self.run)(&**subject)).await });
        ended.unwrap_or_else(|_| Err(Failure::new(self.name, "an end", "none in a day")))
    }
}

/// Every check, in the order of the clauses.
pub fn checks() -> impl Iterator<Item = &'static FailoverCheck> {
    checks::CHECKS.iter()
}
