//! `Attributes`: what is stored beside the content.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::{Error, Result};

/// The most that the names and values of user metadata may add up to, in bytes.
pub const MAX_METADATA_BYTES: usize = 1024;

/// The most entries of user metadata.
pub const MAX_METADATA_ENTRIES: usize = 64;

/// The longest value of a content field, in bytes.
const MAX_FIELD_BYTES: usize = 256;

/// The content fields and the user metadata of an object (clauses `STO-110` to `STO-116`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`. Stored, never applied.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Type`. Never guessed.
    pub content_type: Option<String>,
    /// User metadata: names `[a-z][a-z0-9_]*`, values any UTF-8, at most [`MAX_METADATA_ENTRIES`] of
    /// [`MAX_METADATA_BYTES`] in total.
    pub metadata: BTreeMap<String, String>,
}

impl Attributes {
    /// Shared attributes without any field, for objects that have none.
    #[must_use]
    pub fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<Attributes>> = LazyLock::new(Arc::default);
        Arc::clone(&NONE)
    }

    /// Whether no field is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            content_type,
            metadata,
        } = self;
        cache_control.is_none()
            && content_disposition.is_none()
            && content_encoding.is_none()
            && content_language.is_none()
            && content_type.is_none()
            && metadata.is_empty()
    }

    /// The content fields with their HTTP names.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        [
            ("cache-control", self.cache_control.as_deref()),
            ("content-disposition", self.content_disposition.as_deref()),
            ("content-encoding", self.content_encoding.as_deref()),
            ("content-language", self.content_language.as_deref()),
            ("content-type", self.content_type.as_deref()),
        ]
        .into_iter()
    }

    /// Refuses what some provider could not store, before any I/O.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, naming the field and the rule.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in self.fields() {
            let Some(value) = value else { continue };
            let visible = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
            let trimmed = value.trim() == value;
            if value.is_empty() || value.len() > MAX_FIELD_BYTES || !visible || !trimmed {
                return Err(Error::invalid(format!(
                    "{name} must be 1 to {MAX_FIELD_BYTES} visible ASCII characters without \
                     surrounding spaces"
                )));
            }
        }
        if let Some(content_type) = &self.content_type {
            validate_content_type(content_type)?;
        }
        if self.metadata.len() > MAX_METADATA_ENTRIES {
            return Err(Error::invalid(format!(
                "metadata has at most {MAX_METADATA_ENTRIES} entries, this has {}",
                self.metadata.len()
            )));
        }
        let mut total = 0;
        for (name, value) in &self.metadata {
            let mut bytes = name.bytes();
            let head = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
            let tail = bytes.all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit());
            if !head || !tail {
                return Err(Error::invalid(format!(
                    "a metadata name must match [a-z][a-z0-9_]*, this is {name:?}"
                )));
            }
            total += name.len() + value.len();
        }
        if total > MAX_METADATA_BYTES {
            return Err(Error::invalid(format!(
                "metadata has at most {MAX_METADATA_BYTES} bytes in total, this has {total}"
            )));
        }
        Ok(())
    }
}

fn validate_content_type(text: &str) -> Result<()> {
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    match essence.split_once('/') {
        Some((kind, subtype)) if token(kind) && token(subtype) => Ok(()),
        _ => Err(Error::invalid(format!("content-type must be type/subtype, this is {text:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_every_provider_can_store() {
        let value = "ä\u{1f600}\n".to_owned();
        let room = MAX_METADATA_BYTES - "a1_b".len() - "z".len() - value.len();
        let attributes = Attributes {
            content_type: Some("text/plain; charset=utf-8".to_owned()),
            cache_control: Some("max-age=60, public".to_owned()),
            metadata: [("a1_b".to_owned(), value), ("z".to_owned(), "v".repeat(room))].into(),
            ..Attributes::default()
        };
        attributes.validate().unwrap();
        assert!(!attributes.is_empty());
        assert!(Attributes::none().is_empty());
    }

    #[test]
    fn refuses_the_rest_with_the_rule() {
        let field = |content_language: &str| Attributes {
            content_language: Some(content_language.to_owned()),
            ..Attributes::default()
        };
        let kind = |content_type: &str| Attributes {
            content_type: Some(content_type.to_owned()),
            ..Attributes::default()
        };
        let user = |name: &str, value: String| Attributes {
            metadata: [(name.to_owned(), value)].into(),
            ..Attributes::default()
        };
        for attributes in [
            field(""),
            field(" en"),
            field("e\u{301}"),
            field("e\r\nx: y"),
            field(&"x".repeat(257)),
            kind("text"),
            kind("/plain"),
            kind("text/pl ain"),
            user("", String::new()),
            user("A", String::new()),
            user("1a", String::new()),
            user("a-b", String::new()),
            user("a", "v".repeat(MAX_METADATA_BYTES)),
        ] {
            let error = attributes.validate().unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument, "{attributes:?}");
        }
    }
}
