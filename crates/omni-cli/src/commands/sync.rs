//! `sync` and `migrate`: whole folders, from any storage to any other.

use clap::Args;
use omni_storage::ByteSize;
use serde_json::json;

use super::Context;
use crate::address::Address;
use crate::output::{Exit, Form, Outcome, print, size};
use crate::progress;
use crate::sync::{Done, Filter, Job, Known, Pace, Retry, Side, Summary};

/// Make a folder of one storage equal to a folder of another, or of the same.
///
/// What is equal, by size, checksum and attributes, is not copied again: a run that was interrupted goes
/// on by being repeated. Each object is copied as one version, and is not visible before it is whole and
/// its checksum is verified.
#[derive(Debug, Args)]
pub(crate) struct Sync {
    #[command(flatten)]
    between: Between,
    /// Delete what only the target has.
    #[arg(long)]
    delete: bool,
}

/// Move a folder to another storage with proof: copy it, then list and compare both sides anew.
///
/// Compared are versions with those that were copied; where others come to light, size, checksum and
/// attributes. Begins with nothing when the target cannot have some of the objects. Never deletes.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    between: Between,
    /// Leave out what the target cannot have.
    #[arg(long)]
    skip_refused: bool,
}

#[derive(Debug, Args)]
struct Between {
    /// The folder to copy: NAME:/FOLDER, or NAME:/ for everything.
    source: Address,
    /// The folder to copy to.
    target: Address,
    /// Say what would be done, and what the target cannot have, and do nothing.
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Only names that match, relative to the folder, such as *.csv or **/*.csv; any number of times.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,
    /// Not names that match; any number of times.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// How many objects at once.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// At most so many bytes per second, such as 10MiB.
    #[arg(long, value_name = "SIZE", value_parser = bandwidth)]
    bandwidth: Option<u64>,
    /// How often an object whose failure may pass is tried again, as a whole. Single requests are repeated
    /// as the table `layers` of each storage says.
    #[arg(long, default_value_t = 4)]
    retries: u32,
}

fn bandwidth(text: &str) -> Result<u64, String> {
    let size: ByteSize = text.parse().map_err(|error: String| error)?;
    match size.as_u64() {
        0 => Err("at least 1 byte per second".to_owned()),
        bytes => Ok(bytes),
    }
}

impl Sync {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let job = self.between.job(context, self.delete).await?;
        if self.between.dry_run {
            return self.between.rehearse(context, &job).await;
        }
        let outlook = job.outlook().await?;
        let summary = self.between.copy(context, &job, outlook.bytes).await?;
        self.between.conclude(context, "copied", &summary, None)
    }
}

impl Migrate {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let job = self.between.job(context, false).await?;
        if self.between.dry_run {
            return self.between.rehearse(context, &job).await;
        }
        let outlook = job.outlook().await?;
        if !outlook.refused.is_empty() && !self.skip_refused {
            for (name, why) in &outlook.refused {
                tell(context.form, name, &Done::Refused(why.clone()))?;
            }
            return Err(Exit::failed(format!(
                "{} objects that the target cannot have, so nothing was moved; --skip-refused leaves \
                 them out",
                outlook.refused.len()
            )));
        }
        let mut summary = self.between.copy(context, &job, outlook.bytes).await?;
        let bar = progress::items("comparing", None);
        let mut problems = Ok(());
        let verified = job
            .verify(|name, done| {
                bar.inc(1);
                if problems.is_ok() {
                    problems = bar.suspend(|| tell(context.form, name, done));
                }
            })
            .await?;
        bar.finish_and_clear();
        problems?;
        if self.skip_refused {
            // They were left out on purpose.
            summary.refused = 0;
        }
        self.between.conclude(context, "copied", &summary, Some(&verified))
    }
}

impl Between {
    async fn job(&self, context: &Context, delete: bool) -> Outcome<Job> {
        let (source, target) = (self.source.folder(), self.target.folder());
        if self.source.instance == self.target.instance
            && (source.starts_with(&target) || target.starts_with(&source))
        {
            return Err(Exit::usage(format!(
                "{} and {} hold each other: a folder cannot be copied into itself",
                self.source, self.target
            )));
        }
        let filter = Filter::new(&self.include, &self.exclude);
        let from = context.storage(&self.source.instance).await?;
        let to = context.storage(&self.target.instance).await?;
        Ok(Job {
            source: Side { storage: from, folder: source },
            target: Side { storage: to, folder: target },
            filter: filter.map_err(|error| Exit::usage(error.to_string()))?,
            delete,
            parallel: self.parallel.into(),
            retry: Retry(self.retries),
            pace: Pace::new(self.bandwidth),
            known: Known::default(),
        })
    }

    async fn rehearse(&self, context: &Context, job: &Job) -> Outcome {
        let mut said = Ok(());
        let would = job
            .rehearse(|name, done| {
                if said.is_ok() {
                    said = tell(context.form, name, done);
                }
            })
            .await?;
        said?;
        self.conclude(context, "to copy", &would, None)
    }

    async fn copy(&self, context: &Context, job: &Job, bytes: u64) -> Outcome<Summary> {
        let bar = progress::bytes("copying", Some(bytes));
        let mut said = Ok(());
        let summary = job
            .run(&bar, |name, done| {
                // Of what goes well, only the sum is of interest.
                if said.is_ok() && matches!(done, Done::Refused(_) | Done::Failed(_)) {
                    said = bar.suspend(|| tell(context.form, name, done));
                }
            })
            .await?;
        bar.finish_and_clear();
        said?;
        Ok(summary)
    }

    fn conclude(
        &self,
        context: &Context,
        copied: &str,
        summary: &Summary,
        verified: Option<&Summary>,
    ) -> Outcome {
        let value = json!({
            "from": self.source.to_string(), "to": self.target.to_string(),
            "dry_run": self.dry_run, "summary": summary.value(),
            "verified": verified.map(Summary::value),
        });
        let mut text = format!("{} -> {}  {}", self.source, self.target, summary.text(copied));
        if let Some(verified) = verified {
            text.push_str(&format!("\nverified: {} are equal", verified.same));
            if verified.failed > 0 {
                text.push_str(&format!(", {} DIFFER: run it again", verified.failed));
            }
        }
        print(context.form, &value, &text)?;
        let proven = verified.is_none_or(|verified| verified.failed == 0);
        if summary.is_complete() && proven { Ok(()) } else { Err(Exit::Negative) }
    }
}

/// Says what was done about a name; nothing about what is equal.
fn tell(form: Form, name: &str, done: &Done) -> Outcome {
    let (what, text) = match done {
        Done::Same | Done::Left => return Ok(()),
        Done::Copied { bytes, .. } => ("copy", size(*bytes)),
        Done::Deleted => ("delete", String::new()),
        Done::Vanished => ("vanished", String::new()),
        Done::Refused(why) => ("refused", why.clone()),
        Done::Failed(why) => ("FAILED", why.clone()),
    };
    let value = json!({ "name": name, "done": what.to_lowercase(), "text": text });
    print(form, &value, format!("{what:8} {name}  {text}").trim_end())
}
