//! The commands, one per file, and what they share: opening an instance of the configuration.

pub(crate) mod certify;
mod check;
mod config;
mod copy;
mod dashboards;
mod diff;
mod drill;
mod failover;
mod list;
mod object;
mod remove;
mod sync;
mod uploads;

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::{CommandFactory, Subcommand};
use omni_storage::{Config, Loader, Storage};

use crate::files::Scratch;
use crate::output::{Exit, Form, Outcome, print};

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Cat(object::Cat),
    Certify(certify::Certify),
    Check(check::Check),
    /// Print a shell completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    Config(config::Show),
    Cp(copy::Copy),
    Dashboards(dashboards::Dashboards),
    DiffReports(diff::DiffReports),
    Drill(drill::Drill),
    Du(list::Du),
    Failover(failover::Failover),
    Get(copy::Get),
    Ls(list::Ls),
    Migrate(sync::Migrate),
    Put(copy::Put),
    Rm(remove::Rm),
    Stat(object::Stat),
    Sync(sync::Sync),
    Uploads(uploads::Uploads),
}

/// What holds for every command.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) file: Option<PathBuf>,
    pub(crate) profile: Option<String>,
    pub(crate) form: Form,
    /// A folder for the length of the command, when it needs one.
    pub(crate) scratch: OnceLock<Scratch>,
}

impl Context {
    /// The configuration in force, without the telemetry of the application that it is for.
    pub(crate) fn config(&self) -> Outcome<Config> {
        Ok(self.whole_config()?.without_table("telemetry"))
    }

    /// The configuration in force.
    pub(crate) fn whole_config(&self) -> Outcome<Config> {
        let mut loader = Loader::new();
        if let Some(file) = &self.file {
            loader = loader.file(file);
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile(profile);
        }
        loader.load().map_err(|error| Exit::usage(error.to_string()))
    }

    /// Opens an instance.
    pub(crate) async fn storage(&self, instance: &str) -> Outcome<Storage> {
        Ok(Storage::from_config(&self.config()?, instance).await?)
    }
}

pub(crate) async fn run(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Cat(cat) => cat.run(context).await,
        Command::Certify(certify) => certify.run(context).await,
        Command::Check(check) => check.run(context).await,
        Command::Completions { shell } => {
            let mut command = crate::Arguments::command();
            // Into memory first: a closed pipe must not be a panic.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "omni", &mut script);
            print(Form::Text, &serde_json::Value::Null, String::from_utf8_lossy(&script).trim_end())
        }
        Command::Config(show) => show.run(context),
        Command::Cp(copy) => copy.run(context).await,
        Command::Dashboards(dashboards) => dashboards.run(context),
        Command::DiffReports(diff) => diff.run(context),
        Command::Drill(drill) => drill.run(context).await,
        Command::Du(du) => du.run(context).await,
        Command::Failover(failover) => failover.run(context).await,
        Command::Get(get) => get.run(context).await,
        Command::Ls(ls) => ls.run(context).await,
        Command::Migrate(migrate) => migrate.run(context).await,
        Command::Put(put) => put.run(context).await,
        Command::Rm(rm) => rm.run(context).await,
        Command::Stat(stat) => stat.run(context).await,
        Command::Sync(sync) => sync.run(context).await,
        Command::Uploads(uploads) => uploads.run(context).await,
    }
}
