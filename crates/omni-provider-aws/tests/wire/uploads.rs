//! Uploads: those that a large put is made of, and their listing.

use omni_contracts::storage::{Prefix, PutOptions, StorageProvider};
use omni_contracts::{Body, Effect, Error, ErrorKind};

use crate::errors::refusal;
use crate::script::{Asked, Reply, Script};
use crate::{key, open};

/// Puts a content of two parts on a server that answers for the parts as `part` does.
async fn put_in_parts(part: fn(&Asked) -> Reply) -> (Error, Vec<Asked>) {
    let server = Script::new(move |_, asked| match asked.line.split(' ').next() {
        Some("POST") if asked.line.contains("uploads") => Reply::of(
            200,
            &[],
            b"<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>",
        ),
        Some("PUT") => part(asked),
        _ => Reply::of(204, &[], b""),
    })
    .await;
    let content = Body::from(vec![7; (8 << 20) + 1]);
    let put = open(&server.endpoint).await.put(&key(), content, &PutOptions::default()).await;
    (put.unwrap_err(), server.asked())
}

#[tokio::test]
async fn a_part_whose_answer_is_lost_leaves_no_doubt_about_the_put() {
    let (error, asked) = put_in_parts(|_| Reply::Bytes(Vec::new())).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::No), "{error}");
    let aborted = |asked: &Asked| asked.line.starts_with("DELETE /orders/dir/the%20object?");
    assert!(asked.iter().any(aborted), "{asked:?}");
}

#[tokio::test]
async fn an_upload_that_the_service_forgot_is_a_conflict_of_the_put() {
    let (error, _) = put_in_parts(|_| Reply::of(404, &[], &refusal("NoSuchUpload"))).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Conflict, Effect::No), "{error}");
    assert!(error.is_retryable() && error.to_string().contains("upload"), "{error}");
}

/// Pages of the uploads `a` and `b`, one on each; the first says of the next what `marker` has.
async fn pages(marker: &'static str) -> Script {
    Script::new(move |_, asked| {
        let (key, more, marker) = match asked.line.contains("key-marker=a") {
            false => ("a", true, marker),
            true => ("b", false, ""),
        };
        let page = format!(
            "<ListMultipartUploadsResult><IsTruncated>{more}</IsTruncated>{marker}\
             <Upload><Key>{key}</Key><UploadId>U-{key}</UploadId></Upload>\
             </ListMultipartUploadsResult>"
        );
        Reply::of(200, &[], page.as_bytes())
    })
    .await
}

#[tokio::test]
async fn uploads_are_listed_to_the_end_where_a_service_continues_by_key_alone() {
    for marker in [
        "<NextKeyMarker>a</NextKeyMarker>",
        "<NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>U-a</NextUploadIdMarker>",
    ] {
        let server = pages(marker).await;
        let store = open(&server.endpoint).await;
        let first = store.list_uploads(&Prefix::ALL, None).await.unwrap();
        let second = store.list_uploads(&Prefix::ALL, first.next.as_ref()).await.unwrap();
        let keys: Vec<_> = [&first, &second].map(|page| page.entries[0].key.to_string()).to_vec();
        assert_eq!((keys, second.next), (vec!["a".to_owned(), "b".to_owned()], None));
        let asked = server.asked();
        let by_id = asked[1].line.contains("upload-id-marker=U-a");
        assert_eq!(by_id, marker.contains("UploadId"), "{}", asked[1].line);
    }
}

#[tokio::test]
async fn a_listing_of_uploads_never_ends_early_in_silence() {
    let server = pages("").await;
    let page = open(&server.endpoint).await.list_uploads(&Prefix::ALL, None).await;
    assert_eq!(page.unwrap_err().kind(), ErrorKind::Internal);
}
