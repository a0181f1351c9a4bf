//! The XML of answers: read into a tree, for answers are small.

use omni_contracts::Result;
use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use super::describe::unexpected;

/// An element: its name, text and children.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    /// Whether the text is percent-encoded, as of names that XML cannot hold.
    encoded: bool,
    text: String,
    children: Vec<Self>,
}

impl Element {
    /// The root of a document.
    ///
    /// # Errors
    ///
    /// `Internal` when it is none.
    pub(crate) fn parse(document: &[u8]) -> Result<Self> {
        let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
        let broken = |what: &str| unexpected(format!("the answer is no XML: {what}"));
        let mut reader = Reader::from_reader(document);
        // The bottom stands for the document.
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().map_err(|error| broken(&error.to_string()))?;
            match event {
                Event::Start(start) => open.push(Self::begun(&start)),
                Event::Empty(start) => Self::add(&mut open, Self::begun(&start)),
                Event::End(_) => {
                    let element = open.pop().ok_or_else(|| broken("an element is not open"))?;
                    Self::add(&mut open, element);
                }
                Event::Text(text) => {
                    let text = text.decode().map_err(|error| broken(&error.to_string()))?;
                    Self::write(&mut open, &text);
                }
                Event::CData(text) => {
                    let text = text.decode().map_err(|error| broken(&error.to_string()))?;
                    Self::write(&mut open, &text);
                }
                Event::GeneralRef(reference) => {
                    let character =
                        reference.resolve_char_ref().map_err(|error| broken(&error.to_string()))?;
                    let name = reference.decode().map_err(|error| broken(&error.to_string()))?;
                    match (character, resolve_predefined_entity(&name)) {
                        (Some(character), _) => {
                            Self::write(&mut open, character.encode_utf8(&mut [0; 4]))
                        }
                        (None, Some(text)) => Self::write(&mut open, text),
                        (None, None) => return Err(broken("an entity is not known")),
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        match (open.pop().and_then(|mut document| document.children.pop()), open.is_empty()) {
            (Some(root), true) => Ok(root),
            _ => Err(broken("it ends early")),
        }
    }

    fn begun(start: &BytesStart<'_>) -> Self {
        let encoded = start.try_get_attribute("Encoded").ok().flatten();
        Self {
            name: String::from_utf8_lossy(start.name().as_ref()).into_owned(),
            encoded: encoded.is_some_and(|value| &*value.value == b"true"),
            ..Self::default()
        }
    }

    fn add(open: &mut [Self], element: Self) {
        if let Some(parent) = open.last_mut() {
            parent.children.push(element);
        }
    }

    fn write(open: &mut [Self], text: &str) {
        if let Some(element) = open.last_mut() {
            element.text.push_str(text);
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// All children, in order.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Self> {
        self.children.iter()
    }

    /// The first child of a name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of a name, unless it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }

    /// The name of a blob or a prefix in the first child of a name, decoded.
    ///
    /// # Errors
    ///
    /// `Internal` when there is none.
    pub(crate) fn decoded(&self, name: &str) -> Result<String> {
        let child = self.child(name).ok_or_else(|| unexpected("an entry has no name"))?;
        if !child.encoded {
            return Ok(child.text.clone());
        }
        let decoded = percent_decode_str(&child.text).decode_utf8();
        decoded
            .map(Into::into)
            .map_err(|_| unexpected(format!("a name is no UTF-8: {:?}", child.text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_are() {
        let document = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><List><Blobs>\
                        <Blob><Name> a &amp;&#x3c;\u{1f600} </Name><Empty/></Blob>\
                        <Blob><Name Encoded=\"true\">a%01%20%C3%A4</Name></Blob>\
                        <Blob><Name><![CDATA[<x>]]></Name></Blob></Blobs><NextMarker /></List>";
        let root = Element::parse(document.as_bytes()).unwrap();
        assert_eq!(root.name(), "List");
        let blobs = root.child("Blobs").unwrap().children();
        let names: Vec<_> = blobs.map(|blob| blob.decoded("Name").unwrap()).collect();
        assert_eq!(names, [" a &<\u{1f600} ", "a\u{1} \u{e4}", "<x>"]);
        assert_eq!(root.text("NextMarker"), None);
        assert!(root.decoded("Name").is_err());
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for document in ["", "nonsense", "<a>", "<a></b>", "<a>&unknown;</a>"] {
            assert!(Element::parse(document.as_bytes()).is_err(), "{document:?}");
        }
    }
}
