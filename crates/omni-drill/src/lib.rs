//! Drills: a real load on a configured storage, real faults, and what the application saw of them.
//!
//! What lives here: the [`Plan`] of a drill, the load, the faults, the recorder that judges what clients
//! were told, and the [`Report`]. What does not: servers and fault proxy, which are the kit's (`tck`), and
//! what is drilled.
//!
//! The load is made by programs of its own, which are the calling program started again ([`requested`],
//! [`serve`]): so the application itself can be killed, and what it was told is known all the same.
//!
//! `docs/guides/drills.md` is the guide; `omni drill` the command.

mod built_in;
mod load;
mod plan;
mod program;
mod protocol;
mod recorder;
mod report;
mod run;
mod stage;

pub use built_in::{BuiltIn, built_in};
pub use plan::{
    Abort, Fault, FaultPlan, Load, PROGRAM, Plan, PlanError, Random, ServerPlan, Targets,
};
pub use program::{requested, serve};
pub use recorder::{Finding, Wrong};
pub use report::{Change, FaultReport, Report, Target, Timeline, Times};
pub use run::{Options, run};
