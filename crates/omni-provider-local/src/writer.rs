//! The one thread of an instance that writes the index. It takes every change that waits, applies
//! them in one transaction, and answers all of them after the commit: one sync for many writes.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use omni_contracts::{Effect, Error, ErrorKind, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::blobs::Blobs;
use crate::error::{Failure, IoContext, Stop, from_io, is_busy};
use crate::lock::{Pause, lock_file, lock_until};
use crate::record::FileId;
use crate::transaction::{Consequences, Transaction};

/// The most changes in one transaction: bounds how long another process waits, and how much space a
/// transaction takes.
const BATCH: usize = 64;
/// The lock that processes queue at before they write, so that a busy one cannot starve the others.
const TURN_LOCK: &str = "turn.lock";

/// A handle on the thread that writes. Dropped, it waits for the thread to finish.
pub(crate) struct Writer {
    queue: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread needs.
pub(crate) struct WriterState {
    pub(crate) connection: Connection,
    pub(crate) folder: PathBuf,
    pub(crate) index: PathBuf,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) busy_timeout: Duration,
    /// The random part of this instance's versions.
    pub(crate) tag: u32,
    /// Whether replaced versions are kept.
    pub(crate) versioning: bool,
}

/// A change that waits, with the caller who waits for it.
trait Job: Send {
    fn is_abandoned(&self) -> bool;
    /// May be called again after a rollback.
    fn apply(&mut self, transaction: &mut Transaction<'_>) -> Result<(), rusqlite::Error>;
    fn answer(self: Box<Self>, failed: Option<Error>);
}

struct Change<T, F> {
    change: F,
    outcome: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Change<T, F>
where
    T: Send,
    F: FnMut(&mut Transaction<'_>) -> Result<T, Stop> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn apply(&mut self, transaction: &mut Transaction<'_>) -> Result<(), rusqlite::Error> {
        self.outcome = match (self.change)(transaction) {
            Ok(outcome) => Some(Ok(outcome)),
            Err(Stop::Refused(error)) => Some(Err(error)),
            Err(Stop::Broken(error)) => return Err(error),
        };
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<Error>) {
        let outcome = match (self.outcome, failed) {
            (Some(outcome), None) => outcome,
            // A refusal may rest on a change that was rolled back; it changed nothing itself.
            (Some(Err(_)), Some(error)) => Err(error.with_effect(Effect::No)),
            (_, Some(error)) => Err(error),
            (None, None) => Err(thread_ended()),
        };
        // Who no longer waits does not want to know.
        let _ = self.answer.send(outcome);
    }
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(state: WriterState) -> Result<Self> {
        let turn = lock_file(&state.folder.join(TURN_LOCK))?;
        let (queue, changes) = channel();
        let thread = Thread { state, turn };
        let folder = thread.state.folder.clone();
        let thread = thread::Builder::new()
            .name("omni-local-writer".to_owned())
            .spawn(move || thread.run(&changes))
            .context("start the writer thread", &folder)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Applies `change` in a transaction and returns its outcome after the commit.
    ///
    /// A change refuses before it changes anything; it may be called again after a rollback. When the
    /// caller stops waiting, the change happens as a whole or not at all.
    pub(crate) async fn run<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Transaction<'_>) -> Result<T, Stop> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let job = Change { change, outcome: None, answer };
        let queue = self.queue.as_ref().ok_or_else(thread_ended)?;
        queue.send(Box::new(job)).map_err(|_| thread_ended())?;
        outcome.await.map_err(|_| thread_ended().with_effect(Effect::Unknown))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // Nobody waits for a change any more, so the queue is short work. A panic was told to
            // the callers already.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

struct Thread {
    state: WriterState,
    turn: std::fs::File,
}

/// What is left to do after a commit.
struct Committed {
    /// Files that no row names any more.
    discarded: Vec<FileId>,
    /// Changes for which the transaction had no room.
    later: Vec<Box<dyn Job>>,
}

impl Thread {
    fn run(self, changes: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = changes.recv() {
            let mut batch = vec![first];
            batch.extend(changes.try_iter().take(BATCH - 1));
            self.commit(batch);
        }
    }

    fn commit(&self, mut batch: Vec<Box<dyn Job>>) {
        batch.retain(|job| !job.is_abandoned());
        if batch.is_empty() {
            return;
        }
        match self.attempt(&mut batch) {
            Ok(Committed { discarded, later }) => {
                for job in batch {
                    job.answer(None);
                }
                for file in discarded {
                    self.state.blobs.remove(&file);
                }
                self.commit(later);
            }
            Err(failure) if failure.is_divisible && batch.len() > 1 => {
                for job in batch {
                    self.commit(vec![job]);
                }
            }
            Err(failure) => {
                for job in batch {
                    job.answer(Some(failure.to_error()));
                }
            }
        }
    }

    /// Applies and commits the batch, up to where the transaction is full.
    fn attempt(&self, batch: &mut Vec<Box<dyn Job>>) -> Result<Committed, Failure> {
        let state = &self.state;
        self.begin()?;
        let applied = self.apply(batch);
        let outcome = match applied {
            Err(error) => Err(Failure::rolled_back(error, &state.index)),
            Ok((applied, consequences)) => match self.statement("COMMIT") {
                Ok(()) => {
                    consequences.keep();
                    return Ok(Committed {
                        discarded: consequences.discarded,
                        later: batch.split_off(applied),
                    });
                }
                Err(error) => {
                    let failure = Failure::of_commit(error, &state.index);
                    if failure.effect == Effect::Unknown {
                        // A row may name them; if none does, a sweep removes them.
                        consequences.keep();
                    }
                    Err(failure)
                }
            },
        };
        if !state.connection.is_autocommit() {
            // If this fails, so will the next `BEGIN`, and be told.
            let _ = self.statement("ROLLBACK");
        }
        if matches!(&outcome, Err(failure) if failure.is_want_of_space()) {
            // The log may be what has no space; folded, it begins again where it has some.
            let fold = "PRAGMA wal_checkpoint(RESTART)";
            let _ = state.connection.query_row(fold, [], |_| Ok(()));
        }
        outcome
    }

    /// Returns how many changes were applied.
    fn apply(&self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<(usize, Consequences)> {
        let state = &self.state;
        let mut transaction =
            Transaction::new(&state.connection, &state.folder, state.tag, state.versioning)?;
        let mut applied = 0;
        for job in batch {
            if transaction.is_full() {
                break;
            }
            job.apply(&mut transaction)?;
            applied += 1;
        }
        Ok((applied, transaction.finish()?))
    }

    fn begin(&self) -> Result<(), Failure> {
        let state = &self.state;
        let deadline = Instant::now() + state.busy_timeout;
        // Who waits for the index holds the turn; who has just written must queue behind him.
        lock_until(&self.turn, &state.folder.join(TURN_LOCK), deadline)
            .map_err(|error| Failure::before(&error))?;
        let mut pause = Pause::until(deadline);
        let begun = loop {
            match self.statement("BEGIN IMMEDIATE") {
                Err(error) if is_busy(&error) && pause.wait() => {}
                outcome => break outcome,
            }
        };
        let released = self.turn.unlock();
        begun.map_err(|error| Failure::rolled_back(error, &state.index))?;
        released.map_err(|error| {
            let error = from_io(error, "unlock", &state.folder.join(TURN_LOCK));
            Failure::before(&error)
        })
    }

    fn statement(&self, sql: &str) -> rusqlite::Result<()> {
        let mut statement = self.state.connection.prepare_cached(sql)?;
        statement.execute([]).map(drop)
    }
}

fn thread_ended() -> Error {
    Error::new(ErrorKind::Internal, "the thread that writes has ended")
}
