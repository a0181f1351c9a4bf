//! B14: what an application pays that adds the crate: a build from nothing, with all dependencies.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::Failure;
use crate::measure::{About, Bar, Case, Contestant, Plan, contestant, measure_once};

const HANDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/omni-storage");

const MAIN: &str = r#"#[tokio::main]
async fn main() -> omni_storage::Result<()> {
    let storage = omni_storage::Storage::open("main").await?;
    storage.put("a", "b").await.map(drop)
}
"#;

/// What an application would add instead of ours: it has to compile the same, at least.
const SOURCE_OF_PEERS: &str = "fn main() {}\n";

/// A build, by what the application depends on.
struct Build {
    name: &'static str,
    /// Whether what it adds keeps less than ours does.
    keeps_less: bool,
    dependencies: String,
}

impl Build {
    fn ours(features: &str) -> Self {
        let dependencies = format!(
            "omni-storage = {{ path = {HANDLE:?}, features = [{features}] }}\n\
             tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}"
        );
        Self { name: "omni", keeps_less: false, dependencies }
    }

    fn peer(name: &'static str, dependencies: &str) -> Self {
        Self { name, keeps_less: false, dependencies: dependencies.to_owned() }
    }
}

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    if !plan.wants("B14") {
        return Ok(cases);
    }
    let default = Bar { words: "no longer than opendal with files", factor: 1.0 };
    let cloud = Bar { words: "at most a tenth longer than the bare SDK", factor: 0.9 };
    // No conditional writes, no attributes, and nothing is synced.
    let object_store =
        Build { keeps_less: true, ..Build::peer("object_store", "object_store = \"=0.14.2\"") };
    let opendal = "opendal = { version = \"=0.59.5\", features = [\"services-fs\"] }";
    let sdk = |name, dependencies| vec![Build::peer(name, dependencies)];
    for (title, features, bar, peers) in [
        ("default features", "", default, vec![Build::peer("opendal", opendal), object_store]),
        ("aws", "\"aws\"", cloud, sdk("aws-sdk-s3", "aws-config = \"1\"\naws-sdk-s3 = \"1\"")),
        (
            "azure",
            "\"azure\"",
            cloud,
            sdk("azure_storage_blob", "azure_identity = \"1\"\nazure_storage_blob = \"1\""),
        ),
        ("gcp", "\"gcp\"", cloud, sdk("google-cloud-storage", "google-cloud-storage = \"1\"")),
    ] {
        let mut contestants = Vec::new();
        let mut counts = Vec::new();
        // Gone when they are built.
        let mut folders = Vec::new();
        for build in [Build::ours(features)].into_iter().chain(peers) {
            let folder = tempfile::tempdir()?;
            let source = if build.name == "omni" { MAIN } else { SOURCE_OF_PEERS };
            application(folder.path(), source, &build.dependencies)?;
            counts.push(format!("{} {}", crates(folder.path()).await?, build.name));
            contestants.push(contestant_of(&build, folder.path().to_owned()));
            folders.push(folder);
        }
        let about = About {
            id: "B14",
            title: format!(
                "a fresh application, clean build, {title}; crates: {}",
                counts.join(", ")
            ),
            unit: "ms",
            bar,
            operations: 1,
        };
        cases.push(measure_once(about, contestants).await?);
    }
    Ok(cases)
}

fn contestant_of(build: &Build, folder: PathBuf) -> Contestant {
    let run = contestant(build.name, move |_| {
        let folder = folder.clone();
        async move {
            let mut build = Command::new("cargo");
            build.args(["build", "--quiet"]).current_dir(folder).env_remove("CARGO_TARGET_DIR");
            match build.status().await?.success() {
                true => Ok(()),
                false => Err("the application is not built".into()),
            }
        }
    });
    if build.keeps_less { run.keeping_less() } else { run }
}

fn application(folder: &Path, source: &str, dependencies: &str) -> Result<(), Failure> {
    std::fs::create_dir(folder.join("src"))?;
    std::fs::write(folder.join("src/main.rs"), source)?;
    let manifest = format!(
        "[package]\nname = \"application\"\nedition = \"2024\"\n\n[dependencies]\n\
         {dependencies}\n\n[workspace]\n"
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
