//! B14: what an application pays that adds the crate: a build from nothing, with all dependencies.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::Failure;
use crate::measure::{About, Bar, Case, Contestant, Plan, contestant, measure_once};

const HANDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/omni-storage");

/// An application: it opens a storage and puts one object.
struct Build {
    name: &'static str,
    program: &'static str,
    dependencies: String,
    /// Whether what it adds keeps less than ours does.
    keeps_less: bool,
}

impl Build {
    fn new(name: &'static str, program: &'static str, dependencies: &[&str]) -> Self {
        let tokio = "tokio = { version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }";
        let dependencies = [&[tokio], dependencies].concat().join("\n");
        Self { name, program, dependencies, keeps_less: false }
    }

    fn ours(features: &str) -> Self {
        let dependency = format!("omni-storage = {{ path = {HANDLE:?}, {features} }}");
        Self::new("omni", include_str!("../applications/omni.rs"), &[&dependency])
    }

    fn with_one_cloud(cloud: &str) -> Self {
        Self::ours(&format!("default-features = false, features = [{cloud:?}]"))
    }
}

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    if !plan.wants("B14") {
        return Ok(cases);
    }
    let default = Bar { words: "no longer than opendal with files", factor: 1.0 };
    let cloud = Bar { words: "at most a tenth longer than the bare SDK", factor: 0.9 };
    let opendal = Build::new(
        "opendal",
        include_str!("../applications/opendal.rs"),
        &[r#"opendal = { version = "=0.59.5", features = ["services-fs"] }"#],
    );
    let object_store = Build::new(
        "object_store",
        include_str!("../applications/object_store.rs"),
        &[r#"object_store = "=0.14.2""#],
    );
    // No conditional writes, no attributes, and nothing is synced.
    let object_store = Build { keeps_less: true, ..object_store };
    let s3 = Build::new(
        "aws-sdk-s3",
        include_str!("../applications/aws-sdk-s3.rs"),
        &[r#"aws-config = "1""#, r#"aws-sdk-s3 = "1""#],
    );
    let blob = Build::new(
        "azure_storage_blob",
        include_str!("../applications/azure_storage_blob.rs"),
        &[r#"azure_core = "1""#, r#"azure_identity = "1""#, r#"azure_storage_blob = "1""#],
    );
    let gcs = Build::new(
        "google-cloud-storage",
        include_str!("../applications/google-cloud-storage.rs"),
        &[r#"google-cloud-storage = "1""#],
    );
    for (title, bar, builds) in [
        ("default features", default, vec![Build::ours("features = []"), opendal, object_store]),
        ("aws alone", cloud, vec![Build::with_one_cloud("aws"), s3]),
        ("azure alone", cloud, vec![Build::with_one_cloud("azure"), blob]),
        ("gcp alone", cloud, vec![Build::with_one_cloud("gcp"), gcs]),
    ] {
        let mut contestants = Vec::new();
        let mut counts = Vec::new();
        // Gone when they are built.
        let mut folders = Vec::new();
        for build in builds {
            let folder = tempfile::tempdir()?;
            application(folder.path(), &build)?;
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

fn application(folder: &Path, build: &Build) -> Result<(), Failure> {
    std::fs::create_dir(folder.join("src"))?;
    std::fs::write(folder.join("src/main.rs"), build.program)?;
    let manifest = format!(
        "[package]\nname = \"application\"\nedition = \"2024\"\n\n[dependencies]\n\
         {}\n\n[workspace]\n",
        build.dependencies
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
