//! Copies above what one request copies.

use omni_contracts::storage::{CopyOptions, Key, StorageProvider};

use crate::script::{Reply, Script};
use crate::{key, open};

/// A little more than 5 GiB.
const SIZE: u64 = (5 << 30) + 3;

#[tokio::test]
async fn a_large_object_is_copied_in_segments_of_one_version() {
    let size = SIZE.to_string();
    let server = Script::new(move |_, asked| match asked.line.split(' ').next() {
        Some("HEAD") => Reply::of(
            200,
            &[
                ("content-length", &size),
                ("etag", "\"source\""),
                ("last-modified", "Sat, 21 Nov 2026 12:00:00 GMT"),
                ("content-type", "text/plain"),
            ],
            b"",
        ),
        Some("POST") if asked.line.contains("uploads") => Reply::of(
            200,
            &[],
            b"<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>",
        ),
        Some("PUT") => Reply::of(
            200,
            &[],
            b"<CopyPartResult><ETag>\"part\"</ETag></CopyPartResult>",
        ),
        _ => Reply::of(
            200,
            &[],
            b"<CompleteMultipartUploadResult><ETag>\"joined-11\"</ETag>\
              </CompleteMultipartUploadResult>",
        ),
    })
    .await;
    let to = Key::new("the copy").unwrap();
    let copied = open(&server.endpoint).await.copy(&key(), &to, &CopyOptions::default()).await;
    let copied = copied.unwrap();
    assert_eq!((copied.size, copied.version.as_str()), (SIZE, "joined-11"));
    let asked = server.asked();
    let mut ranges = Vec::new();
    for part in asked.iter().filter(|asked| asked.line.starts_with("PUT ")) {
        assert_eq!(part.header("x-amz-copy-source"), Some("orders/dir/the%20object"));
        assert_eq!(part.header("x-amz-copy-source-if-match"), Some("\"source\""));
        let range = part.header("x-amz-copy-source-range").unwrap().strip_prefix("bytes=").unwrap();
        let (start, end) = range.split_once('-').unwrap();
        ranges.push((start.parse::<u64>().unwrap(), end.parse::<u64>().unwrap()));
    }
    ranges.sort_unstable();
    assert_eq!(ranges.len(), 11);
    let ends = ranges.iter().map(|(_, end)| end + 1);
    assert!(ranges.iter().map(|(start, _)| *start).eq(std::iter::once(0).chain(ends).take(11)));
    assert_eq!(ranges.last().unwrap().1, SIZE - 1);
    let begun = asked.iter().find(|asked| asked.line.contains("uploads")).unwrap();
    assert_eq!(begun.header("content-type"), Some("text/plain"));
}
