//! Shared access signatures: for presigned requests, and for what the service itself must read when it
//! copies. They are signed with a key of the account, or with a key that the service gives to who has a
//! token.

use std::time::{Duration, SystemTime};

use azure_core::credentials::Secret;
use azure_core::http::Method;
use azure_core::time::{OffsetDateTime, parse_rfc3339, to_rfc3339};
use omni_contracts::storage::{Capability, Key, PresignMethod, PresignRequest, PresignedUrl};
use omni_contracts::{Error, ErrorKind, Result};

use super::account::Identity;
use super::address::in_query;
use super::client::Container;
use super::connect::SCOPE;
use super::describe::unexpected;
use super::error::{Intent, failed};
use super::provider::BlobStorage;
use super::sign::signature;
use super::xml::Element;

/// The longest that a presigned request works: as long as a key for it may be had.
pub(crate) const MAX_EXPIRY: Duration = Duration::from_secs(7 * 86_400);

/// How long the service may read the source of a copy.
const COPYING: Duration = Duration::from_secs(3600);

/// The version of the service whose rules the signatures follow.
const VERSION: &str = "2022-11-02";

/// What may be done with one object until when.
struct Permit<'k> {
    key: &'k Key,
    rights: &'static str,
    until: SystemTime,
}

/// A key that the service gives to who has a token, to sign with.
#[derive(Clone, Debug)]
pub(crate) struct DelegationKey {
    /// Owner, tenant, start, expiry, service and version, as they are signed and sent.
    fields: [String; 6],
    value: Secret,
    until: SystemTime,
}

/// The parameters of the fields of a delegation key.
const DELEGATION: [&str; 6] = ["skoid", "sktid", "skt", "ske", "sks", "skv"];

impl DelegationKey {
    fn read(document: &[u8]) -> Result<Self> {
        let document = Element::parse(document)?;
        let field = |name: &str| {
            let text = document.text(name).map(str::to_owned);
            text.ok_or_else(|| unexpected(format!("the key to sign with has no {name}")))
        };
        let expiry = field("SignedExpiry")?;
        let until = parse_rfc3339(&expiry).map_err(|error| unexpected(error.to_string()))?;
        Ok(Self {
            fields: [
                field("SignedOid")?,
                field("SignedTid")?,
                field("SignedStart")?,
                expiry,
                field("SignedService")?,
                field("SignedVersion")?,
            ],
            value: Secret::new(field("Value")?),
            until: until.into(),
        })
    }
}

impl Container {
    /// The account that signatures are made for.
    fn account_name(&self) -> String {
        match (self.identity(), &self.settings().account) {
            (Identity::Key(key), _) => key.account.clone(),
            (_, Some(account)) => account.clone(),
            (_, None) => {
                let host = self.endpoint().host_str().unwrap_or_default();
                host.split('.').next().unwrap_or_default().to_owned()
            }
        }
    }

    /// The query of a signed URL; `None` for who cannot sign.
    async fn permit(&self, permit: &Permit<'_>) -> Result<Option<String>> {
        let protocol = if self.endpoint().scheme() == "https" { "https" } else { "" };
        let resource =
            format!("/blob/{}/{}/{}", self.account_name(), self.settings().container, permit.key);
        match self.identity() {
            Identity::Key(key) => query(permit, &resource, protocol, None, &key.key).map(Some),
            Identity::Token => {
                let key = self.delegation_key(permit.until).await?;
                query(permit, &resource, protocol, Some(&key), &key.value).map(Some)
            }
            Identity::Signature(_) | Identity::Anonymous => Ok(None),
        }
    }

    /// A key to sign with that is good until then; asked for when the one at hand is not.
    async fn delegation_key(&self, until: SystemTime) -> Result<DelegationKey> {
        let mut held = self.delegation().lock().await;
        if let Some(key) = held.as_ref().filter(|key| key.until >= until) {
            return Ok(key.clone());
        }
        let expiry = seconds(SystemTime::now() + MAX_EXPIRY).max(seconds(until));
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><KeyInfo><Expiry>{}</Expiry></KeyInfo>",
            to_rfc3339(&expiry)
        );
        let ask = self.account(Method::Post).query("restype", "service");
        let ask = ask.query("comp", "userdelegationkey").body(body.into());
        let key = DelegationKey::read(&self.send(ask, Intent::Read).await?.body)?;
        *held = Some(key.clone());
        Ok(key)
    }

    /// A URL from which the service itself can read an object, and the header that lets it.
    pub(crate) async fn readable(&self, key: &Key) -> Result<(String, Option<String>)> {
        let url = self.url(key)?;
        match (self.identity(), self.token()) {
            (Identity::Signature(token), _) => Ok((format!("{url}?{}", token.secret()), None)),
            (_, Some(source)) => {
                let token = source.get_token(&[SCOPE], None).await;
                let token = token.map_err(|error| failed(error, Intent::Read, self))?;
                Ok((url, Some(format!("Bearer {}", token.token.secret()))))
            }
            _ => {
                let permit = Permit { key, rights: "r", until: SystemTime::now() + COPYING };
                Ok(match self.permit(&permit).await? {
                    None => (url, None),
                    Some(query) => (format!("{url}?{query}"), None),
                })
            }
        }
    }
}

/// The query of a signed URL.
fn query(
    permit: &Permit<'_>,
    resource: &str,
    protocol: &str,
    delegation: Option<&DelegationKey>,
    key: &Secret,
) -> Result<String> {
    let expiry = to_rfc3339(&seconds(permit.until));
    let text = string_to_sign(permit.rights, &expiry, resource, protocol, delegation);
    let signature = signature(&text, key)
        .map_err(|error| Error::new(ErrorKind::Configuration, format!("account_key: {error}")))?;
    let mut query = format!("sv={VERSION}&sr=b&sp={}&se={}", permit.rights, in_query(&expiry));
    if !protocol.is_empty() {
        query.push_str(&format!("&spr={protocol}"));
    }
    for (name, value) in DELEGATION.iter().zip(delegation.iter().flat_map(|key| &key.fields)) {
        query.push_str(&format!("&{name}={}", in_query(value)));
    }
    Ok(format!("{query}&sig={}", in_query(&signature)))
}

/// What is signed: with start, identifier, address, snapshot, scope and the five headers that an answer
/// may be told to have left empty.
fn string_to_sign(
    rights: &str,
    expiry: &str,
    resource: &str,
    protocol: &str,
    delegation: Option<&DelegationKey>,
) -> String {
    let mut lines = vec![rights, "", expiry, resource];
    match delegation {
        // The identifier of a stored policy.
        None => lines.push(""),
        // And the users that it is restricted to, and an id to correlate with.
        Some(key) => {
            lines.extend(key.fields.iter().map(String::as_str));
            lines.extend(["", "", ""]);
        }
    }
    lines.extend(["", protocol, VERSION, "b", "", "", "", "", "", "", ""]);
    lines.join("\n")
}

/// A time without its fraction, as signatures have it.
fn seconds(time: SystemTime) -> OffsetDateTime {
    let time = OffsetDateTime::from(time);
    time.replace_nanosecond(0).unwrap_or(time)
}

impl BlobStorage {
    pub(crate) async fn try_presign(
        &self,
        key: &Key,
        request: &PresignRequest,
    ) -> Result<PresignedUrl> {
        self.capabilities.expect(Capability::Presign)?;
        let expiry = request.expires_in;
        if expiry.as_secs() == 0 || expiry > MAX_EXPIRY {
            return Err(Error::invalid(format!(
                "a presigned request expires after 1 second to 7 days, this after {expiry:?}"
            )));
        }
        let until = seconds(SystemTime::now() + expiry).into();
        let (rights, headers) = match request.method {
            PresignMethod::Get | PresignMethod::Head => ("r", Vec::new()),
            PresignMethod::Delete => ("d", Vec::new()),
            PresignMethod::Put => {
                let mut headers = vec![("x-ms-blob-type".to_owned(), "BlockBlob".to_owned())];
                let typed = request.content_type.clone();
                headers.extend(typed.map(|typed| ("content-type".to_owned(), typed)));
                ("cw", headers)
            }
        };
        let url = self.container.url(key)?;
        let signed = self.container.permit(&Permit { key, rights, until }).await?;
        let query = signed.ok_or_else(|| Error::unsupported(Capability::Presign))?;
        Ok(PresignedUrl { url: format!("{url}?{query}"), headers, expires_at: until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "<UserDelegationKey><SignedOid>oid</SignedOid><SignedTid>tid</SignedTid>\
                            <SignedStart>2026-01-01T00:00:00Z</SignedStart>\
                            <SignedExpiry>2026-01-08T00:00:00Z</SignedExpiry>\
                            <SignedService>b</SignedService><SignedVersion>2025-11-05</SignedVersion>\
                            <Value>a2V5</Value></UserDelegationKey>";

    #[test]
    fn a_signature_by_the_account() {
        let text =
            string_to_sign("r", "2026-01-02T00:00:00Z", "/blob/shop/orders/a b", "https", None);
        let lines: Vec<_> = text.split('\n').collect();
        assert_eq!(lines.len(), 16);
        assert_eq!(lines[..5], ["r", "", "2026-01-02T00:00:00Z", "/blob/shop/orders/a b", ""]);
        assert_eq!(lines[5..9], ["", "https", VERSION, "b"]);
    }

    #[test]
    fn a_signature_by_who_has_a_token() {
        let key = DelegationKey::read(DOCUMENT.as_bytes()).unwrap();
        let text = string_to_sign("d", "e", "/r", "https", Some(&key));
        let lines: Vec<_> = text.split('\n').collect();
        assert_eq!(lines.len(), 24);
        assert_eq!(lines[4..6], ["oid", "tid"]);
        assert_eq!(lines[8..10], ["b", "2025-11-05"]);
        assert_eq!(lines[14..17], ["https", VERSION, "b"]);
        let until = SystemTime::from(parse_rfc3339("2026-01-02T00:00:00.5Z").unwrap());
        let object = Key::new("a").unwrap();
        let permit = Permit { key: &object, rights: "d", until };
        let made = query(&permit, "/r", "https", Some(&key), &key.value).unwrap();
        let begun = "sv=2022-11-02&sr=b&sp=d&se=2026-01-02T00%3A00%3A00Z&spr=https&skoid=oid&sktid=tid\
                     &skt=2026-01-01T00%3A00%3A00Z&ske=2026-01-08T00%3A00%3A00Z&sks=b&skv=2025-11-05&sig=";
        assert!(made.starts_with(begun), "{made}");
        assert!(!format!("{key:?}").contains("a2V5"));
    }
}
