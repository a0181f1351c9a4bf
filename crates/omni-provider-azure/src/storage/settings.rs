//! The settings of a container, and the values they accept. What they say about the account, and who
//! asks, is put together in `account`; connecting lives in `connect`.

use std::time::Duration;

use omni_config::{ByteSize, Secret};
use omni_contracts::storage::Capability;
use omni_contracts::{Error, ErrorKind, Result};
use serde::Deserialize;

/// The smallest and the largest block that a content is sent in; the largest as documented.
const MIN_PART: u64 = 64 << 10;
pub(crate) const MAX_PART: u64 = 4000 << 20;

/// The most blocks that are on their way at once.
const MAX_PARALLEL: usize = 64;

/// How to reach a container.
///
/// Who asks is said in one way: by a connection string, an account key, a shared access signature, a
/// client secret, or the name of another `credential`; without any, the `default` one is used.
///
/// ```
/// use omni_provider_azure::BlobSettings;
///
/// let settings = BlobSettings::container("shop", "orders");
/// assert_eq!(settings.part_size, 8 << 20);
/// assert!(settings.endpoint.is_none());
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlobSettings {
    /// The storage account. Not needed beside a `connection_string`, nor beside an `endpoint` unless
    /// requests are signed with an `account_key`.
    pub account: Option<String>,
    /// The container. It must exist.
    pub container: String,
    /// The URL of the account's blob service, such as `http://127.0.0.1:10000/devstoreaccount1` of
    /// Azurite; by default `https://<account>.blob.core.windows.net`.
    pub endpoint: Option<String>,
    /// The connection string of the account, with its key or a shared access signature.
    pub connection_string: Option<Secret>,
    /// A key of the account, in base 64.
    pub account_key: Option<Secret>,
    /// A shared access signature for the container or the account: the query of its URL.
    pub sas_token: Option<Secret>,
    /// The Microsoft Entra tenant of the `client_secret`, or of the workload identity.
    pub tenant_id: Option<String>,
    /// The application of the `client_secret`, of the workload identity, or the user-assigned managed
    /// identity.
    pub client_id: Option<String>,
    /// The secret of the application `client_id`.
    pub client_secret: Option<Secret>,
    /// Where tokens of Microsoft Entra come from: `default`, `managed-identity`, `workload-identity` or
    /// `cli`; by default `default`, which tries the environment, the workload identity, the developer
    /// tools and the managed identity, in this order.
    pub credential: Option<BlobCredential>,
    /// Whether requests are sent without credentials, as for public containers.
    pub anonymous: bool,
    /// The access tier of what is written, such as `Cool`; by default the account's.
    pub access_tier: Option<String>,
    /// The encryption scope of what is written; by default the container's.
    pub encryption_scope: Option<String>,
    /// What the service cannot do of what Azure can, by the names of capabilities: `["presign"]`.
    pub lacks: Vec<String>,
    /// Contents above this many bytes are sent in blocks of this size: 64 KiB to 4000 MiB, by default
    /// 8 MiB. A put takes this much memory for each block on its way, and once more for the next.
    #[serde(deserialize_with = "ByteSize::bytes")]
    pub part_size: u64,
    /// How many blocks of one put are on their way at once: 1 to 64, by default 2.
    pub parallel_parts: usize,
    /// How long to wait for a connection; by default `"5s"`.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub connect_timeout: Duration,
    /// How long to wait for the answer to a request, and for each further piece of it; by default
    /// `"30s"`.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub read_timeout: Duration,
}

/// Where tokens of Microsoft Entra come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobCredential {
    /// The first that has any: environment (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`,
    /// `AZURE_CLIENT_SECRET`), workload identity, developer tools, managed identity.
    Default,
    /// The managed identity of the machine, container or function.
    ManagedIdentity,
    /// The workload identity of a Kubernetes pod.
    WorkloadIdentity,
    /// The Azure CLI, as it is logged in.
    Cli,
}

impl Default for BlobSettings {
    fn default() -> Self {
        Self {
            account: None,
            container: String::new(),
            endpoint: None,
            connection_string: None,
            account_key: None,
            sas_token: None,
            tenant_id: None,
            client_id: None,
            client_secret: None,
            credential: None,
            anonymous: false,
            access_tier: None,
            encryption_scope: None,
            lacks: Vec::new(),
            part_size: 8 << 20,
            parallel_parts: 2,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
        }
    }
}

impl BlobSettings {
    /// The default settings for a container of an account.
    #[must_use]
    pub fn container(account: impl Into<String>, name: impl Into<String>) -> Self {
        Self { account: Some(account.into()), container: name.into(), ..Self::default() }
    }

    /// What the service cannot do.
    pub(crate) fn lacking(&self) -> Result<Vec<Capability>> {
        let known = |name: &String| {
            name.parse().map_err(|error: Error| wrong(format!("lacks: {}", error.message())))
        };
        self.lacks.iter().map(known).collect()
    }

    pub(crate) fn validate(&self) -> Result<()> {
        if !is_container(&self.container) {
            return Err(wrong(match self.container.as_str() {
                "" => "container is missing".to_owned(),
                other => format!(
                    "container is 3 to 63 lower-case letters, digits and single hyphens, this is \
                     {other:?}"
                ),
            }));
        }
        if let Some(account) = &self.account
            && !is_account(account)
        {
            return Err(wrong(format!(
                "account is 3 to 24 lower-case letters and digits, this is {account:?}"
            )));
        }
        if let Some(endpoint) = &self.endpoint
            && !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme))
        {
            return Err(wrong(format!(
                "endpoint begins with http:// or https://, this is {endpoint:?}"
            )));
        }
        if !(MIN_PART..=MAX_PART).contains(&self.part_size) {
            return Err(wrong(format!(
                "part_size is 64 KiB to 4000 MiB, this is {} bytes",
                self.part_size
            )));
        }
        if !(1..=MAX_PARALLEL).contains(&self.parallel_parts) {
            return Err(wrong(format!(
                "parallel_parts is 1 to {MAX_PARALLEL}, this is {}",
                self.parallel_parts
            )));
        }
        for (name, value) in
            [("access_tier", &self.access_tier), ("encryption_scope", &self.encryption_scope)]
        {
            if let Some(value) = value
                && (value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()))
            {
                return Err(wrong(format!("{name} is a name in visible ASCII, this is {value:?}")));
            }
        }
        self.credentials()?;
        self.lacking().map(drop)
    }

    /// That who asks is said in one way, and completely.
    fn credentials(&self) -> Result<()> {
        let stated = [
            ("connection_string", self.connection_string.is_some()),
            ("account_key", self.account_key.is_some()),
            ("sas_token", self.sas_token.is_some()),
            ("client_secret", self.client_secret.is_some()),
            ("credential", self.credential.is_some()),
            ("anonymous", self.anonymous),
        ];
        let mut stated = stated.iter().filter(|(_, stated)| *stated).map(|(name, _)| name);
        if let (Some(one), Some(other)) = (stated.next(), stated.next()) {
            return Err(wrong(format!("{one} and {other} exclude each other")));
        }
        if self.connection_string.is_some() {
            let beside =
                [("account", self.account.is_some()), ("endpoint", self.endpoint.is_some())];
            if let Some((name, _)) = beside.iter().find(|(_, stated)| *stated) {
                return Err(wrong(format!(
                    "connection_string and {name} exclude each other: the connection string says it"
                )));
            }
        } else if self.account.is_none() && (self.endpoint.is_none() || self.account_key.is_some())
        {
            return Err(wrong("account is missing"));
        }
        let secret = self.client_secret.is_some();
        if secret && (self.tenant_id.is_none() || self.client_id.is_none()) {
            return Err(wrong("client_secret needs tenant_id and client_id beside it"));
        }
        let workload = self.credential == Some(BlobCredential::WorkloadIdentity);
        if self.tenant_id.is_some() && !secret && !workload {
            return Err(wrong(
                "tenant_id needs client_secret or credential = \"workload-identity\" beside it",
            ));
        }
        let managed = self.credential == Some(BlobCredential::ManagedIdentity);
        if self.client_id.is_some() && !secret && !workload && !managed {
            return Err(wrong(
                "client_id needs client_secret or credential = \"managed-identity\" or \
                 \"workload-identity\" beside it",
            ));
        }
        Ok(())
    }
}

fn is_account(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn is_container(name: &str) -> bool {
    if ["$root", "$web", "$logs"].contains(&name) {
        return true;
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

pub(crate) fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<BlobSettings, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_a_file_says() {
        let settings = parse(
            r#"{"account": "shop", "container": "orders", "account_key": "s3cr3t",
                "endpoint": "http://127.0.0.1:10000/shop", "part_size": "16MiB",
                "read_timeout": "2s", "access_tier": "Cool", "lacks": ["presign"]}"#,
        )
        .unwrap();
        settings.validate().unwrap();
        assert_eq!(settings.part_size, 16 << 20);
        assert_eq!(settings.lacking().unwrap(), [Capability::Presign]);
        assert!(!format!("{settings:?}").contains("s3cr3t"));
        let settings = parse(
            r#"{"account": "shop", "container": "$web", "credential": "managed-identity",
                "client_id": "id"}"#,
        )
        .unwrap();
        settings.validate().unwrap();
        assert_eq!(settings.credential, Some(BlobCredential::ManagedIdentity));
    }

    #[test]
    fn says_what_is_allowed() {
        for (json, said) in [
            (r#"{"kontainer": "x"}"#, "unknown field `kontainer`"),
            (r#"{"credential": "magic"}"#, "`managed-identity`"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(said), "{json}: {error}");
        }
        for (json, said) in [
            ("{}", "container is missing"),
            (r#"{"container": "Orders"}"#, "lower-case letters"),
            (r#"{"container": "a--b"}"#, "single hyphens"),
            (r#"{"container": "orders"}"#, "account is missing"),
            (r#"{"container": "orders", "account": "my-shop"}"#, "account is 3 to 24"),
            (
                r#"{"container": "orders", "endpoint": "https://x", "account_key": "k"}"#,
                "account is missing",
            ),
            (r#"{"container": "orders", "endpoint": "localhost:1"}"#, "begins with http://"),
            (r#"{"container": "orders", "account": "shop", "part_size": 1}"#, "64 KiB to 4000"),
            (r#"{"container": "orders", "account": "shop", "parallel_parts": 0}"#, "1 to 64"),
            (r#"{"container": "orders", "account": "shop", "access_tier": ""}"#, "access_tier"),
            (
                r#"{"container": "orders", "account": "shop", "account_key": "k", "sas_token": "s"}"#,
                "account_key and sas_token exclude each other",
            ),
            (
                r#"{"container": "orders", "account": "shop", "anonymous": true, "credential": "cli"}"#,
                "credential and anonymous exclude each other",
            ),
            (
                r#"{"container": "orders", "account": "shop", "connection_string": "c"}"#,
                "connection_string and account exclude each other",
            ),
            (
                r#"{"container": "orders", "account": "shop", "client_secret": "c"}"#,
                "needs tenant_id and client_id",
            ),
            (r#"{"container": "orders", "account": "shop", "tenant_id": "t"}"#, "client_secret or"),
            (
                r#"{"container": "orders", "account": "shop", "client_id": "t"}"#,
                "\"managed-identity\" or",
            ),
            (
                r#"{"container": "orders", "account": "shop", "lacks": ["wings"]}"#,
                "known are conditional-copy",
            ),
        ] {
            let error = parse(json).unwrap().validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.message().contains(said), "{json}: {error}");
        }
    }
}
