//! What the storage contract says, as plain sequential data: the reference that providers are
//! compared with. How programs are made and run on both lives in `storage::model`.

mod content;

pub(crate) use content::Content;
