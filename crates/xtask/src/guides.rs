//! The tables of settings in the guides, made of the comments at the settings themselves. A guide says
//! where its settings are: `<!-- settings: path/to/settings.rs -->`, and ends the table with
//! `<!-- end -->`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;
use crate::run::Outcome;

const BEGIN: &str = "<!-- settings: ";
const END: &str = "<!-- end -->";

/// Writes the tables anew.
pub(crate) fn write() -> Outcome {
    for (path, current, made) in guides(&root())? {
        if current != made {
            fs::write(&path, made).map_err(|error| format!("{}: {error}", path.display()))?;
            println!("{} was written", path.display());
        }
    }
    Ok(())
}

/// The guides whose tables are not those of the settings.
pub(crate) fn faults(root: &Path, faults: &mut Vec<String>) -> Outcome {
    for (path, current, made) in guides(root)? {
        if current != made {
            faults.push(format!("{}: is behind the settings: cargo xtask guides", path.display()));
        }
    }
    Ok(())
}

/// Every guide: where it is, what it says and what it should say.
fn guides(root: &Path) -> Result<Vec<(PathBuf, String, String)>, String> {
    let folder = root.join("docs/guides");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut guides = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let current = read(&path)?;
        let Some((before, rest)) = current.split_once(BEGIN) else { continue };
        let parts = rest.split_once(" -->\n");
        let Some((source, (_, after))) =
            parts.and_then(|(source, rest)| Some((source, rest.split_once(END)?)))
        else {
            return Err(format!("{}: the table of settings has no end", path.display()));
        };
        let table = table(&read(&root.join(source))?);
        let made = format!("{before}{BEGIN}{source} -->\n{table}{END}{after}");
        guides.push((path, current, made));
    }
    Ok(guides)
}

/// The public fields of the settings in a source file, with what their comments say.
fn table(source: &str) -> String {
    let mut table = "| Setting | |\n|---|---|\n".to_owned();
    let mut comment: Vec<&str> = Vec::new();
    // What stands before the name of a field: nothing in the first struct, and in the others, which are
    // fields of it, their name.
    let mut prefix: Option<String> = None;
    let mut is_first = true;
    for line in source.lines() {
        let text = line.trim();
        let name =
            line.strip_prefix("pub struct ").and_then(|name| name.strip_suffix("Settings {"));
        if let Some(name) = name {
            let below = format!("{}.", name.to_lowercase());
            prefix = Some(if is_first { String::new() } else { below });
            is_first = false;
        } else if line == "}" {
            prefix = None;
        }
        if let Some(said) = text.strip_prefix("/// ") {
            comment.push(said);
        } else if !text.starts_with("#[") {
            let name = text.strip_prefix("pub ").and_then(|field| field.split_once(':'));
            if let (Some(prefix), Some((name, _))) = (&prefix, name) {
                table.push_str(&format!("| `{prefix}{name}` | {} |\n", comment.join(" ")));
            }
            comment.clear();
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_their_comments() {
        let source = "/// Not this.\npub struct MySettings {\n    /// Where it\n    /// is.\n    \
                      #[serde(default)]\n    pub path: PathBuf,\n}\n\nstruct Other {\n    pub x: u8,\n}\n\n\
                      pub struct RetrySettings {\n    /// How often.\n    pub attempts: u32,\n}\n";
        assert_eq!(
            table(source),
            "| Setting | |\n|---|---|\n| `path` | Where it is. |\n| `retry.attempts` | How often. |\n"
        );
    }
}
