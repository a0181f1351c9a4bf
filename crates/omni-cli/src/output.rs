//! What is printed: lines or JSON on standard output, errors on standard error, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use jiff::Timestamp;
use omni_storage::{Error, ErrorKind};
use serde_json::{Value, json};

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Text,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) enum Exit {
    Success,
    /// 1: the operation failed.
    Failed(Message),
    /// 1, and what there is to say was said.
    Negative,
    /// 2: wrong arguments or configuration.
    Usage(Message),
    /// This code: a signal.
    Interrupted(u8),
}

/// An error for people, and its kind for programs.
#[derive(Debug)]
pub(crate) struct Message {
    text: String,
    kind: Option<ErrorKind>,
}

pub(crate) type Outcome<T = ()> = Result<T, Exit>;

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Exit {
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::Failed(Message { text: text.into(), kind: None })
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(Message { text: text.into(), kind: None })
    }

    /// A file of the local file system cannot be used.
    pub(crate) fn file(path: &std::path::Path, error: &io::Error) -> Self {
        Self::failed(format!("{}: {error}", path.display()))
    }

    /// Says what there is to say, and gives the exit code.
    pub(crate) fn finish(self, form: Form) -> ExitCode {
        let (message, code) = match self {
            Self::Success => return ExitCode::SUCCESS,
            Self::Negative => return ExitCode::FAILURE,
            Self::Interrupted(code) => {
                let text = "interrupted; nothing half-written is left".to_owned();
                (Message { text, kind: None }, code)
            }
            Self::Failed(message) => (message, 1),
            Self::Usage(message) => (message, 2),
        };
        // There is nobody left to tell that standard error is closed.
        let _ = match form {
            Form::Json => writeln!(
                io::stderr(),
                "{}",
                json!({ "error": message.text, "kind": message.kind.map(ErrorKind::as_str) })
            ),
            Form::Text => writeln!(io::stderr(), "omni: {}", message.text),
        };
        ExitCode::from(code)
    }
}

/// Ends a program whose arguments were refused, or that was asked for help.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    // The arguments did not parse, but what they ask for is plain.
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ");
        return Exit::usage(text).finish(Form::Json);
    }
    // Fails when nobody reads, as after `| head`.
    let _ = error.print();
    ExitCode::from(u8::from(error.use_stderr()) * 2)
}

impl From<Error> for Exit {
    fn from(error: Error) -> Self {
        // The text and its causes.
        let text = format!("{error:?}");
        let message = Message { text, kind: Some(error.kind()) };
        match error.kind() {
            ErrorKind::Configuration | ErrorKind::InvalidArgument => Self::Usage(message),
            _ => Self::Failed(message),
        }
    }
}

/// Prints one result: `value` as JSON, or `text`. A closed pipe ends the program quietly.
pub(crate) fn print(form: Form, value: &Value, text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    let written = match form {
        Form::Json => writeln!(out, "{value}"),
        Form::Text if text.is_empty() => Ok(()),
        Form::Text => writeln!(out, "{text}"),
    };
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Exit::Negative,
        _ => Exit::failed(format!("standard output: {error}")),
    })
}

/// A time as RFC 3339, in seconds.
pub(crate) fn time(time: SystemTime) -> String {
    Timestamp::try_from(time)
        .and_then(|time| time.round(jiff::Unit::Second))
        .map_or_else(|_| "unknown".to_owned(), |time| time.to_string())
}

/// A size for people: `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut scaled = bytes as f64;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{scaled:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_for_people() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(u64::MAX), "16384.0 PiB");
        assert_eq!(time(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}
