//! Checks still to be written.

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[];
