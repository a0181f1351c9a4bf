//! `cat` and `stat`.

use clap::Args;
use omni_storage::{ByteRange, Version};
use serde_json::json;

use super::Context;
use crate::address::Address;
use crate::files;
use crate::output::{Exit, Outcome, print, size, time};

/// Write an object to standard output.
#[derive(Debug, Args)]
pub(crate) struct Cat {
    /// The object.
    address: Address,
    /// Only these bytes: START..END, START.., ..END, or -COUNT for the last ones.
    #[arg(long, value_parser = range, allow_hyphen_values = true)]
    range: Option<ByteRange>,
    /// This stored version instead of the current one.
    #[arg(long, value_parser = version)]
    version: Option<Version>,
}

impl Cat {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let key = self.address.key().map_err(Exit::usage)?;
        let storage = context.storage(&self.address.instance).await?;
        let mut get = storage.get(key).range(self.range.unwrap_or_default());
        if let Some(version) = self.version {
            get = get.version(version);
        }
        files::standard_output(get.await?.stream()).await
    }
}

/// Show what is known about an object.
#[derive(Debug, Args)]
pub(crate) struct Stat {
    /// The object.
    address: Address,
    /// This stored version instead of the current one.
    #[arg(long, value_parser = version)]
    version: Option<Version>,
}

impl Stat {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let key = self.address.key().map_err(Exit::usage)?;
        let storage = context.storage(&self.address.instance).await?;
        let mut head = storage.head(&key);
        if let Some(version) = self.version {
            head = head.version(version);
        }
        let meta = head.await?;
        let checksum = meta.checksum.map(|sum| sum.to_string());
        let fields: serde_json::Map<_, _> = meta
            .attributes
            .fields()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
            .collect();
        let value = json!({
            "key": key.as_str(),
            "size": meta.size,
            "version": meta.version.as_str(),
            "modified": time(meta.modified),
            "crc32c": checksum,
            "attributes": fields,
            "metadata": meta.attributes.metadata,
        });
        let mut lines = vec![
            format!("key       {key}"),
            format!("size      {} ({} bytes)", size(meta.size), meta.size),
            format!("version   {}", meta.version),
            format!("modified  {}", time(meta.modified)),
            format!("crc32c    {}", checksum.as_deref().unwrap_or("unknown")),
        ];
        lines.extend(
            fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.as_str().unwrap_or_default())),
        );
        lines.extend(
            meta.attributes
                .metadata
                .iter()
                .map(|(name, value)| format!("metadata {name}: {value:?}")),
        );
        print(context.form, &value, &lines.join("\n"))
    }
}

fn version(text: &str) -> Result<Version, String> {
    Version::new(text).map_err(|error| error.message().to_owned())
}

fn range(text: &str) -> Result<ByteRange, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is not a number"));
    if let Some(count) = text.strip_prefix('-') {
        return Ok(ByteRange::suffix(number(count)?));
    }
    let Some((start, end)) = text.split_once("..") else {
        return Err("write START..END, START.., ..END or -COUNT".to_owned());
    };
    let range = match (start, end) {
        ("", "") => ByteRange::Full,
        (start, "") => ByteRange::From(number(start)?),
        ("", end) => ByteRange::from(..number(end)?),
        (start, end) => ByteRange::from(number(start)?..number(end)?),
    };
    range.validate().map_err(|error| error.message().to_owned())?;
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_like_slices() {
        assert_eq!(range("2..5"), Ok(ByteRange::from(2..5)));
        assert_eq!(range("2.."), Ok(ByteRange::From(2)));
        assert_eq!(range("..5"), Ok(ByteRange::from(0..5)));
        assert_eq!(range("-5"), Ok(ByteRange::suffix(5)));
        assert_eq!(range(".."), Ok(ByteRange::Full));
        for wrong in ["", "5", "5..2", "a..b", "--5"] {
            assert!(range(wrong).is_err(), "{wrong:?}");
        }
    }
}
