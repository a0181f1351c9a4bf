//! `Program`: a program of the load as the drill sees it: started, listened to, killed, started again.

use std::env::current_exe;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omni_contracts::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::program::VARIABLE;
use crate::protocol::{Assignment, Said};
use crate::recorder::Recorder;

/// How long a program may take to open the instance.
const OPENING: Duration = Duration::from_secs(60);

/// How long the calls that are under way may take at the end.
const ENDING: Duration = Duration::from_secs(60);

/// What was heard of a program, also while it is not there.
#[derive(Clone, Debug)]
pub(crate) struct Heard(Arc<Mutex<Recorder>>);

impl Heard {
    pub(crate) fn new(prefix: &str) -> Self {
        Self(Arc::new(Mutex::new(Recorder::new(prefix))))
    }

    pub(crate) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    process: Child,
    commands: Option<ChildStdin>,
    heard: Heard,
    listening: JoinHandle<()>,
}

impl Program {
    /// Starts a program and waits until it has opened its instance.
    pub(crate) async fn start(assignment: &Assignment, heard: &Heard) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let problem = format!("the program of the load did not start: {error}");
            Error::new(ErrorKind::Unavailable, problem)
        };
        let mut process = Command::new(current_exe().map_err(failed)?)
            .env(VARIABLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (mut commands, said) =
            pipes.ok_or_else(|| Error::new(ErrorKind::Internal, "the program has no pipes"))?;
        let mut line = serde_json::to_vec(assignment)
            .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        line.push(b'\n');
        commands.write_all(&line).await.map_err(failed)?;
        let (ready, opened) = oneshot::channel();
        let hearing = heard.clone();
        let listening = tokio::spawn(async move {
            let mut ready = Some(ready);
            let mut lines = BufReader::new(said).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                // A line that is cut by a kill says nothing.
                match serde_json::from_str(&line) {
                    Ok(Said::Begun(begun)) => hearing.recorder().begun(begun),
                    Ok(Said::Ended(ended)) => hearing.recorder().ended(&ended),
                    Ok(Said::Ready) => drop(ready.take().map(|ready| ready.send(Ok(())))),
                    Ok(Said::Refused(why)) => drop(ready.take().map(|ready| ready.send(Err(why)))),
                    Err(_) => {}
                }
            }
        });
        match timeout(OPENING, opened).await {
            Ok(Ok(Ok(()))) => {
                Ok(Self { process, commands: Some(commands), heard: heard.clone(), listening })
            }
            Ok(Ok(Err(why))) => {
                Err(Error::new(ErrorKind::Configuration, format!("the load cannot begin: {why}")))
            }
            Ok(Err(_)) => {
                let problem = "the program of the load ended before it had opened the instance";
                Err(Error::new(ErrorKind::Unavailable, problem))
            }
            Err(_) => {
                let problem = format!("the program did not open the instance within {OPENING:?}");
                Err(Error::new(ErrorKind::Timeout, problem))
            }
        }
    }

    /// Ends it by SIGKILL, whatever it does.
    pub(crate) async fn kill(mut self) -> Result<()> {
        let killed = self.process.kill().await;
        killed.map_err(|error| Error::new(ErrorKind::Unavailable, error.to_string()))?;
        // What it said before is in the pipe.
        let _ = (&mut self.listening).await;
        self.heard.recorder().killed();
        Ok(())
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Lets it finish the calls that are under way, and end.
    pub(crate) async fn end(mut self) -> Result<()> {
        drop(self.commands.take());
        match timeout(ENDING, self.process.wait()).await {
            Ok(Ok(_)) => {
                let _ = (&mut self.listening).await;
                self.heard.recorder().killed();
                Ok(())
            }
            _ => self.kill().await,
        }
    }
}
