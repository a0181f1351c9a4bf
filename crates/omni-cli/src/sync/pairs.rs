//! Two listings side by side: what is in the one, in the other, or in both. One page of each is in
//! memory, not the listings.

use std::cmp::Ordering;

use futures_util::{Stream, stream};
use omni_storage::{
    Capability, Error, ErrorKind, ListEntry, ObjectEntry, PageToken, Result, Storage,
};

/// A folder of a storage; empty for the whole of it.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) storage: Storage,
    pub(crate) folder: String,
}

/// One name, and what each side has under it.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Relative to the folders.
    pub(crate) name: String,
    pub(crate) source: Option<ObjectEntry>,
    pub(crate) target: Option<ObjectEntry>,
}

/// Every name of both sides, in order.
pub(crate) fn pairs<'a>(
    source: &'a Side,
    target: &'a Side,
) -> impl Stream<Item = Result<Pair>> + 'a {
    let both = (Ordered::new(source), Ordered::new(target));
    stream::try_unfold(both, |(mut source, mut target)| async move {
        let order = match (source.peek().await?, target.peek().await?) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.0.as_bytes().cmp(other.0.as_bytes()),
        };
        let mut pair = Pair { name: String::new(), source: None, target: None };
        if order.is_le()
            && let Some((name, entry)) = source.next.take()
        {
            (pair.name, pair.source) = (name, Some(entry));
        }
        if order.is_ge()
            && let Some((name, entry)) = target.next.take()
        {
            (pair.name, pair.target) = (name, Some(entry));
        }
        Ok(Some((pair, (source, target))))
    })
}

/// A listing in the order of bytes: a page at a time, where the provider promises that order; else all
/// of it is read first.
struct Ordered<'a> {
    side: &'a Side,
    entries: std::vec::IntoIter<ListEntry>,
    /// What comes after `entries`; the outer `None` is the end.
    following: Option<Option<PageToken>>,
    next: Option<(String, ObjectEntry)>,
}

impl<'a> Ordered<'a> {
    fn new(side: &'a Side) -> Self {
        Self { side, entries: Vec::new().into_iter(), following: Some(None), next: None }
    }

    /// The next entry, which stays.
    async fn peek(&mut self) -> Result<Option<&(String, ObjectEntry)>> {
        while self.next.is_none() {
            match self.entries.next() {
                Some(ListEntry::Object(object)) => {
                    let folder = &self.side.folder;
                    let name = object.key.as_str().get(folder.len()..).unwrap_or_default();
                    self.next = Some((name.to_owned(), object));
                }
                Some(ListEntry::Prefix(_)) => {}
                None if self.following.is_none() => return Ok(None),
                None => self.refill().await?,
            }
        }
        Ok(self.next.as_ref())
    }

    async fn refill(&mut self) -> Result<()> {
        let Side { storage, folder } = self.side;
        let ordered = storage.capabilities().has(Capability::OrderedList);
        let mut entries = Vec::new();
        while let Some(token) = self.following.take() {
            let page = storage.list(folder).page(token.clone()).await?;
            if page.next.is_some() && page.next == token {
                let problem = "the listing goes on with the same page again and again";
                return Err(Error::new(ErrorKind::Internal, problem));
            }
            entries.extend(page.entries);
            self.following = page.next.map(Some);
            if ordered {
                break;
            }
        }
        if !ordered {
            entries.sort_by(|one, other| one.name().as_bytes().cmp(other.name().as_bytes()));
        }
        self.entries = entries.into_iter();
        Ok(())
    }
}
