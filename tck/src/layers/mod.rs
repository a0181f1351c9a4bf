//! The suite of `docs/spec/layers.md`: whether what stands around providers keeps its promises.
//!
//! Each check puts the layers around a provider that answers by a script (`scene`), on a clock that
//! stands still until everybody waits. So a check of hours takes milliseconds, and *not before* is exact.

mod checks;
mod mutants;
pub(crate) mod scene;
mod subject;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::{Duration, timeout};

use crate::{Failure, Outcome};

pub use mutants::{LayerMutant, mutants};
pub use subject::{LayersSubject, OmniLayers, Wrapped};

/// The check of one clause.
#[derive(Clone, Copy)]
pub struct LayerCheck {
    /// The clause: `LAY-012`.
    pub id: &'static str,
    /// What is checked, as an identifier.
    pub name: &'static str,
    run: for<'a> fn(&'a dyn LayersSubject) -> BoxFuture<'a, Outcome>,
}

impl std::fmt::Debug for LayerCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.id, self.name)
    }
}

/// Makes a [`LayerCheck`] of an `async fn(subject: &dyn LayersSubject) -> Outcome`.
macro_rules! check {
    ($id:literal, $function:ident) => {
        $crate::layers::LayerCheck {
            id: $id,
            name: stringify!($function),
            run: |subject| Box::pin($function(subject)),
        }
    };
}
use check;

/// No script takes as long.
const END: Duration = Duration::from_secs(30 * 86_400);

impl LayerCheck {
    /// Runs the check on its own clock. Blocks; must not be called from async code.
    ///
    /// # Errors
    ///
    /// What was expected and what was seen instead.
    ///
    /// # Panics
    ///
    /// When the system gives no runtime.
    pub fn run(&self, subject: &Arc<dyn LayersSubject>) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("the system gives a runtime");
        let ended = runtime.block_on(async { timeout(END, (self.run)(&**subject)).await });
        ended.unwrap_or_else(|_| Err(Failure::new(self.name, "an end", "none in 30 days")))
    }
}

/// Every check, in the order of the clauses.
pub fn checks() -> impl Iterator<Item = &'static LayerCheck> {
    checks::all()
}
