//! `drill`: faults under a real load, and whether the targets were kept.

use std::path::{Path, PathBuf};

use clap::Args;
use omni_drill::{Options, Plan, Report, built_in};
use serde_json::{Value, json};

use super::Context;
use crate::files::Scratch;
use crate::output::{Exit, Form, Outcome, print};
use crate::progress;

/// Break what a storage stands on, under load, and measure what the application sees of it.
///
/// A drill writes below `omni-drill/` and removes that again. The drills that come with the program start
/// servers of their own; a plan of yours may use the instances of the configuration. Exit code 1: a
/// target was missed.
#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// A plan, as a TOML file, or the name of a drill that comes with the program.
    #[arg(required_unless_present = "list")]
    plan: Option<String>,
    /// Print the drills that come with the program.
    #[arg(long)]
    list: bool,
    /// Print the plan instead of running it, as a beginning for one of your own.
    #[arg(long)]
    show: bool,
    /// Write drill.html and drill.json into this folder.
    #[arg(long, value_name = "DIR", default_value = "omni-drill-report")]
    report: PathBuf,
    /// Repeat the choices of an earlier drill.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many random rounds, instead of what the plan says.
    #[arg(long)]
    rounds: Option<usize>,
}

impl Drill {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        if self.list {
            return list(context.form);
        }
        let name = self.plan.as_deref().unwrap_or_default();
        let text = text(name)?;
        if self.show {
            return print(context.form, &json!({ "plan": text }), text.trim_end());
        }
        let plan = Plan::from_toml(&text);
        let mut plan = plan.map_err(|error| Exit::usage(format!("{name}: {error}")))?;
        match (self.rounds, &mut plan.random) {
            (None, _) => {}
            (Some(rounds), Some(random)) => random.rounds = rounds,
            (Some(_), None) => return Err(Exit::usage(format!("{name} has no random rounds"))),
        }
        if self.report.exists() && !self.report.is_dir() {
            let file = self.report.display();
            return Err(Exit::usage(format!("{file} is a file, a folder is needed")));
        }
        // Whatever ends the program, the folders of the drill go with it.
        if context.scratch.get().is_none() {
            let _ = context.scratch.set(Scratch::new()?);
        }
        let options = Options {
            file: context.file.clone(),
            profile: context.profile.clone(),
            seed: self.seed,
        };
        let bar = progress::items("", None);
        let mut told = |what: &str| bar.set_message(what.to_owned());
        let report = omni_drill::run(&plan, &options, &mut told).await;
        bar.finish_and_clear();
        self.conclude(context.form, &report?)
    }

    fn conclude(&self, form: Form, report: &Report) -> Outcome {
        report.write(&self.report).map_err(|error| Exit::file(&self.report, &error))?;
        let value = serde_json::to_value(report);
        let mut value = value.map_err(|error| Exit::failed(error.to_string()))?;
        let page = self.report.join("drill.html").display().to_string();
        if let Value::Object(fields) = &mut value {
            // Long, and in the file.
            fields.remove("timeline");
            fields.insert("kept".to_owned(), report.is_kept().into());
            fields.insert("report".to_owned(), page.clone().into());
        }
        print(form, &value, &format!("{report}\nreport: {page}"))?;
        if report.is_kept() { Ok(()) } else { Err(Exit::Negative) }
    }
}

fn text(name: &str) -> Outcome<String> {
    if let Some(known) = built_in().iter().find(|built_in| built_in.name == name) {
        return Ok(known.text.to_owned());
    }
    let path = Path::new(name);
    std::fs::read_to_string(path).map_err(|error| {
        let names: Vec<_> = built_in().iter().map(|built_in| built_in.name).collect();
        let hint = match path.extension() {
            Some(_) => String::new(),
            None => format!("; the drills that come with the program are {}", names.join(", ")),
        };
        Exit::usage(format!("{name}: {error}{hint}"))
    })
}

fn list(form: Form) -> Outcome {
    for built_in in built_in() {
        let plan = Plan::from_toml(built_in.text);
        let plan = plan.map_err(|error| Exit::failed(format!("{}: {error}", built_in.name)))?;
        let value = json!({ "name": built_in.name, "title": plan.title });
        print(form, &value, &format!("{:<15} {}", built_in.name, plan.title))?;
    }
    Ok(())
}
