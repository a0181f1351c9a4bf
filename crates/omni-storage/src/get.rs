//! `Get` and `Head`: reading an object, and what is known about it.

use std::future::IntoFuture;
use std::ops::Range;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use omni_contracts::storage::{ByteRange, GetOptions, GetResult, ObjectMeta};
use omni_contracts::{Body, Error, Operation, Result};

use crate::Reader;
use crate::attributes::read_setters;
use crate::handle::Target;

/// A read that is sent when it is awaited; see [`Storage::get`](crate::Storage::get).
///
/// # Errors
///
/// As [`StorageProvider::get`](crate::StorageProvider::get).
#[derive(Debug)]
#[must_use = "nothing is read until this is awaited"]
pub struct Get<'a> {
    target: Target<'a>,
    options: GetOptions,
}

impl<'a> Get<'a> {
    pub(crate) fn new(target: Target<'a>) -> Self {
        Self { target, options: GetOptions::default() }
    }

    /// Reads only these bytes: `..10`, `5..10`, `5..`, or [`ByteRange::suffix`]. The end is clamped to
    /// the object's size; a start after it is `OutOfRange`.
    pub fn range(mut self, range: impl Into<ByteRange>) -> Self {
        self.options.range = range.into();
        self
    }

    read_setters!();

    /// Reads several ranges of one version, in order; neighbours are read as one.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::get_ranges`](crate::StorageProvider::get_ranges).
    pub fn ranges<R: Into<ByteRange>>(
        self,
        ranges: impl IntoIterator<Item = R>,
    ) -> impl Future<Output = Result<Vec<Bytes>>> + Send {
        let ranges: Vec<ByteRange> = ranges.into_iter().map(Into::into).collect();
        async move {
            let provider = self.target.provider;
            let key = self.target.key(Operation::GetRanges)?;
            provider.get_ranges(&key, &ranges, &self.options).await
        }
    }
}

impl<'a> IntoFuture for Get<'a> {
    type Output = Result<Object>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let provider = self.target.provider;
            let key = self.target.key(Operation::Get)?;
            provider.get(&key, &self.options).await.map(Object)
        })
    }
}

/// An object, or a range of it, on its way: what is known about it, and its content to read.
#[derive(Debug)]
#[must_use = "the content is not read yet"]
pub struct Object(GetResult);

impl Object {
    /// What is known about the whole object.
    #[must_use]
    pub fn meta(&self) -> &ObjectMeta {
        &self.0.meta
    }

    /// The bytes that are read, within the whole object.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.0.range.clone()
    }

    /// Reads everything into memory.
    ///
    /// # Errors
    ///
    /// Whatever the transfer fails with; an end before the promised length is one of them.
    pub async fn bytes(self) -> Result<Bytes> {
        self.0.body.collect().await
    }

    /// Reads everything into memory, as a text.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes), and `InvalidArgument` when the content is not UTF-8.
    pub async fn text(self) -> Result<String> {
        String::from_utf8(self.bytes().await?.into())
            .map_err(|error| Error::invalid("the content is not a UTF-8 text").with_source(error))
    }

    /// The content as a stream of chunks.
    pub fn stream(self) -> Body {
        self.0.body
    }

    /// The content as an `AsyncRead` and `AsyncBufRead`.
    pub fn reader(self) -> Reader {
        Reader::new(self.0.body)
    }
}

/// A question about an object, asked when it is awaited; see [`Storage::head`](crate::Storage::head).
///
/// # Errors
///
/// As [`StorageProvider::head`](crate::StorageProvider::head).
#[derive(Debug)]
#[must_use = "nothing is asked until this is awaited"]
pub struct Head<'a> {
    target: Target<'a>,
    options: GetOptions,
}

impl<'a> Head<'a> {
    pub(crate) fn new(target: Target<'a>) -> Self {
        Self { target, options: GetOptions::default() }
    }

    read_setters!();
}

impl<'a> IntoFuture for Head<'a> {
    type Output = Result<ObjectMeta>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let provider = self.target.provider;
            let key = self.target.key(Operation::Head)?;
            provider.head(&key, &self.options).await
        })
    }
}
