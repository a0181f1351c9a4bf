//! The registry.

use std::sync::Arc;

use omni_config::{Instances, Labels, Registry, Section};
use omni_contracts::{Error, ErrorKind};

use crate::config;

fn section(provider: &str) -> Section {
    let text = format!("[default.storage.main]\nprovider = '{provider}'");
    config(&text).section("storage", "main").unwrap()
}

/// A registry whose providers are texts.
fn registry() -> Registry<str> {
    let mut registry = Registry::new();
    registry.register("local", |section| async move { Ok(Arc::from(section.name())) }).unwrap();
    registry.register("memory", |_| async { Ok(Arc::from("memory")) }).unwrap();
    registry.not_compiled("s3", "aws").unwrap();
    registry.alias("aws", "s3").unwrap();
    registry
}

async fn refusal(registry: &Registry<str>, provider: &str) -> String {
    let error = registry.open(section(provider)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.message().to_owned()
}

#[tokio::test]
async fn cfg_030_an_unknown_provider_lists_the_registered_ones() {
    let place =
        " (key storage.main.provider, value `%`, a text given by the program, profile default)";
    assert_eq!(
        refusal(&registry(), "lokal").await,
        "unknown provider `lokal`, did you mean `local`; allowed are local, memory".to_owned()
            + &place.replace('%', "lokal")
    );
    assert_eq!(
        refusal(&Registry::new(), "local").await,
        "unknown provider `local`; none is allowed here".to_owned() + &place.replace('%', "local")
    );
}

#[tokio::test]
async fn cfg_031_a_provider_that_is_not_compiled_in_names_its_feature() {
    for name in ["s3", "aws"] {
        let message = refusal(&registry(), name).await;
        assert!(
            message.starts_with(&format!(
                "the provider `{name}` is not compiled in, the cargo feature `aws` adds it; \
             compiled in are local, memory"
            )),
            "{message}"
        );
    }
}

#[tokio::test]
async fn cfg_032_an_alias_opens_what_it_stands_for() {
    let mut registry = registry();
    registry.alias("ram", "memory").unwrap();
    assert_eq!(&*registry.open(section("ram")).await.unwrap(), "memory");
    assert_eq!(registry.names().collect::<Vec<_>>(), ["local", "memory"]);
    registry.register("s3", |_| async { Ok(Arc::from("their own")) }).unwrap();
    assert_eq!(&*registry.open(section("aws")).await.unwrap(), "their own");
}

#[tokio::test]
async fn cfg_033_a_provider_from_outside_is_one_call() {
    let mut registry = registry();
    registry
        .register("theirs", |section| async move { Ok(Arc::from(section.provider())) })
        .unwrap();
    assert_eq!(&*registry.open(section("theirs")).await.unwrap(), "theirs");
}

#[test]
fn cfg_034_a_name_is_registered_once() {
    let mut registry = registry();
    let again = registry.register("local", |_| async { Ok(Arc::from("")) }).unwrap_err();
    assert_eq!(again.to_string(), "a provider is registered under this name already: local");
    assert!(registry.alias("memory", "local").is_err());
    assert!(registry.alias("aws", "local").is_err());
    assert!(registry.not_compiled("local", "local").is_err());
}

#[tokio::test]
async fn cfg_035_a_provider_is_made_of_others() {
    let mut registry = registry();
    let both = |section: Section, instances: Instances<str>| async move {
        let part = instances.open("part").await?;
        Ok(Arc::from(format!("{} of {part}", section.name())))
    };
    registry.register_composed("both", both).unwrap();
    assert!(registry.is_composed(&section("both")) && !registry.is_composed(&section("memory")));
    assert_eq!(registry.names().collect::<Vec<_>>(), ["both", "local", "memory"]);
    let parts = Instances::new(
        |name| async move { Ok(Arc::from(format!("the instance {name}"))) },
        |name| Ok(Labels::from([("named".to_owned(), name.to_owned())])),
    );
    assert_eq!(parts.labels("part").unwrap()["named"], "part");
    let opened = registry.clone().open_with(section("both"), parts).await.unwrap();
    assert_eq!(&*opened, "main of the instance part");
    let message = refusal(&registry, "both").await;
    assert!(
        message.contains("is made of other instances, which cannot be opened here"),
        "{message}"
    );
    assert!(message.contains("storage.main.provider"), "{message}");
    assert!(registry.register_composed("local", both).is_err());
}

#[tokio::test]
async fn cfg_052_a_provider_that_refuses_to_open_is_placed() {
    let mut registry = Registry::<str>::new();
    for (name, kind) in [("strict", ErrorKind::Configuration), ("offline", ErrorKind::Unavailable)]
    {
        let refuse = move |_| async move { Err(Error::new(kind, "path must not be empty")) };
        registry.register(name, refuse).unwrap();
    }
    assert_eq!(
        refusal(&registry, "strict").await,
        "path must not be empty (key storage.main, a text given by the program, profile default)"
    );
    let error = registry.open(section("offline")).await.unwrap_err();
    assert_eq!(error.to_string(), "unavailable: path must not be empty");
}
