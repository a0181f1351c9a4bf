//! The documentation as a newcomer uses it: the README's program in a fresh crate, and a provider
//! outside the workspace that is made and certified by following the guide.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Outcome, cargo, output, run};

pub(crate) fn readme_program(root: &Path) -> Outcome {
    let readme = read(&root.join("README.md"))?;
    let folder = fresh(root, "consumer")?;
    // A workspace of its own, with the versions that were tested.
    let manifest = "[package]\nname = \"consumer\"\nedition = \"2024\"\n\n[workspace]\n";
    write(&folder.join("Cargo.toml"), manifest)?;
    write(&folder.join("Cargo.lock"), &read(&root.join("Cargo.lock"))?)?;
    write(&folder.join("src/main.rs"), block(&readme, "rust")?)?;

    let storage = root.join("crates/omni-storage");
    run(cargo(&folder, &["add", "--quiet", "--path"]).arg(storage))?;
    run(&mut cargo(&folder, &["add", "--quiet", "tokio", "--features", "macros,rt-multi-thread"]))?;
    let mut program = cargo(&folder, &["run", "--quiet"]);
    let printed = output(program.env("CARGO_TARGET_DIR", root.join("target")))?;
    println!("{}", printed.trim_end());
    if printed.trim().is_empty() { Err("the program printed nothing".to_owned()) } else { Ok(()) }
}

pub(crate) fn guide_provider(root: &Path) -> Outcome {
    let guide = read(&root.join("docs/guides/write-a-provider.md"))?;
    let folder = fresh(root, "outside")?;
    let here = root.to_str().ok_or("the path of the workspace is not UTF-8")?;
    let manifest = block(&guide, "toml")?.replace("../omni/", &format!("{here}/"));
    write(&folder.join("Cargo.toml"), &manifest)?;
    write(&folder.join("Cargo.lock"), &read(&root.join("Cargo.lock"))?)?;
    let glue = block(&guide, "rust")?;
    if glue.lines().count() >= 60 {
        return Err(format!("the glue has {} lines, 60 are too many", glue.lines().count()));
    }
    write(&folder.join("tests/certify.rs"), glue)?;
    for file in ["lib.rs", "provider.rs", "service.rs"] {
        let source = root.join("crates/omni-provider-skeleton/src").join(file);
        write(&folder.join("src").join(file), &read(&source)?)?;
    }
    let mut test = cargo(&folder, &["test", "--quiet", "--test", "certify"]);
    run(test.env("CARGO_TARGET_DIR", root.join("target")))
}

/// An empty folder under `target`.
pub(crate) fn fresh(root: &Path, name: &str) -> Result<PathBuf, String> {
    let folder = root.join("target").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(folder)
}

/// The first block of a language in a page.
fn block<'page>(page: &'page str, language: &str) -> Result<&'page str, String> {
    page.split(&format!("```{language}\n"))
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .ok_or_else(|| format!("the page has no ```{language} block"))
}

pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

pub(crate) fn write(path: &Path, text: &str) -> Outcome {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
