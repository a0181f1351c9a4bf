//! Composed and rewritten objects.

use googleapis_tonic_google_storage_v2::google::storage::v2 as proto;
use proto::compose_object_request::SourceObject;
use proto::compose_object_request::source_object::ObjectPreconditions;
use tonic::Code;

use crate::client::{BUCKET, Fake};

fn source(name: &str) -> SourceObject {
    SourceObject { name: name.to_owned(), ..Default::default() }
}

fn compose(target: &str, sources: Vec<SourceObject>) -> proto::ComposeObjectRequest {
    proto::ComposeObjectRequest {
        destination: Some(proto::Object {
            bucket: BUCKET.to_owned(),
            name: target.to_owned(),
            content_type: "a/b".to_owned(),
            ..Default::default()
        }),
        source_objects: sources,
        ..Default::default()
    }
}

#[tokio::test]
async fn objects_are_composed() {
    let fake = Fake::start();
    let mut grpc = fake.grpc();
    for (name, content) in [("1", "12"), ("2", ""), ("3", "3456"), ("4", "789")] {
        fake.put(name, content).await.is(200);
    }
    let sources: Vec<_> = ["1", "2", "3", "4"].map(source).into();
    let made = grpc.compose_object(compose("all", sources.clone())).await.unwrap().into_inner();
    let sums = made.checksums.clone().unwrap();
    assert_eq!((sums.crc32c, sums.md5_hash.len()), (Some(0xe306_9283), 0));
    assert_eq!((made.component_count, made.size, made.content_type.as_str()), (4, 9, "a/b"));
    let read = fake.read("all").await.is(200);
    assert_eq!(read.body, "123456789");
    assert_eq!(read.header("x-goog-hash"), "crc32c=4waSgw==");
    let twice = vec![source("all"), source("1")];
    let made = grpc.compose_object(compose("all", twice)).await.unwrap().into_inner();
    assert_eq!((made.component_count, made.size), (5, 11));

    let too_many = vec![source("1"); 33];
    let refused = grpc.compose_object(compose("x", too_many)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = grpc.compose_object(compose("x", vec![])).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = grpc.compose_object(compose("x", vec![source("none")])).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);

    let mut if_absent = compose("all", sources.clone());
    if_absent.if_generation_match = Some(0);
    let refused = grpc.compose_object(if_absent).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let mut wrong_source = source("1");
    wrong_source.object_preconditions = Some(ObjectPreconditions { if_generation_match: Some(1) });
    let refused = grpc.compose_object(compose("x", vec![wrong_source])).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let mut wrong_sum = compose("x", sources);
    let crc32c = Some(1);
    wrong_sum.object_checksums = Some(proto::ObjectChecksums { crc32c, ..Default::default() });
    let refused = grpc.compose_object(wrong_sum).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    fake.read("x").await.is(404);
}

fn rewrite(source: &str, target: &str) -> proto::RewriteObjectRequest {
    proto::RewriteObjectRequest {
        source_bucket: BUCKET.to_owned(),
        source_object: source.to_owned(),
        destination_bucket: BUCKET.to_owned(),
        destination_name: target.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn objects_are_rewritten_in_as_many_calls_as_it_takes() {
    let fake = Fake::start();
    let mut grpc = fake.grpc();
    let generation = fake.put("a", vec![7; (5 << 20) / 2]).await.generation();
    let done = grpc.rewrite_object(rewrite("a", "b")).await.unwrap().into_inner();
    assert!(done.done);
    let copy = done.resource.unwrap();
    assert_eq!((copy.content_type.as_str(), copy.size), ("text/plain", (5 << 20) / 2));

    let mut slow = rewrite("a", "c");
    slow.max_bytes_rewritten_per_call = 1 << 20;
    let mut calls = 0;
    let resource = loop {
        let answer = grpc.rewrite_object(slow.clone()).await.unwrap().into_inner();
        calls += 1;
        assert_eq!(answer.object_size, (5 << 20) / 2);
        if answer.done {
            break answer.resource.unwrap();
        }
        fake.read("c").await.is(404);
        slow.rewrite_token = answer.rewrite_token;
    };
    assert_eq!((calls, resource.checksums == copy.checksums), (3, true));
    let again = grpc.rewrite_object(slow).await.unwrap_err();
    assert_eq!(again.code(), Code::InvalidArgument);

    type Change = fn(&mut proto::RewriteObjectRequest, i64);
    let cases: [(Change, Option<Code>); 6] = [
        (|r, g| r.if_source_generation_match = Some(g), None),
        (|r, g| r.if_source_generation_match = Some(g + 1), Some(Code::FailedPrecondition)),
        (|r, g| r.if_source_generation_not_match = Some(g), Some(Code::Aborted)),
        (|r, _| r.if_generation_match = Some(0), Some(Code::FailedPrecondition)),
        (|r, g| r.source_generation = g + 1, Some(Code::NotFound)),
        (|r, _| r.max_bytes_rewritten_per_call = 1000, Some(Code::InvalidArgument)),
    ];
    for (number, (change, code)) in cases.into_iter().enumerate() {
        let mut request = rewrite("a", "c");
        change(&mut request, generation);
        let refused = grpc.rewrite_object(request).await.err().map(|status| status.code());
        assert_eq!(refused, code, "case {number}");
    }

    let mut keyed = rewrite("a", "e");
    keyed.destination_kms_key = "key".to_owned();
    let made = grpc.rewrite_object(keyed).await.unwrap().into_inner().resource.unwrap();
    assert_eq!((made.content_type.as_str(), made.kms_key.as_str()), ("text/plain", "key"));
    let made = grpc.rewrite_object(rewrite("e", "f")).await.unwrap().into_inner();
    assert_eq!(made.resource.unwrap().kms_key, "");

    let mut replaced = rewrite("a", "d");
    replaced.destination = Some(proto::Object {
        content_type: "c/d".to_owned(),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        ..Default::default()
    });
    let made = grpc.rewrite_object(replaced).await.unwrap().into_inner().resource.unwrap();
    assert_eq!((made.content_type.as_str(), made.metadata["k"].as_str()), ("c/d", "v"));
}
