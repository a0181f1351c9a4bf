//! The `omni` command as a user runs it: a process, its output and its exit code.

mod certify;
#[cfg(feature = "aws")]
mod clouds;
mod configuration;
mod interrupt;
mod objects;
mod sync;
mod uploads;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder to run `omni` in.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_omni"));
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OMNI_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs `omni` with words separated by spaces.
    fn omni(&self, line: &str) -> Output {
        self.command(line.split(' ')).output().unwrap()
    }

    /// Runs `omni`, expects success, and returns what it printed.
    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let output = self.omni(line);
        assert!(output.status.success(), "omni {line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `omni`, expects the exit code, and returns what it complained of.
    #[track_caller]
    fn fails(&self, code: i32, line: &str) -> String {
        expect_failure(code, self.omni(line))
    }
}

#[track_caller]
fn expect_failure(code: i32, output: Output) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(!complaint.contains("panicked"), "{complaint}");
    complaint
}
