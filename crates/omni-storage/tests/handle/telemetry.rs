//! The table `telemetry`, with and without the feature.

use omni_config::Loader;
use omni_storage::{ErrorKind, Storage};

fn config(table: &str) -> omni_config::Config {
    let none: [(&str, &str); 0] = [];
    let text =
        format!("[default.storage.main]\nprovider = \"memory\"\n[default.telemetry]\n{table}");
    Loader::new().environment(none).text(text).load().unwrap()
}

#[cfg(not(feature = "telemetry"))]
#[tokio::test]
async fn what_is_not_compiled_in_is_refused() {
    let config = config("service = \"orders\"");
    let error = Storage::from_config(&config, "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = error.to_string();
    assert!(text.contains("feature `telemetry`") && text.contains("key telemetry"), "{text}");
}

#[cfg(feature = "telemetry")]
#[tokio::test]
async fn a_table_is_enough() {
    // Nobody listens there, which is no error.
    let there = config("endpoint = \"http://127.0.0.1:1\"\ntimeout = \"100ms\"");
    let storage = Storage::from_config(&there, "main").await.unwrap();
    assert_eq!(storage.layers()[..2], ["telemetry", "deadline"]);
    storage.put("a", "1").await.unwrap();
    assert_eq!(storage.get("a").await.unwrap().text().await.unwrap(), "1");
    // Ends on the one thread of this runtime, which sends nothing by itself.
    drop(storage);
    let error = Storage::from_config(&config("sample = 2"), "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}
