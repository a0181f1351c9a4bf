//! B11: 10 000 small objects and 20 large ones from one server to another, verified: `omni migrate`
//! beside `rclone copy` and `rclone check`, as programs. Neither signs contents: rclone never does.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use omni_config::Secret;
use omni_provider_aws::{S3Settings, S3Storage};
use omni_storage::Storage;
use tempfile::TempDir;
use tokio::process::Command;

use crate::Failure;
use crate::measure::{About, Bar, Case, Contestant, Plan, contestant, measure};
use crate::server::{ACCESS, SECRET, Server};

const SMALL: usize = 10_000;
const LARGE: usize = 20;
/// How many objects at once: the default of ours.
const PARALLEL: &str = "8";

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    if !plan.wants("B11") {
        return Ok(Vec::new());
    }
    let desk = Arc::new(Desk::new().await?);
    let about = About {
        id: "B11",
        title: format!("S3 to S3, {SMALL} objects of 4 KiB and {LARGE} of 32 MiB, verified"),
        unit: "ms",
        bar: Bar { words: "at least 1.5 x faster", factor: 1.5 },
        operations: 1,
    };
    let contestants = vec![omni(&desk)?, rclone(&desk).await?];
    let few = Plan { rounds: plan.rounds.min(3), ..*plan };
    Ok(vec![measure(&few, about, contestants).await?])
}

/// Two servers, and what is configured for both programs.
struct Desk {
    source: Server,
    target: Server,
    folder: TempDir,
    runs: AtomicUsize,
}

impl Desk {
    async fn new() -> Result<Self, Failure> {
        let (source, target) = (Server::start()?, Server::start()?);
        let folder = tempfile::tempdir()?;
        let settings = S3Settings {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(source.endpoint.clone()),
            access_key_id: Some(ACCESS.to_owned()),
            secret_access_key: Some(Secret::new(SECRET)),
            ..S3Settings::bucket("source")
        };
        let storage = Storage::new(S3Storage::open(settings).await?);
        let put = |number: usize| {
            let storage = storage.clone();
            async move {
                let (name, size) = match number.checked_sub(SMALL) {
                    None => (format!("small/{:03}/{number:05}", number / 100), 4096),
                    Some(number) => (format!("large/{number:02}"), 32 << 20),
                };
                // No two are equal.
                let start = number.to_le_bytes();
                let content: Vec<u8> = start.iter().copied().cycle().take(size).collect();
                storage.put(&name, Bytes::from(content)).await?;
                Ok::<_, Failure>(())
            }
        };
        stream::iter((0..SMALL + LARGE).map(put)).buffer_unordered(8).try_collect::<()>().await?;
        Ok(Self { source, target, folder, runs: AtomicUsize::new(0) })
    }

    /// Runs programs with a target that is empty.
    async fn run(&self, commands: impl FnOnce(&str) -> Vec<Command>) -> Result<(), Failure> {
        let bucket = format!("target-{}", self.runs.fetch_add(1, Ordering::Relaxed));
        for mut command in commands(&bucket) {
            command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
            let output = command.stderr(Stdio::piped()).output().await?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("{command:?}: {}\n{said}", output.status).into());
            }
        }
        Ok(())
    }
}

fn omni(desk: &Arc<Desk>) -> Result<Contestant, Failure> {
    let program = build("omni-cli", "omni")?;
    let desk = Arc::clone(desk);
    Ok(contestant("omni migrate", move |_| {
        let (desk, program) = (Arc::clone(&desk), program.clone());
        async move {
            let instance = |name: &str, server: &Server, bucket: &str| {
                format!(
                    "[default.storage.{name}]\nprovider = \"s3\"\nregion = \"us-east-1\"\n\
                     bucket = \"{bucket}\"\nendpoint = \"{}\"\naccess_key_id = \"{ACCESS}\"\n\
                     secret_access_key = \"{SECRET}\"\nunsigned_payload = true\n",
                    server.endpoint
                )
            };
            let folder = desk.folder.path().to_owned();
            let (source, target) = (&desk.source, &desk.target);
            let commands = |bucket: &str| {
                let text =
                    instance("source", source, "source") + &instance("target", target, bucket);
                std::fs::write(folder.join("omni.toml"), text).expect("a folder of ours");
                let mut command = Command::new(&program);
                command.args(["migrate", "source:/", "target:/", "--parallel", PARALLEL]);
                vec![command]
            };
            desk.run(commands).await
        }
    }))
}

/// The program as it is released.
fn build(package: &str, name: &str) -> Result<PathBuf, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/omni");
    let mut command = std::process::Command::new("cargo");
    command.current_dir(root).args(["build", "--release", "--locked", "--quiet", "-p", package]);
    command.arg("--all-features").env("CARGO_TARGET_DIR", &target);
    match command.status()?.success() {
        true => Ok(target.join("release").join(name)),
        false => Err(format!("{package} is not built").into()),
    }
}

async fn rclone(desk: &Arc<Desk>) -> Result<Contestant, Failure> {
    if Command::new("rclone").arg("version").output().await.is_err() {
        return Err("B11 needs the program rclone: `apt-get install rclone`".into());
    }
    let desk = Arc::clone(desk);
    Ok(contestant("rclone copy and check", move |_| {
        let desk = Arc::clone(&desk);
        async move {
            let command = |words: &[&str], bucket: &str| {
                let mut command = Command::new("rclone");
                // It takes no bundle of certificates from the environment.
                command
                    .env_remove("AWS_CA_BUNDLE")
                    .args(words)
                    .arg("source:source")
                    .arg(format!("target:{bucket}"));
                command.args(["--config", "/dev/null", "--retries", "1"]);
                command.args(["--transfers", PARALLEL, "--checkers", PARALLEL]);
                for (name, server) in [("SOURCE", &desk.source), ("TARGET", &desk.target)] {
                    for (setting, value) in [
                        ("TYPE", "s3"),
                        ("PROVIDER", "Other"),
                        ("LIST_VERSION", "2"),
                        ("REGION", "us-east-1"),
                        ("ENDPOINT", &server.endpoint),
                        ("ACCESS_KEY_ID", ACCESS),
                        ("SECRET_ACCESS_KEY", SECRET),
                    ] {
                        command.env(format!("RCLONE_CONFIG_{name}_{setting}"), value);
                    }
                }
                command
            };
            let commands = |bucket: &str| {
                // Lists everything at once, which is faster here.
                let copy = ["copy", "--checksum", "--fast-list", "--s3-no-check-bucket"];
                let check = ["check", "--fast-list"];
                vec![command(&copy, bucket), command(&check, bucket)]
            };
            desk.run(commands).await
        }
    }))
}
