//! The `omni` command. What lives here: the arguments, and how an outcome becomes an exit code.
//!
//! Exit codes: 0 success; 1 the operation failed, or the provider is not certified; 2 wrong arguments
//! or configuration; 130 interrupted by Ctrl-C, 143 by the system (`SIGTERM`).

mod address;
mod commands;
mod files;
mod output;
mod progress;
mod signals;
mod sync;

use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::Runtime;

use crate::commands::{Command, Context};
use crate::output::Exit;

/// Portable object storage, and the proof that it is portable.
///
/// Objects are addressed as NAME:/KEY, where NAME is an instance of omni.toml; anything else is a
/// local path. Without a configuration, `main` is a folder ./omni-data.
#[derive(Debug, Parser)]
#[command(name = "omni", version, max_term_width = 100)]
struct Arguments {
    /// The configuration file [default: omni.toml, where there is one].
    #[arg(long, global = true, env = "OMNI_CONFIG", value_name = "FILE", help_heading = GLOBAL)]
    config: Option<std::path::PathBuf>,
    /// The profile of the configuration.
    #[arg(long, global = true, env = "OMNI_PROFILE", value_name = "NAME", help_heading = GLOBAL)]
    profile: Option<String>,
    /// Print JSON, one document per line.
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// The heading of the options that every command has.
const GLOBAL: &str = "Global options";

fn main() -> ExitCode {
    if let Some(subject) = tck::worker::requested() {
        return commands::certify::work(&subject);
    }
    if omni_drill::requested() {
        return omni_drill::serve();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::refuse(&error),
    };
    // Dropped last: what a command keeps here is removed when nothing of it runs any more.
    let context = Context {
        file: arguments.config,
        profile: arguments.profile,
        form: if arguments.json { output::Form::Json } else { output::Form::Text },
        scratch: OnceLock::new(),
    };
    let exit = match Runtime::new() {
        Ok(runtime) => {
            let exit = runtime.block_on(interruptible(arguments.command, &context));
            match context.scratch.get() {
                // Nothing is to be left that still makes temporary files when their folder goes.
                Some(_) => runtime.shutdown_timeout(STOPPING),
                // A read of standard input that nobody waits for any more must not hold the end up.
                None => runtime.shutdown_background(),
            }
            exit
        }
        Err(error) => Exit::failed(format!("cannot start: {error}")),
    };
    exit.finish(context.form)
}

/// How long an interrupted certification may take to stop.
const STOPPING: Duration = Duration::from_secs(15);

/// Runs a command until it ends or a signal arrives. A dropped command leaves nothing half-written.
async fn interruptible(command: Command, context: &Context) -> Exit {
    tokio::select! {
        outcome = commands::run(command, context) => match outcome {
            Ok(()) => Exit::Success,
            Err(exit) => exit,
        },
        exit = signals::arrive() => exit,
    }
}
