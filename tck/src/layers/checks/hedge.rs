//! Hedged reads: LAY-070, LAY-071.

use omni_contracts::storage::{
    ByteRange, CopyOptions, DeleteOptions, GetOptions, ListRequest, PutOptions,
};
use omni_contracts::{Body, ErrorKind, Operation, Result};

use super::{at, ms, only, s};
use crate::Outcome;
use crate::check::{equal, fails_with, holds, ok};
use crate::layers::scene::{DONE, DOWN, HANGS, Scene, Step, key};
use crate::layers::{LayerCheck, LayersSubject, check};

pub(super) const CHECKS: &[LayerCheck] =
    &[check!("LAY-070", slow_reads_are_asked_for_twice), check!("LAY-071", writes_are_not)];

fn settings() -> String {
    only(&[], "hedge_after = \"1s\"")
}

async fn read(scene: &Scene, operation: Operation) -> Result<()> {
    let (name, options) = (key("a"), GetOptions::default());
    match operation {
        Operation::Get => scene.store.get(&name, &options).await.map(drop),
        Operation::GetRanges => {
            scene.store.get_ranges(&name, &[ByteRange::Full], &options).await.map(drop)
        }
        Operation::Head => scene.store.head(&name, &options).await.map(drop),
        _ => scene.store.list(&ListRequest::default()).await.map(drop),
    }
}

async fn slow_reads_are_asked_for_twice(subject: &dyn LayersSubject) -> Outcome {
    use Operation::{Get, GetRanges, Head, List};
    let fails = Step::fails(DOWN);
    for operation in [Get, GetRanges, Head, List] {
        // What the first and the second attempt do, when the call ends, and after how many attempts.
        for (case, first, second, end, attempts) in [
            ("hangs, answered in 500ms", HANGS, DONE.after(ms(500)), 1500, 2),
            ("answered in 900ms", DONE.after(ms(900)), DONE, 900, 1),
            ("answered in 1200ms, hangs", DONE.after(ms(1200)), HANGS, 1200, 2),
            (
                "fails in 1200ms, answered in 600ms",
                fails.after(ms(1200)),
                DONE.after(ms(600)),
                1600,
                2,
            ),
            ("answered in 3s, fails at once", DONE.after(s(3)), fails, 3000, 2),
        ] {
            let scene = Scene::new(subject, &settings(), &[first, second, HANGS])?;
            scene.stored("a", "content").await?;
            let case = format!("{operation}: {case}");
            ok(&case, read(&scene, operation).await)?;
            at(&format!("{case}: its end"), ms(end), scene.now())?;
            let seen = scene.attempts();
            equal(format!("{case}: attempts"), &attempts, &seen.len())?;
            for attempt in &seen {
                let ended = attempt.ended.is_some_and(|ended| ended <= ms(end) + ms(2));
                holds(format!("{case}: at the end"), ended, "no attempt goes on", attempt)?;
            }
            if let Some(second) = seen.get(1) {
                at(&format!("{case}: the second attempt"), s(1), second.begun)?;
            }
        }
        let scene =
            Scene::new(subject, &settings(), &[fails.after(s(2)), fails.after(s(3)), DONE])?;
        let result = read(&scene, operation).await;
        fails_with(format!("{operation}: both fail"), ErrorKind::Unavailable, result)?;
        equal(format!("{operation}: attempts, both failing"), &2, &scene.attempts().len())?;
        let scene = Scene::new(subject, &settings(), &[HANGS, DONE.after(s(3600)), DONE])?;
        scene.stored("a", "content").await?;
        ok(format!("{operation}: both take long"), read(&scene, operation).await)?;
        equal(format!("{operation}: attempts, both taking long"), &2, &scene.attempts().len())?;
    }
    Ok(())
}

async fn writes_are_not(subject: &dyn LayersSubject) -> Outcome {
    let scene = Scene::new(subject, &settings(), &[DONE.after(s(5))])?;
    let (a, b) = (key("a"), key("b"));
    let put = PutOptions::default();
    ok("put", scene.store.put(&a, Body::from("content"), &put).await)?;
    ok("copy", scene.store.copy(&a, &b, &CopyOptions::default()).await)?;
    ok("delete", scene.store.delete(&a, &DeleteOptions::default()).await)?;
    let upload = ok("create_upload", scene.store.create_upload(&a, &put).await)?;
    ok("abort_upload", scene.store.abort_upload(&a, &upload).await)?;
    for result in scene.store.delete_many(&[a, b]).await {
        ok("delete_many", result)?;
    }
    let seen: Vec<_> = scene.attempts().iter().map(|one| one.operation.as_str()).collect();
    let expected = ["put", "copy", "delete", "create_upload", "abort_upload", "delete_many"];
    equal("attempts of writes that take 5s", &expected.to_vec(), &seen)
}
