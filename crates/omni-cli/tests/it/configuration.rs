//! Wrong configurations: one clear message each, exit code 2.

use crate::{Desk, expect_failure};

const GOOD: &str = "[default.storage.main]\nprovider = \"local\"\n\
                    [test.storage.main]\nprovider = \"memory\"\n";

/// What is said of a cloud that is named and nothing else: the feature that compiles it in, or what is
/// missing.
const CLOUD: &[&str] =
    if cfg!(feature = "aws") { &["bucket", "missing"] } else { &["\"s3\"", "aws"] };

#[test]
fn each_wrong_configuration_is_told_in_one_message() {
    for (toml, line, complaints) in [
        (
            "[default.storage.main]\nprovider = \"local\"\npaht = \"x\"\n",
            "ls",
            &["omni.toml", "storage.main.paht", "path"][..],
        ),
        (
            "[default.storage.main]\nprovider = \"local\"\npath = 5\nversioning = \"maybe\"\n",
            "ls",
            &["omni.toml", "storage.main.versioning"],
        ),
        (
            "[default.storage.main]\nprovider = \"telepathy\"\n",
            "ls",
            &["telepathy", "local", "memory"],
        ),
        ("[default.storage.main]\nprovider = \"s3\"\n", "ls", CLOUD),
        ("[default.storage.main]\npath = \"x\"\n", "ls", &["storage.main", "provider"]),
        ("[default.storage.main\n", "ls", &["omni.toml"]),
        (GOOD, "ls other:/", &["other", "main"]),
        (GOOD, "--profile prod ls", &["prod", "test"]),
        (GOOD, "--config missing.toml ls", &["missing.toml"]),
        (
            "[default.storage.main]\nprovider = \"memory\"\nrequire = [\"durability-disk\"]\n",
            "ls",
            &["durability", "memory", "require"],
        ),
        (
            "[default.storage.main]\nprovider = \"memory\"\nrequire = [\"telepathy\"]\n",
            "check",
            &["telepathy", "conditional-create"],
        ),
    ] {
        let desk = Desk::new();
        desk.write("omni.toml", toml);
        let complaint = desk.omni(line);
        let shown = String::from_utf8_lossy(&complaint.stdout).into_owned();
        let complaint = shown + &expect_failure(2, complaint);
        for word in complaints {
            assert!(complaint.contains(word), "{toml}omni {line}: {complaint} lacks {word:?}");
        }
        assert!(complaint.lines().count() <= 2, "{complaint}");
    }
}

const SENDING: &str = "[default.storage.main]\nprovider = \"memory\"\n[default.telemetry]\n\
                       endpoint = \"http://127.0.0.1:1\"\nheaders = { authorization = \"swordfish\" }\n";

#[test]
fn the_telemetry_of_the_application_is_read_and_not_used() {
    let desk = Desk::new();
    desk.write("omni.toml", SENDING);
    // Would be refused, for it is not compiled in here, or sent to nobody.
    assert_eq!(desk.ok("ls"), "");
    assert!(
        desk.ok("check")
            .starts_with("telemetry: well formed\n  to            http://127.0.0.1:1\n")
    );
    let shown = desk.ok("config");
    assert!(shown.contains("telemetry.endpoint = http://127.0.0.1:1"), "{shown}");
    assert!(shown.contains("telemetry.headers.authorization = ***"), "{shown}");
    for (wrong, complaint) in [("sample = 2\n", "`sample`"), ("smaple = 1\n", "telemetry.smaple")] {
        desk.write("omni.toml", format!("{SENDING}{wrong}"));
        let said = expect_failure(2, desk.omni("check"));
        assert!(said.contains(complaint) && said.contains("omni.toml"), "{said}");
    }
}

#[test]
fn dashboards_are_written() {
    let desk = Desk::new();
    let said = desk.ok("dashboards --out grafana");
    assert_eq!(said.lines().next(), Some("grafana/omni-overview.json"));
    for file in said.lines() {
        assert!(desk.path().join(file).metadata().unwrap().len() > 500, "{file}");
    }
    let text = std::fs::read_to_string(desk.path().join("grafana/omni-overview.json")).unwrap();
    let overview: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(overview["panels"].as_array().unwrap().len(), 6);
    desk.write("file", "");
    assert!(expect_failure(1, desk.omni("dashboards --out file/x")).contains("file/x"));
}

#[test]
fn a_profile_swaps_the_provider() {
    let desk = Desk::new();
    desk.write("omni.toml", GOOD).write("a", "1");
    desk.ok("put a main:/a");
    assert_eq!(desk.ok("ls"), "a\n");
    assert_eq!(desk.ok("--profile test ls"), "");
}

#[test]
fn check_says_what_an_instance_is_and_can_do() {
    let desk = Desk::new();
    desk.write("omni.toml", GOOD);
    let said = desk.ok("check");
    for word in ["storage.main: ok", "local", "disk", "conditional-create", "multi-process"] {
        assert!(said.contains(word), "{said}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&desk.ok("--json --profile test check")).unwrap();
    assert_eq!(json["provider"], "memory");
    assert_eq!(json["durability"], "memory");
}

#[test]
fn config_shows_where_values_come_from() {
    let desk = Desk::new();
    desk.write("omni.toml", GOOD);
    let output =
        desk.command(["config"]).env("OMNI_STORAGE__MAIN__PATH", "elsewhere").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for word in ["omni.toml", "default", "elsewhere", "OMNI_STORAGE__MAIN__PATH"] {
        assert!(said.contains(word), "{said}");
    }
}
