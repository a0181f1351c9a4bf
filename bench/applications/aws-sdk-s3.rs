//! B14: an application on aws-sdk-s3.

#[tokio::main]
async fn main() -> Result<(), aws_sdk_s3::Error> {
    let settings = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let client = aws_sdk_s3::Client::new(&settings);
    let content = aws_sdk_s3::primitives::ByteStream::from_static(b"b");
    client.put_object().bucket("bucket").key("a").body(content).send().await?;
    Ok(())
}
