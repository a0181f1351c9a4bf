//! Presigned requests: a URL that works for a while without credentials.

use std::fmt;
use std::time::{Duration, SystemTime};

/// What the holder of the URL may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PresignMethod {
    /// Delete the object.
    Delete,
    /// Read the object.
    Get,
    /// Read what is known about the object.
    Head,
    /// Write the object.
    Put,
}

/// A request for a presigned URL (clauses `STO-145` to `STO-147`).
#[derive(Clone, Debug)]
pub struct PresignRequest {
    /// What the holder may do.
    pub method: PresignMethod,
    /// For how long; more than 0 and at most the provider's limit.
    pub expires_in: Duration,
    /// The content type that a put must be sent with.
    pub content_type: Option<String>,
}

/// A URL that carries its own permission. `Debug` shows it without the query, which is a secret.
#[derive(Clone)]
pub struct PresignedUrl {
    /// The URL, with the signature in its query.
    pub url: String,
    /// The headers that must be sent with it.
    pub headers: Vec<(String, String)>,
    /// When it stops working, by the provider's clock.
    pub expires_at: SystemTime,
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("PresignedUrl")
            .field("url", &format_args!("{public}?..."))
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
