//! B14: an application on opendal.

#[tokio::main]
async fn main() -> opendal::Result<()> {
    let files = opendal::services::Fs::default().root("files");
    let storage = opendal::Operator::new(files)?;
    storage.write("a", "b").await.map(drop)
}
