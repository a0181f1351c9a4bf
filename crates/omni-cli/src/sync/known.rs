//! What a run has found equal, or made equal, so that comparing both sides anew need not ask for each
//! object again.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use omni_storage::{ObjectEntry, Version};

/// The most objects that are remembered, in about 20 MiB. The others are compared by asking.
const MOST: usize = 1 << 20;

/// Pairs of a listed source and a version of the target that are equal. Only a sum of each is kept, of a
/// function that nobody can predict.
#[derive(Debug, Default)]
pub(crate) struct Known {
    function: RandomState,
    pairs: Mutex<HashSet<u64>>,
}

impl Known {
    pub(crate) fn learn(&self, source: &ObjectEntry, target: &Version) {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if pairs.len() < MOST {
            pairs.insert(self.sum(source, target));
        }
    }

    pub(crate) fn holds(&self, source: &ObjectEntry, target: &Version) -> bool {
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        pairs.contains(&self.sum(source, target))
    }

    /// Equal contents may have equal versions; the time tells when attributes alone are changed.
    fn sum(&self, source: &ObjectEntry, target: &Version) -> u64 {
        let ObjectEntry { key, version, modified, .. } = source;
        self.function.hash_one((key.as_str(), version.as_str(), modified, target.as_str()))
    }
}
