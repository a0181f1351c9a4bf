//! Opening: from a configuration, with providers of one's own, with requirements.

use std::sync::Arc;

use omni_storage::{ErrorKind, Loader, Storage, registry};

fn loader() -> Loader {
    Loader::new().environment([("", ""); 0]).folder("/nowhere")
}

async fn refusal(text: &str) -> String {
    let config = loader().text(text).load().unwrap();
    let error = Storage::from_config(&config, "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

#[tokio::test]
async fn the_program_of_the_readme() -> omni_storage::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("omni-data");
    let path = path.to_str().unwrap();
    let config = loader().environment([("OMNI_STORAGE__MAIN__PATH", path)]).load()?;
    let storage = Storage::from_config(&config, "main").await?;
    for expected in [None, Some(ErrorKind::AlreadyExists)] {
        let put = storage.put("greetings/en", "hello").if_absent().content_type("text/plain").await;
        assert_eq!(put.err().map(|error| error.kind()), expected);
    }
    assert_eq!(storage.get("greetings/en").await?.text().await?, "hello");
    let mut entries = storage.list("greetings/").stream();
    assert_eq!(entries.next().await.unwrap()?.name(), "greetings/en");
    assert!(entries.next().await.is_none());
    Ok(())
}

#[tokio::test]
async fn a_requirement_is_checked_when_opening() {
    let message =
        refusal("[default.storage.main]\nprovider = 'memory'\nrequire = ['presign']").await;
    assert_eq!(
        message,
        "configuration: the provider does not declare presign (key storage.main.require, \
         value `presign`, a text given by the program, profile default)"
    );
}

#[tokio::test]
async fn settings_of_a_provider_are_checked() {
    let message = refusal("[default.storage.main]\nprovider = 'memory'\nversionin = true").await;
    assert!(
        message.starts_with(
            "configuration: unknown key `versionin`, did you mean `versioning`; allowed are "
        ),
        "{message}"
    );
}

// With a cloud compiled in, there are fewer to name and more that are there.
#[cfg(not(any(feature = "aws", feature = "gcp")))]
#[tokio::test]
async fn a_cloud_that_is_not_compiled_in_names_its_feature() {
    for (provider, feature) in [
        ("s3", "aws"),
        ("aws", "aws"),
        ("gcs", "gcp"),
        ("gcp", "gcp"),
        ("azblob", "azure"),
        ("azure", "azure"),
    ] {
        let message =
            refusal(&format!("[default.storage.main]\nprovider = '{provider}'\nbucket = 'b'"))
                .await;
        let expected = format!(
            "the provider `{provider}` is not compiled in, the cargo feature `{feature}` adds it; \
             compiled in are failover, local, memory"
        );
        assert!(message.contains(&expected), "{message}");
    }
}

#[tokio::test]
async fn a_provider_from_outside_opens_like_any_other() {
    let mut registry = registry().unwrap();
    registry
        .register("theirs", |_| async {
            let memory = omni_provider_memory::MemoryStorage::new(Default::default());
            Ok(Arc::new(memory) as _)
        })
        .unwrap();
    let config = loader().text("[default.storage.main]\nprovider = 'theirs'").load().unwrap();
    let storage = Storage::from_config_with(&config, "main", &registry).await.unwrap();
    storage.check().await.unwrap();
    assert!(Storage::from_config(&config, "main").await.is_err());
}
