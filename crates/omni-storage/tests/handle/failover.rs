//! A storage on several others, by configuration alone.

use std::path::Path;

use omni_storage::{Config, ErrorKind, Loader, Storage};

fn loader() -> Loader {
    Loader::new().environment([("", ""); 0]).folder("/nowhere")
}

/// Three folders, and the storage that is made of them.
fn configured(folder: &Path) -> Config {
    let place = |name: &str| {
        format!("[default.storage.{name}]\nprovider = 'local'\npath = {:?}\n", folder.join(name))
    };
    let text = format!(
        "[default.storage.main]\nprovider = 'failover'\nmembers = ['first', 'second']\n\
         witness = 'witness'\ntargets = {{ rto = '2s', rpo = '0s' }}\n{}{}{}",
        place("first"),
        place("second"),
        place("witness")
    );
    loader().text(text).load().unwrap()
}

async fn refusal(text: &str) -> String {
    let config = loader().text(text).load().unwrap();
    let error = Storage::from_config(&config, "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_in_both_and_survives_the_loss_of_either() -> omni_storage::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path());
    {
        let storage = Storage::from_config(&config, "main").await?;
        assert_eq!(storage.name(), "failover");
        assert_eq!(storage.layers(), ["deadline", "retry"]);
        storage.put("greetings/en", "hello").if_absent().content_type("text/plain").await?;
    }
    for member in ["first", "second"] {
        let alone = Storage::from_config(&config, member).await?;
        assert_eq!(alone.get("greetings/en").await?.text().await?, "hello");
        let meta = alone.head("greetings/en").await?;
        assert_eq!(meta.attributes.content_type.as_deref(), Some("text/plain"));
    }
    let again = Storage::from_config(&config, "main").await?;
    assert_eq!(again.get("greetings/en").await?.text().await?, "hello");
    Ok(())
}

#[tokio::test]
async fn what_it_is_made_of_is_checked() {
    let message = refusal(
        "[default.storage.main]\nprovider = 'failover'\nmembers = ['a', 'b']\nwitness = 'c'",
    )
    .await;
    assert!(message.contains("unknown instance `a`"), "{message}");
    let memory = |name: &str| format!("[default.storage.{name}]\nprovider = 'memory'\n");
    let parts = format!("{}{}", memory("a"), memory("b"));
    let message = refusal(&format!(
        "{parts}[default.storage.main]\nprovider = 'failover'\nmembers = ['a', 'b']\nwitness = 'b'"
    ))
    .await;
    assert!(message.contains("the witness must not be one of the members"), "{message}");
    assert!(message.contains("storage.main"), "{message}");
    let message = refusal(&format!(
        "{parts}[default.storage.main]\nprovider = 'failover'\nmembers = ['a', 'main']\n\
         witness = 'b'"
    ))
    .await;
    assert!(message.contains("the instance is a part of itself: main, main"), "{message}");
    let message = refusal(&format!(
        "{parts}[default.storage.main]\nprovider = 'failover'\nmembers = ['a', 'b']\n\
         wittness = 'b'"
    ))
    .await;
    assert!(message.contains("did you mean `witness`"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_not_allowed_is_not_even_made() -> omni_storage::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, residency: &str| {
        let path = folder.path().join(name);
        format!(
            "[default.storage.{name}]\nprovider = 'local'\npath = {path:?}\n\
             labels = {{ residency = '{residency}' }}\n"
        )
    };
    let main = "[default.storage.main]\nprovider = 'mirror'\nmembers = ['a', 'b', 'c']\n\
                witness = 'w'\n";
    let places = [place("a", "eu"), place("b", "us"), place("c", "eu"), place("w", "eu")].concat();
    let only = "only = { residency = ['eu'] }\n";
    let config = loader().text(format!("{main}{only}{places}")).load()?;
    let storage = Storage::from_config(&config, "main").await?;
    storage.put("a", "1").await?;
    for (name, there) in [("a", true), ("b", false), ("c", true)] {
        assert_eq!(folder.path().join(name).exists(), there, "{name}");
    }
    let none = "only = { residency = ['ch'] }\n";
    let message = refusal(&format!("{main}{none}{places}")).await;
    assert!(message.contains("the witness is not allowed by `only`: w has residency"), "{message}");
    assert!(message.contains("storage.main"), "{message}");
    let wrong = places.replace("labels = {", "labels = 1 #");
    let loaded = loader().text(format!("{main}{wrong}")).load();
    let message = loaded.unwrap_err().to_string();
    assert!(message.contains("storage.a.labels"), "{message}");
    Ok(())
}
