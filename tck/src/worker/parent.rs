//! `Worker`: a worker process as its check sees it.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use omni_contracts::Error;
use tokio::sync::mpsc;

use super::{Command, OwnedPlace, PLACE, Reply, SUBJECT, requested};
use crate::{Context, Failure};

/// A process that has the check's store open. Killed when dropped.
pub(crate) struct Worker {
    child: Child,
    commands: ChildStdin,
    replies: mpsc::UnboundedReceiver<Reply>,
    /// The longest that it may take to say anything, start included.
    patience: Duration,
}

impl Worker {
    /// Starts a worker on the store of `cx` and waits until the store is open.
    pub(crate) async fn start(cx: &Context) -> Result<Self, Failure> {
        if requested().is_some() {
            // A program that ignores the request would start itself for ever.
            return Err(broken("this program does not serve workers; call tck::main"));
        }
        let mut worker = Self::spawn(cx).map_err(|error| broken(&error.to_string()))?;
        match worker.reply().await? {
            Reply::Ready => Ok(worker),
            other => Err(Failure::new(
                "opening the store in another process",
                "success",
                format!("{other:?}"),
            )),
        }
    }

    fn spawn(cx: &Context) -> std::io::Result<Self> {
        let place =
            OwnedPlace { root: cx.place().root.to_owned(), store: cx.place().store.to_owned() };
        let mut command = std::process::Command::new(std::env::current_exe()?);
        cx.subject().prepare_worker(&mut command);
        let mut child = command
            .env(SUBJECT, cx.subject().name())
            .env(PLACE, serde_json::to_string(&place)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(commands), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("the worker has no pipes"));
        };
        let (sender, replies) = mpsc::unbounded_channel();
        // Ends with the worker, whose end closes the pipe. A line that is cut by a kill says nothing.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(reply) = serde_json::from_str(&line)
                    && sender.send(reply).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { child, commands, replies, patience: cx.subject().time_limit() })
    }

    /// Sends a command without waiting for its reply.
    pub(crate) fn send(&mut self, command: &Command) -> Result<(), Failure> {
        let line = serde_json::to_string(command).map_err(|error| broken(&error.to_string()))?;
        writeln!(self.commands, "{line}").map_err(|error| broken(&error.to_string()))
    }

    /// Waits for the next reply.
    pub(crate) async fn reply(&mut self) -> Result<Reply, Failure> {
        match tokio::time::timeout(self.patience, self.replies.recv()).await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(broken("it ended by itself")),
            Err(_) => Err(broken("it did not answer in time")),
        }
    }

    /// Sends a command and waits for its reply; an error of the provider is the inner one.
    pub(crate) async fn ask(&mut self, command: &Command) -> Result<Result<Reply, Error>, Failure> {
        self.send(command)?;
        match self.reply().await? {
            Reply::Failed(problem) => Ok(Err(problem.error())),
            reply => Ok(Ok(reply)),
        }
    }

    /// Kills the process at once (`SIGKILL`), waits until it is gone, and returns what it had said.
    pub(crate) async fn kill(mut self) -> Vec<Reply> {
        self.end();
        let mut said = Vec::new();
        while let Ok(Some(reply)) = tokio::time::timeout(self.patience, self.replies.recv()).await {
            said.push(reply);
        }
        said
    }

    fn end(&mut self) {
        // Either fails only when the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Worker({})", self.child.id())
    }
}

fn broken(why: &str) -> Failure {
    Failure::new("using another process", "a worker that answers", why)
}
