//! `cargo xtask test`: every step in order, fastest first; the first failure ends it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::run::{Outcome, cargo, run};
use crate::{consumer, root, tidy};

const CARGO_DENY: &str = "0.20.2";

type Step = (&'static str, fn(&Path) -> Outcome);

const STEPS: &[Step] = &[
    ("format", format),
    ("tidy", |_| tidy::tidy()),
    ("lints", lints),
    ("documentation", documentation),
    ("tests and certification", tests),
    ("a provider from outside, by the guide", consumer::guide_provider),
    ("examples", examples),
    ("the README's program in a fresh crate", consumer::readme_program),
    ("packages", packages),
    ("licences, bans and sources", deny),
];

pub(crate) fn test() -> Outcome {
    let root = root();
    let begun = Instant::now();
    for (name, step) in STEPS {
        let begun = Instant::now();
        println!("\n=== {name}");
        step(&root).map_err(|error| format!("{name}: {error}"))?;
        println!("=== {name}: passed in {:.0?}", begun.elapsed());
    }
    println!("\nall {} steps passed in {:.0?}", STEPS.len(), begun.elapsed());
    Ok(())
}

fn format(root: &Path) -> Outcome {
    run(&mut cargo(root, &["fmt", "--all", "--check"]))?;
    run(&mut cargo(&root.join("bench"), &["fmt", "--check"]))
}

fn lints(root: &Path) -> Outcome {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--",
        "-Dwarnings",
    ];
    run(&mut cargo(root, &arguments))?;
    // The smallest builds that users ask for.
    for features in ["local", "memory"] {
        let arguments =
            ["check", "-p", "omni-storage", "--no-default-features", "--features", features];
        run(&mut cargo(root, &arguments))?;
    }
    Ok(())
}

fn documentation(root: &Path) -> Outcome {
    let arguments = ["doc", "--workspace", "--no-deps", "--all-features", "--locked"];
    run(cargo(root, &arguments).env("RUSTDOCFLAGS", "-Dwarnings"))
}

fn tests(root: &Path) -> Outcome {
    run(&mut cargo(root, &["test", "--workspace", "--locked", "--no-fail-fast"]))
}

fn examples(root: &Path) -> Outcome {
    for profile in ["memory", "local"] {
        let data = root.join("target/examples").join(profile);
        if data.exists() {
            fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        }
        let mut archive = cargo(&root.join("examples/archive"), &["run", "--quiet", "--locked"]);
        archive.env("OMNI_PROFILE", profile);
        if profile == "local" {
            archive.env("OMNI_STORAGE__MAIN__PATH", &data);
        }
        run(&mut archive)?;
    }
    Ok(())
}

fn packages(root: &Path) -> Outcome {
    forget_unpacked_packages()?;
    let mut arguments = vec!["package", "--allow-dirty", "--quiet", "--locked"];
    for package in tidy::PUBLISHED {
        arguments.extend(["--package", package]);
    }
    run(&mut cargo(root, &arguments))
}

/// Cargo verifies packages that depend on each other through a registry of its own in `target`, and
/// keeps what it unpacked from there by name and version: without this, it would verify the packages of
/// an earlier run.
fn forget_unpacked_packages() -> Outcome {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let Some(registries) = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok())
    else {
        return Ok(());
    };
    // A registry in a folder has no host name before the hyphen.
    let local = |path: &PathBuf| path.file_name().is_some_and(|n| n.as_encoded_bytes()[0] == b'-');
    for registry in registries.flatten().map(|entry| entry.path()).filter(local) {
        for package in tidy::PUBLISHED {
            let unpacked = registry.join(format!("{package}-{}", env!("CARGO_PKG_VERSION")));
            if unpacked.exists() {
                let failed = |error| format!("{}: {error}", unpacked.display());
                fs::remove_dir_all(&unpacked).map_err(failed)?;
            }
        }
    }
    Ok(())
}

fn deny(root: &Path) -> Outcome {
    let tools = root.join("target/tools").join(format!("cargo-deny-{CARGO_DENY}"));
    let program = tools.join("bin/cargo-deny");
    if !program.exists() {
        let mut install = cargo(root, &["install", "cargo-deny", "--locked", "--quiet"]);
        install.args(["--version", CARGO_DENY, "--no-default-features", "--root"]).arg(&tools);
        run(install.env("CARGO_TARGET_DIR", root.join("target/tools/build")))?;
    }
    let mut check = std::process::Command::new(program);
    let sections = ["licenses", "bans", "sources"];
    run(check
        .current_dir(root)
        .args(["--locked", "check", "--hide-inclusion-graph"])
        .args(sections))
}
