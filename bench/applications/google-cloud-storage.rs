//! B14: an application on google-cloud-storage.

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let client = google_cloud_storage::client::Storage::builder().build().await?;
    client.write_object("projects/_/buckets/bucket", "a", "b").send_buffered().await?;
    Ok(())
}
