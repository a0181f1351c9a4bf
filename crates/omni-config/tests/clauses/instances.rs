//! Instances: which there are, and what their settings may be.

use omni_config::{ByteSize, ConfigError, Duration};
use omni_contracts::storage::{Capabilities, Capability, Durability};
use serde::Deserialize;

use crate::{config, loader, refused};

#[derive(Debug, Deserialize)]
struct Settings {
    path: String,
    #[serde(default)]
    inline_limit: Option<ByteSize>,
    #[serde(default)]
    targets: Option<Targets>,
}

#[derive(Debug, Deserialize)]
struct Targets {
    #[serde(default)]
    rto: Option<Duration>,
    #[serde(default)]
    members: Vec<u16>,
}

fn settings(lines: &str) -> Result<Settings, ConfigError> {
    let text = format!("[default.storage.main]\nprovider = 'local'\n{lines}");
    config(&text).section("storage", "main")?.settings()
}

fn refusal(lines: &str) -> String {
    settings(lines).unwrap_err().to_string()
}

/// What every message here ends with.
fn place(key: &str, value: &str) -> String {
    let value = if value.is_empty() { String::new() } else { format!(", value `{value}`") };
    format!(" (key storage.main.{key}{value}, a text given by the program, profile default)")
}

#[test]
fn cfg_020_an_unknown_instance_lists_the_configured_ones() {
    let text = "[default.storage.main]\nprovider = 'a'\n[default.storage.archive]\nprovider = 'b'";
    let error = config(text).section("storage", "mian").unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown instance `mian`, did you mean `main`; allowed are archive, main \
         (key storage.mian, a text given by the program, profile default)"
    );
}

#[test]
fn cfg_021_an_instance_without_provider_is_refused_at_once() {
    let message = refused(loader(&[("OMNI_STORAGE__MIAN__PATH", "/data")]));
    assert_eq!(
        message,
        "the key `provider` is missing (key storage.mian.provider, \
         environment variable OMNI_STORAGE__MIAN__PATH, profile default)"
    );
}

#[test]
fn cfg_022_a_provider_gets_its_own_settings_only() {
    let settings =
        settings("path = '/data'\nrequire = ['multipart']\nlayers.rto = '1s'\ntargets.rto = '2s'")
            .unwrap();
    assert_eq!(settings.path, "/data");
    assert_eq!(settings.inline_limit, None);
    let targets = settings.targets.unwrap();
    assert_eq!(targets.rto, Some("2s".parse().unwrap()));
    assert_eq!(targets.members, []);
}

#[test]
fn cfg_023_an_unknown_key_lists_what_is_allowed() {
    assert_eq!(
        refusal("path = '/data'\ninline_limt = 3"),
        "unknown key `inline_limt`, did you mean `inline_limit`; \
         allowed are inline_limit, labels, layers, path, provider, require, targets"
            .to_owned()
            + &place("inline_limt", "")
    );
    assert_eq!(
        refusal("path = '/data'\ntargets = { rpo = '0s' }"),
        "unknown key `rpo`, did you mean `rto`; allowed are members, rto".to_owned()
            + &place("targets.rpo", "")
    );
}

#[test]
fn cfg_024_a_wrong_value_says_what_is_expected() {
    for (lines, problem, key, value) in [
        (
            "path = 1.5",
            "expected a string; write the number in quotes to keep its text",
            "path",
            "1.5",
        ),
        ("path = ['a']", "expected a string, found a list", "path", ""),
        ("path = 'a'\ntargets = 7", "expected a table, found an integer", "targets", "7"),
        (
            "path = 'a'\ninline_limit = 'big'",
            "expected a size in bytes such as `64KiB`, `5MB` or `4096`",
            "inline_limit",
            "big",
        ),
        (
            "path = 'a'\ntargets.members = [1, 70000]",
            "expected an integer from 0 to 65535",
            "targets.members[1]",
            "70000",
        ),
        ("require = 'multipart'", "expected a list, found a string", "require", "multipart"),
        ("provider2 = ''\npath = ''", "unknown key `provider2`", "provider2", ""),
    ] {
        let text = format!("[default.storage.main]\nprovider = 'local'\n{lines}");
        let message = match loader(&[]).text(text).load() {
            Err(error) => error.to_string(),
            Ok(config) => {
                let section = config.section("storage", "main").unwrap();
                section.settings::<Settings>().unwrap_err().to_string()
            }
        };
        assert!(message.starts_with(problem), "{message}");
        assert!(message.ends_with(&place(key, value)), "{message}");
    }
}

#[test]
fn cfg_025_a_missing_key_is_named() {
    assert_eq!(refusal(""), "the key `path` is missing".to_owned() + &place("path", ""));
}

#[test]
fn cfg_026_a_requirement_that_is_not_met_is_refused() {
    let text =
        "[default.storage.main]\nprovider = 's3'\nrequire = ['multipart', 'conditional-put']";
    let section = config(text).section("storage", "main").unwrap();
    let declared = Capabilities::new(Durability::Disk).with(&[Capability::Multipart]);
    assert_eq!(
        section.check_required(&declared).unwrap_err().to_string(),
        "the provider does not declare conditional-create".to_owned()
            + &place("require", "conditional-put")
    );
    let able = declared.with(&[Capability::ConditionalCreate, Capability::ConditionalUpdate]);
    section.check_required(&able).unwrap();
}

#[test]
fn cfg_027_a_requirement_that_does_not_exist_lists_the_known_ones() {
    let variable = [("OMNI_STORAGE__MAIN__REQUIRE", "telepathy")];
    let section = loader(&variable).load().unwrap().section("storage", "main").unwrap();
    let message =
        section.check_required(&Capabilities::new(Durability::Disk)).unwrap_err().to_string();
    assert!(message.starts_with("unknown capability \"telepathy\"; known are cond"), "{message}");
    assert!(
        message.ends_with(
            "(key storage.main.require, value `telepathy`, \
         environment variable OMNI_STORAGE__MAIN__REQUIRE, profile default)"
        ),
        "{message}"
    );
}

#[test]
fn cfg_028_layers_are_read_as_settings_are() {
    let layers = |lines: &str| {
        let text = format!("[default.storage.main]\nprovider = 'local'\n{lines}");
        config(&text).section("storage", "main").unwrap().layers::<Targets>()
    };
    let read = layers("layers = { rto = '2s', members = [1] }").unwrap();
    assert_eq!((read.rto, read.members), (Some("2s".parse().unwrap()), vec![1]));
    assert_eq!(layers("path = 'a'").unwrap().rto, None);
    for (lines, message) in [
        (
            "layers.rot = '2s'",
            "unknown key `rot`, did you mean `rto`; allowed are members, rto".to_owned()
                + &place("layers.rot", ""),
        ),
        (
            "layers.members = [1, -1]",
            "expected an integer from 0 to 65535".to_owned() + &place("layers.members[1]", "-1"),
        ),
    ] {
        let said = layers(lines).unwrap_err().to_string();
        assert!(said.contains(&message), "{said}");
    }
}
