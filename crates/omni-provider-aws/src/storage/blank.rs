//! Keys of white space alone: the service takes them, the SDK takes them for forgotten. So it is given
//! another text, which stands for the key until the request is made and about to be signed.

use std::borrow::Cow;

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use omni_contracts::storage::Key;

/// What a stand-in begins with. No portable key does, and as a path it stands encoded.
const MARK: &str = "\u{1}omni-blank.";
const MARK_IN_PATH: &str = "%01omni-blank.";

/// What the SDK is told that the key is.
pub(crate) fn stand_in(key: &Key) -> Cow<'_, str> {
    let text = key.as_str();
    if text.is_empty() || !text.trim().is_empty() {
        return Cow::Borrowed(text);
    }
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    Cow::Owned(format!("{MARK}{hex}"))
}

/// Puts the key back where the stand-in is.
#[derive(Debug)]
pub(crate) struct PutBack;

impl Intercept for PutBack {
    fn name(&self) -> &'static str {
        "PutBack"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(uri) = put_back(request.uri()) {
            request.set_uri(uri)?;
        }
        Ok(())
    }
}

fn put_back(uri: &str) -> Option<String> {
    let (before, rest) = uri.split_once(MARK_IN_PATH)?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    let (hex, after) = rest.split_at(end);
    let bytes = hex.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase());
    let encoded: String = bytes.map(|byte| format!("%{byte}")).collect();
    Some(format!("{before}{encoded}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_replaced_by_its_key() {
        assert_eq!(stand_in(&Key::native(" a")), " a");
        assert_eq!(stand_in(&Key::native("")), "");
        let told = stand_in(&Key::native(" \u{3000}")).into_owned();
        let path = told.replace('\u{1}', "%01");
        let uri = format!("http://host/bucket/{path}?x-id=GetObject");
        let made = put_back(&uri).unwrap();
        assert_eq!(made, "http://host/bucket/%20%E3%80%80?x-id=GetObject");
        assert_eq!(put_back("http://host/bucket/key"), None);
    }
}
