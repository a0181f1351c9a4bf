//! The service account that signs for the kit: an RSA key that is made when it is asked for.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use omni_contracts::{Error, ErrorKind, Result};
use serde_json::json;

/// The e-mail address of the account.
pub(super) const EMAIL: &str = "kit@kit.iam.gserviceaccount.com";

/// A service account.
#[derive(Debug)]
pub(super) struct Account {
    /// What checks its signatures.
    pub(super) public_key: Vec<u8>,
    /// Its key as a file of Google's form, in JSON.
    pub(super) file: String,
}

impl Account {
    /// Makes a new one.
    pub(super) fn new() -> Result<Self> {
        let failed = |_| Error::new(ErrorKind::Internal, "no RSA key was made");
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let private_key = pair.as_der().map_err(failed)?;
        let file = json!({
            "type": "service_account",
            "project_id": "kit",
            "private_key_id": "1",
            "private_key": pem(private_key.as_ref()),
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": "https://oauth2.googleapis.com/token",
            "universe_domain": "googleapis.com",
        });
        Ok(Self { public_key: pair.public_key().as_ref().to_vec(), file: file.to_string() })
    }
}

/// A key in PKCS #8 as text: see RFC 7468.
fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}
