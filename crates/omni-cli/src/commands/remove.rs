//! `rm`.

use clap::Args;
use omni_storage::{Error, ErrorKind, Key, Operation};
use serde_json::json;

use super::Context;
use crate::address::Address;
use crate::output::{Exit, Outcome, print};

/// Delete objects.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The objects; with --recursive, folders.
    #[arg(required = true)]
    addresses: Vec<Address>,
    /// Delete everything below the folders. Never the whole storage: name its folders.
    #[arg(short, long)]
    recursive: bool,
    /// Say what would be deleted, and delete nothing.
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Rm {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        for address in &self.addresses {
            if self.recursive {
                self.folder(context, address).await?;
            } else {
                self.object(context, address).await?;
            }
        }
        Ok(())
    }

    async fn object(&self, context: &Context, address: &Address) -> Outcome {
        let key = address.key().map_err(|text| Exit::usage(format!("{text}; add --recursive")))?;
        let storage = context.storage(&address.instance).await?;
        if self.dry_run {
            storage.head(&key).await?;
            return say(context, address, None, Tense::Would);
        }
        let deleted = storage.delete(&key).await?;
        if deleted.existed == Some(false) {
            let missing = Error::new(ErrorKind::NotFound, "no object has this key");
            return Err(missing.at(Operation::Delete, storage.name(), key.as_str()).into());
        }
        say(context, address, None, Tense::Did)
    }

    async fn folder(&self, context: &Context, address: &Address) -> Outcome {
        let folder = address.folder();
        if folder.is_empty() {
            return Err(Exit::usage(format!("{address} is the whole storage; name its folders")));
        }
        let storage = context.storage(&address.instance).await?;
        if !self.dry_run {
            let count = storage.delete_prefix(&folder).await?;
            return say(context, address, Some(count), Tense::Did);
        }
        let mut entries = storage.list(&folder).stream();
        let mut count = 0;
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            let key = entry.as_object().map(|object| object.key.clone());
            let shown = address.with_path(key.as_ref().map_or(entry.name(), Key::as_str));
            say(context, &shown, None, Tense::Would)?;
            count += 1;
        }
        say(context, address, Some(count), Tense::Would)
    }
}

#[derive(Clone, Copy)]
enum Tense {
    Did,
    Would,
}

fn say(context: &Context, address: &Address, count: Option<u64>, tense: Tense) -> Outcome {
    let (word, field) = match tense {
        Tense::Did => ("deleted", "deleted"),
        Tense::Would => ("would delete", "would_delete"),
    };
    let value = json!({ field: address.to_string(), "objects": count.unwrap_or(1) });
    let text = match count {
        Some(count) => format!("{word} {count} objects below {address}"),
        None => format!("{word} {address}"),
    };
    print(context.form, &value, &text)
}
