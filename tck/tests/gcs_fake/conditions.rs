//! Conditions: each with each outcome, and who wins a race.

use googleapis_tonic_google_storage_v2::google::storage::v2 as proto;
use tonic::Code;

use crate::client::{BUCKET, Fake};

/// Every condition on an object of generation `g` and metageneration 1, the status of a read, and the
/// status of a write over nothing.
fn table(g: i64) -> Vec<(String, u16, u16)> {
    let other = g + 1;
    vec![
        (format!("ifGenerationMatch={g}"), 200, 412),
        (format!("ifGenerationMatch={other}"), 412, 412),
        ("ifGenerationMatch=0".to_owned(), 412, 200),
        (format!("ifGenerationNotMatch={g}"), 304, 304),
        (format!("ifGenerationNotMatch={other}"), 200, 304),
        ("ifGenerationNotMatch=0".to_owned(), 200, 304),
        ("ifMetagenerationMatch=1".to_owned(), 200, 412),
        ("ifMetagenerationMatch=2".to_owned(), 412, 412),
        ("ifMetagenerationNotMatch=1".to_owned(), 304, 304),
        ("ifMetagenerationNotMatch=2".to_owned(), 200, 304),
        ("ifGenerationMatch=x".to_owned(), 400, 400),
    ]
}

#[tokio::test]
async fn reads_deletes_and_writes_obey_every_condition() {
    let fake = Fake::start();
    let generation = fake.put("a", "1").await.generation();
    for (number, (condition, on_object, on_nothing)) in table(generation).iter().enumerate() {
        let path = format!("/storage/v1/b/bucket/o/a?{condition}");
        let answer = fake.get(&format!("{path}&alt=media")).await.is(*on_object);
        match on_object {
            412 => assert_eq!(answer.reason(), "conditionNotMet"),
            304 => assert!(answer.body.is_empty()),
            _ => {}
        }
        fake.get(&path).await.is(*on_object);
        fake.send("PATCH", &path.replace("o/a", "o/none"), &[], "").await.is(match on_object {
            400 => 400,
            _ => 404,
        });
        fake.put_if(&format!("new-{number}"), &format!("&{condition}"), "").await.is(*on_nothing);
        if *on_object != 200 {
            fake.put_if("a", &format!("&{condition}"), "2").await.is(*on_object);
            fake.send("DELETE", &path, &[], "").await.is(*on_object);
        }
    }
    assert_eq!(fake.read("a").await.generation_header(), generation);
    let path = format!("/storage/v1/b/bucket/o/a?ifGenerationMatch={generation}");
    fake.send("DELETE", &path, &[], "").await.is(204);
    fake.send("DELETE", &path, &[], "").await.is(404);
}

#[tokio::test]
async fn the_other_api_has_its_own_codes() {
    let fake = Fake::start();
    let generation = fake.put("a", "1").await.generation();
    let get = proto::GetObjectRequest {
        bucket: BUCKET.to_owned(),
        object: "a".to_owned(),
        ..Default::default()
    };
    let mut grpc = fake.grpc();
    let wrong = proto::GetObjectRequest { if_generation_match: Some(1), ..get.clone() };
    assert_eq!(grpc.get_object(wrong).await.unwrap_err().code(), Code::FailedPrecondition);
    let same = proto::GetObjectRequest { if_generation_not_match: Some(generation), ..get.clone() };
    assert_eq!(grpc.get_object(same).await.unwrap_err().code(), Code::Aborted);
    let right = proto::GetObjectRequest { if_generation_match: Some(generation), ..get };
    grpc.get_object(right).await.unwrap();
    let delete = proto::DeleteObjectRequest {
        bucket: BUCKET.to_owned(),
        object: "a".to_owned(),
        if_generation_match: Some(1),
        ..Default::default()
    };
    assert_eq!(grpc.delete_object(delete).await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_sixteen_racers_wins() {
    let fake = Fake::start();
    for round in 0..10 {
        let name = format!("race-{round}");
        let racers = (0..16).map(|racer| {
            let (fake, name) = (fake.clone(), name.clone());
            tokio::spawn(async move {
                let answer = fake.put_if(&name, "&ifGenerationMatch=0", format!("{racer}")).await;
                (racer, answer)
            })
        });
        let mut winners = Vec::new();
        for racer in racers.collect::<Vec<_>>() {
            let (racer, answer) = racer.await.unwrap();
            match answer.status.as_u16() {
                200 => winners.push(racer),
                _ => drop(answer.is(412)),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(fake.read(&name).await.body, winners[0].to_string());
    }
}
