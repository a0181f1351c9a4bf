//! The checks of the storage contract, one per clause of `docs/spec/storage.md` and
//! `docs/spec/errors.md`.

mod atomicity;
mod attributes;
mod capabilities;
mod completion;
mod conditional_publication;
mod conditional_races;
mod conditional_reads;
mod conditional_writes;
mod conditions;
mod consistency;
mod copy;
mod delete;
mod delete_many;
mod durability;
mod errors;
pub(crate) mod inputs;
mod keys;
mod listed_objects;
mod listing;
pub(crate) mod model;
mod multipart;
mod operations;
mod outcome;
mod paging;
mod paging_under_change;
mod presign;
mod race;
mod ranges;
mod read_duels;
mod scene;
mod snapshot;
mod streams;
mod versioning;
mod versions;
mod walk;
mod write_and_read;
mod write_ids;
mod wrong_calls;

use omni_contracts::Body;
use omni_contracts::storage::{GetOptions, Key, PutOptions, StorageProvider};

use crate::check::{equal, ok};
use crate::{Check, Outcome};

/// Every check of the storage contract.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        write_and_read::CHECKS,
        keys::CHECKS,
        atomicity::CHECKS,
        ranges::CHECKS,
        versions::CHECKS,
        streams::CHECKS,
        conditional_writes::CHECKS,
        conditional_races::CHECKS,
        write_ids::CHECKS,
        conditional_publication::CHECKS,
        conditional_reads::CHECKS,
        listing::CHECKS,
        paging::CHECKS,
        paging_under_change::CHECKS,
        listed_objects::CHECKS,
        delete::CHECKS,
        delete_many::CHECKS,
        attributes::CHECKS,
        copy::CHECKS,
        multipart::CHECKS,
        completion::CHECKS,
        versioning::CHECKS,
        presign::CHECKS,
        outcome::CHECKS,
        consistency::CHECKS,
        model::CHECKS,
        durability::CHECKS,
        capabilities::CHECKS,
        operations::CHECKS,
        errors::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// The least that a store does.
pub(crate) async fn keeps_two_objects(provider: &dyn StorageProvider) -> Outcome {
    let objects = [("tck/first", "one"), ("tck/second", "another")];
    for (key, content) in objects {
        let key = ok("a key", Key::new(key))?;
        ok("put", provider.put(&key, Body::from(content), &PutOptions::default()).await)?;
    }
    for (key, content) in objects {
        let key = ok("a key", Key::new(key))?;
        let result = ok("get", provider.get(&key, &GetOptions::default()).await)?;
        let seen = ok("the content", result.body.collect().await)?;
        equal("get of one of two objects", &bytes::Bytes::from(content), &seen)?;
    }
    Ok(())
}
