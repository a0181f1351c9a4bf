//! From settings to what sends requests: transport, credentials, and nothing that repeats.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::http::policies::Policy;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{ClientOptions, HttpClient, Pipeline, RetryOptions, Transport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, DeveloperToolsCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use omni_contracts::Result;

use super::account::Identity;
use super::settings::{BlobCredential, BlobSettings, wrong};
use super::sign::SharedKey;

/// What tokens are asked for.
pub(crate) const SCOPE: &str = "https://storage.azure.com/.default";

type Token = Arc<dyn TokenCredential>;

/// What sends requests, and where tokens come from if they are needed.
///
/// Nothing is repeated: whether a call may be repeated is known to the caller, and two layers that
/// repeat multiply.
pub(crate) fn connect(
    settings: &BlobSettings,
    identity: &Identity,
    transport: Transport,
) -> Result<(Pipeline, Option<Token>)> {
    let mut policies: Vec<Arc<dyn Policy>> = Vec::new();
    let mut token = None;
    match identity {
        Identity::Key(key) => policies.push(Arc::new(SharedKey(key.clone()))),
        Identity::Token => {
            let source = credential(settings, &transport)
                .map_err(|error| wrong(format!("credential: {error}")))?;
            policies
                .push(Arc::new(BearerTokenAuthorizationPolicy::new(Arc::clone(&source), [SCOPE])));
            token = Some(source);
        }
        Identity::Signature(_) | Identity::Anonymous => {}
    }
    let options = ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(transport),
        ..ClientOptions::default()
    };
    let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
    Ok((Pipeline::new(name, version, options, Vec::new(), policies, None), token))
}

/// HTTP over TLS, by the settings.
pub(crate) fn transport(settings: &BlobSettings) -> Result<Transport> {
    let client = reqwest::Client::builder()
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .redirect(reqwest::redirect::Policy::none())
        // What is stored encoded comes back encoded, whatever other crates switch on.
        .no_gzip()
        .no_deflate()
        .no_brotli()
        .no_zstd()
        .build()
        .map_err(|error| wrong(format!("no client for HTTP can be made: {error}")))?;
    let client: Arc<dyn HttpClient> = Arc::new(client);
    Ok(Transport::new(client))
}

/// Where tokens come from.
fn credential(settings: &BlobSettings, transport: &Transport) -> azure_core::Result<Token> {
    let client_options =
        || ClientOptions { transport: Some(transport.clone()), ..ClientOptions::default() };
    if let (Some(tenant), Some(id), Some(secret)) =
        (&settings.tenant_id, &settings.client_id, &settings.client_secret)
    {
        return client_secret(tenant, id, secret.expose(), client_options());
    }
    let managed = |id: Option<&String>| -> azure_core::Result<Token> {
        Ok(ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: id.map(|id| UserAssignedId::ClientId(id.clone())),
            client_options: client_options(),
        }))?)
    };
    let workload = || -> azure_core::Result<Token> {
        let mut options = WorkloadIdentityCredentialOptions {
            client_id: settings.client_id.clone(),
            tenant_id: settings.tenant_id.clone(),
            ..WorkloadIdentityCredentialOptions::default()
        };
        options.credential_options.client_options = client_options();
        Ok(WorkloadIdentityCredential::new(Some(options))?)
    };
    match settings.credential.unwrap_or(BlobCredential::Default) {
        BlobCredential::ManagedIdentity => managed(settings.client_id.as_ref()),
        BlobCredential::WorkloadIdentity => workload(),
        BlobCredential::Cli => {
            Ok(AzureCliCredential::new(Some(AzureCliCredentialOptions::default()))?)
        }
        BlobCredential::Default => {
            let mut sources = Vec::new();
            let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
            if let (Some(tenant), Some(id), Some(secret)) = (
                variable("AZURE_TENANT_ID"),
                variable("AZURE_CLIENT_ID"),
                variable("AZURE_CLIENT_SECRET"),
            ) {
                sources.push(client_secret(&tenant, &id, &secret, client_options())?);
            }
            if variable("AZURE_FEDERATED_TOKEN_FILE").is_some() {
                sources.push(workload()?);
            }
            sources.push(DeveloperToolsCredential::new(None)?);
            sources.push(managed(variable("AZURE_CLIENT_ID").as_ref())?);
            Ok(Arc::new(Chain { sources, found: OnceLock::new() }))
        }
    }
}

fn client_secret(
    tenant: &str,
    id: &str,
    secret: &str,
    client_options: ClientOptions,
) -> azure_core::Result<Token> {
    let options = ClientSecretCredentialOptions { client_options };
    let secret = Secret::new(secret.to_owned());
    Ok(ClientSecretCredential::new(tenant, id.to_owned(), secret, Some(options))?)
}

/// Several sources of tokens; the first that gives one is asked from then on.
#[derive(Debug)]
struct Chain {
    sources: Vec<Token>,
    found: OnceLock<usize>,
}

#[async_trait]
impl TokenCredential for Chain {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if let Some(found) = self.found.get() {
            return self.sources[*found].get_token(scopes, options).await;
        }
        let mut refused = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            match source.get_token(scopes, options.clone()).await {
                Ok(token) => {
                    // Another call may have found one first, which is as good.
                    let _ = self.found.set(number);
                    return Ok(token);
                }
                Err(error) => refused.push(error.to_string()),
            }
        }
        let said = refused.join("; ");
        Err(azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Source(Option<&'static str>);

    #[async_trait]
    impl TokenCredential for Source {
        async fn get_token(
            &self,
            _scopes: &[&str],
            _options: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let kind = azure_core::error::ErrorKind::Credential;
            let none = || azure_core::Error::with_message(kind, "not logged in");
            let token = self.0.ok_or_else(none)?;
            Ok(AccessToken::new(token, std::time::SystemTime::now().into()))
        }
    }

    #[tokio::test]
    async fn the_first_source_that_has_a_token_is_used() {
        let chain = |sources: &[Option<&'static str>]| Chain {
            sources: sources.iter().map(|token| Arc::new(Source(*token)) as Token).collect(),
            found: OnceLock::new(),
        };
        let some = chain(&[None, Some("b"), Some("c")]);
        for _ in 0..2 {
            let token = some.get_token(&[SCOPE], None).await.unwrap();
            assert_eq!(token.token.secret(), "b");
        }
        assert_eq!(some.found.get(), Some(&1));
        let none = chain(&[None, None]).get_token(&[SCOPE], None).await.unwrap_err();
        assert_eq!(none.to_string(), "not logged in; not logged in");
    }

    #[test]
    fn every_named_credential_can_be_made() {
        for credential in
            [BlobCredential::Default, BlobCredential::ManagedIdentity, BlobCredential::Cli]
        {
            let settings = BlobSettings {
                credential: Some(credential),
                ..BlobSettings::container("shop", "orders")
            };
            assert!(
                connect(&settings, &Identity::Token, transport(&settings).unwrap())
                    .unwrap()
                    .1
                    .is_some()
            );
        }
    }
}
