//! What the storage contract says, as plain sequential data: the reference that providers are
//! compared with. How programs are made and run on both lives in `storage::model`.

mod content;
mod store;
mod uploads;

pub(crate) use content::Content;
pub(crate) use store::{Condition, Limits, Outcome, ReadCondition, Store, Write};
pub(crate) use uploads::State;
