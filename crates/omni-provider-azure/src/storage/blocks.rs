//! A content in blocks: sent in parallel out of sight, then committed together.
//!
//! Whoever completes a write of a key discards the blocks that others have sent for it and not committed
//! yet. So the ids of the blocks of one write are its own, and a commit that misses some of them stores
//! nothing and says that they were discarded: contents are never mixed.

use azure_core::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use omni_contracts::storage::{Crc32c, Key, Version, Written};
use omni_contracts::{Error, ErrorKind, Piece, Pieces, Result};
use tokio::task::{JoinError, JoinSet};

use super::call::Call;
use super::client::Container;
use super::describe::{self, unexpected};
use super::error::{Intent, is_discarded};
use super::provider::BlobStorage;
use super::settings::MAX_PART;
use super::write::Terms;

/// The most blocks of one object, as documented.
pub(crate) const MAX_BLOCKS: usize = 50_000;

/// What committing came to.
#[derive(Debug)]
pub(crate) enum Committed {
    /// The object is stored.
    Done(Written),
    /// Nothing is: another write discarded the blocks.
    Discarded(Error),
}

/// The blocks of one write.
#[derive(Debug)]
pub(crate) struct Blocks<'c> {
    container: &'c Container,
    key: &'c Key,
    /// Tells the blocks of this write from those of others.
    write: u128,
    sent: Vec<Block>,
}

/// A block that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    number: usize,
    size: u64,
    checksum: Crc32c,
}

impl Block {
    /// A block whose content this process did not see.
    pub(crate) fn copied(number: usize, size: u64) -> Self {
        Self { number, size, checksum: Crc32c::default() }
    }
}

impl<'c> Blocks<'c> {
    pub(crate) fn new(container: &'c Container, key: &'c Key) -> Self {
        Self { container, key, write: rand::random(), sent: Vec::new() }
    }

    /// The id of a block: of the same length for all blocks of all writes, as the service demands.
    pub(crate) fn id(&self, number: usize) -> String {
        format!("put.{:032x}.{number:06}", self.write)
    }

    /// Sends a body in blocks, a few at a time.
    pub(crate) async fn send_all(
        &mut self,
        first: Piece,
        pieces: &mut Pieces,
        part_size: usize,
    ) -> Result<()> {
        // Dropped, it stops them.
        let mut sending = JoinSet::new();
        let mut next = Some(first);
        let mut number = 0;
        while let Some(piece) = next {
            if number == MAX_BLOCKS {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("the content has more than {MAX_BLOCKS} blocks: raise `part_size`"),
                ));
            }
            number += 1;
            if sending.len() == self.container.settings().parallel_parts {
                self.sent.extend(sending.join_next().await.map(joined).transpose()?);
            }
            sending.spawn(self.send(number, piece));
            next = match pieces.ended() {
                true => None,
                false => Some(pieces.next(grown(part_size, number)).await?),
            };
        }
        while let Some(sent) = sending.join_next().await {
            self.sent.push(joined(sent)?);
        }
        self.sent.sort_by_key(|block| block.number);
        Ok(())
    }

    /// Sends a block, on a task of its own if need be.
    fn send(
        &self,
        number: usize,
        content: Piece,
    ) -> impl Future<Output = Result<Block>> + Send + use<> {
        let (container, key, id) = (self.container.clone(), self.key.clone(), self.id(number));
        async move {
            let (size, checksum) = (content.len() as u64, content.checksum());
            container.put_block(&key, &id, content.into_bytes(), Intent::Read).await?;
            Ok(Block { number, size, checksum })
        }
    }

    /// Adds blocks that were sent otherwise.
    pub(crate) fn add(&mut self, blocks: Vec<Block>) {
        self.sent.extend(blocks);
    }

    /// Of the whole content, unless it was copied.
    pub(crate) fn checksum(&self) -> Crc32c {
        let joined = |sum: Crc32c, block: &Block| sum.followed_by(block.checksum, block.size);
        self.sent.iter().fold(Crc32c::default(), joined)
    }

    /// Makes the object of the blocks.
    pub(crate) async fn commit(
        &self,
        headers: Vec<(String, String)>,
        terms: &Terms,
    ) -> Result<Committed> {
        let ids: Vec<_> = self.sent.iter().map(|block| self.id(block.number)).collect();
        match self.container.put_block_list(self.key, &ids, headers, terms).await {
            Ok(version) => Ok(Committed::Done(Written {
                size: self.sent.iter().map(|block| block.size).sum(),
                version,
                checksum: Some(self.checksum()),
            })),
            Err(error) if is_discarded(&error) => Ok(Committed::Discarded(error)),
            Err(error) => Err(error),
        }
    }
}

impl Container {
    /// Sends a block that belongs to no object yet. Blocks of a put are out of sight and change nothing:
    /// their intent is `Read`. Those of an upload are its parts, which are listed: `Write`.
    pub(crate) async fn put_block(
        &self,
        key: &Key,
        id: &str,
        content: Bytes,
        intent: Intent,
    ) -> Result<()> {
        let put = self.block(key, id)?.body(content);
        self.send(put, intent).await.map(drop)
    }

    /// A request that makes a block.
    pub(crate) fn block(&self, key: &Key, id: &str) -> Result<Call> {
        let scope = self.settings().encryption_scope.as_deref();
        let put = self.blob(Method::Put, key)?.query("comp", "block");
        let put = put.query("blockid", &STANDARD.encode(id));
        Ok(put.optional("x-ms-encryption-scope", scope))
    }

    /// Makes an object of blocks, each the latest of its id; returns its version.
    pub(crate) async fn put_block_list(
        &self,
        key: &Key,
        ids: &[String],
        headers: Vec<(String, String)>,
        terms: &Terms,
    ) -> Result<Version> {
        let latest = |id: &String| format!("<Latest>{}</Latest>", STANDARD.encode(id));
        let list: String = ids.iter().map(latest).collect();
        let list =
            format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{list}</BlockList>");
        let put = self.writing(key)?.query("comp", "blocklist").headers(headers);
        let answer = self.send(terms.on(put).body(list.into()), terms.intent).await?;
        describe::written(answer.text("etag"))
    }
}

impl BlobStorage {
    /// How large the blocks of a content are, so that it has no more of them than there may be.
    pub(crate) fn part_size(&self, length: Option<u64>) -> usize {
        let needed = length.unwrap_or(0).div_ceil(MAX_BLOCKS as u64);
        usize::try_from(self.container.settings().part_size.max(needed)).unwrap_or(usize::MAX)
    }
}

/// What a task that sent a block came to.
fn joined(sent: std::result::Result<Result<Block>, JoinError>) -> Result<Block> {
    sent.unwrap_or_else(|error| Err(unexpected(error.to_string())))
}

/// Later blocks are larger, so that a stream of unknown length has room: of 8 MiB, for 2 TiB.
fn grown(part_size: usize, number: usize) -> usize {
    let largest = usize::try_from(MAX_PART).unwrap_or(usize::MAX);
    part_size.saturating_mul(1 + number / 5000).min(largest.max(part_size))
}
