//! `ls` and `du`.

use clap::Args;
use omni_storage::{ListEntry, ObjectEntry};
use serde_json::{Value, json};

use super::Context;
use crate::address::Address;
use crate::output::{Outcome, print, size, time};

/// List objects.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// A folder, or the beginning of keys.
    #[arg(default_value = "main:/")]
    address: Address,
    /// Show what is in the folders, too.
    #[arg(short, long)]
    recursive: bool,
    /// Show size, time and version.
    #[arg(short, long)]
    long: bool,
}

impl Ls {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let storage = context.storage(&self.address.instance).await?;
        let mut list = storage.list(&self.address.path);
        if !self.recursive {
            list = list.delimiter("/");
        }
        let mut entries = list.stream();
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            print(context.form, &value(&entry), &self.line(&entry))?;
        }
        Ok(())
    }

    fn line(&self, entry: &ListEntry) -> String {
        match entry {
            ListEntry::Object(object) if self.long => format!(
                "{:>10}  {}  {}  {}",
                size(object.size),
                time(object.modified),
                object.version,
                object.key
            ),
            ListEntry::Prefix(prefix) if self.long => {
                format!("{:>10}  {:20}  -  {prefix}", "-", "-")
            }
            entry => entry.name().to_owned(),
        }
    }
}

fn value(entry: &ListEntry) -> Value {
    match entry {
        ListEntry::Object(ObjectEntry { key, size, version, modified }) => json!({
            "key": key.as_str(),
            "size": size,
            "version": version.as_str(),
            "modified": time(*modified),
        }),
        ListEntry::Prefix(prefix) => json!({ "prefix": prefix.as_str() }),
    }
}

/// Count objects and bytes below an address.
#[derive(Debug, Args)]
pub(crate) struct Du {
    /// A folder, or the beginning of keys.
    #[arg(default_value = "main:/")]
    address: Address,
}

impl Du {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let storage = context.storage(&self.address.instance).await?;
        let mut entries = storage.list(&self.address.path).stream();
        let (mut objects, mut bytes) = (0_u64, 0_u64);
        while let Some(entry) = entries.next().await {
            if let Some(object) = entry?.as_object() {
                objects += 1;
                bytes += object.size;
            }
        }
        let value =
            json!({ "address": self.address.to_string(), "objects": objects, "bytes": bytes });
        print(context.form, &value, &format!("{objects} objects, {} ({bytes} bytes)", size(bytes)))
    }
}
