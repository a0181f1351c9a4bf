//! Files and profiles.

use omni_config::{Loader, Section};
use serde::Deserialize;

use crate::{config, loader, refused};

const PROFILES: &str = r#"
    [default.storage.main]
    provider = "local"
    path = "./data"
    limits = { size = "1MB", count = 7 }

    [eu.storage.main]
    path = "/eu"
    limits = { count = 8 }

    [cloud.storage.main]
    provider = "s3"
    bucket = "orders"
"#;

/// `key=value` for each setting.
fn stated(section: &Section) -> Vec<String> {
    let line = |setting: &omni_config::Setting| format!("{}={}", setting.key, setting.value);
    section.stated().iter().map(line).collect()
}

fn main_of(loader: Loader) -> Vec<String> {
    stated(&loader.load().unwrap().section("storage", "main").unwrap())
}

#[test]
fn cfg_001_the_conventional_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("omni.toml"), PROFILES).unwrap();
    let config = loader(&[]).folder(folder.path()).load().unwrap();
    assert_eq!(config.file(), Some(&*folder.path().join("omni.toml")));
    assert_eq!(config.section("storage", "main").unwrap().provider(), "local");
}

#[test]
fn cfg_002_a_named_file_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.toml");
    std::fs::write(&file, PROFILES).unwrap();
    let path = file.to_str().unwrap();
    for loader in [loader(&[("OMNI_CONFIG", path)]), loader(&[]).file(path)] {
        assert_eq!(loader.load().unwrap().file(), Some(&*file));
    }
    let named = loader(&[("OMNI_CONFIG", "/nowhere/omni.toml")]);
    let message = refused(named.clone());
    assert!(message.starts_with("cannot read the configuration file, which OMNI_CONFIG names: "));
    assert!(message.ends_with("(file /nowhere/omni.toml)"), "{message}");
    assert_eq!(named.file(path).load().unwrap().file(), Some(&*file), "the program decides");

    let message = refused(loader(&[]).file(folder.path()));
    assert!(message.starts_with("cannot read the configuration file: "), "{message}");
    std::fs::write(&file, b"\xff").unwrap();
    let message = refused(loader(&[]).file(path));
    assert!(message.contains("UTF-8") && message.contains(path), "{message}");
}

#[test]
fn cfg_003_without_a_file_main_is_local() {
    for loader in [loader(&[]), loader(&[("OMNI_CONFIG", "")])] {
        let config = loader.load().unwrap();
        assert_eq!(config.file(), None);
        let main = config.section("storage", "main").unwrap();
        assert_eq!(stated(&main), ["storage.main.path=./omni-data", "storage.main.provider=local"]);
    }
    let config = config("[default.storage.other]\nprovider = 'memory'");
    assert!(config.section("storage", "main").is_err(), "a file says all there is");
}

#[test]
fn cfg_004_the_profile_lies_over_the_default() {
    let default = [
        "storage.main.limits.count=7",
        "storage.main.limits.size=1MB",
        "storage.main.path=./data",
        "storage.main.provider=local",
    ];
    let eu = [
        "storage.main.limits.count=8",
        "storage.main.limits.size=1MB",
        "storage.main.path=/eu",
        "storage.main.provider=local",
    ];
    let text = |variables| loader(variables).text(PROFILES);
    assert_eq!(main_of(text(&[])), default);
    assert_eq!(main_of(text(&[("OMNI_PROFILE", "")])), default);
    assert_eq!(main_of(text(&[("OMNI_PROFILE", "default")])), default);
    assert_eq!(main_of(text(&[("OMNI_PROFILE", "eu")])), eu);
    assert_eq!(main_of(text(&[("OMNI_PROFILE", "cloud")]).profile("eu")), eu);
    assert_eq!(main_of(text(&[("OMNI_PROFILE", "EU")])), eu);
    for (twice, start) in [
        ("[eu.storage]\n[EU.storage]", "the profile stands twice"),
        ("[global.storage]", "the profile name is reserved"),
    ] {
        let message = refused(loader(&[]).text(twice));
        assert!(message.starts_with(start), "{message}");
    }
    let config = text(&[]).profile("eu").load().unwrap();
    assert_eq!(config.profile(), "eu");
    assert_eq!(config.profiles().collect::<Vec<_>>(), ["cloud", "default", "eu"]);
}

#[test]
fn cfg_005_a_profile_that_does_not_exist_lists_those_that_do() {
    let message = refused(loader(&[("OMNI_PROFILE", "cluod")]).text(PROFILES));
    assert_eq!(
        message,
        "unknown profile `cluod`, did you mean `cloud`; allowed are cloud, default, eu; \
         OMNI_PROFILE selects it (a text given by the program)"
    );
    let message = refused(loader(&[]).profile("aws"));
    assert_eq!(message, "unknown profile `aws`; allowed is default (the embedded default)");
}

#[test]
fn cfg_006_another_provider_replaces_the_instance() {
    let cloud = ["storage.main.bucket=orders", "storage.main.provider=s3"];
    assert_eq!(main_of(loader(&[]).text(PROFILES).profile("cloud")), cloud);
    let memory = [("OMNI_STORAGE__MAIN__PROVIDER", "memory")];
    assert_eq!(main_of(loader(&memory).text(PROFILES)), ["storage.main.provider=memory"]);
    let same = [("OMNI_STORAGE__MAIN__PROVIDER", "local")];
    assert_eq!(main_of(loader(&same).text(PROFILES)).len(), 4, "the same provider keeps them");
}

#[test]
fn cfg_007_what_is_not_toml_is_found_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("omni.toml");
    for (text, place) in [
        ("[default.storage.main]\nprovider = local\n", "line 2, column 12"),
        ("[default.storage.main\n", "line 1, column 22"),
        ("[default]\na = 1\na = 2\n", "line 3, column 1"),
        ("[default.storage.main]\nid = 007\n", "line 2, column 7"),
        ("x = \"ä", "line 1"),
    ] {
        std::fs::write(&file, text).unwrap();
        let message = refused(loader(&[]).folder(folder.path()));
        assert!(message.starts_with(&format!("not valid TOML at {place}")), "{message}");
        assert!(message.ends_with(&format!("(file {})", file.display())), "{message}");
    }
}

#[test]
fn cfg_008_a_table_in_the_wrong_place_shows_the_form() {
    for (text, start) in [
        ("[storage.main]\nprovider = 'local'", "the profile is missing; write a table"),
        ("provider = 'local'", "expected the table of a profile; write a table"),
        ("[default.storge.main]", "unknown section `storge`, did you mean `storage`"),
        ("[default]\nstorage = 'local'", "expected a table of instances; write a table"),
        ("[eu.storage]\nprovider = 'local'", "expected the table of an instance; write a table"),
    ] {
        let message = refused(loader(&[]).text(text));
        assert!(message.starts_with(start), "{message}");
        assert!(message.contains("storage"), "{message}");
    }
    let message = refused(loader(&[]).text("[eu.storage]\nprovider = 'local'"));
    assert!(
        message.ends_with("(key storage.provider, a text given by the program, profile eu)"),
        "{message}"
    );
}

#[test]
fn cfg_009_relative_paths_are_left_as_they_are() {
    #[derive(Deserialize)]
    struct Settings {
        path: std::path::PathBuf,
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("omni.toml");
    std::fs::write(&file, "[default.storage.main]\nprovider = 'local'\npath = './data'").unwrap();
    let config = loader(&[]).file(&file).load().unwrap();
    let settings: Settings = config.section("storage", "main").unwrap().settings().unwrap();
    assert_eq!(settings.path, std::path::Path::new("./data"));
}
