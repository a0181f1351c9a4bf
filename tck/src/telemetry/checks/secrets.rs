//! Log records, and what stands in no signal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use omni_contracts::storage::{Attributes, ListRequest, Prefix, PutOptions};
use omni_contracts::{Body, Effect, ErrorKind, Result};

use super::{has, only, same};
use crate::check::ok;
use crate::layers::scene::{DONE, DOWN, Fault, NAME, Step};
use crate::telemetry::recorded::Recorded;
use crate::telemetry::stage::{Setup, Stage, key};
use crate::telemetry::{INSTANCE, TelemetrySubject};
use crate::{Failure, Outcome};

pub(super) async fn failures_are_logged(subject: &dyn TelemetrySubject) -> Outcome {
    let lost = Fault::new(ErrorKind::Conflict).with_effect(Effect::Unknown).with_retryable(false);
    let missing = Step::fails(Fault::new(ErrorKind::NotFound));
    let stage = Stage::new(subject, &[DONE, missing, Step::fails(DOWN), DONE, Step::fails(lost)]);
    ok("a put", stage.put("a", "12345").await)?;
    same("a head of what is not there fails", true, stage.head("b").await.is_err())?;
    ok("a list at the second attempt", stage.list().await)?;
    same("a delete fails", true, stage.delete("a").await.is_err())?;
    let recorded = stage.recorded();
    let [log] = &recorded.logs[..] else {
        let seen = format!("{:?}", recorded.logs);
        return Err(Failure::new("one failure of four calls", "one log record", seen));
    };
    let span = only(&recorded, "storage.delete")?;
    same("its event", "omni.operation.failed", &*log.event)?;
    same("its trace", &*span.trace, &*log.trace)?;
    same("its span", &*span.id, &*log.span)?;
    same("that it warns", true, log.warns)?;
    same("that it says what failed", "storage.delete failed: conflict", &*log.body)?;
    for (name, value) in [
        ("omni.contract", "storage"),
        ("omni.operation", "delete"),
        ("omni.provider", NAME),
        ("omni.instance", INSTANCE),
        ("omni.outcome", "conflict"),
        ("error.type", "conflict"),
        ("omni.effect", "unknown"),
    ] {
        let seen = log.attributes.get(name).map_or("", String::as_str);
        same(format!("{name} of a log record"), value, seen)?;
    }
    Ok(())
}

pub(super) async fn breakers_are_logged(subject: &dyn TelemetrySubject) -> Outcome {
    let layers = r#"
        breaker = { calls = 1, share = 1.0, open_for = "30ms" }
        off = ["retry"]
    "#;
    let setup = Setup { layers, ..Setup::default() };
    let stage = Stage::with(subject, &[Step::fails(DOWN), DONE], setup);
    same("a list of what is down fails", true, stage.list().await.is_err())?;
    tokio::time::sleep(Duration::from_millis(60)).await;
    ok("a list that tries", stage.list().await)?;
    let recorded = stage.recorded();
    let changes = recorded.logs.iter().filter(|log| log.event == "omni.breaker.changed");
    let states: Vec<_> = changes
        .map(|log| {
            let state = log.attributes.get("omni.breaker.state").map_or("", String::as_str);
            let instance = log.attributes.get("omni.instance").map_or("", String::as_str);
            format!("{instance}: {state}")
        })
        .collect();
    let expected = ["open", "closed"].map(|state| format!("{INSTANCE}: {state}"));
    same("the states that are logged", &expected[..], &states[..])
}

/// Everything that must not be told.
const SECRETS: [&str; 6] = [
    "key-of-gold",
    "prefix-of-gold",
    "content-of-gold",
    "meta-of-gold",
    "text/type-of-gold",
    "text-of-gold",
];

/// Makes calls that have secrets everywhere, most of which fail.
async fn confide(stage: &Stage<'_>) -> Result<()> {
    let attributes = Attributes {
        content_type: Some("text/type-of-gold".to_owned()),
        metadata: BTreeMap::from([("m".to_owned(), "meta-of-gold".to_owned())]),
        ..Attributes::default()
    };
    let options = PutOptions { attributes: Arc::new(attributes), ..PutOptions::default() };
    let content = Body::from("content-of-gold");
    stage.store.put(&key("key-of-gold"), content, &options).await.map(drop)?;
    let body = stage.get("key-of-gold").await?;
    let _ = body.collect().await;
    let _ = stage.head("key-of-gold").await;
    let _ = stage.delete("key-of-gold").await;
    let request = ListRequest::prefix(Prefix::new("prefix-of-gold")?);
    let _ = stage.store.list(&request).await;
    Ok(())
}

fn secretive(subject: &dyn TelemetrySubject, keys: bool) -> Stage<'_> {
    let told = Fault::new(ErrorKind::Corrupt).with_message("text-of-gold");
    let script = [DONE, Step::breaks(3, told), Step::fails(told)];
    Stage::with(subject, &script, Setup { keys, ..Setup::default() })
}

pub(super) async fn secrets_are_kept(subject: &dyn TelemetrySubject) -> Outcome {
    let stage = secretive(subject, false);
    ok("calls with secrets", confide(&stage).await)?;
    let recorded = stage.recorded();
    same("that there are log records", true, recorded.logs.len() > 2)?;
    leaks(&recorded, &SECRETS)
}

fn leaks(recorded: &Recorded, secrets: &[&str]) -> Outcome {
    let texts = recorded.texts();
    let leaked = texts.iter().find(|text| secrets.iter().any(|secret| text.contains(secret)));
    match leaked {
        None => Ok(()),
        Some(text) => Err(Failure::new("what is recorded of calls", "no secret", text.clone())),
    }
}

pub(super) async fn keys_are_told_when_asked_for(subject: &dyn TelemetrySubject) -> Outcome {
    let stage = secretive(subject, true);
    ok("calls with secrets", confide(&stage).await)?;
    let recorded = stage.recorded();
    let key = has(only(&recorded, "storage.put")?, "omni.resource");
    same("omni.resource of a put", "key-of-gold", &*key)?;
    let prefix = has(only(&recorded, "storage.list")?, "omni.resource");
    same("omni.resource of a list", "prefix-of-gold", &*prefix)?;
    let told = recorded.logs.iter().all(|log| {
        log.attributes.get("exception.message").is_some_and(|text| text.contains("text-of-gold"))
    });
    same("that log records have the texts of errors", true, told)?;
    leaks(&recorded, &["content-of-gold", "meta-of-gold", "text/type-of-gold"])
}
