//! Listing. Pages continue by the service's own markers; what begins after a name is filtered here, for
//! not every service begins where it is told to.

use std::time::SystemTime;

use azure_core::http::Method;
use omni_contracts::storage::{
    Key, ListEntry, ListPage, ListRequest, ObjectEntry, PageToken, Prefix,
};
use omni_contracts::{Error, ErrorKind, Result};

use super::call::{Answer, Call};
use super::describe::{self, unexpected};
use super::error::Intent;
use super::provider::BlobStorage;
use super::staging;
use super::xml::Element;

/// The version of the service that can begin a listing at a name.
const BEGINS_AT_NAME: &str = "2026-04-06";

/// Where a listing goes on.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    /// From this marker of the service; empty at the beginning.
    marker: String,
    /// After the entries of this name.
    after: Option<String>,
    /// After the keys that were rolled up here into this prefix.
    rolled: Option<String>,
}

impl Place {
    fn of(request: &ListRequest) -> Result<Self> {
        match (&request.token, &request.start_after) {
            (Some(token), _) => {
                let place = Self::opened(token.open(&scope(request))?);
                place.ok_or_else(|| Error::invalid("the page token is none of this provider"))
            }
            (None, Some(key)) => {
                Ok(Self { after: Some(key.as_str().to_owned()), ..Self::default() })
            }
            (None, None) => Ok(Self::default()),
        }
    }

    /// The three texts, each after its length, or `-` for one that is not there.
    fn opened(text: &str) -> Option<Self> {
        fn next(text: &str) -> Option<(Option<String>, &str)> {
            if let Some(rest) = text.strip_prefix('-') {
                return Some((None, rest));
            }
            let (length, rest) = text.split_once(':')?;
            let (text, rest) = rest.split_at_checked(length.parse().ok()?)?;
            Some((Some(text.to_owned()), rest))
        }
        let (marker, rest) = next(text)?;
        let (after, rest) = next(rest)?;
        let (rolled, rest) = next(rest)?;
        rest.is_empty().then_some(Self { marker: marker?, after, rolled })
    }

    fn token(&self, request: &ListRequest) -> PageToken {
        let text = |text: Option<&String>| match text {
            None => "-".to_owned(),
            Some(text) => format!("{}:{text}", text.len()),
        };
        let Self { marker, after, rolled } = self;
        let place = [text(Some(marker)), text(after.as_ref()), text(rolled.as_ref())].concat();
        PageToken::sealed(&scope(request), &place)
    }

    /// Whether an entry was listed before, or is not asked for.
    fn passed(&self, entry: &ListEntry) -> bool {
        let rolled =
            matches!(entry, ListEntry::Prefix(_)) && self.rolled.as_deref() == Some(entry.name());
        rolled || self.after.as_deref().is_some_and(|after| entry.name() <= after)
    }
}

/// What tells a listing from others, wherever it begins.
fn scope(request: &ListRequest) -> [&str; 3] {
    ["list", request.prefix.as_str(), request.delimiter.as_deref().unwrap_or_default()]
}

impl BlobStorage {
    pub(crate) async fn try_list(&self, request: &ListRequest) -> Result<ListPage> {
        request.validate()?;
        let max = self.capabilities.limits.max_page_size;
        let limit = request.limit.map_or(max, |limit| limit.min(max));
        let mut place = Place::of(request)?;
        if request.prefix.as_str().bytes().any(|byte| byte.is_ascii_control()) {
            // No name of the service holds one, and its answer could not either.
            return Ok(ListPage::default());
        }
        loop {
            let (found, marker) = self.page(request, &place, limit).await?;
            let mut entries = Vec::with_capacity(found.len());
            for entry in found {
                if !self.is_shown(&entry).await? {
                    continue;
                }
                let entry = if rolls_up(request) { rolled_up(request, entry)? } else { entry };
                if !place.passed(&entry) {
                    place.rolled = Some(entry.name().to_owned()).filter(|_| rolls_up(request));
                    entries.push(entry);
                }
            }
            // Objects and prefixes may come apart; they are one sequence.
            entries.sort_by(|one, other| one.name().cmp(other.name()));
            place.marker = marker;
            if place.marker.is_empty() {
                return Ok(ListPage { entries, next: None });
            }
            if !entries.is_empty() {
                return Ok(ListPage { entries, next: Some(place.token(request)) });
            }
        }
    }

    /// One page of the service, and the marker of the next; empty for none.
    async fn page(
        &self,
        request: &ListRequest,
        place: &Place,
        limit: usize,
    ) -> Result<(Vec<ListEntry>, String)> {
        let mut list = self.listing(&request.prefix, limit);
        if let Some(delimiter) = &request.delimiter
            && !rolls_up(request)
        {
            list = list.query("delimiter", delimiter);
        }
        if !place.marker.is_empty() {
            list = list.query("marker", &place.marker);
        }
        let answer = match place.after.as_deref().map(beginning).filter(|name| !name.is_empty()) {
            Some(name) if place.marker.is_empty() => self.list_from(list, name).await?,
            _ => self.container.send(list, Intent::Read).await?,
        };
        let document = Element::parse(&answer.body)?;
        let blobs = document.child("Blobs").into_iter().flat_map(Element::children);
        let entries = blobs.map(entry).collect::<Result<Vec<_>>>()?;
        Ok((entries, document.text("NextMarker").unwrap_or_default().to_owned()))
    }

    /// A request for a page of what begins with a prefix.
    pub(crate) fn listing(&self, prefix: &Prefix, limit: usize) -> Call {
        let list = self.container.container(Method::Get).query("comp", "list");
        let list = list.query("maxresults", &limit.to_string());
        if prefix.as_str().is_empty() { list } else { list.query("prefix", prefix.as_str()) }
    }

    /// Begins at a name, on a service that can. Others are asked for everything.
    async fn list_from(&self, list: Call, name: &str) -> Result<Answer> {
        let from = list.clone().query("startFrom", name).header("x-ms-version", BEGINS_AT_NAME);
        match self.container.send(from, Intent::Read).await {
            // It does not know that version.
            Err(error) if error.kind() == ErrorKind::Internal => {
                self.container.send(list, Intent::Read).await
            }
            answer => answer,
        }
    }

    /// Whether an entry is the callers', not of the area where uploads are staged.
    async fn is_shown(&self, entry: &ListEntry) -> Result<bool> {
        match entry {
            ListEntry::Object(object) => Ok(!staging::is_staged(object.key.as_str())),
            ListEntry::Prefix(prefix) if staging::is_staged(prefix.as_str()) => Ok(false),
            ListEntry::Prefix(prefix) if staging::AREA.starts_with(prefix.as_str()) => {
                self.has_others(prefix).await
            }
            ListEntry::Prefix(_) => Ok(true),
        }
    }

    /// Whether something begins with a prefix that is not staged.
    async fn has_others(&self, prefix: &Prefix) -> Result<bool> {
        let all = ListRequest::prefix(prefix.clone());
        let mut place = Place::default();
        loop {
            let limit = self.capabilities.limits.max_page_size;
            let (found, marker) = self.page(&all, &place, limit).await?;
            if found.iter().any(|entry| !staging::is_staged(entry.name())) {
                return Ok(true);
            }
            if marker.is_empty() {
                return Ok(false);
            }
            place.marker = marker;
        }
    }
}

/// Whether keys are rolled up here, and not by the service: Azurite cuts delimiters of more than one
/// UTF-16 unit.
fn rolls_up(request: &ListRequest) -> bool {
    request.delimiter.as_ref().is_some_and(|delimiter| delimiter.encode_utf16().count() > 1)
}

/// The entry that an object is listed as. Keys with a common prefix come together, in whatever order.
fn rolled_up(request: &ListRequest, entry: ListEntry) -> Result<ListEntry> {
    match request.rolled_up(entry.name()) {
        None => Ok(entry),
        Some(prefix) => Ok(ListEntry::Prefix(Prefix::new(prefix)?)),
    }
}

/// The part of a name up to which all orders that services have agree: of UTF-8 and of UTF-16.
fn beginning(name: &str) -> &str {
    name.find(|c: char| c > '\u{d7ff}').map_or(name, |end| &name[..end])
}

fn entry(element: &Element) -> Result<ListEntry> {
    let name = element.decoded("Name")?;
    match element.name() {
        "BlobPrefix" => Ok(ListEntry::Prefix(Prefix::new(name)?)),
        "Blob" => {
            let properties = element.child("Properties");
            let property = |name| properties.and_then(|properties| properties.text(name));
            let size = property("Content-Length").and_then(|size| size.parse().ok());
            Ok(ListEntry::Object(ObjectEntry {
                key: Key::native(name),
                size: size.ok_or_else(|| unexpected("an entry has no size"))?,
                version: describe::version(property("Etag"))?,
                modified: modified(element)?,
            }))
        }
        other => Err(unexpected(format!("an entry is neither blob nor prefix: {other:?}"))),
    }
}

/// When what is listed was written.
pub(crate) fn modified(element: &Element) -> Result<SystemTime> {
    let properties = element.child("Properties");
    describe::time(properties.and_then(|properties| properties.text("Last-Modified")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_from_tokens() {
        let request = ListRequest::prefix(Prefix::new("a").unwrap());
        for (marker, after, rolled) in [
            ("", None, None),
            ("2!8:\n=", None, Some("a--")),
            ("m", Some(""), None),
            ("\u{e4}", Some("-:=b\n"), Some("3:x")),
        ] {
            let [after, rolled] = [after, rolled].map(|text: Option<&str>| text.map(str::to_owned));
            let place = Place { marker: marker.to_owned(), after, rolled };
            let token = Some(place.token(&request));
            assert_eq!(Place::of(&ListRequest { token, ..request.clone() }).unwrap(), place);
        }
        for foreign in ["", "1", "x:y", "9:short", "---", "1:m-", "1:m--x"] {
            let token = Some(PageToken::sealed(&scope(&request), foreign));
            assert!(Place::of(&ListRequest { token, ..request.clone() }).is_err(), "{foreign:?}");
        }
    }

    #[test]
    fn the_part_that_all_orders_agree_on() {
        assert_eq!(beginning("a/\u{d7ff}b"), "a/\u{d7ff}b");
        assert_eq!(beginning("a/\u{e000}b"), "a/");
        assert_eq!(beginning("\u{1f600}"), "");
    }

    #[test]
    fn entries_are_objects_and_prefixes() {
        let document = "<Blobs><Blob><Name>a</Name><Properties>\
                        <Last-Modified>Thu, 01 Jan 1970 00:00:17 GMT</Last-Modified>\
                        <Etag>0x8D</Etag><Content-Length>7</Content-Length></Properties></Blob>\
                        <BlobPrefix><Name>b/</Name></BlobPrefix></Blobs>";
        let document = Element::parse(document.as_bytes()).unwrap();
        let entries: Vec<_> = document.children().map(|child| entry(child).unwrap()).collect();
        let object = entries[0].as_object().unwrap();
        assert_eq!((object.size, object.version.as_str()), (7, "0x8D"));
        assert_eq!(entries[1], ListEntry::Prefix(Prefix::new("b/").unwrap()));
    }
}
