//! What every call needs, whatever contract it belongs to and whichever provider answers it: deadlines,
//! retries that never lie, limits and a circuit breaker.
//!
//! Each is written once, as an [`Interceptor`](omni_contracts::Interceptor); [`Layers`] has them in the
//! one order in which they keep their promises, the clauses `LAY-` of `docs/spec/layers.md`. What is
//! stated in the table `layers` of an instance is [`LayerSettings`]. Timers are Tokio's: calls that are
//! not answered at once need a runtime with time enabled, as `#[tokio::main]` has it.
//!
//! ```
//! use std::time::Duration;
//! use omni_layers::{LayerSettings, Layers};
//!
//! let mut settings = LayerSettings::default();
//! settings.deadline = Duration::from_secs(10);
//! let layers = Layers::new(&settings)?;
//! assert_eq!(
//!     omni_contracts::Interceptor::layers(&layers),
//!     ["deadline", "breaker", "retry", "attempt-timeout"],
//! );
//! # Ok::<(), omni_contracts::Error>(())
//! ```

mod breaker;
mod doubt;
mod hedge;
mod layers;
mod limits;
mod retry;
mod settings;
mod time;

pub use layers::{BreakerState, Layers, Saturation, Usage};
pub use settings::{BreakerSettings, Layer, LayerSettings, RateSettings, RetrySettings};
