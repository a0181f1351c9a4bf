//! `omni drill` and `omni failover`, started as a user starts them. Needs Python 3, and npm.
#![cfg(all(unix, feature = "aws", feature = "azure"))]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// One drill at a time: servers that answer slowly are a fault of their own.
static TURN: Mutex<()> = Mutex::new(());

fn omni(folder: &Path, arguments: &[&str]) -> Output {
    let mut omni = Command::new(env!("CARGO_BIN_EXE_omni"));
    omni.args(arguments).current_dir(folder).env_remove("OMNI_CONFIG").env_remove("OMNI_PROFILE");
    omni.output().unwrap()
}

/// Runs a drill; its report, when every target was kept.
fn kept(arguments: &[&str]) -> Value {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let output = omni(folder.path(), &[&["drill"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}\n{complained}");
    println!("{said}");
    let report = std::fs::read(folder.path().join("omni-drill-report/drill.json")).unwrap();
    let page = std::fs::read_to_string(folder.path().join("omni-drill-report/drill.html")).unwrap();
    assert!(page.contains("<polyline"), "the course is drawn");
    serde_json::from_slice(&report).unwrap()
}

fn was_switched(report: &Value) {
    assert_eq!(report["faults"][0]["primary"], "standby");
    assert!(report["acknowledged"].as_u64().unwrap() > 100, "there was a load");
}

#[test]
fn from_one_s3_server_to_another() {
    was_switched(&kept(&["s3-to-s3"]));
}

#[test]
fn from_s3_to_azure() {
    was_switched(&kept(&["s3-to-azure"]));
}

#[test]
fn from_s3_to_a_folder() {
    was_switched(&kept(&["s3-to-folder"]));
}

#[test]
fn from_one_s3_server_to_another_a_moment_later() {
    let report = kept(&["async"]);
    was_switched(&report);
    let mut targets = report["targets"].as_array().unwrap().iter();
    let rpo = targets.find(|target| target["name"] == "rpo").unwrap();
    assert_eq!(rpo["demanded"], "nothing is lost that is older than 5s");
}

#[test]
fn the_application_is_killed() {
    let report = kept(&["program"]);
    let kills = report["faults"].as_array().unwrap().iter();
    assert_eq!(kills.filter(|fault| fault["on"] == "program").count(), 3);
}

#[test]
fn a_standby_is_stale() {
    kept(&["stale-standby"]);
}

#[test]
fn the_network_is_bad() {
    kept(&["network"]);
}

#[test]
fn at_random_moments() {
    kept(&["random", "--rounds", "2"]);
}

/// A drill that needs no server: the application is killed, on three folders.
const SMALL: &str = r#"
instance = "main"

[storage.main]
provider = "failover"
members = ["first", "second"]
witness = "witness"

[storage.first]
provider = "local"
path = "{folder}/first"

[storage.second]
provider = "local"
path = "{folder}/second"

[storage.witness]
provider = "local"
path = "{folder}/witness"

[load]
clients = 4
lasts = "2s"

[[faults]]
fault = "kill"
on = "program"
after = "1s"
lasts = "100ms"
"#;

/// What a small drill says that ends with 1.
fn fails(more: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plan.toml"), format!("{SMALL}\n{more}")).unwrap();
    let output = omni(folder.path(), &["drill", "plan.toml"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn an_impossible_target_is_missed_and_said_so() {
    let said = fails("[targets]\nrto = '1us'");
    assert!(said.contains("MISSED  rto: at most 1"), "{said}");
    assert!(said.contains("kept    rpo: nothing is lost"), "{said}");
    assert!(said.contains("a target was missed"), "{said}");
}

#[test]
fn a_drill_gives_up() {
    let said = fails("[abort]\nafter = '1500ms'");
    assert!(said.contains("given up: it has taken 1.5s"), "{said}");
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plan.toml"), "instance = 'main'\nlaod = {}").unwrap();
    std::fs::write(
        folder.path().join("tls.toml"),
        "instance = 'main'\n[storage.main]\nprovider = 'memory'\n\
         [storage.cloud]\nprovider = 's3'\nbucket = 'b'\nregion = 'r'\n\
         [[faults]]\nfault = 'silence'\non = 'cloud'\nafter = '1s'",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("emulator.toml"),
        "instance = 'main'\n[storage.main]\nprovider = 'memory'\n\
         [storage.cloud]\nprovider = 's3'\nbucket = 'b'\n[servers.cloud]\nemulator = 'minio'",
    )
    .unwrap();
    for (arguments, says) in [
        (
            &["drill", "s3-to-gcs"][..],
            "the drills that come with the program are async, network, program, random",
        ),
        (&["drill", "none.toml"], "none.toml: "),
        (&["drill", "plan.toml"], "unknown field `laod`"),
        (&["drill", "tls.toml"], "of the form http://HOST:PORT"),
        (&["drill", "emulator.toml"], "there is no emulator \"minio\", there are azurite"),
        (&["drill", "s3-to-s3", "--rounds", "2"], "s3-to-s3 has no random rounds"),
        (&["failover", "main"], "its provider is local, not failover"),
    ] {
        let output = omni(folder.path(), arguments);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {complained}");
        assert!(complained.contains(says), "{arguments:?}: {complained}");
    }
}
