//! From settings to the clients of the SDK: credentials, endpoints, and no repetition.

use google_cloud_auth::credentials::{
    Builder as DefaultChain, Credentials, anonymous, external_account, impersonated,
    service_account, user_account,
};
use google_cloud_auth::signer::Signer;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_storage::client::{Storage, StorageControl};
use google_cloud_storage::read_resume_policy::NeverResume;
use omni_contracts::{Error, Result};
use serde_json::Value;

use super::error::DEFAULT_ENDPOINT;
use super::json::Json;
use super::settings::{GcsControl, GcsSettings, wrong};

/// The variable that names a file with credentials, before all other sources.
const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// The two clients of a bucket, and what signs its URLs.
pub(crate) struct Clients {
    /// Contents, by HTTP.
    pub(crate) storage: Storage,
    /// Everything else, by gRPC or the JSON API.
    pub(crate) control: StorageControl,
    /// Only the key of a service account signs without asking anybody.
    pub(crate) signer: Option<Signer>,
}

/// Makes the clients; nobody is asked.
///
/// The SDK repeats nothing: whether a call may be repeated is known to the caller, and two layers that
/// repeat multiply.
pub(crate) async fn connect(settings: &GcsSettings) -> Result<Clients> {
    let (credentials, signer) = credentials(settings)?;
    let mut storage = Storage::builder()
        .with_credentials(credentials.clone())
        .with_retry_policy(NeverRetry)
        .with_read_resume_policy(NeverResume)
        // Not used: the gRPC of this client is for reads of another kind.
        .with_grpc_subchannel_count(1);
    if let Some(endpoint) = &settings.endpoint {
        storage = storage.with_endpoint(endpoint);
    }
    let storage = storage.build().await.map_err(unmade)?;
    let control = match settings.control {
        GcsControl::Grpc => {
            let control = StorageControl::builder().with_credentials(credentials);
            let mut control = control.with_retry_policy(NeverRetry);
            if let Some(endpoint) = settings.control_endpoint() {
                control = control.with_endpoint(endpoint);
            }
            control.build().await.map_err(unmade)?
        }
        GcsControl::Http => {
            let endpoint = settings.control_endpoint().map_or(DEFAULT_ENDPOINT, String::as_str);
            StorageControl::from_stub(Json::new(endpoint, credentials).map_err(unmade)?)
        }
    };
    Ok(Clients { storage, control, signer })
}

fn unmade(error: impl std::fmt::Display) -> Error {
    wrong("the client cannot be made: correct `endpoint` or the credentials")
        .with_source(error.to_string())
}

fn credentials(settings: &GcsSettings) -> Result<(Credentials, Option<Signer>)> {
    if settings.anonymous {
        return Ok((anonymous::Builder::new().build(), None));
    }
    if let Some(key) = &settings.service_account_key {
        let key = parse(key.expose(), "service_account_key")?;
        return match kind(&key) {
            "service_account" => of_json(key, "service_account_key"),
            other => Err(wrong(format!(
                "service_account_key has the type {other:?}, it must be \"service_account\""
            ))),
        };
    }
    if let Some(path) = &settings.credentials_file {
        return of_file(path, &format!("credentials_file {path:?}"));
    }
    match std::env::var(VARIABLE) {
        Ok(path) if !path.is_empty() => of_file(&path, &format!("{VARIABLE} {path:?}")),
        _ => {
            let found = DefaultChain::default().build().map_err(|error| {
                wrong(format!(
                    "no credentials were found: set `credentials_file`, `service_account_key`, \
                     `anonymous` or the variable {VARIABLE}, or call \
                     `gcloud auth application-default login`"
                ))
                .with_source(error.to_string())
            })?;
            Ok((found, None))
        }
    }
}

fn of_file(path: &str, source: &str) -> Result<(Credentials, Option<Signer>)> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(format!("{source} cannot be read")).with_source(error))?;
    of_json(parse(&text, source)?, source)
}

/// The text is a secret: an error says nothing of it.
fn parse(text: &str, source: &str) -> Result<Value> {
    let parsed = serde_json::from_str(text).ok().filter(Value::is_object);
    parsed.ok_or_else(|| wrong(format!("{source} is no JSON object")))
}

fn kind(json: &Value) -> &str {
    json.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn of_json(json: Value, source: &str) -> Result<(Credentials, Option<Signer>)> {
    let mut signer = None;
    let built = match kind(&json) {
        "service_account" => {
            signer = service_account::Builder::new(json.clone()).build_signer().ok();
            service_account::Builder::new(json).build()
        }
        "authorized_user" => user_account::Builder::new(json).build(),
        "external_account" => external_account::Builder::new(json).build(),
        "impersonated_service_account" => impersonated::Builder::new(json).build(),
        other => {
            return Err(wrong(format!(
                "{source} has the type {other:?}; known are authorized_user, external_account, \
                 impersonated_service_account, service_account"
            )));
        }
    };
    match built {
        Ok(credentials) => Ok((credentials, signer)),
        Err(error) => {
            Err(wrong(format!("{source} holds no credentials")).with_source(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use omni_config::Secret;

    use super::*;

    fn with_key(key: &str) -> GcsSettings {
        GcsSettings { service_account_key: Some(Secret::new(key)), ..GcsSettings::bucket("b") }
    }

    #[test]
    fn says_what_is_wrong_with_credentials_and_never_what_they_are() {
        let missing = GcsSettings {
            credentials_file: Some("/nowhere/key.json".to_owned()),
            ..GcsSettings::bucket("b")
        };
        for (settings, said) in [
            (with_key("s3cr3t"), "service_account_key is no JSON object"),
            (with_key(r#"{"type": "authorized_user"}"#), "must be \"service_account\""),
            (
                with_key(r#"{"type": "service_account", "private_key": "s3cr3t"}"#),
                "service_account_key holds no credentials",
            ),
            (missing, "credentials_file \"/nowhere/key.json\" cannot be read"),
        ] {
            let error = credentials(&settings).unwrap_err();
            assert!(error.message().contains(said), "{error}");
            assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
        }
        let error = of_json(serde_json::json!({"type": "gdch"}), "f").unwrap_err();
        assert!(error.message().contains("known are authorized_user"), "{error}");
    }
}
