//! Joining objects to one: the service joins at most 32 at a time, so many are joined in a tree.

use futures_util::{StreamExt, TryStreamExt, stream};
use google_cloud_storage::builder::storage_control::ComposeObject;
use google_cloud_storage::model::compose_object_request::SourceObject;
use google_cloud_storage::model::{Object, ObjectChecksums};
use omni_contracts::storage::{Attributes, Crc32c};
use omni_contracts::{Effect, Error, ErrorKind, Result};

use super::client::Bucket;
use super::describe::{self, Own};
use super::error::Intent;
use super::write::Terms;

/// The most objects that one request joins.
const MAX_SOURCES: usize = 32;

/// How many requests of one level of the tree are on their way at once.
const PARALLEL: usize = 8;

/// An object that is joined, in the generation that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) name: String,
    pub(crate) generation: i64,
    pub(crate) size: u64,
    pub(crate) checksum: Option<Crc32c>,
}

/// What the pieces sum up to; `None` when the checksum of one is not known.
pub(crate) fn sum(pieces: &[Piece]) -> Option<Crc32c> {
    pieces.iter().try_fold(Crc32c::default(), |sum, piece| {
        Some(sum.followed_by(piece.checksum?, piece.size))
    })
}

impl Bucket {
    /// Joins pieces to the object `name`; what is between stands under names that begin with `between`,
    /// and is left there.
    pub(crate) async fn join(
        &self,
        pieces: Vec<Piece>,
        between: &str,
        name: &str,
        target: Object,
        terms: Terms,
    ) -> Result<Object> {
        let expected = sum(&pieces);
        let mut pieces = pieces;
        let mut level = 0;
        while pieces.len() > MAX_SOURCES {
            pieces = self.join_level(&pieces, &format!("{between}{level}-")).await?;
            level += 1;
        }
        let mut compose = self.composing(name, target, &pieces);
        if let Some(generation) = terms.generation {
            compose = compose.set_if_generation_match(generation);
        }
        if let Some(expected) = expected {
            let checksums = ObjectChecksums::new().set_crc32c(expected.to_u32());
            compose = compose.set_object_checksums(checksums);
        }
        let joined = self.ask(joining(terms.intent), compose.send()).await.map_err(replaced)?;
        match (expected, describe::checksum(&joined)) {
            // The service was told by gRPC alone.
            (Some(expected), Some(joined)) if joined != expected => {
                let problem = format!(
                    "the parts were joined to a content with CRC-32C {joined}, not {expected}"
                );
                Err(Error::new(ErrorKind::Corrupt, problem).with_effect(Effect::Yes))
            }
            _ => Ok(joined),
        }
    }

    /// Joins every 32 neighbours.
    async fn join_level(&self, pieces: &[Piece], between: &str) -> Result<Vec<Piece>> {
        let join = |(number, group): (usize, &[Piece])| {
            let (name, group) = (format!("{between}{number:05}"), group.to_vec());
            async move {
                let attributes = Attributes::none();
                let target = self.target(&attributes, &Own::default());
                let compose = self.composing(&name, target, &group);
                let joined = self.ask(Intent::Write, compose.send()).await.map_err(replaced)?;
                Ok::<_, Error>(Piece {
                    name,
                    generation: joined.generation,
                    size: describe::size(&joined)?,
                    checksum: describe::checksum(&joined),
                })
            }
        };
        // Made first: a stream that borrows from its closure is none that a task can hold.
        let joins: Vec<_> = pieces.chunks(MAX_SOURCES).enumerate().map(join).collect();
        stream::iter(joins).buffered(PARALLEL).try_collect().await
    }

    fn composing(&self, name: &str, target: Object, pieces: &[Piece]) -> ComposeObject {
        let source = |piece: &Piece| {
            SourceObject::new().set_name(&piece.name).set_generation(piece.generation)
        };
        self.compose(name, target).set_source_objects(pieces.iter().map(source))
    }
}

/// What is not found is a piece: that there is no target is told as a condition.
pub(crate) fn joining(intent: Intent) -> Intent {
    match intent {
        Intent::Update => Intent::Write,
        other => other,
    }
}

fn replaced(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::invalid("a part was replaced or removed meanwhile"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(content: &[u8]) -> Piece {
        Piece {
            name: String::new(),
            generation: 1,
            size: content.len() as u64,
            checksum: Some(Crc32c::of(content)),
        }
    }

    #[test]
    fn pieces_sum_up_to_the_whole() {
        let parts: [&[u8]; 4] = [b"hello ", b"", b"wor", b"ld"];
        let mut pieces: Vec<_> = parts.iter().map(|part| piece(part)).collect();
        assert_eq!(sum(&pieces), Some(Crc32c::of(b"hello world")));
        assert_eq!(sum(&[]), Some(Crc32c::default()));
        pieces[1].checksum = None;
        assert_eq!(sum(&pieces), None);
    }
}
