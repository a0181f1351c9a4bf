//! B14: what an application pays that adds the crate: a build from nothing, with all dependencies.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::Failure;
use crate::measure::{About, Bar, Case, Plan, contestant, measure_once};

const HANDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/omni-storage");

const MAIN: &str = r#"#[tokio::main]
async fn main() -> omni_storage::Result<()> {
    let storage = omni_storage::Storage::open("main").await?;
    storage.put("a", "b").await.map(drop)
}
"#;

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    if !plan.wants("B14") {
        return Ok(cases);
    }
    let default = ("default features", "", Bar { words: "at most 30 s", factor: 30.0 });
    let cloud = Bar { words: "at most 120 s", factor: 120.0 };
    let clouds = [("aws", "aws"), ("azure", "azure"), ("gcp", "gcp")];
    let clouds = clouds.map(|(name, features)| (name, features, cloud));
    for (name, features, bar) in [default].into_iter().chain(clouds) {
        let folder = tempfile::tempdir()?;
        application(folder.path(), features)?;
        let crates = crates(folder.path()).await?;
        let about = About {
            id: "B14",
            title: format!("a fresh application, clean build, {name}: {crates} crates"),
            unit: "ms",
            bar,
            operations: 1,
        };
        let path = folder.path().to_owned();
        let build = contestant("cargo build", move |_| {
            let path = path.clone();
            async move {
                let mut build = Command::new("cargo");
                build.args(["build", "--quiet"]).current_dir(path).env_remove("CARGO_TARGET_DIR");
                match build.status().await?.success() {
                    true => Ok(()),
                    false => Err("the application is not built".into()),
                }
            }
        });
        cases.push(measure_once(about, build).await?);
    }
    Ok(cases)
}

fn application(folder: &Path, features: &str) -> Result<(), Failure> {
    std::fs::create_dir(folder.join("src"))?;
    std::fs::write(folder.join("src/main.rs"), MAIN)?;
    let features = if features.is_empty() { String::new() } else { format!("{features:?}") };
    let manifest = format!(
        "[package]\nname = \"application\"\nedition = \"2024\"\n\n[dependencies]\n\
         omni-storage = {{ path = {HANDLE:?}, features = [{features}] }}\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n\n[workspace]\n"
    );
    Ok(std::fs::write(folder.join("Cargo.toml"), manifest)?)
}

/// How many crates are compiled for the application; downloads them, too.
async fn crates(folder: &Path) -> Result<usize, Failure> {
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--prefix", "none", "--edges", "normal,build", "--format", "{p}"]);
    let output = tree.current_dir(folder).stderr(Stdio::inherit()).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let mut lines: Vec<_> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    lines.sort_unstable();
    lines.dedup();
    let mut fetch = Command::new("cargo");
    fetch.args(["fetch", "--quiet"]).current_dir(folder).status().await?;
    Ok(lines.len())
}
