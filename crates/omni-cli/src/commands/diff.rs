//! `diff-reports`.

use std::path::{Path, PathBuf};

use clap::Args;
use tck::Report;

use super::Context;
use crate::output::{Exit, Form, Outcome, print};

/// What changes if I move from A to B: compare two certification reports.
#[derive(Debug, Args)]
pub(crate) struct DiffReports {
    /// The report of A: report.json, or its folder.
    from: PathBuf,
    /// The report of B.
    to: PathBuf,
}

impl DiffReports {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let diff = tck::diff(&read(&self.from)?, &read(&self.to)?);
        let value = match context.form {
            Form::Json => serde_json::to_value(&diff)
                .map_err(|error| Exit::failed(format!("the difference as JSON: {error}")))?,
            Form::Text => serde_json::Value::Null,
        };
        print(context.form, &value, diff.to_string().trim_end())
    }
}

fn read(path: &Path) -> Outcome<Report> {
    let file = if path.is_dir() { path.join("report.json") } else { path.to_path_buf() };
    Report::read(&file).map_err(|error| Exit::usage(error.to_string()))
}
