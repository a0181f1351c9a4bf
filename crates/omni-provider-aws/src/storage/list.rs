//! Listing: pages that begin by name, so that a page token is good for any handle and any time.

use std::ops::Bound;

use aws_sdk_s3::types::EncodingType;
use omni_contracts::Result;
use omni_contracts::storage::{Key, ListEntry, ListPage, ListRequest, ObjectEntry, Prefix};

use super::describe;
use super::error::Intent;
use super::provider::S3Storage;

/// The longest key that Amazon S3 takes, in bytes.
const MAX_KEY: usize = 1024;

impl S3Storage {
    pub(crate) async fn try_list(&self, request: &ListRequest) -> Result<ListPage> {
        request.validate()?;
        let max = self.capabilities.limits.max_page_size;
        let limit = request.limit.map_or(max, |limit| limit.min(max));
        let after = match request.scan_start()? {
            None => return Ok(ListPage::default()),
            Some(Bound::Included(start)) if start == request.prefix.as_str() => None,
            Some(Bound::Included(start)) => Some(just_before(&start)),
            Some(Bound::Excluded(after)) => Some(after),
            Some(Bound::Unbounded) => None,
        };
        let list = self
            .bucket
            .list()
            .prefix(request.prefix.as_str())
            .set_delimiter(request.delimiter.clone())
            .set_start_after(after)
            .max_keys(i32::try_from(limit).unwrap_or(i32::MAX))
            // Control characters, which XML cannot hold, otherwise break the whole page.
            .encoding_type(EncodingType::Url);
        let answer = list.send().await.map_err(|error| self.translate(error, Intent::Read))?;
        let encoding = answer.encoding_type();
        let mut entries = Vec::with_capacity(answer.contents().len());
        for object in answer.contents() {
            let key = object.key().ok_or_else(|| describe::unexpected("an entry has no key"))?;
            let size = object.size().and_then(|size| u64::try_from(size).ok());
            entries.push(ListEntry::Object(ObjectEntry {
                key: Key::native(decoded(key, encoding)?),
                size: size.ok_or_else(|| describe::unexpected("an entry has no size"))?,
                version: describe::version(object.e_tag()).map_err(|_| {
                    describe::unexpected(format!("the service lists {key:?} without an entity tag"))
                })?,
                modified: describe::time(object.last_modified())?,
            }));
        }
        for folder in answer.common_prefixes() {
            let text = folder.prefix().ok_or_else(|| describe::unexpected("a prefix is empty"))?;
            entries.push(ListEntry::Prefix(Prefix::new(decoded(text, encoding)?)?));
        }
        // Objects and prefixes come apart; they are one sequence.
        entries.sort_by(|one, other| one.name().cmp(other.name()));
        let more = answer.is_truncated() == Some(true);
        let next = entries.last().filter(|_| more).map(|last| request.token_after(last.name()));
        Ok(ListPage { entries, next })
    }
}

/// A text that every key before `start` is before or equal to, and none from `start` on: for a service
/// that begins after a text.
fn just_before(start: &str) -> String {
    let mut text = start.to_owned();
    let Some(last) = text.pop() else { return text };
    let before = match u32::from(last) {
        0xe000 => Some('\u{d7ff}'),
        code => code.checked_sub(1).and_then(char::from_u32),
    };
    let Some(before) = before else { return text };
    text.push(before);
    while text.len() + char::MAX.len_utf8() <= MAX_KEY {
        text.push(char::MAX);
    }
    text
}

/// What a name in a listing stands for.
pub(crate) fn decoded(text: &str, encoding: Option<&EncodingType>) -> Result<String> {
    if encoding != Some(&EncodingType::Url) {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next(), rest.next()];
                let digit = |at: usize| digits[at].and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                    return Err(describe::unexpected(format!("a key is not encoded: {text:?}")));
                };
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes)
        .map_err(|_| describe::unexpected(format!("a key is no UTF-8: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_their_encoding() {
        let url = |text: &str| decoded(text, Some(&EncodingType::Url));
        assert_eq!(url("a+b%2Bc%25/%F0%9F%98%80").unwrap(), "a b+c%/\u{1f600}");
        assert!(url("%G1").is_err() && url("%f").is_err() && url("%ff").is_err());
        assert_eq!(decoded("a+b%41", None).unwrap(), "a+b%41");
    }

    #[test]
    fn a_text_just_before_another() {
        let before = just_before("a0");
        assert!(before.as_str() < "a0" && before.starts_with("a/\u{10ffff}"));
        assert!(before.len() > MAX_KEY - 4 && before.len() <= MAX_KEY);
        assert!(just_before("\u{e000}").starts_with('\u{d7ff}'));
    }
}
