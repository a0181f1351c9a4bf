//! `List` and `Versions`: listings as streams, as pages, or all at once.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};
use omni_contracts::storage::{
    Key, ListEntry, ListPage, ListRequest, PageToken, Prefix, StorageProvider, VersionEntry,
    VersionPage, list_all,
};
use omni_contracts::{Error, Operation, Result};

/// A listing; see [`Storage::list`](crate::Storage::list).
///
/// Awaited, it returns all entries at once; [`stream`](Self::stream) holds one page at a time;
/// [`page`](Self::page) returns one page and where to continue.
///
/// # Errors
///
/// As [`StorageProvider::list`].
#[derive(Debug)]
#[must_use = "nothing is listed until this is awaited or read"]
pub struct List<'a> {
    provider: &'a dyn StorageProvider,
    request: Result<ListRequest>,
}

impl<'a> List<'a> {
    pub(crate) fn new(provider: &'a dyn StorageProvider, prefix: &str) -> Self {
        Self { provider, request: Prefix::new(prefix).map(ListRequest::prefix) }
    }

    /// Rolls keys up at the first occurrence of this text after the prefix; `/` lists like a directory.
    pub fn delimiter(mut self, delimiter: impl Into<String>) -> Self {
        if let Ok(request) = &mut self.request {
            request.delimiter = Some(delimiter.into());
        }
        self
    }

    /// Lists only what comes after this text, exclusive; it need not be the key of an object.
    pub fn start_after(mut self, text: impl AsRef<str>) -> Self {
        if let Ok(request) = &mut self.request {
            request.start_after = Some(Key::native(text));
        }
        self
    }

    /// The most entries of a page, at least 1; more than the provider's page means that.
    pub fn page_size(mut self, entries: usize) -> Self {
        if let Ok(request) = &mut self.request {
            request.limit = Some(entries);
        }
        self
    }

    /// Every entry, one page in memory at a time. Ends after the first error.
    pub fn stream(self) -> Entries<'a> {
        let provider = self.provider;
        match self.request() {
            Ok(request) => Entries(list_all(provider, request).boxed()),
            Err(error) => Entries(stream::once(async { Err(error) }).boxed()),
        }
    }

    /// One page: the first, or the one at `token`, which an earlier page returned as
    /// [`next`](ListPage::next).
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::list`].
    pub async fn page(self, token: Option<PageToken>) -> Result<ListPage> {
        let provider = self.provider;
        let mut request = self.request()?;
        request.token = token;
        provider.list(&request).await
    }

    fn request(self) -> Result<ListRequest> {
        self.request.map_err(|error| error.at(Operation::List, self.provider.name(), ""))
    }
}

impl<'a> IntoFuture for List<'a> {
    type Output = Result<Vec<ListEntry>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.stream().try_collect())
    }
}

/// A listing of versions; see [`Storage::versions`](crate::Storage::versions). Used like [`List`].
///
/// # Errors
///
/// As [`StorageProvider::list_versions`].
#[derive(Debug)]
#[must_use = "nothing is listed until this is awaited or read"]
pub struct Versions<'a> {
    provider: &'a dyn StorageProvider,
    prefix: Result<Prefix>,
    limit: Option<usize>,
}

impl<'a> Versions<'a> {
    pub(crate) fn new(provider: &'a dyn StorageProvider, prefix: &str) -> Self {
        Self { provider, prefix: Prefix::new(prefix), limit: None }
    }

    /// The most entries of a page, at least 1; more than the provider's page means that.
    pub fn page_size(mut self, entries: usize) -> Self {
        self.limit = Some(entries);
        self
    }

    /// Every version, one page in memory at a time. Ends after the first error.
    pub fn stream(self) -> Entries<'a, VersionEntry> {
        let (provider, limit) = (self.provider, self.limit);
        let first = self.prefix().map(|prefix| (prefix, None));
        let pages = stream::try_unfold(Some(first), move |state| async move {
            let Some(place) = state else { return Ok::<_, Error>(None) };
            let (prefix, token) = place?;
            let page = provider.list_versions(&prefix, token.as_ref(), limit).await?;
            let next = page.next.map(|token| Ok((prefix, Some(token))));
            let entries = stream::iter(page.entries.into_iter().map(Ok::<_, Error>));
            Ok(Some((entries, next)))
        });
        Entries(pages.try_flatten().boxed())
    }

    /// One page: the first, or the one at `token`.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::list_versions`].
    pub async fn page(self, token: Option<PageToken>) -> Result<VersionPage> {
        let (provider, limit) = (self.provider, self.limit);
        provider.list_versions(&self.prefix()?, token.as_ref(), limit).await
    }

    fn prefix(self) -> Result<Prefix> {
        self.prefix.map_err(|error| error.at(Operation::ListVersions, self.provider.name(), ""))
    }
}

impl<'a> IntoFuture for Versions<'a> {
    type Output = Result<Vec<VersionEntry>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.stream().try_collect())
    }
}

/// The entries of a listing, one after the other. A `Stream`; [`next`](Self::next) needs no trait.
#[must_use = "nothing is listed until this is read"]
pub struct Entries<'a, T = ListEntry>(BoxStream<'a, Result<T>>);

impl<T> Entries<'_, T> {
    /// The next entry; `None` at the end. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<T>> {
        self.0.next().await
    }
}

impl<T> Stream for Entries<'_, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<T> fmt::Debug for Entries<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entries")
    }
}
