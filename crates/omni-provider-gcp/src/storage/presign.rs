//! Presigned requests: V4 signatures by the key of a service account.

use std::time::{Duration, SystemTime};

use google_cloud_storage::builder::storage::SignedUrlBuilder;
use google_cloud_storage::http::Method;
use omni_contracts::storage::{Capability, Key, PresignMethod, PresignRequest, PresignedUrl};
use omni_contracts::{Error, ErrorKind, Result};

use super::area;
use super::provider::GcsStorage;

/// The longest that a presigned request works, as documented by Google.
pub(crate) const MAX_EXPIRY: Duration = Duration::from_secs(7 * 86_400);

impl GcsStorage {
    pub(crate) async fn try_presign(
        &self,
        key: &Key,
        request: &PresignRequest,
    ) -> Result<PresignedUrl> {
        self.capabilities.expect(Capability::Presign)?;
        area::writable(key)?;
        let signer = self.bucket.signer.as_ref();
        let signer = signer.ok_or_else(|| Error::unsupported(Capability::Presign))?;
        let expiry = request.expires_in;
        if expiry.as_secs() == 0 || expiry > MAX_EXPIRY {
            return Err(Error::invalid(format!(
                "a presigned request expires after 1 second to 7 days, this after {expiry:?}"
            )));
        }
        let method = match request.method {
            PresignMethod::Delete => Method::DELETE,
            PresignMethod::Get => Method::GET,
            PresignMethod::Head => Method::HEAD,
            PresignMethod::Put => Method::PUT,
        };
        let settings = &self.bucket.settings;
        let mut url = SignedUrlBuilder::for_object(&*self.bucket.path, key.as_str())
            .with_method(method)
            .with_expiration(expiry);
        if let Some(endpoint) = &settings.endpoint {
            url = url.with_endpoint(endpoint);
        }
        if let Some(project) = &settings.user_project {
            url = url.with_query_param("userProject", project);
        }
        let mut headers = Vec::new();
        if request.method == PresignMethod::Put {
            let stated = [
                ("content-type", &request.content_type),
                ("x-goog-storage-class", &settings.storage_class),
                ("x-goog-encryption-kms-key-name", &settings.kms_key),
            ];
            for (name, value) in stated {
                if let Some(value) = value {
                    url = url.with_header(name, value);
                    headers.push((name.to_owned(), value.clone()));
                }
            }
        }
        let expires_at = SystemTime::now() + expiry;
        let url = url.sign_with(signer).await.map_err(|error| {
            Error::new(ErrorKind::Unauthenticated, "the key of the service account signs nothing")
                .with_source(error.to_string())
        })?;
        Ok(PresignedUrl { url, headers, expires_at })
    }
}
