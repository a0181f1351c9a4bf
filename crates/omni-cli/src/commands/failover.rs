//! `failover`: how an instance on several members stands, and what was in conflict.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use omni_failover::{FailoverSettings, Observer};
use omni_storage::Storage;
use serde_json::json;

use super::Context;
use crate::output::{Exit, Outcome, print, size, time};

/// Show who is primary of a storage on several members, how the others stand, and what was in conflict.
///
/// Asks the witness alone, so that it also works while members are away.
#[derive(Debug, Args)]
pub(crate) struct Failover {
    /// An instance with the provider `failover` or `mirror`.
    instance: String,
    /// Forget the conflicts that are shown, with the contents that were kept.
    #[arg(long)]
    forget_conflicts: bool,
}

impl Failover {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let config = context.config()?;
        let section = config
            .section("storage", &self.instance)
            .map_err(|error| Exit::usage(error.to_string()))?;
        if !FailoverSettings::PROVIDERS.contains(&section.provider()) {
            let (name, provider) = (&self.instance, section.provider());
            return Err(Exit::usage(format!(
                "storage.{name} is not on several members: its provider is {provider}, not failover"
            )));
        }
        let labels = |name: &str| Ok(config.section("storage", name)?.labels().clone());
        let settings = FailoverSettings::of(&section, labels)
            .map_err(|error| Exit::usage(error.to_string()))?;
        let witness = Storage::from_config(&config, &settings.witness).await?;
        let witness = Arc::clone(witness.provider());
        let observer = Observer::new(&self.instance, &settings, witness)?;
        match observer.status().await? {
            Some(status) => {
                let mut text = format!("primary     {}, epoch {}", status.primary, status.epoch);
                for member in &status.others {
                    text.push_str(&format!("\n{:<11} {}", member.standing.as_str(), member.name));
                    if member.waiting > 0 {
                        let behind = member.behind.unwrap_or_default();
                        let behind = Duration::from_secs(behind.as_secs());
                        text.push_str(&format!(
                            ": {} keys wait to be sent, the oldest for {behind:?}",
                            member.waiting
                        ));
                    }
                }
                let others: Vec<_> = status
                    .others
                    .iter()
                    .map(|member| {
                        json!({
                            "name": member.name,
                            "standing": member.standing.as_str(),
                            "waiting": member.waiting,
                            "behind_seconds": member.behind.map(|behind| behind.as_secs()),
                        })
                    })
                    .collect();
                let value = json!({
                    "primary": status.primary,
                    "epoch": status.epoch,
                    "others": others,
                });
                print(context.form, &value, &text)?;
            }
            None => {
                let text = "nothing is known of it at the witness: it was never opened";
                print(context.form, &json!({ "primary": null }), text)?;
            }
        }
        for conflict in observer.conflicts().await? {
            let at = format!("{}:/{}", settings.witness, conflict.content);
            let value = json!({
                "conflict": conflict.key,
                "member": conflict.member,
                "epoch": conflict.epoch,
                "size": conflict.size,
                "modified": time(conflict.modified),
                "content": at,
            });
            let text = format!(
                "conflict    {}: {} had {} of {}, which is at {at}",
                conflict.key,
                conflict.member,
                size(conflict.size),
                time(conflict.modified)
            );
            print(context.form, &value, &text)?;
            if self.forget_conflicts {
                observer.forget(&conflict).await?;
            }
        }
        Ok(())
    }
}
