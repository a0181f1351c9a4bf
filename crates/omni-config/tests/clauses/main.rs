//! The clauses `CFG-` of `docs/spec/config.md`, one test each, named by id.

mod environment;
mod files;
mod instances;
mod providers;
mod values;

use std::collections::BTreeSet;
use std::path::Path;

use omni_config::{Config, Loader};

/// A loader that sees neither the files nor the environment of whoever runs the tests.
fn loader(variables: &[(&str, &str)]) -> Loader {
    Loader::new().folder("/nowhere").environment(variables.iter().copied())
}

/// A configuration from a text alone.
fn config(toml: &str) -> Config {
    loader(&[]).text(toml).load().unwrap()
}

/// The message of a configuration that is refused.
fn refused(loader: Loader) -> String {
    loader.load().unwrap_err().to_string()
}

#[test]
fn every_clause_has_a_test_and_every_test_a_clause() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spec = std::fs::read_to_string(here.join("../../docs/spec/config.md")).unwrap();
    let clauses: BTreeSet<_> =
        spec.lines().filter_map(|line| line.strip_prefix("#### CFG-")).map(str::to_owned).collect();
    let mut tests = BTreeSet::new();
    for file in std::fs::read_dir(here.join("tests/clauses")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let names = text.lines().filter_map(|line| line.split_once("fn cfg_"));
        let ids = names.map(|(_, name)| name.chars().take_while(char::is_ascii_digit).collect());
        tests.extend(ids.filter(|id: &String| !id.is_empty()));
    }
    assert!(clauses.len() > 30);
    assert_eq!(clauses, tests);
}
