//! The `omni` command. What lives here: the arguments, and how an outcome becomes an exit code.
//!
//! Exit codes: 0 success; 1 the operation failed, or the provider is not certified; 2 wrong arguments
//! or configuration; 130 interrupted.

mod address;
mod commands;
mod files;
mod output;
mod progress;

use std::process::ExitCode;

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
    #[arg(long, global = true, env = "OMNI_CONFIG", value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// The profile of the configuration.
    #[arg(long, global = true, env = "OMNI_PROFILE", value_name = "NAME")]
    profile: Option<String>,
    /// Print JSON, one document per line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    if let Some(subject) = tck::worker::requested() {
        return commands::certify::work(&subject);
    }
    let arguments = Arguments::parse();
    let context = Context {
        file: arguments.config,
        profile: arguments.profile,
        form: if arguments.json { output::Form::Json } else { output::Form::Text },
    };
    let exit = match Runtime::new() {
        Ok(runtime) => {
            let exit = runtime.block_on(interruptible(arguments.command, &context));
            // A read of standard input that nobody waits for any more must not hold the end up.
            runtime.shutdown_background();
            exit
        }
        Err(error) => Exit::failed(format!("cannot start: {error}")),
    };
    exit.finish(context.form)
}

/// Runs a command until it ends or Ctrl-C is pressed. A dropped command leaves nothing half-written.
async fn interruptible(command: Command, context: &Context) -> Exit {
    tokio::select! {
        outcome = commands::run(command, context) => match outcome {
            Ok(()) => Exit::Success,
            Err(exit) => exit,
        },
        signal = tokio::signal::ctrl_c() => match signal {
            Ok(()) => Exit::Interrupted,
            Err(error) => Exit::failed(format!("cannot listen for Ctrl-C: {error}")),
        },
    }
}
