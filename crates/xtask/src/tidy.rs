//! The textual rules of the workspace: what a compiler does not check and a reviewer should not have
//! to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::guides;
use crate::root;
use crate::run::{Outcome, cargo, output};

/// What is published, in the order of their dependencies.
pub(crate) const PUBLISHED: &[&str] = &[
    "omni-contracts",
    "omni-config",
    "omni-layers",
    "omni-failover",
    "omni-provider-memory",
    "omni-provider-local",
    "omni-provider-aws",
    "omni-provider-azure",
    "omni-provider-gcp",
    "omni-telemetry",
    "omni-storage",
];

/// Which crates of ours each crate may depend on. A provider never depends on another.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("archive", &["omni-storage"]),
    ("omni-cli", &["omni-drill", "omni-failover", "omni-storage", "omni-telemetry", "tck"]),
    ("omni-config", &["omni-contracts"]),
    ("omni-contracts", &[]),
    ("omni-drill", &["omni-config", "omni-contracts", "omni-failover", "omni-storage", "tck"]),
    ("omni-failover", &["omni-config", "omni-contracts"]),
    ("omni-layers", &["omni-config", "omni-contracts"]),
    ("omni-provider-aws", &["omni-config", "omni-contracts"]),
    ("omni-provider-azure", &["omni-config", "omni-contracts"]),
    ("omni-provider-gcp", &["omni-config", "omni-contracts"]),
    ("omni-provider-local", &["omni-config", "omni-contracts"]),
    ("omni-provider-memory", &["omni-config", "omni-contracts"]),
    ("omni-provider-skeleton", &["omni-contracts"]),
    ("omni-telemetry", &["omni-config", "omni-contracts", "omni-layers"]),
    (
        "omni-storage",
        &[
            "omni-config",
            "omni-contracts",
            "omni-failover",
            "omni-layers",
            "omni-provider-aws",
            "omni-provider-azure",
            "omni-provider-gcp",
            "omni-provider-local",
            "omni-provider-memory",
            "omni-telemetry",
        ],
    ),
    (
        "tck",
        &[
            "omni-config",
            "omni-contracts",
            "omni-failover",
            "omni-layers",
            "omni-provider-aws",
            "omni-provider-azure",
            "omni-provider-gcp",
            "omni-provider-local",
            "omni-provider-memory",
            "omni-telemetry",
        ],
    ),
    ("xtask", &[]),
];

/// Everything that the contract crate stands on. A new name here is a decision.
const CONTRACTS_STAND_ON: &[&str] = &[
    "async-trait",
    "bytes",
    "crc-fast",
    "crypto-common",
    "digest",
    "futures-core",
    "futures-macro",
    "futures-task",
    "futures-util",
    "generic-array",
    "memchr",
    "omni-contracts",
    "pin-project-lite",
    "proc-macro2",
    "quote",
    "slab",
    "smol_str",
    "spin",
    "syn",
    "typenum",
    "unicode-ident",
    "version_check",
];

const MAX_LINES: usize = 800;
const MAX_CONTRACT_LINES: usize = 250;

/// Contract modules above [`MAX_CONTRACT_LINES`] before their tests, and why.
const LONG_CONTRACT_MODULES: &[(&str, &str)] = &[
    ("error.rs", "the one error type: kinds, effects, building and reading it"),
    ("call.rs", "the operation table and the interceptor that reads it"),
    ("provider.rs", "one trait, every method with its table of errors"),
    ("capability.rs", "capabilities, durability and limits are one vocabulary"),
    ("intercept.rs", "one adapter, one method per operation"),
    ("options.rs", "the options of all operations, half of it documentation"),
];

pub(crate) fn tidy() -> Outcome {
    let root = root();
    let mut faults = Vec::new();
    let files = files(&root)?;
    for file in &files {
        let text = match fs::read_to_string(root.join(file)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => continue,
            Err(error) => return Err(format!("{}: {error}", file.display())),
        };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => source(file, &text, &mut faults),
            Some("md") => links(&root, file, &text, &mut faults),
            _ if file.ends_with("Cargo.toml") => manifest(file, &text, &mut faults),
            _ => {}
        }
    }
    clause_ids(&root, &files, &mut faults)?;
    contract_tree(&root, &mut faults)?;
    guides::faults(&root, &mut faults)?;
    if faults.is_empty() {
        println!("{} files are tidy", files.len());
        return Ok(());
    }
    faults.sort();
    Err(format!("{} faults\n  {}", faults.len(), faults.join("\n  ")))
}

/// Every file that git knows or would add.
fn files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut git = std::process::Command::new("git");
    git.current_dir(root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let files: Vec<_> = output(&mut git)?.lines().map(PathBuf::from).collect();
    Ok(files.into_iter().filter(|file| root.join(file).exists()).collect())
}

fn source(file: &Path, text: &str, faults: &mut Vec<String>) {
    let mut fault = |what: String| faults.push(format!("{}: {what}", file.display()));
    if !text.starts_with("//!") {
        fault("does not open with `//!`: say what lives here".to_owned());
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        fault(format!("has {lines} lines, at most {MAX_LINES} are allowed"));
    }
    if file.starts_with("crates/omni-contracts/src") {
        let before_tests = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        let name = file.file_name().unwrap_or_default();
        let exempt = LONG_CONTRACT_MODULES.iter().any(|(long, _)| name == *long);
        if before_tests > MAX_CONTRACT_LINES && !exempt {
            fault(format!("has {before_tests} lines, contracts have {MAX_CONTRACT_LINES}"));
        }
    }
    let published = PUBLISHED.iter().any(|name| file.starts_with(Path::new("crates").join(name)));
    let words = ["to", "do"].concat().to_uppercase();
    for (number, line) in text.lines().enumerate() {
        let mut fault = |what: &str| fault(format!("line {}: {what}", number + 1));
        if line.contains(&words) || line.contains(&["FIX", "ME"].concat()) {
            fault("unfinished work is not left in comments");
        }
        if published && line.contains("include_") && line.contains("../..") {
            fault("a published crate must not include what is outside its folder");
        }
    }
    let banned = ["util", "utils", "common", "helper", "helpers", "manager", "misc"];
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if banned.contains(&stem) {
        fault("name the concept, not the pile".to_owned());
    }
}

/// Relative links lead somewhere.
fn links(root: &Path, file: &Path, text: &str, faults: &mut Vec<String>) {
    let folder = root.join(file.parent().unwrap_or(Path::new("")));
    for rest in text.split("](").skip(1) {
        let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
        if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        if !folder.join(target).exists() {
            faults.push(format!("{}: the link to {target} leads nowhere", file.display()));
        }
    }
}

fn manifest(file: &Path, text: &str, faults: &mut Vec<String>) {
    let mut fault = |what: String| faults.push(format!("{}: {what}", file.display()));
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return fault(format!("is not TOML: {error}")),
    };
    let Some(package) = table.get("package") else { return };
    let name = package.get("name").and_then(toml::Value::as_str).unwrap_or_default();
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
    if file.starts_with("bench") {
        return;
    }
    if folder != name {
        fault(format!("the folder must be named {name}"));
    }
    let inherits = table.get("lints").and_then(|lints| lints.get("workspace"));
    if inherits != Some(&toml::Value::Boolean(true)) {
        fault("must have `[lints] workspace = true`".to_owned());
    }
    let published = package.get("publish") != Some(&toml::Value::Boolean(false));
    if published != PUBLISHED.contains(&name) {
        fault("`publish` and the list of published crates in tidy.rs differ".to_owned());
    }
    let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(known, _)| *known == name) else {
        return fault("is not in the dependency rules of tidy.rs".to_owned());
    };
    let ours: BTreeSet<_> = MAY_DEPEND_ON.iter().map(|(known, _)| *known).collect();
    for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
        let Some(toml::Value::Table(dependencies)) = table.get(kind) else { continue };
        for (dependency, how) in dependencies {
            let is_ours = ours.contains(dependency.as_str());
            let allowed = allowed.contains(&dependency.as_str()) || kind == "dev-dependencies";
            if is_ours && !allowed {
                fault(format!("must not depend on {dependency}"));
            }
            if how.get("workspace") != Some(&toml::Value::Boolean(true)) {
                fault(format!("{dependency} must take its version from the workspace"));
            }
        }
    }
}

/// Clause ids that are cited exist in the specification, and none is defined twice.
fn clause_ids(root: &Path, files: &[PathBuf], faults: &mut Vec<String>) -> Outcome {
    let mut defined = BTreeSet::new();
    for file in files.iter().filter(|file| file.starts_with("docs/spec")) {
        let text = read(root, file)?;
        for id in text.lines().filter_map(|line| line.strip_prefix("#### ")) {
            if !defined.insert(id.trim().to_owned()) {
                faults.push(format!("{}: {id} is defined twice", file.display()));
            }
        }
    }
    for file in files {
        let is_text = file.extension().is_some_and(|kind| kind == "rs" || kind == "md");
        if !is_text || file.starts_with("crates/xtask") || file.ends_with("CHANGELOG.md") {
            continue;
        }
        for id in cited(&read(root, file)?) {
            // Ids from 990 on never exist; tests of wrong ids use them.
            if !defined.contains(&id) && !id[4..].starts_with("99") {
                faults.push(format!("{}: cites {id}, which no clause has", file.display()));
            }
        }
    }
    Ok(())
}

/// The ids in a text: three capitals, a hyphen, three digits.
fn cited(text: &str) -> BTreeSet<String> {
    const FAMILIES: &[&str] = &["STO-", "ERR-", "CFG-"];
    let mut ids = BTreeSet::new();
    for family in FAMILIES {
        for (at, _) in text.match_indices(family) {
            let digits: String =
                text[at + 4..].chars().take_while(char::is_ascii_digit).take(4).collect();
            if digits.len() == 3 {
                ids.insert(format!("{family}{digits}"));
            }
        }
    }
    ids
}

/// The contract crate stands on nothing but what is listed.
fn contract_tree(root: &Path, faults: &mut Vec<String>) -> Outcome {
    let arguments =
        ["tree", "--package", "omni-contracts", "--edges", "normal,build", "--prefix", "none"];
    let tree = output(&mut cargo(root, &arguments))?;
    for name in tree.lines().filter_map(|line| line.split(' ').next()).filter(|n| !n.is_empty()) {
        if !CONTRACTS_STAND_ON.contains(&name) {
            faults.push(format!("omni-contracts must not stand on {name}"));
        }
    }
    Ok(())
}

fn read(root: &Path, file: &Path) -> Result<String, String> {
    fs::read_to_string(root.join(file)).map_err(|error| format!("{}: {error}", file.display()))
}
