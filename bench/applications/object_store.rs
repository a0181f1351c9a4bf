//! B14: an application on object_store.

use object_store::ObjectStoreExt;

#[tokio::main]
async fn main() -> object_store::Result<()> {
    let storage = object_store::local::LocalFileSystem::new_with_prefix("files")?;
    storage.put(&"a".into(), "b".into()).await.map(drop)
}
