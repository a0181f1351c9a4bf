//! `omni failover`, on folders.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const CONFIG: &str = r#"
[default.storage.main]
provider = "failover"
members = ["first", "second"]
witness = "witness"

[default.storage.first]
provider = "local"
path = "first"

[default.storage.second]
provider = "local"
path = "second"

[default.storage.witness]
provider = "local"
path = "witness"
"#;

fn omni(folder: &Path, arguments: &[&str]) -> Output {
    let mut omni = Command::new(env!("CARGO_BIN_EXE_omni"));
    omni.args(arguments).current_dir(folder).env_remove("OMNI_CONFIG").env_remove("OMNI_PROFILE");
    omni.output().unwrap()
}

fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn it_says_who_is_primary() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("omni.toml"), CONFIG).unwrap();
    let never = said(&omni(folder.path(), &["failover", "main"]));
    assert_eq!(never, "nothing is known of it at the witness: it was never opened");
    std::fs::write(folder.path().join("object"), "content").unwrap();
    said(&omni(folder.path(), &["cp", "object", "main:/object"]));
    let status = said(&omni(folder.path(), &["failover", "main"]));
    assert_eq!(status, "primary     first, epoch 1\nin-sync     second");
    let json = said(&omni(folder.path(), &["--json", "failover", "main"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["primary"], &json["epoch"]), (&"first".into(), &1.into()));
    assert_eq!(json["others"][0]["standing"], "in-sync");
    // Members need not be there to be asked for.
    std::fs::rename(folder.path().join("first"), folder.path().join("gone")).unwrap();
    assert_eq!(said(&omni(folder.path(), &["failover", "main"])), status);
}
