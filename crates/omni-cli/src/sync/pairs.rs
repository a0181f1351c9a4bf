//! Two listings side by side: what is in the one, in the other, or in both. One page of each is in
//! memory, not the listings.

use std::cmp::Ordering;

use futures_util::{Stream, TryStreamExt, stream};
use omni_storage::{Capability, Entries, ListEntry, ObjectEntry, Result, Storage};

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
pub(crate) async fn pairs<'a>(
    source: &'a Side,
    target: &'a Side,
) -> Result<impl Stream<Item = Result<Pair>> + 'a> {
    let both = (Ordered::new(source).await?, Ordered::new(target).await?);
    Ok(stream::try_unfold(both, |(mut source, mut target)| async move {
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
    }))
}

/// A listing in the order of bytes: as it comes, where the provider promises that.
struct Ordered<'a> {
    entries: Source<'a>,
    folder: &'a str,
    next: Option<(String, ObjectEntry)>,
}

enum Source<'a> {
    Listed(Entries<'a>),
    Sorted(std::vec::IntoIter<ListEntry>),
}

impl<'a> Ordered<'a> {
    async fn new(side: &'a Side) -> Result<Self> {
        let listed = side.storage.list(&side.folder).stream();
        let entries = if side.storage.capabilities().has(Capability::OrderedList) {
            Source::Listed(listed)
        } else {
            let mut all: Vec<ListEntry> = listed.try_collect().await?;
            all.sort_by(|one, other| one.name().as_bytes().cmp(other.name().as_bytes()));
            Source::Sorted(all.into_iter())
        };
        Ok(Self { entries, folder: &side.folder, next: None })
    }

    /// The next entry, which stays.
    async fn peek(&mut self) -> Result<Option<&(String, ObjectEntry)>> {
        while self.next.is_none() {
            let entry = match &mut self.entries {
                Source::Listed(entries) => entries.next().await.transpose()?,
                Source::Sorted(entries) => entries.next(),
            };
            match entry {
                None => return Ok(None),
                Some(ListEntry::Object(object)) => {
                    let name = object.key.as_str().get(self.folder.len()..).unwrap_or_default();
                    self.next = Some((name.to_owned(), object));
                }
                Some(ListEntry::Prefix(_)) => {}
            }
        }
        Ok(self.next.as_ref())
    }
}
