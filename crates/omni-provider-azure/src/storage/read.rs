//! Reading: get, head and what the service does not answer as the contract has it.

use azure_core::http::Method;
use azure_core::time::to_rfc7231;
use omni_contracts::storage::{
    ByteRange, Crc32c, GetOptions, GetResult, Key, ObjectMeta, ReadCondition, Version, resumed,
};
use omni_contracts::{Body, Error, ErrorKind, Result};

use super::call::Call;
use super::client::Container;
use super::describe::{self, Own, unexpected};
use super::error::Intent;
use super::provider::BlobStorage;
use super::stream::Pinned;

/// A tag that no object has: it stands for versions that the service cannot have made.
const NO_TAG: &str = "\"0x0\"";

/// How often a suffix is asked for again when the object is replaced meanwhile.
const FOLLOWS: usize = 8;

/// The request with conditions that spare the content. They are all decided again when the answer is
/// there: the service does not combine them as the contract does, and knows times below the second.
fn conditional(call: Call, condition: &ReadCondition) -> Call {
    let ReadCondition { if_match, if_none_match, if_modified_since, if_unmodified_since } =
        condition;
    if let Some(version) = if_match {
        let tag = describe::e_tag(version);
        return call.header("if-match", tag.as_deref().unwrap_or(NO_TAG));
    }
    match (if_none_match, if_modified_since, if_unmodified_since) {
        (Some(version), _, None) => call.optional("if-none-match", describe::e_tag(version)),
        (None, Some(time), None) => call.header("if-modified-since", to_rfc7231(&(*time).into())),
        _ => call,
    }
}

impl Container {
    /// The description of an object, and what Omni remembers of it.
    pub(crate) async fn describe(
        &self,
        key: &Key,
        condition: &ReadCondition,
    ) -> Result<(ObjectMeta, Own)> {
        let head = conditional(self.blob(Method::Head, key)?, condition);
        let answer = match self.send(head, Intent::Read).await {
            Err(error) => return Err(self.unless_missing(key, error).await),
            Ok(answer) => answer,
        };
        let size = answer.number("content-length");
        let size = size.ok_or_else(|| unexpected("the answer holds no length"))?;
        let (meta, own) = describe::read(&answer, size)?;
        condition.check(&meta)?;
        Ok((meta, own))
    }

    /// Why a read was refused: a condition on what is missing is told by some services before that
    /// it is.
    async fn unless_missing(&self, key: &Key, error: Error) -> Error {
        if error.kind() != ErrorKind::PreconditionFailed {
            return error;
        }
        let head = self.blob(Method::Head, key);
        let looked = match head {
            Ok(head) => self.send(head, Intent::Read).await,
            Err(error) => Err(error),
        };
        match looked {
            Err(missing) if missing.kind() == ErrorKind::NotFound => missing,
            _ => error,
        }
    }

    /// The version that an object has now, if there is one.
    pub(crate) async fn current(&self, key: &Key) -> Result<Option<Version>> {
        match self.describe(key, &ReadCondition::default()).await {
            Ok((meta, _)) => Ok(Some(meta.version)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl BlobStorage {
    pub(crate) async fn try_head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        options.expect_supported(&self.capabilities)?;
        Ok(self.container.describe(key, &options.condition).await?.0)
    }

    pub(crate) async fn try_get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        options.range.validate()?;
        options.expect_supported(&self.capabilities)?;
        match options.range {
            ByteRange::Bounded { start, end } if start == end => self.nothing(key, options).await,
            ByteRange::Suffix(0) => self.nothing(key, options).await,
            ByteRange::Suffix(_) => self.suffix(key, options).await,
            range => self.read(key, range, options).await,
        }
    }

    /// The last bytes, which the service cannot be asked for: the size is looked at first.
    async fn suffix(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        for _ in 0..FOLLOWS {
            let (meta, _) = self.container.describe(key, &options.condition).await?;
            let range = options.range.resolve(meta.size)?;
            let condition =
                ReadCondition { if_match: Some(meta.version), ..ReadCondition::default() };
            let pinned = GetOptions { range: range.clone().into(), condition, version: None };
            let read = if range.is_empty() {
                self.nothing(key, &pinned).await
            } else {
                self.read(key, range.into(), &pinned).await
            };
            match read {
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                read => return read,
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the object is replaced again and again"))
    }

    async fn read(&self, key: &Key, range: ByteRange, options: &GetOptions) -> Result<GetResult> {
        let get = conditional(self.container.blob(Method::Get, key)?, &options.condition);
        let get = get.optional("x-ms-range", header(range));
        let (answer, content) = match self.container.stream(get, Intent::Read).await {
            // Perhaps a range that the contract has as empty.
            Err(error) if error.kind() == ErrorKind::OutOfRange => {
                return self.nothing(key, options).await;
            }
            Err(error) => return Err(self.container.unless_missing(key, error).await),
            Ok(answer) => answer,
        };
        let length = answer.number("content-length");
        let length = length.ok_or_else(|| unexpected("the answer holds no length"))?;
        let (start, size) = match answer.text("content-range") {
            None => (0, length),
            Some(text) => content_range(text)
                .ok_or_else(|| unexpected(format!("no content range: {text:?}")))?,
        };
        let (meta, _) = describe::read(&answer, size)?;
        options.condition.check(&meta)?;
        let range = range.resolve(size)?;
        if (start, length) != (range.start, range.end - range.start) {
            return Err(unexpected(format!(
                "asked for the bytes {range:?}, the service sends {length} from {start}"
            )));
        }
        check_empty(&meta)?;
        let (container, key) = (self.container.clone(), key.clone());
        let version = Pinned { container, key, version: meta.version.clone() };
        let expected = meta.checksum.filter(|_| range == (0..size));
        let chunks = version.chunks(content);
        let body = match range.is_empty() {
            true => Body::empty(),
            false => resumed(version, chunks, range.clone(), expected),
        };
        Ok(GetResult { meta, range, body })
    }

    /// A range without bytes, which HTTP cannot ask for.
    async fn nothing(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        let (meta, _) = self.container.describe(key, &options.condition).await?;
        let range = options.range.resolve(meta.size)?;
        if !range.is_empty() {
            return Err(Error::new(
                ErrorKind::Conflict,
                "the object was replaced while a range of it was asked for",
            ));
        }
        check_empty(&meta)?;
        Ok(GetResult { meta, range, body: Body::empty() })
    }
}

/// That an empty content is one that was stored.
fn check_empty(meta: &ObjectMeta) -> Result<()> {
    if meta.size == 0 && meta.checksum.is_some_and(|crc| crc != Crc32c::default()) {
        return Err(Error::new(ErrorKind::Corrupt, "the content is empty, its checksum is not"));
    }
    Ok(())
}

/// The header that asks for a range; `None` for everything.
fn header(range: ByteRange) -> Option<String> {
    match range {
        ByteRange::Bounded { start, end } => Some(format!("bytes={start}-{}", end - 1)),
        ByteRange::From(start) if start > 0 => Some(format!("bytes={start}-")),
        _ => None,
    }
}

/// Start and whole size of `bytes 1-2/3`.
pub(super) fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_headers() {
        assert_eq!(header((2..5).into()).as_deref(), Some("bytes=2-4"));
        assert_eq!(header((7..).into()).as_deref(), Some("bytes=7-"));
        assert_eq!(header((0..).into()), None);
        assert_eq!(header((..).into()), None);
    }

    #[test]
    fn content_ranges_of_answers() {
        assert_eq!(content_range("bytes 2-4/10"), Some((2, 10)));
        assert_eq!(content_range("bytes */10"), None);
        assert_eq!(content_range("2-4/10"), None);
    }
}
