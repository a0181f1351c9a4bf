//! The packages as they would be published: packed, unpacked elsewhere, and built against each other.
//!
//! Cargo's own verification takes packages that are not published yet from a registry of its own, whose
//! packages it takes for immutable: after a change it would build against those of an earlier run.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use crate::consumer::{fresh, read, write};
use crate::run::{Outcome, cargo, run};
use crate::tidy::PUBLISHED;

pub(crate) fn packages(root: &Path) -> Outcome {
    let mut pack = cargo(root, &["package", "--no-verify", "--allow-dirty", "--quiet", "--locked"]);
    for package in PUBLISHED {
        pack.args(["--package", package]);
    }
    run(pack.env("CARGO_TARGET_DIR", root.join("target")))?;

    let folder = fresh(root, "unpacked")?;
    // The profiles of the workspace, so that what was built for it is used again.
    let workspace = read(&root.join("Cargo.toml"))?;
    let profiles = workspace.find("[profile.").map_or("", |start| &workspace[start..]);
    let mut manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"omni-*\"]\n\n{profiles}\n[patch.crates-io]\n"
    );
    let version = env!("CARGO_PKG_VERSION");
    for package in PUBLISHED {
        let _ = writeln!(manifest, "{package} = {{ path = \"{package}-{version}\" }}");
    }
    write(&folder.join("Cargo.toml"), &manifest)?;
    write(&folder.join("Cargo.lock"), &read(&root.join("Cargo.lock"))?)?;
    for package in PUBLISHED {
        let archive = root.join("target/package").join(format!("{package}-{version}.crate"));
        // As files of now: those of archives have the time of no change, by which cargo takes what it built
        // of an earlier archive for current.
        run(Command::new("tar").arg("-mxzf").arg(archive).arg("-C").arg(&folder))?;
    }
    let mut check = cargo(&folder, &["check", "--quiet", "--workspace"]);
    run(check.env("CARGO_TARGET_DIR", root.join("target")))
}
