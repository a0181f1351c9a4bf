#[tokio::main]
async fn main() -> omni_storage::Result<()> {
    let storage = omni_storage::Storage::open("main").await?;
    storage.put("a", "b").await.map(drop)
}
