//! The environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use omni_config::{ConfigError, Loader};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{loader, refused};

const FILE: &str = r#"
    [default.storage.main]
    provider = "local"
    path = "./data"

    [eu.storage.main]
    path = "/eu"
"#;

fn settings<T: DeserializeOwned>(loader: Loader) -> Result<T, ConfigError> {
    loader.load()?.section("storage", "main")?.settings()
}

/// The settings that variables alone make.
fn from_variables<T: DeserializeOwned>(variables: &[(&str, &str)]) -> Result<T, ConfigError> {
    let mut all = vec![("OMNI_STORAGE__MAIN__PROVIDER", "test")];
    all.extend(variables);
    settings(loader(&all))
}

#[test]
fn cfg_010_a_variable_overrides_the_selected_profile() {
    #[derive(Deserialize)]
    struct Settings {
        path: String,
        targets: Option<BTreeMap<String, String>>,
    }
    let path = ("OMNI_STORAGE__MAIN__PATH", "/variable");
    for profile in ["default", "eu"] {
        let loader = loader(&[path]).text(FILE).profile(profile);
        assert_eq!(settings::<Settings>(loader).unwrap().path, "/variable");
    }
    let nested = ("OMNI_STORAGE__MAIN__TARGETS__RTO", "2s");
    let found: Settings = settings(loader(&[nested]).text(FILE)).unwrap();
    assert_eq!(found.targets.unwrap()["rto"], "2s");
    let config = loader(&[("OMNI_STORAGE__CACHE__PROVIDER", "memory")]).text(FILE).load().unwrap();
    assert_eq!(config.instances("storage").collect::<Vec<_>>(), ["cache", "main"]);
}

#[test]
fn cfg_011_switches_are_not_settings() {
    let config = loader(&[
        ("OMNI_LOG", "debug"),
        ("OMNI_PROFILE", "eu"),
        ("OMNI_TCK_CONFIG", "x"),
        ("OMNI_TCK_A__B__C", "x"),
        ("OMNI_HOME", "x"),
        ("OTHER_STORAGE__MAIN__PATH", "x"),
    ])
    .text(FILE)
    .load()
    .unwrap();
    let stated = config.section("storage", "main").unwrap().stated();
    assert_eq!(stated.len(), 2, "{stated:?}");
}

#[test]
fn cfg_012_a_misspelt_variable_is_an_error() {
    for (name, start) in [
        ("OMNI_STORAGE_MAIN_PATH", "a setting is named OMNI_STORAGE__INSTANCE__KEY"),
        ("OMNI_STORAGE", "a setting is named OMNI_STORAGE__INSTANCE__KEY"),
        ("OMNI_STORAGE__MAIN", "a setting is named OMNI_STORAGE__INSTANCE__KEY"),
        ("OMNI_STORAGE____PATH", "a setting is named OMNI_STORAGE__INSTANCE__KEY"),
        ("OMNI_STORGE__MAIN__PATH", "unknown section `storge`, did you mean `storage`"),
    ] {
        let message = refused(loader(&[(name, "x")]).text(FILE));
        assert!(message.starts_with(start), "{message}");
        assert!(message.ends_with(&format!("(environment variable {name})")), "{message}");
    }
    for second in ["OMNI_STORAGE__MAIN__path", "OMNI_STORAGE__MAIN__PATH__DEEP"] {
        let message = refused(loader(&[("OMNI_STORAGE__MAIN__PATH", "x"), (second, "y")]));
        assert!(message.starts_with("another variable sets the same key"), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn cfg_012_text_that_is_not_utf_8_is_an_error() {
    use std::os::unix::ffi::OsStringExt;
    let value = OsString::from_vec(vec![0xff]);
    let message = refused(Loader::new().environment([("OMNI_STORAGE__MAIN__PATH", value)]));
    assert_eq!(
        message,
        "the value is not valid UTF-8 \
         (key storage.main.path, environment variable OMNI_STORAGE__MAIN__PATH)"
    );
}

#[test]
fn cfg_013_a_text_becomes_what_the_field_is() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Settings {
        small: u8,
        signed: i64,
        share: f64,
        flag: bool,
        maybe: Option<u32>,
        list: Vec<String>,
        numbers: Vec<u16>,
        mode: Option<Mode>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Fast,
        Safe,
    }
    let found: Settings = from_variables(&[
        ("OMNI_STORAGE__MAIN__SMALL", "255"),
        ("OMNI_STORAGE__MAIN__SIGNED", "-7"),
        ("OMNI_STORAGE__MAIN__SHARE", "0.5"),
        ("OMNI_STORAGE__MAIN__FLAG", "true"),
        ("OMNI_STORAGE__MAIN__MAYBE", "3"),
        ("OMNI_STORAGE__MAIN__LIST", "[a, \"b, c\", 007]"),
        ("OMNI_STORAGE__MAIN__NUMBERS", "1,2"),
        ("OMNI_STORAGE__MAIN__MODE", "safe"),
    ])
    .unwrap();
    let expected = Settings {
        small: 255,
        signed: -7,
        share: 0.5,
        flag: true,
        maybe: Some(3),
        list: vec!["a".to_owned(), "b, c".to_owned(), "007".to_owned()],
        numbers: vec![1, 2],
        mode: Some(Mode::Safe),
    };
    assert_eq!(found, expected);
    for (name, value, expected) in [
        ("OMNI_STORAGE__MAIN__SMALL", "256", "expected an integer from 0 to 255"),
        ("OMNI_STORAGE__MAIN__FLAG", "yes", "expected true or false, found a string"),
        (
            "OMNI_STORAGE__MAIN__NUMBERS",
            "1,x",
            "expected an integer from 0 to 65535, found a string",
        ),
        ("OMNI_STORAGE__MAIN__MODE", "fats", "unknown value `fats`, did you mean `fast`"),
    ] {
        let message = from_variables::<Settings>(&[(name, value)]).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
        assert!(message.contains(&format!("environment variable {name}")), "{message}");
    }
}

#[test]
fn cfg_014_a_text_field_keeps_the_text() {
    #[derive(Deserialize)]
    struct Settings {
        id: String,
        maybe: Option<String>,
    }
    for text in ["12345", "007", "1e5", "0x10", "true", "[a]", "{a=1}", " a ", "", "1_000", "\"a\""]
    {
        let variables = [("OMNI_STORAGE__MAIN__ID", text), ("OMNI_STORAGE__MAIN__MAYBE", text)];
        let found: Settings = from_variables(&variables).unwrap();
        assert_eq!((found.id.as_str(), found.maybe.as_deref()), (text, Some(text)));
    }
}

#[test]
fn cfg_015_integers_of_the_file_fit_text_fields() {
    #[derive(Deserialize)]
    struct Settings {
        id: String,
    }
    let with = |value: &str| {
        let text = format!("[default.storage.main]\nprovider = 'test'\nid = {value}");
        settings::<Settings>(loader(&[]).text(text)).map(|settings| settings.id)
    };
    for (value, text) in [
        ("12345", "12345"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("true", "true"),
        ("'007'", "007"),
    ] {
        assert_eq!(with(value).unwrap(), text);
    }
    let message = with("2026-01-01").unwrap_err().to_string();
    assert!(message.starts_with("expected a string; write the date in quotes"), "{message}");
    let message = with("1e5").unwrap_err().to_string();
    assert!(message.starts_with("expected a string; write the number in quotes"), "{message}");
}
