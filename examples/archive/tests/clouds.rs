//! One binary on five back-ends: what changes is a profile, and where the servers are.

use std::fs;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};
use tck::emulators::{AZURITE, MINISTACK};
use tck::fakes::gcs::{Gcs, NewBucket};

const PROGRAM: &str = env!("CARGO_BIN_EXE_archive");

fn checksum() -> Vec<u8> {
    Sha256::digest(fs::read(PROGRAM).unwrap()).to_vec()
}

/// What the program prints in a profile, with where the storage is in the environment.
fn run(profile: &str, settings: &[(&str, String)], arguments: &[&str]) -> String {
    let mut command = Command::new(PROGRAM);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command.env("OMNI_PROFILE", profile).env_remove("OMNI_CONFIG");
    for (setting, value) in settings {
        command.env(format!("OMNI_STORAGE__MAIN__{}", setting.to_uppercase()), value);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{profile}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The demonstration, whose output names a folder that is different each time.
fn demonstrate(profile: &str, settings: &[(&str, String)]) -> Vec<String> {
    let said = run(profile, settings, &[]);
    said.lines().map(|line| line.split(" into ").next().unwrap().to_owned()).collect()
}

#[test]
fn the_same_binary_does_the_same_on_every_back_end() {
    let folder = tempfile::tempdir().unwrap();
    let (ministack, azurite) = (MINISTACK.start().unwrap(), AZURITE.start().unwrap());
    let gcs = Gcs::start().unwrap();
    gcs.create_bucket(&NewBucket::named("archive")).unwrap();
    let back_ends = [
        ("memory", vec![]),
        ("local", vec![("path", folder.path().join("data").to_str().unwrap().to_owned())]),
        ("aws", ministack.make_store("archive").unwrap()),
        ("azure", azurite.make_store("archive").unwrap()),
        ("gcp", vec![("endpoint", gcs.endpoint().to_owned()), ("anonymous", "true".to_owned())]),
    ];
    let (program, expected) = (checksum(), demonstrate("memory", &[]));
    assert_eq!(expected.last().unwrap(), "the restored files are identical");
    for (profile, settings) in &back_ends {
        assert_eq!(demonstrate(profile, settings), expected, "{profile}");
        assert_eq!(checksum(), program, "{profile}: another binary");
        if *profile != "memory" {
            // What one process archived, another finds.
            let listed = run(profile, settings, &["list"]);
            assert_eq!(listed.lines().next(), expected.get(2).map(String::as_str), "{profile}");
        }
    }
}

#[test]
fn the_program_names_no_provider() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in fs::read_dir(source).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap().to_lowercase();
        for name in ["s3", "azblob", "gcs", "local", "aws", "azure", "gcp", "ministack"] {
            let named = text.split(|c: char| !c.is_alphanumeric()).any(|word| word == name);
            assert!(!named, "{name}");
        }
    }
}
