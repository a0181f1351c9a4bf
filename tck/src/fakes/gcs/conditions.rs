//! Conditions on generations, the same for every request of every protocol.
//!
//! From `cloud.google.com/storage/docs/request-preconditions` and the comments of
//! `google/storage/v2/storage.proto`: a `Match` that does not hold is 412 `conditionNotMet`, in gRPC
//! `FAILED_PRECONDITION`; a `NotMatch` that does not hold is 304, in gRPC `ABORTED`. A generation of 0
//! stands for no live object.

use super::fault::{Fault, Kind};
use super::object::Object;

/// What must hold of an object for a request to be carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub(super) generation: Option<i64>,
    pub(super) not_generation: Option<i64>,
    pub(super) metageneration: Option<i64>,
    pub(super) not_metageneration: Option<i64>,
}

impl Conditions {
    /// Whether they hold of `found`.
    pub(super) fn check(&self, found: Option<&Object>) -> Result<(), Fault> {
        let found = found.map(|object| (object.generation, object.metageneration));
        let (generation, metageneration) = found.unwrap_or_default();
        let failed = |kind| {
            let message = "At least one of the pre-conditions you specified did not hold.";
            Err(Fault::new(kind, message))
        };
        if self.generation.is_some_and(|wanted| wanted != generation)
            || self.metageneration.is_some_and(|wanted| found.is_none() || wanted != metageneration)
        {
            return failed(Kind::ConditionNotMet);
        }
        let none = found.is_none();
        if self.not_generation.is_some_and(|unwanted| none || unwanted == generation)
            || self.not_metageneration.is_some_and(|unwanted| none || unwanted == metageneration)
        {
            return failed(Kind::NotModified);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::super::object::{Attributes, Content};
    use super::*;

    #[test]
    fn every_condition_has_its_outcome() {
        let object = Object {
            name: "a".to_owned(),
            generation: 7,
            metageneration: 2,
            attributes: Attributes::default(),
            content: Content::new(Bytes::new()),
            components: None,
            key: None,
            created: Timestamp::UNIX_EPOCH,
            updated: Timestamp::UNIX_EPOCH,
            deleted: None,
        };
        let none = Conditions::default();
        let generation = |value| Conditions { generation: Some(value), ..none };
        let not_generation = |value| Conditions { not_generation: Some(value), ..none };
        let metageneration = |value| Conditions { metageneration: Some(value), ..none };
        let not_metageneration = |value| Conditions { not_metageneration: Some(value), ..none };
        let (failed, unchanged) = (Some(Kind::ConditionNotMet), Some(Kind::NotModified));
        let cases = [
            (none, None, None),
            (generation(7), None, failed),
            (generation(8), failed, failed),
            (generation(0), failed, None),
            (not_generation(7), unchanged, unchanged),
            (not_generation(8), None, unchanged),
            (not_generation(0), None, unchanged),
            (metageneration(2), None, failed),
            (metageneration(3), failed, failed),
            (not_metageneration(2), unchanged, unchanged),
            (not_metageneration(3), None, unchanged),
        ];
        for (conditions, on_object, on_nothing) in cases {
            let outcome = |found| conditions.check(found).err().map(|fault| fault.kind);
            assert_eq!(outcome(Some(&object)), on_object, "{conditions:?}");
            assert_eq!(outcome(None), on_nothing, "{conditions:?} of nothing");
        }
    }
}
