//! `certify`: the compatibility kit at the command line.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use omni_storage::{Config, Result, Section, StorageProvider, registry};
use serde_json::json;
use tck::report::{ClauseReport, Status};
use tck::subjects::Pool;
use tck::{Comparison, Difference, Event, Evidence, Options, Place, Report, Subject, Verdict};

use super::Context;
use crate::files::Scratch;
use crate::output::{Exit, Form, Outcome, print};
use crate::progress;

/// Prove clause by clause that a provider keeps the contract.
///
/// Without a name, the embedded default is certified. With one, the provider and the settings of that
/// instance are: where they keep data on this machine, on a store of their own, so that the instance's
/// data is not touched; where they name a bucket, on that bucket, which must be empty and is emptied.
/// With several names, each of a bucket, as many checks run at once.
#[derive(Debug, Args)]
pub(crate) struct Certify {
    /// Instances of the configuration, all of one provider.
    instances: Vec<String>,
    /// Instead, run the same random programs on each of these instances, and show the first difference.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', num_args = 1.., conflicts_with_all = ["instances", "only", "share"])]
    against: Vec<String>,
    /// How many programs, with --against.
    #[arg(long, default_value_t = 100, requires = "against")]
    programs: usize,
    /// Try this share of the rounds and inputs: above 0, at most 1.
    #[arg(long, value_parser = share)]
    share: Option<f64>,
    /// Write report.html, report.json and junit.xml into this folder.
    #[arg(long, value_name = "DIR", default_value = "omni-report")]
    report: PathBuf,
    /// Run only the clauses whose ids begin with this; any number of times. Writes no report.
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// Repeat the choices of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
}

impl Certify {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        if !self.against.is_empty() {
            return self.compare(context).await;
        }
        let only: Vec<_> = self.only.iter().map(|id| id.to_ascii_uppercase()).collect();
        let subject: Arc<dyn Subject> = match &self.instances[..] {
            [] => Arc::new(tck::subjects::Local),
            names => configured(context, names)?,
        };
        let selected = |only: &String| {
            let mut clauses = tck::spec::clauses(subject.contract()).iter();
            clauses.any(|clause| clause.id.starts_with(only.as_str()))
        };
        if let Some(unknown) = only.iter().find(|only| !selected(only)) {
            return Err(Exit::usage(format!("no clause has an id that begins with {unknown}")));
        }
        let whole = only.is_empty();
        let rerun = self.rerun(context);
        let mut options = Options { only, rerun, share: self.share, ..Options::default() };
        if let Some(seed) = self.seed {
            options.seed = seed;
        }
        if whole {
            if self.report.exists() && !self.report.is_dir() {
                let file = self.report.display();
                return Err(Exit::usage(format!("{file} is a file, a folder is needed")));
            }
            options.previous = Report::read(&self.report.join("report.json")).ok();
        }
        // Whatever ends the program, the folders of the run go with it.
        if context.scratch.get().is_none() {
            let _ = context.scratch.set(Scratch::new()?);
        }
        let form = context.form;
        // The run ends when the command is dropped; what it finds while it ends is not to be shown.
        let stop = options.stop.clone();
        let wanted = options.stop.clone().drop_guard();
        let running = tokio::task::spawn_blocking(move || {
            let mut live = Live::new(form);
            let report = tck::certify(subject, &options, &mut |event| {
                if !stop.is_cancelled() {
                    live.show(&event);
                }
            });
            live.bar.finish_and_clear();
            report
        });
        let report = running.await.map_err(|error| Exit::failed(error.to_string()))?;
        wanted.disarm();
        if whole {
            report.write(&self.report).map_err(|error| Exit::failed(error.to_string()))?;
        }
        self.conclude(context, &report, whole)
    }

    /// Runs the same programs on several instances.
    async fn compare(self, context: &Context) -> Outcome {
        let mut subjects: Vec<Arc<dyn Subject>> = Vec::new();
        for name in &self.against {
            subjects.push(configured(context, std::slice::from_ref(name))?);
        }
        if context.scratch.get().is_none() {
            let _ = context.scratch.set(Scratch::new()?);
        }
        let seed = self.seed.unwrap_or_else(|| Options::default().seed);
        let bar = progress::items("comparing", None);
        let comparing =
            tokio::task::spawn_blocking(move || tck::compare(&subjects, self.programs, seed));
        let compared = comparing.await.map_err(|error| Exit::failed(error.to_string()))?;
        bar.finish_and_clear();
        let compared = compared.map_err(Exit::failed)?;
        let value = serde_json::to_value(&compared);
        let value = value.map_err(|error| Exit::failed(error.to_string()))?;
        print(context.form, &value, &told(&compared))?;
        if compared.difference.is_none() { Ok(()) } else { Err(Exit::Negative) }
    }

    /// The command that runs one clause of the same subject alone.
    fn rerun(&self, context: &Context) -> String {
        let mut words = vec!["omni".to_owned()];
        if let Some(file) = &context.file {
            words.push(format!("--config {}", quoted(&file.to_string_lossy())));
        }
        if let Some(profile) = &context.profile {
            words.push(format!("--profile {}", quoted(profile)));
        }
        words.push("certify".to_owned());
        words.extend(self.instances.iter().map(|name| quoted(name)));
        words.push("--only {id} --seed {seed}".to_owned());
        words.join(" ")
    }

    fn conclude(&self, context: &Context, report: &Report, whole: bool) -> Outcome {
        let verdict = report.verdict();
        let written = whole.then(|| self.report.join("report.html").display().to_string());
        let value = json!({
            "verdict": verdict.as_str(),
            "passed": report.count("passed"),
            "failed": report.count("failed"),
            "deviating": report.count("deviates"),
            "not_claimed": report.count("not claimed"),
            "untested": report.count("untested"),
            "seed": report.seed,
            "unreachable": report.unreachable,
            "report": written,
        });
        let deviating = match report.count("deviates") {
            0 => String::new(),
            count => format!(" {count} broken by the back-end itself,"),
        };
        let mut text = format!(
            "\n{}: {}{}\n{} passed, {} failed,{deviating} {} not claimed, {} untested; seed {}",
            report.subject,
            verdict.as_str(),
            if whole { "" } else { ", only the selected clauses ran" },
            report.count("passed"),
            report.count("failed"),
            report.count("not claimed"),
            report.count("untested"),
            report.seed,
        );
        if let Some(why) = &report.unreachable {
            text.push_str(&format!("\nnothing ran: {why}"));
        }
        if let Some(written) = written {
            text.push_str(&format!("\nreport: {written}"));
        }
        print(context.form, &value, &text)?;
        match verdict {
            // Nothing failed of what was selected.
            Verdict::Certified | Verdict::Deviating | Verdict::Incomplete => Ok(()),
            Verdict::NotCertified => Err(Exit::Negative),
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("a number above 0 and at most 1".to_owned()),
    }
}

/// A word of a command line, as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Shows the run as it happens: a line per clause, and where a person is looking, a bar with what runs.
struct Live {
    form: Form,
    bar: ProgressBar,
    running: Vec<&'static str>,
}

impl Live {
    fn new(form: Form) -> Self {
        Self { form, bar: progress::items("certifying", Some(0)), running: Vec::new() }
    }

    fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { clause } => self.running.push(clause.id),
            Event::Finished { result, done, total } => {
                self.running.retain(|id| *id != result.id);
                self.bar.set_length(*total as u64);
                self.bar.set_position(*done as u64);
                // Who does not read the lines may still want the report.
                let _ = self.bar.suspend(|| print(self.form, &value(result), &line(result)));
            }
        }
        self.bar.set_message(self.running.join(" "));
    }
}

/// A comparison in words.
fn told(compared: &Comparison) -> String {
    let Comparison { subjects, capabilities, seed, programs, difference } = compared;
    let mut text = format!(
        "{}: {programs} programs each, seed {seed}, with {}\n",
        subjects.join(", "),
        capabilities.join(", ")
    );
    let Some(Difference { subject, failure, others }) = difference else {
        return text + "no difference";
    };
    text += &format!(
        "DIFFERENCE in program {programs}: {subject}\n  {}\n  expected: {}\n  seen:     {}\n",
        failure.situation, failure.expected, failure.seen
    );
    for (name, steps) in std::iter::once((subject, &failure.steps))
        .chain(others.iter().map(|(name, steps)| (name, steps)))
    {
        text += &format!("{name}:\n");
        for (number, step) in (1..).zip(steps) {
            text += &format!("  step {number}: {step}\n");
        }
    }
    text.trim_end().to_owned()
}

fn line(result: &ClauseReport) -> String {
    let name = result.check.as_deref().unwrap_or_default();
    match &result.status {
        Status::Passed => {
            let time = Duration::from_secs_f64(result.duration_ms / 1000.0);
            format!("ok           {}  {name} ({time:.0?})", result.id)
        }
        Status::Failed(_) => {
            let explained = result.explain().unwrap_or_default().replace('\n', "\n    ");
            format!("FAILED       {}  {name}\n    {explained}\n", result.id)
        }
        Status::Deviates { reason, evidence, .. } => {
            format!("deviates     {}  {name}: {reason}\n    evidence: {evidence}", result.id)
        }
        Status::NotClaimed { capability } => {
            format!("not claimed  {}  needs {capability}", result.id)
        }
        Status::Untested { reason } => format!("untested     {}  {reason}", result.id),
        Status::NotRun => String::new(),
    }
}

fn value(result: &ClauseReport) -> serde_json::Value {
    let deviation = match &result.status {
        Status::Deviates { reason, evidence, failure } => {
            Some(json!({ "reason": reason, "evidence": evidence, "failure": failure }))
        }
        _ => None,
    };
    json!({
        "clause": result.id,
        "check": result.check,
        "status": result.status.as_str(),
        "duration_ms": result.duration_ms,
        "failure": result.explain(),
        "deviation": deviation,
    })
}

/// The name of the variables by which a worker finds the same configuration.
const CONFIG: &str = "OMNI_CONFIG";
const PROFILE: &str = "OMNI_PROFILE";

/// Serves as a worker process of a certification.
pub(crate) fn work(subject: &str) -> ExitCode {
    if subject == tck::subjects::Local.name() {
        return tck::worker::serve(Arc::new(tck::subjects::Local));
    }
    let scratch = OnceLock::new();
    let context = Context { file: None, profile: None, form: Form::Text, scratch };
    let names: Vec<String> = subject
        .strip_prefix(PREFIX)
        .unwrap_or(subject)
        .split(SEPARATOR)
        .map(str::to_owned)
        .collect();
    match configured(&context, &names) {
        Ok(subject) => tck::worker::serve(subject),
        Err(exit) => exit.finish(Form::Text),
    }
}

/// What the names of configured instances begin with, so that none is taken for the embedded default.
const PREFIX: &str = "storage.";

/// What stands between the names of several instances.
const SEPARATOR: char = ',';

/// The instances of these names, at least one, as one subject.
fn configured(context: &Context, names: &[String]) -> Outcome<Arc<dyn Subject>> {
    let config: Config = context.config()?;
    let section = |name: &String| {
        let section = config.section("storage", name);
        section.map_err(|error| Exit::usage(error.to_string()))
    };
    let sections: Vec<Section> = names.iter().map(section).collect::<Outcome<_>>()?;
    let provider = sections.first().map_or("", Section::provider).to_owned();
    if let Some(other) = sections.iter().find(|section| section.provider() != provider) {
        return Err(Exit::usage(format!(
            "{} is of provider {}, {} of {provider}: name instances of one provider",
            other.name(),
            other.provider(),
            sections[0].name(),
        )));
    }
    let subject = format!("{PREFIX}{}", names.join(&SEPARATOR.to_string()));
    let environment = environment(context);
    if omni_storage::place_setting(&provider).is_some() || provider == IN_MEMORY {
        let Some(section) = sections.into_iter().next() else {
            return Err(Exit::usage("no instance is named".to_owned()));
        };
        return Ok(Arc::new(Instance {
            name: subject,
            section,
            environment,
            kept: Mutex::default(),
        }));
    }
    let open = move |name: &str| {
        let section = config.section("storage", name);
        async move { registry()?.open(section?).await }
    };
    let evidence = Evidence::Configured { provider };
    Ok(Arc::new(Pool::new(subject, evidence, names.to_vec(), open).with_environment(environment)))
}

/// The variables by which a worker finds the same configuration.
fn environment(context: &Context) -> Vec<(&'static str, OsString)> {
    let mut environment: Vec<(&'static str, OsString)> = Vec::new();
    environment.extend(context.file.as_ref().map(|file| (CONFIG, file.into())));
    environment.extend(context.profile.as_ref().map(|profile| (PROFILE, profile.into())));
    environment
}

/// The provider whose stores are lost with their handle.
const IN_MEMORY: &str = "memory";

/// A configured instance, moved to stores of the run.
struct Instance {
    name: String,
    section: Section,
    environment: Vec<(&'static str, OsString)>,
    /// Stores that would be lost with their handle, by name.
    kept: Mutex<HashMap<String, Arc<dyn StorageProvider>>>,
}

#[async_trait::async_trait]
impl Subject for Instance {
    fn name(&self) -> &str {
        &self.name
    }

    fn evidence(&self) -> Evidence {
        Evidence::Embedded
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        let kept =
            |store| self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(store).cloned();
        if let Some(provider) = kept(place.store) {
            return Ok(provider);
        }
        let path = place.root.join(place.store);
        let section = match omni_storage::place_setting(self.section.provider()) {
            Some(setting) => self.section.with(setting, &path.to_string_lossy()),
            None => self.section.clone(),
        };
        let provider = registry()?.open(section).await?;
        if self.section.provider() == IN_MEMORY {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(place.store.to_owned(), Arc::clone(&provider));
        }
        Ok(provider)
    }

    async fn free(&self, place: &Place<'_>) -> Result<()> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(place.store);
        Ok(())
    }

    fn prepare_worker(&self, command: &mut Command) {
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }
}

#[cfg(test)]
mod tests {
    use tck::Failure;

    use super::*;

    #[test]
    fn what_the_back_end_breaks_is_shown_and_fails_nothing() {
        let subject = Arc::new(tck::subjects::Memory::default());
        let options = Options { only: vec!["STO-001".to_owned()], ..Options::default() };
        let mut report = tck::certify(subject, &options, &mut |_| {});
        for clause in report.clauses.iter_mut().filter(|clause| clause.claimed) {
            clause.status = Status::Passed;
        }
        report.clauses[0].status = Status::Deviates {
            reason: "it forgets".to_owned(),
            evidence: "GET /a: 404".to_owned(),
            failure: Failure::new("get", "1 byte", "nothing"),
        };
        let (shown, json) = (line(&report.clauses[0]), value(&report.clauses[0]));
        assert!(shown.starts_with("deviates     STO-001"), "{shown}");
        assert!(shown.ends_with(": it forgets\n    evidence: GET /a: 404"), "{shown}");
        assert_eq!(json["status"], "deviates");
        assert_eq!(json["deviation"]["failure"]["seen"], "nothing");
        assert_eq!(report.verdict(), Verdict::Deviating);
        let certify = Certify {
            instances: Vec::new(),
            against: Vec::new(),
            programs: 100,
            share: None,
            report: PathBuf::new(),
            only: Vec::new(),
            seed: None,
        };
        let scratch = OnceLock::new();
        let context = Context { file: None, profile: None, form: Form::Text, scratch };
        assert!(certify.conclude(&context, &report, false).is_ok());
        report.clauses[0].status = Status::Failed(Failure::new("get", "1 byte", "nothing"));
        assert!(matches!(certify.conclude(&context, &report, false), Err(Exit::Negative)));
    }
}
