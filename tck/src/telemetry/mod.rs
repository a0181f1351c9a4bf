//! The suite of `docs/spec/observability.md`: whether what is recorded of calls is true.
//!
//! Each check makes calls on a stage, through layers, to a provider that answers by a script, and
//! compares what was recorded with what it knows that it has done. A mutant records something else.

mod checks;
#[cfg(unix)]
mod collector;
mod mutants;
mod receiver;
mod recorded;
mod stage;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use omni_contracts::storage::{Intercepted, StorageProvider};
use omni_contracts::{Contract, Result, Scope};
use omni_layers::Layers;
use omni_telemetry::{Attempts, Telemetry, TelemetrySettings, dashboards};
use tokio::time::{Duration, timeout};

use crate::{Failure, Outcome};

#[cfg(unix)]
pub use collector::Collector;
pub use mutants::{TelemetryMutant, mutants};
pub use recorded::{Attributes, Log, Point, Recorded, Span};

/// What is tested: what records, and what becomes of it.
pub trait TelemetrySubject: Send + Sync + 'static {
    /// Starts telemetry that sends by itself.
    ///
    /// # Errors
    ///
    /// `Configuration` for settings that are refused.
    fn start(&self, settings: &TelemetrySettings) -> Result<Telemetry> {
        Telemetry::start(settings)
    }

    /// Puts telemetry and layers around a provider.
    fn around(
        &self,
        telemetry: &Telemetry,
        layers: Layers,
        provider: Arc<dyn StorageProvider>,
    ) -> Arc<dyn StorageProvider> {
        around(telemetry, layers, provider)
    }

    /// What was recorded.
    fn recorded(&self, recorded: Recorded) -> Recorded {
        recorded
    }

    /// The queries of the dashboards and rules.
    fn queries(&self) -> Vec<String> {
        dashboards::queries()
    }
}

/// The telemetry of `omni-telemetry`.
#[derive(Clone, Copy, Debug)]
pub struct OmniTelemetry;

impl TelemetrySubject for OmniTelemetry {}

/// The name of the instance in the checks.
const INSTANCE: &str = "main";

fn around(
    telemetry: &Telemetry,
    layers: Layers,
    provider: Arc<dyn StorageProvider>,
) -> Arc<dyn StorageProvider> {
    let instance = telemetry.instance(Contract::Storage, INSTANCE, provider.name());
    let layers = Arc::new(layers);
    instance.watch(&layers);
    let scope = Scope::default;
    let attempts = Arc::new(Intercepted::new(Attempts, provider, scope()));
    let layered = Arc::new(Intercepted::new(layers, attempts, scope()));
    Arc::new(Intercepted::new(instance.calls(), layered, scope()))
}

/// The check of one clause.
#[derive(Clone, Copy)]
pub struct TelemetryCheck {
    /// The clause: `OBS-003`.
    pub id: &'static str,
    /// What is checked, as an identifier.
    pub name: &'static str,
    run: for<'a> fn(&'a dyn TelemetrySubject) -> BoxFuture<'a, Outcome>,
}

impl std::fmt::Debug for TelemetryCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.id, self.name)
    }
}

/// Makes a [`TelemetryCheck`] of an `async fn(subject: &dyn TelemetrySubject) -> Outcome`.
macro_rules! check {
    ($id:literal, $module:ident::$function:ident) => {
        $crate::telemetry::TelemetryCheck {
            id: $id,
            name: stringify!($function),
            run: |subject| Box::pin($module::$function(subject)),
        }
    };
}
use check;

/// No check takes as long.
const END: Duration = Duration::from_secs(120);

impl TelemetryCheck {
    /// Runs the check. Blocks; must not be called from async code.
    ///
    /// # Errors
    ///
    /// What was expected and what was seen instead.
    ///
    /// # Panics
    ///
    /// When the system gives no runtime.
    pub fn run(&self, subject: &Arc<dyn TelemetrySubject>) -> Outcome {
        let runtime = tokio::runtime::Runtime::new().expect("the system gives a runtime");
        let ended = runtime.block_on(async { timeout(END, (self.run)(&**subject)).await });
        ended.unwrap_or_else(|_| Err(Failure::new(self.name, "an end", "none in two minutes")))
    }
}

/// Every check, in the order of the clauses.
pub fn checks() -> impl Iterator<Item = &'static TelemetryCheck> {
    checks::CHECKS.iter()
}
