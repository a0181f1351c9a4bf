//! The program as a user runs it: commands, exit codes, and what it prints.

use std::path::Path;
use std::process::{Command, Output};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Runs the program with its own `omni.toml` and a store in `data`.
fn run(data: &Path, profile: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_archive"));
    command
        .current_dir(HERE)
        .args(arguments)
        .env("OMNI_PROFILE", profile)
        .env_remove("OMNI_CONFIG");
    match profile {
        "memory" => {}
        "ha" => {
            for part in ["one", "other", "witness"] {
                let variable = format!("OMNI_STORAGE__{}__PATH", part.to_uppercase());
                command.env(variable, data.join(part));
            }
        }
        _ => {
            command.env("OMNI_STORAGE__MAIN__PATH", data);
        }
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The files below a folder and their contents.
fn contents(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, found);
        } else {
            found.push((path.to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
}

fn below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    contents(folder, &mut found);
    let strip = |path: String| path[folder.to_str().unwrap().len()..].to_owned();
    found.into_iter().map(|(path, content)| (strip(path), content)).collect()
}

#[test]
fn the_demonstration_runs_in_every_profile() {
    for profile in ["default", "ha", "local", "memory"] {
        let folder = tempfile::tempdir().unwrap();
        let output = run(&folder.path().join("data"), profile, &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).ends_with("the restored files are identical\n"));
    }
}

#[test]
fn what_one_process_archives_another_restores() {
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("restored"));
    let ingested = run(&data, "local", &["ingest"]);
    assert_eq!(ingested.status.code(), Some(0), "{ingested:?}");
    let snapshot = &text(&ingested.stdout)["snapshot ".len()..][..12];
    let listed = run(&data, "local", &["list"]);
    assert!(text(&listed.stdout).starts_with(snapshot));
    assert_eq!(run(&data, "local", &["verify"]).status.code(), Some(0));
    let restore = ["restore", snapshot, target.to_str().unwrap()];
    assert_eq!(run(&data, "local", &restore).status.code(), Some(0));
    assert!(below(&target).len() > 5);
    assert_eq!(below(&target), below(Path::new(HERE)));
    let again = run(&data, "local", &restore);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).starts_with("archive: cannot create "), "{again:?}");
}

#[test]
fn either_of_two_stores_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ingested = run(&data, "ha", &["ingest"]);
    assert_eq!(ingested.status.code(), Some(0), "{ingested:?}");
    let snapshot = &text(&ingested.stdout)["snapshot ".len()..][..12];
    for store in ["one", "other"] {
        let target = folder.path().join(format!("restored from {store}"));
        let restore = ["restore", snapshot, target.to_str().unwrap()];
        let restored = run(&data.join(store), "local", &restore);
        assert_eq!(restored.status.code(), Some(0), "{store}: {restored:?}");
        assert_eq!(below(&target), below(Path::new(HERE)), "{store}");
    }
}

#[test]
fn what_is_wrong_is_told_with_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (profile, arguments, code, message) in [
        ("local", &["destroy"][..], 2, "archive: no such command\nusage: archive [COMMAND]"),
        ("local", &["ingest", "/nowhere"], 1, "archive: cannot open the folder /nowhere: "),
        ("local", &["restore", "ff", "/nowhere"], 1, "archive: exactly one snapshot must begin"),
        (
            "nowhere",
            &["list"],
            2,
            "archive: configuration: unknown profile `nowhere`; allowed are ",
        ),
    ] {
        let output = run(&data, profile, arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(text(&output.stderr).starts_with(message), "{output:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn verify_tells_every_damage_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (data, source) = (folder.path().join("data"), folder.path().join("source"));
    std::fs::create_dir(&source).unwrap();
    // Larger than what the store keeps in its index.
    for (name, byte) in [("a", 1), ("b", 2)] {
        std::fs::write(source.join(name), vec![byte; 100_000]).unwrap();
    }
    let ingested = run(&data, "default", &["ingest", source.to_str().unwrap()]);
    assert_eq!(ingested.status.code(), Some(0), "{ingested:?}");
    let mut damaged = 0;
    for (path, mut content) in below(&data.join("files")) {
        if content.len() == 100_000 {
            content[50_000] ^= 1;
            std::fs::write(data.join("files").join(path.trim_start_matches('/')), content).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 2);
    let output = run(&data, "default", &["verify"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.starts_with("a (") && said.contains("\nb ("), "{said}");
    assert!(said.ends_with("verified 1 snapshots, 2 contents\n"), "{said}");
}
