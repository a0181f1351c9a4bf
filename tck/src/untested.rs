//! The clauses that have no check, with the reason. They stay visible in every run and never count
//! as passed. The checks of a capability come with the first provider of this repository that declares
//! it.

/// Id and reason of each.
pub const UNTESTED: &[(&str, &str)] = &[("STO-145", NO_PRESIGN), ("STO-147", NO_PRESIGN)];

const NO_PRESIGN: &str = "no provider declares presign";

/// Why a clause has no check, if it has none.
#[must_use]
pub fn reason(id: &str) -> Option<&'static str> {
    UNTESTED.iter().find(|(untested, _)| *untested == id).map(|(_, reason)| *reason)
}
