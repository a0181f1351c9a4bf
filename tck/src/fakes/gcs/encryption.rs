//! Customer-supplied keys: what an object was written with, it is read with.
//!
//! From `cloud.google.com/storage/docs/encryption/customer-supplied-keys` and
//! `cloud.google.com/storage/docs/json_api/v1/status-codes`. Contents are kept as they are: of a key
//! there is its hash, which decides who may read.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use googleapis_tonic_google_storage_v2::google::storage::v2 as proto;

use super::fault::{Fault, Kind};
use super::http::Call;

pub(super) const ALGORITHM: &str = "AES256";

/// The hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyHash([u8; 32]);

impl KeyHash {
    /// From the three things that a client says of its key.
    fn new(algorithm: &str, key: &[u8], hash: &[u8]) -> Result<Self, Fault> {
        if algorithm != ALGORITHM {
            let message =
                "Missing an encryption algorithm, or the provided algorithm is not AES256.";
            return Err(Fault::new(Kind::KeyAlgorithm, message));
        }
        if key.len() != 32 {
            let message = "Missing an encryption key, or it is not base64 encoded, or it does not \
                           meet the required length of the encryption algorithm.";
            return Err(Fault::new(Kind::KeyFormat, message));
        }
        let computed = digest(&SHA256, key);
        match computed.as_ref().first_chunk() {
            Some(computed) if computed == hash => Ok(Self(*computed)),
            _ => {
                let message = "Missing a SHA256 hash of the encryption key, or it is not base64 \
                               encoded, or it does not match the encryption key.";
                Err(Fault::new(Kind::KeyHash, message))
            }
        }
    }

    /// From the headers `x-goog-encryption-*`, if they are there.
    pub(super) fn of_call(call: &Call) -> Result<Option<Self>, Fault> {
        Self::of_headers(call, "x-goog-encryption")
    }

    /// From the headers `x-goog-copy-source-encryption-*`, if they are there.
    pub(super) fn of_source(call: &Call) -> Result<Option<Self>, Fault> {
        Self::of_headers(call, "x-goog-copy-source-encryption")
    }

    fn of_headers(call: &Call, prefix: &str) -> Result<Option<Self>, Fault> {
        let header = |name: &str| call.header(&format!("{prefix}-{name}"));
        let [algorithm, key, hash] = ["algorithm", "key", "key-sha256"].map(header);
        if [algorithm, key, hash].iter().all(Option::is_none) {
            return Ok(None);
        }
        let decoded = |text: Option<&str>| BASE64_STANDARD.decode(text.unwrap_or_default());
        let [key, hash] = [key, hash].map(|text| decoded(text).unwrap_or_default());
        Self::new(algorithm.unwrap_or_default(), &key, &hash).map(Some)
    }

    /// From the parameters of a message, if they are there.
    pub(super) fn of_params(
        params: Option<&proto::CommonObjectRequestParams>,
    ) -> Result<Option<Self>, Fault> {
        let Some(params) = params else { return Ok(None) };
        Self::of_parts(
            &params.encryption_algorithm,
            &params.encryption_key_bytes,
            &params.encryption_key_sha256_bytes,
        )
    }

    /// From the three fields of a message, if they are there.
    pub(super) fn of_parts(
        algorithm: &str,
        key: &[u8],
        hash: &[u8],
    ) -> Result<Option<Self>, Fault> {
        if algorithm.is_empty() && key.is_empty() && hash.is_empty() {
            return Ok(None);
        }
        Self::new(algorithm, key, hash).map(Some)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn text(&self) -> String {
        BASE64_STANDARD.encode(self.0)
    }
}

/// Refuses a key that is not the one that something was written with, and none where there is one.
pub(super) fn unlock(locked: Option<KeyHash>, given: Option<KeyHash>) -> Result<(), Fault> {
    let (kind, message) = match (locked, given) {
        (None, None) => return Ok(()),
        (Some(locked), Some(given)) if locked == given => return Ok(()),
        (Some(_), Some(_)) => (Kind::KeyIncorrect, "The provided encryption key is incorrect."),
        (Some(_), None) => (
            Kind::KeyNeeded,
            "The target object is encrypted by a customer-supplied encryption key.",
        ),
        (None, Some(_)) => (
            Kind::KeyUnneeded,
            "The target object is not encrypted by a customer-supplied encryption key.",
        ),
    };
    Err(Fault::new(kind, message))
}
