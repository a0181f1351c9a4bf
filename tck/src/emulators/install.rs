//! Installing an emulator, once per build directory: into `tck-emulators/<name>-<version>` of it. A
//! marker that is written last says what was installed; without it, or with another one, everything
//! is made anew. A virtual environment cannot be moved, so it is made where it stays.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::supervised::Supervised;
use super::{Emulator, Install};

/// The file that says what is installed.
const MARKER: &str = "installed";

/// How long an installer may take.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The folder of the emulator, installed. Waits while another process installs it.
pub(super) fn installed(emulator: &Emulator) -> Result<PathBuf, String> {
    let exe = std::env::current_exe().map_err(|error| format!("the running program: {error}"))?;
    let wanted = std::env::var_os("CARGO_TARGET_DIR");
    let target = target(wanted.as_deref(), &exe).ok_or_else(|| {
        let exe = exe.display();
        format!("no build directory: {exe} is in none that is named target; set CARGO_TARGET_DIR")
    })?;
    below(&target.join("tck-emulators"), emulator)
}

/// The build directory. Cargo takes a relative one from where it was called, which a test cannot know.
fn target(wanted: Option<&OsStr>, exe: &Path) -> Option<PathBuf> {
    let wanted = wanted.map(Path::new).filter(|wanted| !wanted.as_os_str().is_empty());
    if let Some(absolute) = wanted.filter(|wanted| wanted.is_absolute()) {
        return Some(absolute.to_owned());
    }
    let relative = wanted.unwrap_or(Path::new("target"));
    let named = |name: &Path| exe.ancestors().skip(1).find(|folder| folder.ends_with(name));
    let folder = named(relative).or_else(|| named(Path::new(relative.file_name()?)));
    folder.map(Path::to_owned)
}

fn below(root: &Path, emulator: &Emulator) -> Result<PathBuf, String> {
    let name = format!("{}-{}", emulator.name, emulator.version);
    let folder = root.join(&name);
    let at = |error: io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(root).map_err(at)?;
    // Let go with the file, when this process ends at the latest.
    let lock = File::create(root.join(format!("{name}.lock"))).map_err(at)?;
    lock.lock().map_err(at)?;
    let marker = folder.join(MARKER);
    let contents = contents(emulator);
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == contents) {
        return Ok(folder);
    }
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
        _ => fs::create_dir(&folder).map_err(at)?,
    }
    for (file, text) in files(&emulator.install) {
        let file = folder.join(file);
        fs::write(&file, text).map_err(at)?;
        if text.starts_with("#!") {
            fs::set_permissions(&file, Permissions::from_mode(0o755)).map_err(at)?;
        }
    }
    for step in steps(&emulator.install) {
        take(&step, &folder).map_err(|error| format!("installing {name}: {error}"))?;
    }
    let unfinished = folder.join("installing");
    fs::write(&unfinished, contents).and_then(|()| fs::rename(unfinished, marker)).map_err(at)?;
    Ok(folder)
}

/// What is installed, in full: another lock file is another installation.
fn contents(emulator: &Emulator) -> String {
    let Emulator { name, version, install, .. } = emulator;
    let mut text = format!("{name} {version}\n");
    for step in steps(install) {
        text.push_str(&format!("{} {}\n", step.program, step.arguments.join(" ")));
    }
    for (file, contents) in files(install) {
        text.push_str(&format!("{file}\n{contents}\n"));
    }
    text
}

fn files(install: &Install) -> Vec<(&'static str, &'static str)> {
    match *install {
        Install::Python { requirements } => vec![("requirements.txt", requirements)],
        Install::Npm { package, lock, serve } => {
            vec![("package.json", package), ("package-lock.json", lock), ("serve.js", serve)]
        }
        Install::Debian { script, sources, sums } => {
            vec![("install.sh", script), ("debian.sources", sources), ("SHA256SUMS", sums)]
        }
        Install::Nothing => Vec::new(),
    }
}

/// One command of an installation.
struct Step {
    program: &'static str,
    arguments: &'static [&'static str],
    /// What the machine must have for it.
    needs: &'static str,
}

fn steps(install: &Install) -> Vec<Step> {
    const PYTHON: &str =
        "python3, 3.11 or later, with the modules venv and pip, and a package index";
    const NPM: &str = "npm and node, 20 or later, and a package registry";
    const DEBIAN: &str = "apt-get, dpkg-deb and sha256sum, an amd64 machine, and Debian's packages";
    let step = |program, arguments, needs| Step { program, arguments, needs };
    match install {
        Install::Python { .. } => vec![
            step("python3", &["-m", "venv", "venv"], PYTHON),
            // Exactly what is listed; the last step says whether that is all.
            step(
                "venv/bin/python",
                &[
                    "-m",
                    "pip",
                    "--disable-pip-version-check",
                    "install",
                    "--no-input",
                    "--no-deps",
                    "--progress-bar=off",
                    "--requirement=requirements.txt",
                ],
                PYTHON,
            ),
            step("venv/bin/python", &["-m", "pip", "check"], PYTHON),
        ],
        Install::Npm { .. } => {
            vec![step("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"], NPM)]
        }
        Install::Debian { .. } => vec![step("./install.sh", &[], DEBIAN)],
        Install::Nothing => Vec::new(),
    }
}

fn take(step: &Step, folder: &Path) -> Result<(), String> {
    let Step { program, arguments, needs } = step;
    let found = match program.contains('/') {
        true => folder.join(program).into_os_string(),
        false => OsString::from(program),
    };
    let command = format!("{program} {}", arguments.join(" "));
    let wrong = |error: io::Error| format!("{command}: {error}");
    let mut running = Supervised::start(&found, arguments, &[], Some(folder)).map_err(wrong)?;
    let problem = match running.wait(LIMIT).map_err(wrong)? {
        Some(0) => return Ok(()),
        Some(status) => format!("ended with status {status}"),
        None => format!("no end within {LIMIT:?}, given up"),
    };
    Err(format!("{command}: {problem}; needed are {needs}; {}", running.tail()))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::Ready;
    use super::*;

    const NOTHING: Emulator = Emulator {
        name: "nothing",
        version: "1",
        install: Install::Nothing,
        program: "true",
        arguments: &[],
        environment: &[],
        ports: 1,
        ready: Ready { path: "/", status: None },
        patience: Duration::from_secs(1),
        stores: None,
    };

    #[test]
    fn the_build_directory_is_found() {
        let exe = Path::new("/a/target/x/target/debug/deps/t");
        let found = |wanted: Option<&str>| {
            target(wanted.map(OsStr::new), exe).map(|found| found.display().to_string())
        };
        assert_eq!(found(None).unwrap(), "/a/target/x/target");
        assert_eq!(found(Some("")).unwrap(), "/a/target/x/target");
        assert_eq!(found(Some("/b")).unwrap(), "/b");
        assert_eq!(found(Some("x/target")).unwrap(), "/a/target/x/target");
        assert_eq!(found(Some("../x")).unwrap(), "/a/target/x");
        assert_eq!(found(Some("y")), None);
        assert_eq!(target(None, Path::new("/usr/bin/omni")), None);
    }

    #[test]
    fn what_was_installed_is_kept_and_what_was_not_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let folder = below(root.path(), &NOTHING).unwrap();
        fs::write(folder.join("kept"), "").unwrap();
        assert_eq!(below(root.path(), &NOTHING).unwrap(), folder);
        assert!(folder.join("kept").exists());
        fs::remove_file(folder.join(MARKER)).unwrap();
        below(root.path(), &NOTHING).unwrap();
        assert!(!folder.join("kept").exists(), "an installation without its marker was used");
    }

    #[test]
    fn an_installer_that_fails_is_an_error_with_its_words() {
        let root = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let say = &["-c", "echo no such version >&2; exit 3"];
        let step = Step { program: "sh", arguments: say, needs: "a wonder" };
        let error = take(&step, root.path()).unwrap_err();
        for part in ["status 3", "needed are a wonder", "ends with:\nno such version"] {
            assert!(error.contains(part), "{part:?} is not in:\n{error}");
        }
        let step = Step { program: "no-such-program", arguments: &[], needs: "it" };
        assert!(take(&step, root.path()).unwrap_err().contains("status 127"));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
