//! `config`: what is in force, and where it comes from.

use clap::Args;
use serde_json::json;

use super::Context;
use crate::output::{Exit, Outcome, print};

/// Show the configuration in force, and where each value comes from.
#[derive(Debug, Args)]
pub(crate) struct Show {}

impl Show {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let config = context.whole_config()?;
        let file = config.file().map(|file| file.display().to_string());
        let profiles: Vec<&str> = config.profiles().collect();
        let value = json!({ "file": file, "profile": config.profile(), "profiles": profiles });
        let text = format!(
            "file      {}\nprofile   {} (of {})",
            file.as_deref().unwrap_or("none, the embedded default is in force"),
            config.profile(),
            profiles.join(", ")
        );
        print(context.form, &value, &text)?;
        let mut stated = Vec::new();
        for name in config.instances("storage") {
            let section = config.section("storage", name);
            stated.extend(section.map_err(|error| Exit::usage(error.to_string()))?.stated());
        }
        stated.extend(config.stated_table("telemetry"));
        for setting in stated {
            let origin = setting.origin.to_string();
            let value = json!({
                "key": setting.key, "value": setting.value, "origin": origin,
            });
            let text = format!("{} = {}    ({origin})", setting.key, setting.value);
            print(context.form, &value, &text)?;
        }
        Ok(())
    }
}
