//! The provider against a scripted server: answers that no emulator gives, and connections that break.

mod broken;
mod errors;
mod script;
mod segments;
mod uploads;

use std::time::Duration;

use omni_config::Secret;
use omni_contracts::storage::Key;
use omni_provider_aws::{S3Settings, S3Storage};

/// The secret of the access key; it must never be seen.
const SECRET: &str = "planted-secret-key-4711";

fn settings(endpoint: &str) -> S3Settings {
    S3Settings {
        region: Some("eu-central-1".to_owned()),
        endpoint: Some(endpoint.to_owned()),
        access_key_id: Some("AKIAEXAMPLE".to_owned()),
        secret_access_key: Some(Secret::new(SECRET)),
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_secs(1),
        ..S3Settings::bucket("orders")
    }
}

async fn open(endpoint: &str) -> S3Storage {
    S3Storage::open(settings(endpoint)).await.unwrap()
}

fn key() -> Key {
    Key::new("dir/the object").unwrap()
}
