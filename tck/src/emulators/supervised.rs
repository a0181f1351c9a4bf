//! A program of another make that never outlives the kit.
//!
//! A process that is killed cannot clean up, so a small shell does: it leads a process group of its
//! own, starts the program in it, and reads from a pipe whose other end only the kit holds. When that
//! end is closed, by dropping the handle or by the death of the kit, the shell kills the group and
//! removes the folder of the program.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// `$1` is the folder of the program, the rest its command. Its number goes to stdout, and its status when
/// it has ended; the program does not have that: what it says goes to stderr, which is the log. A kit that
/// is gone does not read the status, which must not stop the rest: hence the trap, after the program has
/// started.
const SUPERVISOR: &str = r#"
folder=$1
shift
exec 3<&0
"$@" </dev/null >&2 3<&- &
program=$!
echo "$program"
{ cat <&3; kill -KILL "$program"; } >/dev/null 2>&1 &
trap '' PIPE
wait "$program"
echo "$?"
rm -rf "$folder"
kill -KILL 0
"#;

/// How much of the log an error shows.
const TAIL: usize = 4000;

/// How often a program is looked at.
pub(super) const PAUSE: Duration = Duration::from_millis(25);

/// How long the shell may take to end everything.
const ENDING: Duration = Duration::from_secs(10);

/// A program that runs until it ends, the handle is dropped, or the kit is gone.
#[derive(Debug)]
pub(super) struct Supervised {
    shell: Child,
    program: Pid,
    said: BufReader<ChildStdout>,
    /// The status, when it was said.
    status: Option<i32>,
    log: File,
    /// Removed by the shell, and here in case that it could not.
    _folder: TempDir,
}

impl Supervised {
    /// Starts a program, in the folder `work` or else in a temporary one; files that it calls
    /// temporary are in the latter.
    pub(super) fn start<S: AsRef<OsStr>>(
        program: &OsStr,
        arguments: &[S],
        environment: &[(String, String)],
        work: Option<&Path>,
    ) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("omni-tck-emulator-").tempdir()?;
        let path = folder.path().join("log");
        let written = File::create_new(&path)?;
        // Open, it is there even when the shell has removed the folder.
        let log = File::open(&path)?;
        let mut shell = Command::new("sh")
            .args(["-c", SUPERVISOR, "sh"])
            .arg(folder.path())
            .arg(program)
            .args(arguments)
            .env("TMPDIR", folder.path())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(work.unwrap_or(folder.path()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(written)
            .process_group(0)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("sh: {error}")))?;
        let silent = || io::Error::other("the shell says nothing");
        let mut said = BufReader::new(shell.stdout.take().ok_or_else(silent)?);
        let mut number = String::new();
        said.read_line(&mut number)?;
        let program = number.trim().parse().ok().and_then(Pid::from_raw).ok_or_else(silent)?;
        Ok(Self { shell, program, said, status: None, log, _folder: folder })
    }

    /// Sends a signal to the program, unless it has ended.
    pub(super) fn signal(&mut self, signal: Signal) -> io::Result<()> {
        match self.ended()? {
            Some(_) => Ok(()),
            None => Ok(kill_process(self.program, signal)?),
        }
    }

    /// The status of the program as a shell says it, where it has ended: 127 for a program that is not
    /// there, and 128 more than the signal that killed it.
    pub(super) fn ended(&mut self) -> io::Result<Option<i32>> {
        if self.shell.try_wait()?.is_none() {
            return Ok(None);
        }
        let mut said = String::new();
        self.said.read_to_string(&mut said)?;
        if said.is_empty() {
            // Said before.
            return Ok(self.status);
        }
        let status = said.trim().parse();
        self.status = Some(status.map_err(|_| io::Error::other("the shell ended by itself"))?);
        Ok(self.status)
    }

    /// Waits until the program has ended; `None` when it has not within `limit`.
    pub(super) fn wait(&mut self, limit: Duration) -> io::Result<Option<i32>> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.ended()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            thread::sleep(PAUSE);
        }
    }

    /// The end of what the program said, for people.
    pub(super) fn tail(&self) -> String {
        let mut said = Vec::new();
        let mut log = &self.log;
        if let Err(error) = log.rewind().and_then(|()| log.read_to_end(&mut said)) {
            return format!("its output cannot be read: {error}");
        }
        let end = &said[said.len().saturating_sub(TAIL)..];
        match String::from_utf8_lossy(end).trim() {
            "" => "it said nothing".to_owned(),
            end => format!("its output ends with:\n{end}"),
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let deadline = Instant::now() + ENDING;
        while matches!(self.shell.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                let _ = self.shell.kill();
                let _ = self.shell.wait();
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}
