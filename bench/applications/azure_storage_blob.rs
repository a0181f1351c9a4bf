//! B14: an application on azure_storage_blob.

#[tokio::main]
async fn main() -> azure_core::Result<()> {
    let url = azure_core::http::Url::parse("https://account.blob.core.windows.net/")?;
    let credential = azure_identity::DeveloperToolsCredential::new(None)?;
    let client = azure_storage_blob::BlobServiceClient::new(url, Some(credential), None)?;
    let content = azure_core::http::RequestContent::from(b"b".to_vec());
    client.blob_client("container", "a").upload(content, None).await.map(drop)
}
