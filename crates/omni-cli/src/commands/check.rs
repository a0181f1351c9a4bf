//! `check`: validates a configuration against what is really there.

use clap::Args;
use omni_storage::{Config, Storage};
use omni_telemetry::{Export, TelemetrySettings};
use serde_json::{Value, json};

use super::Context;
use crate::output::{Exit, Outcome, print};

/// Check the configuration: what each instance is, what it can do, whether it answers.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Only these instances; all of them by default.
    instances: Vec<String>,
}

impl Check {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let config = context.config()?;
        let telemetry = telemetry(&context.whole_config()?)?;
        let names = match self.instances.as_slice() {
            [] => config.instances("storage").map(str::to_owned).collect(),
            names => names.to_vec(),
        };
        if let Some((value, text)) = telemetry {
            print(context.form, &value, &text)?;
        }
        let mut wrong = 0;
        for name in &names {
            let (value, text) = match describe(&config, name).await {
                Ok(described) => described,
                Err(exit) => {
                    wrong += 1;
                    failed(name, exit)?
                }
            };
            print(context.form, &value, &text)?;
        }
        match wrong {
            0 => Ok(()),
            wrong => Err(Exit::usage(format!("{wrong} of {} instances are wrong", names.len()))),
        }
    }
}

/// What the table `telemetry` says; nobody is asked whether a receiver is there.
fn telemetry(config: &Config) -> Outcome<Option<(Value, String)>> {
    let settings = config.table::<TelemetrySettings>("telemetry");
    let settings = settings.map_err(|error| Exit::usage(error.to_string()))?;
    let Some(settings) = settings else { return Ok(None) };
    settings.check().map_err(|error| {
        Exit::usage(config.wrong_table("telemetry", error.message()).to_string())
    })?;
    let to = match (settings.export, settings.endpoint.as_deref()) {
        (Export::Application, _) => "what the application sets up",
        (Export::Otlp, Some(endpoint)) => endpoint,
        (Export::Otlp, None) => "what the environment of the application says",
    };
    let value = json!({ "telemetry": true, "to": to });
    Ok(Some((value, format!("telemetry: well formed\n  to            {to}"))))
}

async fn describe(config: &Config, name: &str) -> Outcome<(Value, String)> {
    let section =
        config.section("storage", name).map_err(|error| Exit::usage(error.to_string()))?;
    let storage = Storage::from_config(config, name).await?;
    storage.check().await?;
    let capabilities = storage.capabilities();
    let declared: Vec<_> = capabilities.iter().map(|capability| capability.as_str()).collect();
    let value = json!({
        "instance": name,
        "provider": section.provider(),
        "answers": true,
        "durability": capabilities.durability.as_str(),
        "capabilities": declared,
        "layers": storage.layers(),
    });
    let text = format!(
        "storage.{name}: ok\n  provider      {}\n  durability    {}\n  capabilities  {}",
        section.provider(),
        capabilities.durability,
        declared.join(", ")
    );
    Ok((value, text))
}

/// A wrong instance does not end the check of the others; being unable to print does.
fn failed(name: &str, exit: Exit) -> Outcome<(Value, String)> {
    let text = match exit {
        Exit::Failed(message) | Exit::Usage(message) => message.to_string(),
        other => return Err(other),
    };
    let value = json!({ "instance": name, "answers": false, "error": text });
    Ok((value, format!("storage.{name}: {text}")))
}
