//! The README as a newcomer uses it: a fresh crate, `cargo add --path`, the program as printed.

use std::fs;
use std::path::Path;

use crate::run::{Outcome, cargo, output, run};

pub(crate) fn readme_program(root: &Path) -> Outcome {
    let readme = read(&root.join("README.md"))?;
    let program = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .ok_or("README.md has no program in a ```rust block")?;

    let folder = root.join("target/consumer");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let create = |path: &Path| {
        fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    create(&folder.join("src"))?;
    // A workspace of its own, with the versions that were tested.
    let manifest = "[package]\nname = \"consumer\"\nedition = \"2024\"\n\n[workspace]\n";
    write(&folder.join("Cargo.toml"), manifest)?;
    write(&folder.join("Cargo.lock"), &read(&root.join("Cargo.lock"))?)?;
    write(&folder.join("src/main.rs"), program)?;

    let storage = root.join("crates/omni-storage");
    run(cargo(&folder, &["add", "--quiet", "--path"]).arg(storage))?;
    run(&mut cargo(&folder, &["add", "--quiet", "tokio", "--features", "macros,rt-multi-thread"]))?;
    let mut program = cargo(&folder, &["run", "--quiet"]);
    let printed = output(program.env("CARGO_TARGET_DIR", root.join("target")))?;
    println!("{}", printed.trim_end());
    if printed.trim().is_empty() { Err("the program printed nothing".to_owned()) } else { Ok(()) }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Outcome {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
