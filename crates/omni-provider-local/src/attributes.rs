//! The encoding of attributes in the index: pairs of texts, each behind its length in two bytes.
//! Content fields have the names of their headers, which no user metadata can have.

use std::collections::BTreeMap;

use omni_contracts::storage::Attributes;

/// The encoded attributes; `None` when there are none.
pub(crate) fn encode(attributes: &Attributes) -> Option<Vec<u8>> {
    if attributes.is_empty() {
        return None;
    }
    let fields = attributes.fields().filter_map(|(name, value)| value.map(|value| (name, value)));
    let metadata = attributes.metadata.iter();
    let metadata = metadata.map(|(name, value)| (name.as_str(), value.as_str()));
    let mut encoded = Vec::new();
    for (name, value) in fields.chain(metadata) {
        for text in [name, value] {
            // Validated attributes are far shorter.
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            encoded.extend_from_slice(&length.to_le_bytes());
            encoded.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
        }
    }
    Some(encoded)
}

/// The attributes that were encoded; `None` when they were not encoded by us.
pub(crate) fn decode(mut encoded: &[u8]) -> Option<Attributes> {
    let mut pairs = BTreeMap::new();
    while !encoded.is_empty() {
        let name = take_text(&mut encoded)?;
        let value = take_text(&mut encoded)?;
        pairs.insert(name, value);
    }
    Some(Attributes {
        cache_control: pairs.remove("cache-control"),
        content_disposition: pairs.remove("content-disposition"),
        content_encoding: pairs.remove("content-encoding"),
        content_language: pairs.remove("content-language"),
        content_type: pairs.remove("content-type"),
        metadata: pairs,
    })
}

fn take_text(encoded: &mut &[u8]) -> Option<String> {
    let (length, rest) = encoded.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *encoded = rest;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_back_as_they_were() {
        assert_eq!(encode(&Attributes::default()), None);
        let attributes = Attributes {
            cache_control: Some("no-cache".to_owned()),
            content_disposition: Some("inline".to_owned()),
            content_encoding: Some("gzip".to_owned()),
            content_language: Some("en".to_owned()),
            content_type: Some("text/plain".to_owned()),
            metadata: [
                ("a".to_owned(), String::new()),
                ("b".to_owned(), " \u{1f600}\r\n\0 ".to_owned()),
                ("z".to_owned(), "v".repeat(2000)),
            ]
            .into(),
        };
        let encoded = encode(&attributes).unwrap();
        assert_eq!(decode(&encoded), Some(attributes));
    }

    #[test]
    fn damage_is_noticed() {
        for damaged in [&[1][..], &[1, 0], &[1, 0, b'a'], &[1, 0, 0xff, 0, 0], &[9, 9, 1]] {
            assert_eq!(decode(damaged), None, "{damaged:?}");
        }
    }
}
