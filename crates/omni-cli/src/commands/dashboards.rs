//! `dashboards`.

use std::path::PathBuf;

use clap::Args;
use omni_telemetry::dashboards;
use serde_json::json;

use super::Context;
use crate::output::{Exit, Outcome, print};

/// Write Grafana dashboards and Prometheus alert rules for what is recorded.
///
/// Files of the same names are replaced. The rules are tested by `promtool test rules alerts.test.yml`.
#[derive(Debug, Args)]
pub(crate) struct Dashboards {
    /// The folder, which is made where it is not.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

impl Dashboards {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let failed = |path: &PathBuf, error| Exit::failed(format!("{}: {error}", path.display()));
        std::fs::create_dir_all(&self.out).map_err(|error| failed(&self.out, error))?;
        for page in dashboards::pages() {
            let path = self.out.join(&page.file);
            std::fs::write(&path, page.text).map_err(|error| failed(&path, error))?;
            print(context.form, &json!({ "file": path }), &path.display().to_string())?;
        }
        Ok(())
    }
}
