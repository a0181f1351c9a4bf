//! B14: an application on ours, with whatever its features name.

#[tokio::main]
async fn main() -> omni_storage::Result<()> {
    let storage = omni_storage::Storage::open("main").await?;
    storage.put("a", "b").await.map(drop)
}
