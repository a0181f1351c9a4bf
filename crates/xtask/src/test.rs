//! `cargo xtask test`: every step in order, fastest first; the first failure ends it.

use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::run::{Outcome, cargo, run};
use crate::{consumer, packages, root, tidy};

/// The seed of the kit.
const SEED: &str = "OMNI_TCK_SEED";

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
    ("packages", packages::packages),
    ("licences, bans and sources", deny),
];

pub(crate) fn test(word: &str) -> Outcome {
    let root = root();
    let begun = Instant::now();
    let steps: Vec<_> = STEPS.iter().filter(|(name, _)| name.contains(word)).collect();
    if steps.is_empty() {
        let names: Vec<_> = STEPS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no step is named like {word:?}; there are: {}", names.join(", ")));
    }
    for (name, step) in &steps {
        let begun = Instant::now();
        println!("\n=== {name}");
        step(&root).map_err(|error| format!("{name}: {error}"))?;
        println!("=== {name}: passed in {:.0?}", begun.elapsed());
    }
    println!("\n{} of {} steps passed in {:.0?}", steps.len(), STEPS.len(), begun.elapsed());
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
    for features in ["aws", "azure", "gcp", "local", "memory"] {
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
    // With every cloud on its emulators, which the kit installs.
    let everything = ["test", "--workspace", "--all-features", "--locked", "--no-fail-fast"];
    let mut everything = cargo(root, &everything);
    // The same random programs and inputs each time, so that a change fails for what it changes. Another
    // seed, which runs of the kit alone choose for themselves, tries others.
    if std::env::var_os(SEED).is_none() {
        everything.env(SEED, "1");
    }
    // Where backtraces are wanted, those of panics: an SDK makes one for each error that it tells.
    run(everything.env("RUST_LIB_BACKTRACE", "0"))?;
    // Without clouds, as applications begin.
    run(&mut cargo(root, &["test", "-p", "omni-storage", "--locked"]))
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

fn deny(root: &Path) -> Outcome {
    let tools = root.join("target/tools").join(format!("cargo-deny-{CARGO_DENY}"));
    let program = tools.join("bin/cargo-deny");
    if !program.exists() {
        // It runs for seconds, and would be optimized for minutes.
        let mut install = cargo(root, &["install", "cargo-deny", "--debug", "--locked", "--quiet"]);
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
