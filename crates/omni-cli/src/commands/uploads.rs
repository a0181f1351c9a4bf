//! `uploads`: what interrupted writes left behind, unseen and often paid for.

use std::time::{Duration, SystemTime};

use clap::Args;
use jiff::{Span, SpanTotal, Unit};
use omni_storage::UploadEntry;
use serde_json::json;

use super::Context;
use crate::address::Address;
use crate::output::{Outcome, print, time};

/// List unfinished uploads, or abort them.
///
/// A program that is killed while it writes a large object leaves the parts that it had sent. No
/// listing shows them, and most services charge for them until they are aborted.
#[derive(Debug, Args)]
pub(crate) struct Uploads {
    /// A folder, or the beginning of keys.
    #[arg(default_value = "main:/")]
    address: Address,
    /// Abort them, and free their parts. A program that is still writing one then fails.
    #[arg(long, requires = "older_than")]
    abort: bool,
    /// Only those that began at least this long ago, as in 12h or 7d.
    #[arg(long, value_name = "TIME", value_parser = age)]
    older_than: Option<Duration>,
}

fn age(text: &str) -> Result<Duration, String> {
    let span = text
        .parse::<Span>()
        .and_then(|span| span.total(SpanTotal::from(Unit::Second).days_are_24_hours()));
    let seconds = span.ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "expected a time such as 30m, 12h or 7d".to_owned())
}

impl Uploads {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let storage = context.storage(&self.address.instance).await?;
        let now = SystemTime::now();
        let mut token = None;
        loop {
            let page = storage.list_uploads(&self.address.path, token).await?;
            for upload in page.entries.iter().filter(|upload| self.means(upload, now)) {
                if self.abort {
                    storage.abort_upload(&upload.key, &upload.id).await?;
                }
                self.say(context, upload)?;
            }
            token = page.next;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    fn means(&self, upload: &UploadEntry, now: SystemTime) -> bool {
        let age = now.duration_since(upload.created).unwrap_or_default();
        self.older_than.is_none_or(|least| age >= least)
    }

    fn say(&self, context: &Context, upload: &UploadEntry) -> Outcome {
        let began = time(upload.created);
        let value = json!({
            "key": upload.key.as_str(),
            "upload": upload.id.as_str(),
            "began": began,
            "aborted": self.abort,
        });
        let word = if self.abort { "aborted  " } else { "" };
        print(
            context.form,
            &value,
            &format!("{word}{began}  {}  {}", upload.key, upload.id.as_str()),
        )
    }
}
