//! Between two storages.

use futures_util::StreamExt;
use omni_storage::{Body, Bytes, Call, ErrorKind, Interceptor, Result, transfer};

use crate::storages;

#[tokio::test]
async fn a_transfer_keeps_content_and_attributes() {
    let (_folder, [memory, local]) = storages().await;
    for (from, to) in [(&memory, &local), (&local, &memory), (&memory, &memory)] {
        for size in [0, 1, 3_000_000] {
            let content = vec![7; size];
            let put = from.put("a", content.clone()).content_type("text/plain").metadata("k", "ä");
            put.await.unwrap();
            let source = from.head("a").await.unwrap();
            assert_eq!(source.attributes.metadata["k"], "ä");
            let copied = transfer::copy(from, "a", to, "b").await.unwrap();
            let stored = to.head("b").await.unwrap();
            assert_eq!((&copied.source, copied.target), (&source, stored.written()));
            assert_eq!((stored.size, &stored.attributes), (source.size, &source.attributes));
            assert!(to.get("b").await.unwrap().bytes().await.unwrap() == content);
        }
    }
}

#[tokio::test]
async fn a_transfer_that_fails_leaves_the_target() {
    let (_folder, [memory, local]) = storages().await;
    local.put("b", "old").await.unwrap();
    let missing = transfer::copy(&memory, "missing", &local, "b").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let invalid = transfer::copy(&memory, "missing", &local, "b/").await.unwrap_err();
    assert_eq!(invalid.kind(), ErrorKind::InvalidArgument);

    memory.put("a", "content").await.unwrap();
    let corrupting = memory.with_interceptor(Corrupting);
    let corrupt = transfer::copy(&corrupting, "a", &local, "b").await.unwrap_err();
    assert_eq!(corrupt.kind(), ErrorKind::Corrupt);
    assert_eq!(local.get("b").await.unwrap().text().await.unwrap(), "old");
}

/// Changes bytes on their way, and nothing else.
#[derive(Debug)]
struct Corrupting;

impl Interceptor for Corrupting {
    fn name(&self) -> &'static str {
        "corrupting"
    }

    fn around<T, F, Fut>(&self, _: &Call<'_>, attempt: F) -> impl Future<Output = Result<T>> + Send
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        attempt()
    }

    fn body(&self, _: &Call<'_>, body: Body) -> Body {
        let length = body.length();
        let changed = body.map(|chunk| chunk.map(|bytes| Bytes::from(vec![b'x'; bytes.len()])));
        Body::from_stream(changed, length)
    }
}
