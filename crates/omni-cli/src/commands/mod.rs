//! The commands, one per file, and what they share: opening an instance of the configuration.

pub(crate) mod certify;
mod check;
mod config;
mod copy;
mod diff;
mod list;
mod object;
mod remove;

use std::path::PathBuf;

use clap::{CommandFactory, Subcommand};
use omni_storage::{Config, Loader, Storage};

use crate::output::{Exit, Form, Outcome};

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write an object to standard output.
    Cat(object::Cat),
    /// Prove clause by clause that a provider keeps the contract.
    Certify(certify::Certify),
    /// Check the configuration: what each instance is, what it can do, whether it answers.
    Check(check::Check),
    /// Print a shell completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Show the configuration in force, and where each value comes from.
    Config(config::Show),
    /// Copy objects and files, in any direction.
    Cp(copy::Copy),
    /// What changes if I move from A to B: compare two certification reports.
    DiffReports(diff::DiffReports),
    /// Count objects and bytes below an address.
    Du(list::Du),
    /// Read an object into a file.
    Get(copy::Get),
    /// List objects.
    Ls(list::Ls),
    /// Write a file, or standard input, to an object.
    Put(copy::Put),
    /// Delete objects.
    Rm(remove::Rm),
    /// Show what is known about an object.
    Stat(object::Stat),
}

/// What holds for every command.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) file: Option<PathBuf>,
    pub(crate) profile: Option<String>,
    pub(crate) form: Form,
}

impl Context {
    /// The configuration in force.
    pub(crate) fn config(&self) -> Outcome<Config> {
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
            clap_complete::generate(shell, &mut command, "omni", &mut std::io::stdout());
            Ok(())
        }
        Command::Config(show) => show.run(context),
        Command::Cp(copy) => copy.run(context).await,
        Command::DiffReports(diff) => diff.run(context),
        Command::Du(du) => du.run(context).await,
        Command::Get(get) => get.run(context).await,
        Command::Ls(ls) => ls.run(context).await,
        Command::Put(put) => put.run(context).await,
        Command::Rm(rm) => rm.run(context).await,
        Command::Stat(stat) => stat.run(context).await,
    }
}
