//! Sizes, durations, secrets, and the form of every error.

use omni_config::{ByteSize, ConfigError, Duration, Loader, Secret};
use omni_contracts::{Error, ErrorKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{config, loader, refused};

/// One setting `x` of a type.
#[derive(Debug, Deserialize)]
struct One<T> {
    x: T,
}

/// The setting from the file.
fn file<T: DeserializeOwned>(value: &str) -> Result<T, ConfigError> {
    let text = format!("[default.storage.main]\nprovider = 'p'\nx = {value}");
    let section = loader(&[]).text(text).load()?.section("storage", "main")?;
    section.settings::<One<T>>().map(|one| one.x)
}

/// The setting from a variable.
fn variable<T: DeserializeOwned>(value: &str) -> Result<T, ConfigError> {
    let provider = ("OMNI_STORAGE__MAIN__PROVIDER", "p");
    let config = loader(&[provider, ("OMNI_STORAGE__MAIN__X", value)]).load()?;
    config.section("storage", "main")?.settings::<One<T>>().map(|one| one.x)
}

#[test]
fn cfg_040_sizes_have_units() {
    for (text, bytes) in [
        ("4096", 4096),
        ("7B", 7),
        ("5MB", 5_000_000),
        ("64KiB", 65_536),
        ("64 kib", 65_536),
        ("2GB", 2_000_000_000),
        ("1TiB", 1 << 40),
    ] {
        assert_eq!(file::<ByteSize>(&format!("'{text}'")).unwrap().as_u64(), bytes);
        assert_eq!(variable::<ByteSize>(text).unwrap().as_u64(), bytes);
    }
    assert_eq!(file::<ByteSize>("4096").unwrap().as_u64(), 4096);
    for wrong in ["-1", "1.5", "true", "'5 M'", "'99999999TiB'"] {
        let message = file::<ByteSize>(wrong).unwrap_err().to_string();
        assert!(message.contains("size") && message.contains("storage.main.x"), "{message}");
    }
}

#[test]
fn cfg_041_durations_need_units() {
    use std::time::Duration as Std;
    for (text, expected) in [
        ("2s", Std::from_secs(2)),
        ("500ms", Std::from_millis(500)),
        ("0us", Std::ZERO),
        ("3 m", Std::from_secs(180)),
        ("1h", Std::from_secs(3600)),
        ("2d", Std::from_secs(172_800)),
    ] {
        assert_eq!(file::<Duration>(&format!("'{text}'")).unwrap().as_std(), expected);
        assert_eq!(variable::<Duration>(text).unwrap().as_std(), expected);
    }
    for error in [
        file::<Duration>("2").unwrap_err(),
        file::<Duration>("'2'").unwrap_err(),
        variable::<Duration>("2").unwrap_err(),
        file::<Duration>("2.5").unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(message.starts_with("expected a duration with its unit, such as"), "{message}");
    }
}

#[test]
fn cfg_050_an_error_names_key_value_place_and_profile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("omni.toml");
    std::fs::write(
        &path,
        "[default.storage.main]\nprovider = 'p'\nx = 1\n[eu.storage.main]\nx = 'abc'",
    )
    .unwrap();
    let x = |variables: &[(&str, &str)]| {
        let config = loader(variables).file(&path).profile("eu").load().unwrap();
        let section = config.section("storage", "main").unwrap();
        Error::from(section.settings::<One<u8>>().unwrap_err())
    };
    let error = x(&[]);
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(
        error.message(),
        format!(
            "expected an integer from 0 to 255, found a string \
             (key storage.main.x, value `abc`, file {}, profile eu)",
            path.display()
        )
    );
    assert_eq!(
        x(&[("OMNI_STORAGE__MAIN__X", "-1")]).message(),
        "expected an integer from 0 to 255, found a string (key storage.main.x, value `-1`, \
         environment variable OMNI_STORAGE__MAIN__X, profile eu)"
    );
}

#[test]
fn cfg_051_an_error_is_one_line() {
    let messages = [
        refused(loader(&[]).text("[default")),
        refused(loader(&[("OMNI_PROFILE", "a\nb")])),
        refused(loader(&[]).text("[\"a\\nb\".storage.main]\nx = 1").profile("a\nc")),
        refused(loader(&[]).text("[default.storage.\"a\\nb\"]\nx = 1")),
        file::<u8>("\"a\\nb\"").unwrap_err().to_string(),
        variable::<ByteSize>("a\nb").unwrap_err().to_string(),
    ];
    for message in messages {
        assert!(!message.contains('\n') && !message.is_empty(), "{message}");
    }
}

#[test]
fn cfg_060_a_secret_is_never_shown() {
    let secret: Secret = variable("swordfish").unwrap();
    assert_eq!(secret.expose(), "swordfish");
    assert_eq!(format!("{secret} {secret:?} {:#?}", Some(&secret)), "*** *** Some(\n    ***,\n)");
    assert_eq!(variable::<Option<Secret>>("007").unwrap().unwrap().expose(), "007");
    for wrong in ["['swordfish']", "{ password = 'swordfish' }", "3.14159"] {
        for error in [
            file::<Secret>(wrong).unwrap_err().to_string(),
            file::<Option<Secret>>(wrong).unwrap_err().to_string(),
        ] {
            assert!(error.starts_with("expected a string"), "{error}");
            assert!(!error.contains("swordfish") && !error.contains("3.14"), "{error}");
        }
    }
    let unknown = loader(&[("OMNI_STORAGE__MAIN__PASSWROD", "swordfish")]).load().unwrap();
    let unknown = unknown.section("storage", "main").unwrap();
    let message = unknown.settings::<One<Option<Secret>>>().unwrap_err().to_string();
    assert!(!message.contains("swordfish"), "{message}");
}

#[test]
fn cfg_061_a_secret_is_not_serialisable() {
    // Compiles only as long as one of the two traits below holds for `Secret`: which of them is meant
    // would be ambiguous if it implemented `Serialize`.
    trait Plain<Marker> {
        fn plain() -> bool {
            true
        }
    }
    impl<T> Plain<()> for T {}
    impl<T: serde::Serialize> Plain<u8> for T {}
    assert!(<Secret as Plain<_>>::plain());
}

#[test]
fn cfg_062_no_debug_shows_values() {
    let loader = loader(&[("OMNI_STORAGE__MAIN__API_TOKEN", "swordfish"), ("OMNI_CONFIG", "")])
        .text("[default.storage.main]\nprovider = 'p'\nx = 'swordfish'\nsecret_key = 'swordfish'");
    let config = loader.clone().load().unwrap();
    let section = config.section("storage", "main").unwrap();
    let shown = format!("{loader:?} {config:?} {section:?}");
    assert!(!shown.contains("swordfish"), "{shown}");
    let stated: Vec<_> =
        section.stated().into_iter().map(|setting| (setting.key, setting.value)).collect();
    let expected =
        [("api_token", "***"), ("provider", "p"), ("secret_key", "***"), ("x", "swordfish")];
    let expected = expected.map(|(key, value)| (format!("storage.main.{key}"), value.to_owned()));
    assert_eq!(stated, expected);
}

#[test]
fn cfg_053_telemetry_is_a_table_of_its_own() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Telemetry {
        endpoint: String,
        sample: f64,
    }
    let text = "[default.telemetry]\nendpoint = 'a'\nsample = 0.5\n[eu.telemetry]\nendpoint = 'eu'";
    let read = |loader: Loader| {
        let config = loader.text(text).load().unwrap();
        config.table::<Telemetry>("telemetry").map_err(|error| error.to_string())
    };
    let stated =
        |endpoint: &str, sample| Ok(Some(Telemetry { endpoint: endpoint.to_owned(), sample }));
    assert_eq!(read(loader(&[])), stated("a", 0.5));
    let variables = [("OMNI_TELEMETRY__SAMPLE", "0.25")];
    assert_eq!(read(loader(&variables).profile("eu")), stated("eu", 0.25));
    assert_eq!(config("").table::<Telemetry>("telemetry").unwrap(), None);

    let wrong = read(loader(&[("OMNI_TELEMETRY__SAMPEL", "1")])).unwrap_err();
    assert!(wrong.contains("`sampel`") && wrong.contains("`sample`"), "{wrong}");
    assert!(wrong.contains("OMNI_TELEMETRY__SAMPEL") && !wrong.contains("provider"), "{wrong}");
    let config = config(text);
    let placed = config.wrong_table("telemetry", "no such thing").to_string();
    assert!(placed.contains("telemetry") && placed.contains("no such thing"), "{placed}");

    for (text, form) in [
        ("[telemetry]\nsample = 1", "write a table [default.telemetry]"),
        ("[default]\ntelemetry = 1", "write [default.telemetry]"),
    ] {
        let message = refused(loader(&[]).text(text));
        assert!(message.contains(form), "{message}");
    }
    assert!(refused(loader(&[("OMNI_TELEMETRY", "on")])).contains("OMNI_TELEMETRY__KEY"));
}
