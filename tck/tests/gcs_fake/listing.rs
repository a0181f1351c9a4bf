//! Lists in both APIs.

use std::collections::BTreeSet;

use googleapis_tonic_google_storage_v2::google::storage::v2 as proto;
use tonic::Code;

use crate::client::{BUCKET, Fake};

/// Every page of the list: objects, and prefixes with a `*`.
async fn pages(fake: &Fake, parameters: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!("/storage/v1/b/bucket/o?{parameters}{token}");
        let page = fake.get(&path).await.is(200).json();
        let texts = |name: &str| page[name].as_array().cloned().unwrap_or_default();
        let objects =
            texts("items").into_iter().map(|item| item["name"].as_str().unwrap().to_owned());
        let prefixes =
            texts("prefixes").into_iter().map(|text| format!("{}*", text.as_str().unwrap()));
        pages.push(objects.chain(prefixes).collect());
        match page["nextPageToken"].as_str() {
            Some(next) => token = format!("&pageToken={next}"),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn pages_are_complete_and_of_their_size() {
    let fake = Fake::start();
    for name in ["a%2F", "a%2Fb", "a%2Fc%2Fd", "ab", "b", "c%2Fd", "c%2Fe"] {
        fake.put(name, "").await.is(200);
    }
    let flat = pages(&fake, "maxResults=3").await;
    assert_eq!(flat.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(flat.concat(), ["a/", "a/b", "a/c/d", "ab", "b", "c/d", "c/e"]);
    let folders = pages(&fake, "delimiter=/&maxResults=1").await.concat();
    assert_eq!(folders, ["a/*", "ab", "b", "c/*"]);
    let trailing = pages(&fake, "delimiter=/&includeTrailingDelimiter=true").await.concat();
    assert_eq!(trailing, ["a/", "ab", "b", "a/*", "c/*"]);
    assert_eq!(pages(&fake, "prefix=a/&delimiter=/").await.concat(), ["a/", "a/b", "a/c/*"]);
    assert_eq!(pages(&fake, "startOffset=ab&endOffset=c/e").await.concat(), ["ab", "b", "c/d"]);
    assert_eq!(pages(&fake, "prefix=none").await, [Vec::<String>::new()]);
    fake.get("/storage/v1/b/bucket/o?pageToken=x").await.is(400);
    fake.get("/storage/v1/b/bucket/o?maxResults=-1").await.is(400);
    fake.get("/storage/v1/b/other/o").await.is(404);
}

#[tokio::test]
async fn the_other_api_lists_the_same() {
    let fake = Fake::start();
    for number in 0..1001 {
        fake.put(&format!("n{number:04}"), "").await.is(200);
    }
    let mut grpc = fake.grpc();
    let all = proto::ListObjectsRequest {
        parent: BUCKET.to_owned(),
        page_size: 5000,
        ..Default::default()
    };
    let page = grpc.list_objects(all.clone()).await.unwrap().into_inner();
    assert_eq!(page.objects.len(), 1000);
    let next = proto::ListObjectsRequest { page_token: page.next_page_token, ..all.clone() };
    let rest = grpc.list_objects(next).await.unwrap().into_inner();
    assert_eq!((rest.objects.len(), rest.next_page_token.as_str()), (1, ""));
    let names: BTreeSet<_> = page.objects.iter().chain(&rest.objects).map(|o| &o.name).collect();
    assert_eq!(names.len(), 1001);
    let from = proto::ListObjectsRequest {
        lexicographic_start: "n0999".to_owned(),
        lexicographic_end: "n1000".to_owned(),
        ..all.clone()
    };
    let page = grpc.list_objects(from).await.unwrap().into_inner();
    assert_eq!(page.objects.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["n0999"]);
    let rolled = proto::ListObjectsRequest {
        delimiter: "0".to_owned(),
        prefix: "n0".to_owned(),
        ..all.clone()
    };
    let page = grpc.list_objects(rolled).await.unwrap().into_inner();
    assert!(
        page.prefixes.contains(&"n00".to_owned()) && page.prefixes.contains(&"n010".to_owned())
    );
    let wrong = proto::ListObjectsRequest { page_token: "x".to_owned(), ..all };
    assert_eq!(grpc.list_objects(wrong).await.unwrap_err().code(), Code::InvalidArgument);
}
