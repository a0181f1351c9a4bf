//! What the settings say about the account: its endpoint, and who asks. Connection strings are read
//! here.

use azure_core::credentials::Secret;
use azure_core::http::Url;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omni_contracts::Result;

use super::settings::{BlobSettings, wrong};

/// The account and key that Azurite has by itself, as documented.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const AZURITE_ENDPOINT: &str = "http://127.0.0.1:10000/devstoreaccount1";

/// Where the account's blob service is, and who asks.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// Without a `/` at its end.
    pub(crate) endpoint: Url,
    pub(crate) identity: Identity,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// Who knows a key of the account.
    Key(AccountKey),
    /// Who holds a shared access signature: the query of its URL.
    Signature(Secret),
    /// Who gets tokens of Microsoft Entra.
    Token,
    /// Nobody.
    Anonymous,
}

/// An account and one of its keys.
#[derive(Clone, Debug)]
pub(crate) struct AccountKey {
    pub(crate) account: String,
    pub(crate) key: Secret,
}

impl Account {
    /// What the settings say.
    ///
    /// # Errors
    ///
    /// `Configuration` for what cannot be an account.
    pub(crate) fn new(settings: &BlobSettings) -> Result<Self> {
        let (endpoint, identity) = match &settings.connection_string {
            Some(text) => connection_string(text.expose())?,
            None => {
                let endpoint = match (&settings.endpoint, &settings.account) {
                    (Some(endpoint), _) => endpoint.clone(),
                    (None, Some(account)) => format!("https://{account}.blob.core.windows.net"),
                    (None, None) => return Err(wrong("account is missing")),
                };
                (endpoint, identity(settings)?)
            }
        };
        let url = Url::parse(endpoint.trim_end_matches('/'))
            .map_err(|error| wrong(format!("endpoint is no URL, {error}: {endpoint:?}")))?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(wrong(
                "endpoint is a URL without user, query or fragment; a signature goes into sas_token",
            ));
        }
        if matches!(identity, Identity::Token) && url.scheme() != "https" {
            return Err(wrong(format!(
                "endpoint begins with https:// where tokens are sent, this is {endpoint:?}; set \
                 account_key or sas_token for http://"
            )));
        }
        Ok(Self { endpoint: url, identity })
    }
}

fn identity(settings: &BlobSettings) -> Result<Identity> {
    if let (Some(account), Some(key)) = (&settings.account, &settings.account_key) {
        return account_key(account, key.expose(), "account_key").map(Identity::Key);
    }
    if let Some(token) = &settings.sas_token {
        return Ok(signature(token.expose()));
    }
    Ok(if settings.anonymous { Identity::Anonymous } else { Identity::Token })
}

fn signature(token: &str) -> Identity {
    Identity::Signature(Secret::new(token.trim_start_matches('?').to_owned()))
}

fn account_key(account: &str, key: &str, setting: &str) -> Result<AccountKey> {
    if STANDARD.decode(key).is_err() {
        return Err(wrong(format!("{setting}: the key of the account is not in base 64")));
    }
    Ok(AccountKey { account: account.to_owned(), key: Secret::new(key.to_owned()) })
}

/// The endpoint and the identity in a connection string. What is wrong is said without its values.
fn connection_string(text: &str) -> Result<(String, Identity)> {
    let mut fields = Vec::new();
    for field in text.split(';').filter(|field| !field.trim().is_empty()) {
        let (name, value) = field.trim().split_once('=').ok_or_else(|| {
            wrong("connection_string is `Name=value` separated by `;`, a field has no `=`")
        })?;
        fields.push((name, value));
    }
    let field = |name: &str| {
        let found = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    };
    if field("UseDevelopmentStorage") == Some("true") {
        let key = account_key(AZURITE_ACCOUNT, AZURITE_KEY, "connection_string")?;
        return Ok((AZURITE_ENDPOINT.to_owned(), Identity::Key(key)));
    }
    let endpoint = match (field("BlobEndpoint"), field("AccountName")) {
        (Some(endpoint), _) => endpoint.to_owned(),
        (None, Some(account)) => {
            let protocol = field("DefaultEndpointsProtocol").unwrap_or("https");
            let suffix = field("EndpointSuffix").unwrap_or("core.windows.net");
            format!("{protocol}://{account}.blob.{suffix}")
        }
        (None, None) => {
            return Err(wrong("connection_string has neither AccountName nor BlobEndpoint"));
        }
    };
    let identity = match (field("SharedAccessSignature"), field("AccountName"), field("AccountKey"))
    {
        (Some(token), _, _) => signature(token),
        (None, Some(account), Some(key)) => {
            Identity::Key(account_key(account, key, "connection_string")?)
        }
        _ => {
            return Err(wrong(
                "connection_string has neither AccountName and AccountKey nor SharedAccessSignature",
            ));
        }
    };
    Ok((endpoint, identity))
}

#[cfg(test)]
mod tests {
    use omni_contracts::ErrorKind;

    use super::*;

    fn account(text: &str) -> Result<Account> {
        let connection_string = Some(omni_config::Secret::new(text));
        Account::new(&BlobSettings { connection_string, ..BlobSettings::default() })
    }

    #[test]
    fn connection_strings() {
        let whole =
            account("DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=a2V5;").unwrap();
        assert_eq!(whole.endpoint.as_str(), "https://shop.blob.core.windows.net/");
        let Identity::Key(key) = whole.identity else { panic!("{:?}", whole.identity) };
        assert_eq!((key.account.as_str(), key.key.secret()), ("shop", "a2V5"));
        assert!(!format!("{key:?}").contains("a2V5"));

        let sas =
            "BlobEndpoint=https://shop.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=2";
        let Identity::Signature(token) = account(sas).unwrap().identity else { panic!("{sas}") };
        assert_eq!(token.secret(), "sv=1&sig=2");

        let local = account("UseDevelopmentStorage=true").unwrap();
        assert_eq!(local.endpoint.as_str(), AZURITE_ENDPOINT);
        for (text, said) in [
            ("nonsense", "has no `=`"),
            ("AccountKey=a2V5", "neither AccountName nor BlobEndpoint"),
            ("AccountName=shop", "neither AccountName and AccountKey"),
            ("AccountName=shop;AccountKey=s3cr#t", "not in base 64"),
        ] {
            let error = account(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.message().contains(said) && !error.message().contains("s3cr"), "{error}");
        }
    }

    #[test]
    fn tokens_are_sent_over_tls_only() {
        let plain = BlobSettings {
            endpoint: Some("http://127.0.0.1:10000/shop".to_owned()),
            ..BlobSettings::container("shop", "orders")
        };
        assert!(Account::new(&plain).unwrap_err().message().contains("https://"));
        let signed = BlobSettings { sas_token: Some(omni_config::Secret::new("?sv=1")), ..plain };
        let Identity::Signature(token) = Account::new(&signed).unwrap().identity else {
            panic!("no signature")
        };
        assert_eq!(token.secret(), "sv=1");
        let with_query = BlobSettings { endpoint: Some("https://x?sv=1".to_owned()), ..signed };
        assert!(Account::new(&with_query).unwrap_err().message().contains("sas_token"));
    }
}
