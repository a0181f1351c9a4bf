//! Worker processes: the provider used from another process, which can be killed.
//!
//! A worker is this very program started again, told by two environment variables which subject to
//! serve and where its store is. It reads commands from stdin and answers on stdout (`protocol`);
//! it ends when its stdin does, so that no worker outlives its check.

mod child;
mod load;
mod parent;
mod protocol;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Place, Subject};

pub(crate) use child::follow;
pub(crate) use parent::Worker;
pub(crate) use protocol::{Change, Command, Condition, Form, Length, Reply};

/// Names the subject that a worker serves.
const SUBJECT: &str = "OMNI_TCK_WORKER";

/// Where the worker's store is, as JSON.
const PLACE: &str = "OMNI_TCK_PLACE";

/// The name of the subject that this process is asked to serve: `None` when it is no worker.
///
/// A program that runs checks asks this first and then calls [`serve`] with the subject of that name.
#[must_use]
pub fn requested() -> Option<String> {
    std::env::var(SUBJECT).ok()
}

/// Serves a check in another process until that one ends. Failures are said on stderr.
pub fn serve(subject: Arc<dyn Subject>) -> ExitCode {
    match child::serve(subject) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("worker: {message}");
            ExitCode::FAILURE
        }
    }
}

/// A [`Place`] that crosses processes.
#[derive(Serialize, Deserialize)]
struct OwnedPlace {
    root: PathBuf,
    store: String,
}

impl OwnedPlace {
    fn borrow(&self) -> Place<'_> {
        Place { root: &self.root, store: &self.store }
    }
}
