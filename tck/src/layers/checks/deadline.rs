//! Deadlines and the attempt timeout: LAY-010 to LAY-020.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use omni_contracts::storage::{
    ByteRange, CompleteOptions, CopyOptions, DeleteOptions, GetOptions, ListRequest, PartNumber,
    Prefix, PutOptions, StorageProvider, UploadId,
};
use omni_contracts::{Body, Contract, Effect, Error, ErrorKind, Operation};
use tokio::time::{Duration, Instant, sleep};

use super::{at, ms, only, s};
use crate::Outcome;
use crate::check::{equal, fails_with, holds, ok};
use crate::layers::scene::{DONE, DOWN, HANGS, LOST, NAME, Scene, Step, key};
use crate::layers::{LayerCheck, LayersSubject, check};

pub(super) const CHECKS: &[LayerCheck] = &[
    check!("LAY-010", calls_end_at_their_deadline),
    check!("LAY-011", the_earlier_deadline_holds),
    check!("LAY-012", late_calls_do_nothing),
    check!("LAY-013", cut_calls_say_what_may_have_happened),
    check!("LAY-014", streams_take_their_time),
    check!("LAY-015", large_and_long_calls_have_more_time),
    check!("LAY-020", attempts_end_at_their_timeout),
];

async fn calls_end_at_their_deadline(subject: &dyn LayersSubject) -> Outcome {
    let slow = Step::fails(DOWN).after(ms(2700));
    for (case, settings, script) in [
        ("that hangs", only(&["deadline"], "deadline = \"10s\""), HANGS),
        (
            "whose attempts hang",
            only(
                &["deadline", "retry", "attempt-timeout"],
                "deadline = \"10s\"\nattempt_timeout = \"4s\"\n\
                 retry = { attempts = 9, first_wait = \"1ms\" }",
            ),
            HANGS,
        ),
        (
            "whose attempts fail slowly",
            only(
                &["deadline", "retry"],
                "deadline = \"10s\"\nretry = { attempts = 9, first_wait = \"1ms\", \
                 longest_wait = \"1ms\" }",
            ),
            slow,
        ),
        ("that is hedged", only(&["deadline"], "deadline = \"10s\"\nhedge_after = \"1s\""), HANGS),
        (
            "with every layer",
            "deadline = \"10s\"\nhedge_after = \"1s\"\nconcurrency = 2".into(),
            HANGS,
        ),
    ] {
        let scene = Scene::new(subject, &settings, &[script])?;
        let result = scene.store.head(&key("a"), &GetOptions::default()).await;
        fails_with(format!("a call {case}"), ErrorKind::Timeout, result)?;
        at(&format!("the end of a call {case}, with a deadline of 10s"), s(10), scene.now())?;
    }
    let scene = Scene::new(subject, "deadline = \"10s\"", &[DONE.after(ms(9900))])?;
    ok("an answer after 9.9s, with a deadline of 10s", scene.store.check().await)
}

async fn the_earlier_deadline_holds(subject: &dyn LayersSubject) -> Outcome {
    for (caller, expected) in [(2, 2), (20, 10)] {
        let scene = Scene::new(subject, &only(&["deadline"], "deadline = \"10s\""), &[HANGS])?;
        let result = scene.within(s(caller)).check().await;
        let case = format!("a call with {caller}s of its caller and 10s of its configuration");
        fails_with(&case, ErrorKind::Timeout, result)?;
        at(&case, s(expected), scene.now())?;
    }
    let scene = Scene::new(subject, &only(&[], ""), &[HANGS])?;
    let result = scene.within(s(3)).check().await;
    fails_with("a call with 3s of its caller alone", ErrorKind::Timeout, result)?;
    at("its end", s(3), scene.now())
}

async fn late_calls_do_nothing(subject: &dyn LayersSubject) -> Outcome {
    for settings in [String::new(), only(&[], "")] {
        let scene = Scene::new(subject, &settings, &[DONE])?;
        sleep(s(5)).await;
        for ago in [s(0), s(1)] {
            let store = scene.until(Instant::now() - ago);
            let put = store.put(&key("a"), Body::from("content"), &PutOptions::default()).await;
            let error = fails_with("a put after its deadline", ErrorKind::Timeout, put)?;
            equal("its effect", &Effect::No, &error.effect())?;
            placed(&error, Operation::Put, "a")?;
        }
        equal("attempts", &0, &scene.attempts().len())?;
    }
    Ok(())
}

fn placed(error: &Error, operation: Operation, resource: &str) -> Outcome {
    let seen = (error.operation(), error.provider(), error.resource().unwrap_or_default());
    equal("where the error arose", &(Some(operation), Some(NAME), resource), &seen)
}

/// Makes a call of each operation, and expects it to fail.
async fn each_operation(
    scene: &Scene,
    operation: Operation,
) -> std::result::Result<Error, crate::Failure> {
    let store = &scene.store;
    let (a, b, put, get) = (key("a"), key("b"), PutOptions::default(), GetOptions::default());
    let upload = UploadId::new("upload");
    let number = PartNumber::new(1).unwrap_or_else(|error| panic!("{error}"));
    let prefix = Prefix::default();
    let result = match operation {
        Operation::AbortUpload => store.abort_upload(&a, &upload).await,
        Operation::Check => store.check().await,
        Operation::CompleteUpload => {
            let options = CompleteOptions::default();
            store.complete_upload(&a, &upload, &[], &options).await.map(drop)
        }
        Operation::Copy => store.copy(&b, &a, &CopyOptions::default()).await.map(drop),
        Operation::CreateUpload => store.create_upload(&a, &put).await.map(drop),
        Operation::Delete => store.delete(&a, &DeleteOptions::default()).await.map(drop),
        Operation::DeleteMany => {
            let mut results = store.delete_many(std::slice::from_ref(&a)).await;
            equal("results of a batch of one", &1, &results.len())?;
            results.remove(0).map(drop)
        }
        Operation::Get => store.get(&a, &get).await.map(drop),
        Operation::GetRanges => store.get_ranges(&a, &[ByteRange::Full], &get).await.map(drop),
        Operation::Head => store.head(&a, &get).await.map(drop),
        Operation::List => store.list(&ListRequest::default()).await.map(drop),
        Operation::ListParts => store.list_parts(&a, &upload).await.map(drop),
        Operation::ListUploads => store.list_uploads(&prefix, None).await.map(drop),
        Operation::ListVersions => store.list_versions(&prefix, None, None).await.map(drop),
        Operation::Put => store.put(&a, Body::from("content"), &put).await.map(drop),
        Operation::UploadPart => {
            store.upload_part(&a, &upload, number, Body::from("content")).await.map(drop)
        }
        // Others make no request that could be cut off.
        _ => return Ok(Error::new(ErrorKind::Timeout, "")),
    };
    fails_with(format!("{operation} that hangs"), ErrorKind::Timeout, result)
}

async fn cut_calls_say_what_may_have_happened(subject: &dyn LayersSubject) -> Outcome {
    let writes = [
        Operation::AbortUpload,
        Operation::CompleteUpload,
        Operation::Copy,
        Operation::CreateUpload,
        Operation::Delete,
        Operation::DeleteMany,
        Operation::Put,
        Operation::UploadPart,
    ];
    for settings in [
        only(&["deadline"], "deadline = \"10s\""),
        only(&["attempt-timeout"], "attempt_timeout = \"10s\""),
    ] {
        for operation in Operation::of(Contract::Storage).filter(|one| *one != Operation::Presign) {
            let scene = Scene::new(subject, &settings, &[HANGS])?;
            let error = each_operation(&scene, operation).await?;
            let changes = writes.contains(&operation);
            let effect = if changes { Effect::Unknown } else { Effect::No };
            equal(format!("the effect of {operation}, cut off"), &effect, &error.effect())?;
            let resource = match operation {
                Operation::Check
                | Operation::List
                | Operation::ListUploads
                | Operation::ListVersions => "",
                _ => "a",
            };
            placed(&error, operation, resource)?;
        }
    }
    // What fails before it is cut off is no doubt, and what was in doubt stays so.
    for (first, expected) in [(DOWN, Effect::No), (LOST, Effect::Unknown)] {
        let settings = only(&["deadline", "retry"], "deadline = \"10s\"\nconcurrency = 1");
        let script = [Step::fails(first).after(s(1)), HANGS];
        let scene = Scene::new(subject, &settings, &script)?;
        let (name, options) = (key("a"), DeleteOptions::default());
        let first = scene.store.delete(&name, &options);
        // Takes the only place when the delete has lost it.
        let other = scene.store.check();
        let (delete, _) = tokio::join!(first, other);
        let error = fails_with("a delete cut off while it waits", ErrorKind::Timeout, delete)?;
        equal("its effect", &expected, &error.effect())?;
    }
    Ok(())
}

/// A body of chunks that come one every so often.
fn slow_body(chunks: u32, every: Duration) -> Body {
    let chunks = stream::iter(0..chunks).then(move |_| async move {
        sleep(every).await;
        Ok(Bytes::from_static(b"chunk"))
    });
    Body::from_stream(chunks, None)
}

async fn streams_take_their_time(subject: &dyn LayersSubject) -> Outcome {
    let scene = Scene::new(subject, "deadline = \"10s\"\nattempt_timeout = \"5s\"", &[DONE])?;
    let options = PutOptions::default();
    let put = scene.store.put(&key("a"), slow_body(6, s(600)), &options).await;
    let put = ok("a put whose source takes an hour, with a deadline of 10s", put)?;
    equal("its size", &30, &put.size)?;
    let before = scene.now();
    let put = scene.within(s(60)).put(&key("b"), slow_body(6, s(600)), &options).await;
    let error = fails_with("the same, with 60s of its caller", ErrorKind::Timeout, put)?;
    equal("its effect", &Effect::Unknown, &error.effect())?;
    at("its end", before + s(60), scene.now())?;
    let gone = scene.inner.head(&key("b"), &GetOptions::default()).await;
    fails_with("the object of a put that was cut off", ErrorKind::NotFound, gone).map(drop)
}

async fn large_and_long_calls_have_more_time(subject: &dyn LayersSubject) -> Outcome {
    for layer in ["deadline", "attempt-timeout"] {
        let setting = layer.replace('-', "_");
        let settings =
            only(&[layer], &format!("{setting} = \"10s\"\nslowest_transfer = \"64KiB\""));
        for (size, expected) in [(0, 10), (64 << 10, 11), (640 << 10, 20)] {
            let scene = Scene::new(subject, &settings, &[HANGS])?;
            let body = Body::from(vec![b'a'; size]);
            let put = scene.store.put(&key("a"), body, &PutOptions::default()).await;
            let case = format!("a put of {size} bytes that hangs, by {layer}");
            fails_with(&case, ErrorKind::Timeout, put)?;
            at(&case, s(expected), scene.now())?;
        }
        for (operation, expected) in [
            (Operation::CompleteUpload, 100),
            (Operation::Copy, 100),
            (Operation::DeleteMany, 100),
            (Operation::GetRanges, 100),
            (Operation::Delete, 10),
            (Operation::List, 10),
        ] {
            let scene = Scene::new(subject, &settings, &[HANGS])?;
            each_operation(&scene, operation).await?;
            at(&format!("the end of {operation}, by {layer}"), s(expected), scene.now())?;
        }
    }
    Ok(())
}

async fn attempts_end_at_their_timeout(subject: &dyn LayersSubject) -> Outcome {
    let settings = only(
        &["retry", "attempt-timeout"],
        "attempt_timeout = \"5s\"\n\
         retry = { attempts = 3, first_wait = \"0s\", longest_wait = \"0s\" }",
    );
    let scene = Scene::new(subject, &settings, &[HANGS, DONE.after(ms(4900))])?;
    ok("a call whose first attempt hangs", scene.store.check().await)?;
    at("its end", ms(9900), scene.now())?;
    let attempts = scene.attempts();
    equal("its attempts", &2, &attempts.len())?;
    let dropped = attempts.first().filter(|one| !one.answered).and_then(|one| one.ended);
    holds("the first attempt", dropped.is_some(), "dropped", &attempts)?;
    at("its end", s(5), dropped.unwrap_or_default())?;

    let scene = Scene::new(subject, &settings, &[HANGS])?;
    let error = fails_with("every attempt hangs", ErrorKind::Timeout, scene.store.check().await)?;
    holds("the error", error.is_retryable(), "may be repeated", &error)?;
    at("the end of three attempts", s(15), scene.now())
}
