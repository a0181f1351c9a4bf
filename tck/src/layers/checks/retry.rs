//! Retries: LAY-030 to LAY-039.

use bytes::Bytes;
use futures_util::stream;
use omni_contracts::storage::{
    DeleteOptions, GetOptions, PartNumber, PutOptions, UploadId, WriteCondition, WriteId,
};
use omni_contracts::{Body, Effect, ErrorKind};
use tokio::time::Duration;

use super::{at, ms, only, s};
use crate::check::{equal, fails_with, holds, ok};
use crate::layers::scene::{DONE, DOWN, Fault, LOST, Scene, Step, key};
use crate::layers::{LayerCheck, LayersSubject, check};
use crate::{Failure, Outcome};

pub(super) const CHECKS: &[LayerCheck] = &[
    check!("LAY-030", transient_failures_are_repeated),
    check!("LAY-031", what_does_not_help_is_not_repeated),
    check!("LAY-032", nothing_is_done_twice),
    check!("LAY-033", streams_are_sent_once),
    check!("LAY-034", doubt_stays),
    check!("LAY-035", waits_grow_and_differ),
    check!("LAY-036", who_asks_for_time_gets_it),
    check!("LAY-037", no_wait_for_nothing),
    check!("LAY-038", repeats_are_budgeted),
    check!("LAY-039", batches_are_repeated_key_by_key),
];

/// Retries alone, without waits.
fn at_once(attempts: u32) -> String {
    let waits = "first_wait = \"0s\", longest_wait = \"0s\"";
    only(&["retry"], &format!("retry = {{ attempts = {attempts}, {waits} }}"))
}

async fn transient_failures_are_repeated(subject: &dyn LayersSubject) -> Outcome {
    const FAULTS: [Fault; 4] = [
        DOWN.with_message("the first"),
        Fault::new(ErrorKind::Throttled).with_message("the second"),
        Fault::new(ErrorKind::Timeout).with_message("the third"),
        Fault::new(ErrorKind::Conflict).with_message("the fourth"),
    ];
    for attempts in 1..=6 {
        for failures in 0..=FAULTS.len() {
            let script: Vec<_> =
                FAULTS[..failures].iter().map(|fault| Step::fails(*fault)).chain([DONE]).collect();
            let scene = Scene::new(subject, &at_once(attempts), &script)?;
            let result = scene.store.check().await;
            let case = format!("{failures} failures with {attempts} attempts");
            match FAULTS.get(attempts as usize - 1).filter(|_| failures >= attempts as usize) {
                None => ok(&case, result)?,
                Some(last) => {
                    let error = fails_with(&case, last.kind, result)?;
                    equal(format!("{case}: the error"), &last.message, &error.message())?;
                }
            }
            let expected = (failures + 1).min(attempts as usize);
            equal(format!("{case}: attempts"), &expected, &scene.attempts().len())?;
        }
    }
    // By the error, not by its kind.
    let odd = Fault::new(ErrorKind::Internal).with_retryable(true);
    let scene = Scene::new(subject, &at_once(2), &[Step::fails(odd), DONE])?;
    ok("a failure that says that it may be repeated", scene.store.check().await)
}

async fn what_does_not_help_is_not_repeated(subject: &dyn LayersSubject) -> Outcome {
    let faults = ErrorKind::ALL.iter().filter(|kind| !kind.is_transient()).copied();
    let odd = DOWN.with_retryable(false);
    for fault in faults.map(Fault::new).chain([odd]) {
        let settings = only(&["retry"], "");
        let scene = Scene::new(subject, &settings, &[Step::fails(fault), DONE])?;
        let result = scene.store.head(&key("a"), &GetOptions::default()).await;
        fails_with(format!("a call that fails with `{}`", fault.kind), fault.kind, result)?;
        equal("its attempts", &1, &scene.attempts().len())?;
        equal("its time", &s(0), &scene.now())?;
    }
    Ok(())
}

async fn nothing_is_done_twice(subject: &dyn LayersSubject) -> Outcome {
    let done = DOWN.with_effect(Effect::Yes);
    let create = || PutOptions { condition: WriteCondition::IfAbsent, ..PutOptions::default() };
    let named = || {
        let write_id = WriteId::new("w-1").ok();
        PutOptions { write_id, ..create() }
    };
    // The effect of the first failure, and how often the put may be attempted.
    for (case, options, fault, attempts) in [
        ("a create in doubt", create(), LOST, 1),
        ("a create without effect", create(), DOWN, 2),
        ("a create in doubt, with a write id", named(), LOST, 2),
        ("a plain put in doubt", PutOptions::default(), LOST, 2),
        ("a plain put that had effect", PutOptions::default(), done, 1),
        ("a create with a write id that had effect", named(), done, 1),
    ] {
        let scene = Scene::new(subject, &at_once(3), &[Step::fails(fault), DONE])?;
        let result = scene.store.put(&key("a"), Body::from("content"), &options).await;
        match attempts {
            1 => {
                let error = fails_with(case, ErrorKind::Unavailable, result)?;
                equal(format!("{case}: the effect"), &fault.effect, &error.effect())?;
            }
            _ => drop(ok(case, result)?),
        }
        equal(format!("{case}: attempts"), &attempts, &scene.attempts().len())?;
    }
    for (fault, attempts) in [(LOST, 1), (DOWN, 2)] {
        let scene = Scene::new(subject, &at_once(3), &[Step::fails(fault), DONE])?;
        let _ = scene.store.create_upload(&key("a"), &PutOptions::default()).await;
        let case = format!("attempts to begin an upload, effect {:?}", fault.effect);
        equal(case, &attempts, &scene.attempts().len())?;
    }
    // The lost answer of one's own create is no "already exists".
    let scene = Scene::new(subject, &at_once(3), &[Step::done_but(LOST), DONE])?;
    ok(
        "a create with a write id, whose answer is lost",
        scene.store.put(&key("a"), Body::from("content"), &named()).await,
    )
    .map(drop)
}

async fn streams_are_sent_once(subject: &dyn LayersSubject) -> Outcome {
    let body = || Body::from_stream(stream::iter([Ok(Bytes::from_static(b"content"))]), Some(7));
    let (upload, name) = (UploadId::new("upload"), key("a"));
    let number = PartNumber::new(1)
        .map_err(|error| Failure::new("part number 1", "a number", error.to_string()))?;
    for fault in [DOWN, LOST] {
        let scene = Scene::new(subject, &at_once(3), &[Step::fails(fault), DONE])?;
        let put = scene.store.put(&name, body(), &PutOptions::default()).await;
        let error = fails_with("a put of a stream that fails", ErrorKind::Unavailable, put)?;
        equal("its effect", &fault.effect, &error.effect())?;
        equal("its message", &fault.message, &error.message())?;
        equal("its attempts", &1, &scene.attempts().len())?;
        let scene = Scene::new(subject, &at_once(3), &[Step::fails(fault), DONE])?;
        let part = scene.store.upload_part(&name, &upload, number, body()).await;
        let error = fails_with("a part of a stream that fails", ErrorKind::Unavailable, part)?;
        equal("its message", &fault.message, &error.message())?;
        equal("its attempts", &1, &scene.attempts().len())?;
    }
    Ok(())
}

async fn doubt_stays(subject: &dyn LayersSubject) -> Outcome {
    let denied = Fault::new(ErrorKind::PermissionDenied);
    for (first, expected) in [(LOST, Effect::Unknown), (DOWN, Effect::No)] {
        let script = [Step::fails(first), Step::fails(DOWN), Step::fails(denied)];
        let scene = Scene::new(subject, &at_once(4), &script)?;
        let (name, options) = (key("a"), PutOptions::default());
        let put = scene.store.put(&name, Body::from("content"), &options).await;
        let case = format!("a put whose first attempt had effect {:?}", first.effect);
        let error = fails_with(&case, ErrorKind::PermissionDenied, put)?;
        equal(format!("{case}: its effect"), &expected, &error.effect())?;

        let scene = Scene::new(subject, &at_once(4), &script)?;
        let mut results = scene.store.delete_many(std::slice::from_ref(&name)).await;
        let case = format!("a batch whose first attempt had effect {:?}", first.effect);
        equal("results of a batch of one", &1, &results.len())?;
        let error = fails_with(&case, ErrorKind::PermissionDenied, results.remove(0))?;
        equal(format!("{case}: its effect"), &expected, &error.effect())?;
    }
    // Reading leaves no doubt.
    let script = [Step::fails(LOST), Step::fails(denied)];
    let scene = Scene::new(subject, &at_once(4), &script)?;
    let head = scene.store.head(&key("a"), &GetOptions::default()).await;
    let error = fails_with("a head", ErrorKind::PermissionDenied, head)?;
    equal("the effect of a head", &Effect::No, &error.effect())
}

async fn waits_grow_and_differ(subject: &dyn LayersSubject) -> Outcome {
    const CALLS: usize = 300;
    let settings = only(
        &["retry"],
        "retry = { attempts = 7, first_wait = \"100ms\", longest_wait = \"1s\", reserve = 10000 }",
    );
    let mut waits: Vec<Vec<Duration>> = vec![Vec::new(); 6];
    for _ in 0..CALLS {
        let scene = Scene::new(subject, &settings, &[Step::fails(DOWN)])?;
        fails_with("a call that fails", ErrorKind::Unavailable, scene.store.check().await)?;
        let attempts = scene.attempts();
        equal("its attempts", &7, &attempts.len())?;
        for (number, pair) in attempts.windows(2).enumerate() {
            if let [one, next] = pair {
                waits[number].push(next.begun.saturating_sub(one.begun));
            }
        }
    }
    for (number, (waits, longest)) in
        waits.iter_mut().zip([100, 200, 400, 800, 1000, 1000]).enumerate()
    {
        let case = format!("waits before attempt {}, at most {longest}ms", number + 2);
        waits.sort();
        let (least, most) = (waits[0], waits[CALLS - 1]);
        holds(&case, most <= ms(longest) + super::RESOLUTION, "none above that", most)?;
        holds(&case, most >= ms(longest * 9 / 10), "some near that", most)?;
        holds(&case, least <= ms(longest / 10), "some near 0", least)?;
        let middle = waits[CALLS / 2];
        let even = ms(longest / 3)..=ms(longest * 2 / 3);
        holds(&case, even.contains(&middle), "half of them below the middle", middle)?;
    }
    Ok(())
}

async fn who_asks_for_time_gets_it(subject: &dyn LayersSubject) -> Outcome {
    let settings =
        only(&["retry"], "retry = { attempts = 3, first_wait = \"100ms\", longest_wait = \"1s\" }");
    let busy = Fault::new(ErrorKind::Throttled);
    let script = [Step::fails(busy.with_wait(s(7))), Step::fails(DOWN.with_wait(ms(1))), DONE];
    let scene = Scene::new(subject, &settings, &script)?;
    ok("a call that was asked to wait 7s", scene.store.check().await)?;
    let begun: Vec<_> = scene.attempts().iter().map(|one| one.begun).collect();
    let &[_, second, third] = begun.as_slice() else {
        return Err(Failure::new("attempts", "3", format!("{begun:?}")));
    };
    holds("the second attempt", second >= s(7), "after 7s", second)?;
    holds("the second attempt", second <= s(8), "before 8s", second)?;
    let more = third.saturating_sub(second);
    holds("the third attempt", more <= ms(200) + super::RESOLUTION, "within 200ms", more)
}

async fn no_wait_for_nothing(subject: &dyn LayersSubject) -> Outcome {
    let settings = only(&["deadline", "retry"], "deadline = \"10s\"");
    let busy = Fault::new(ErrorKind::Throttled).with_message("busy");
    for wait in [s(10), s(3600), s(u64::MAX)] {
        let scene = Scene::new(subject, &settings, &[Step::fails(busy.with_wait(wait)), DONE])?;
        let delete = scene.store.delete(&key("a"), &DeleteOptions::default()).await;
        let case = format!("a call with 10s that is asked to wait {wait:?}");
        let error = fails_with(&case, ErrorKind::Throttled, delete)?;
        equal(format!("{case}: the wait in its error"), &Some(wait), &error.retry_after())?;
        at(&format!("{case}: its end"), s(0), scene.now())?;
        equal(format!("{case}: attempts"), &1, &scene.attempts().len())?;
    }
    // Of its caller.
    let scene =
        Scene::new(subject, &only(&["retry"], ""), &[Step::fails(busy.with_wait(s(9))), DONE])?;
    let result = scene.within(s(5)).check().await;
    fails_with("a call with 5s of its caller, asked to wait 9s", ErrorKind::Throttled, result)?;
    at("its end", s(0), scene.now())?;
    // A wait that fits.
    let scene = Scene::new(subject, &settings, &[Step::fails(busy.with_wait(s(9))), DONE])?;
    ok("a call with 10s, asked to wait 9s", scene.store.check().await)
}

async fn repeats_are_budgeted(subject: &dyn LayersSubject) -> Outcome {
    let waits = "first_wait = \"0s\", longest_wait = \"0s\"";
    for (calls, share, reserve, expected) in
        [(200, 0.1, 5, 25), (200, 0.0, 5, 5), (100, 1.0, 10, 110), (50, 0.0, 0, 0)]
    {
        let budget = format!("share = {share:?}, reserve = {reserve}");
        let settings = only(&["retry"], &format!("retry = {{ attempts = 4, {waits}, {budget} }}"));
        let scene = Scene::new(subject, &settings, &[Step::fails(DOWN)])?;
        for call in 0..calls {
            // For handles of every scope together.
            let store = scene.within(s(900 + call as u64 % 2));
            fails_with("a call that fails", ErrorKind::Unavailable, store.check().await)?;
        }
        let repeats = scene.attempts().len() - calls;
        let case = format!("repeats of {calls} calls that fail, with {budget}");
        holds(&case, repeats <= expected, format!("at most {expected}"), repeats)?;
        // What was earned before it could be saved is lost.
        holds(&case, repeats + reserve as usize + 1 >= expected, "nearly as many", repeats)?;
    }
    // What is spent is earned again.
    let settings =
        only(&["retry"], &format!("retry = {{ attempts = 2, {waits}, share = 0.5, reserve = 1 }}"));
    let script =
        [Step::fails(DOWN), Step::fails(DOWN), DONE, DONE, DONE, DONE, Step::fails(DOWN), DONE];
    let scene = Scene::new(subject, &settings, &script)?;
    fails_with("the call that spends", ErrorKind::Unavailable, scene.store.check().await)?;
    for _ in 0..4 {
        ok("a call that earns", scene.store.check().await)?;
    }
    ok("a call that fails once", scene.store.check().await)
}

async fn batches_are_repeated_key_by_key(subject: &dyn LayersSubject) -> Outcome {
    const DENIED: Fault = Fault::new(ErrorKind::PermissionDenied);
    const FIRST: Step = Step::keys(&[("b", DOWN), ("c", DENIED), ("d", LOST)]);
    const SECOND: Step = Step::keys(&[("d", DOWN)]);
    let scene = Scene::new(subject, &at_once(3), &[FIRST, SECOND, SECOND])?;
    let names = ["a", "b", "c", "d", "e"].map(key);
    for name in &names {
        scene.stored(name.as_str(), "content").await?;
    }
    let results = scene.store.delete_many(&names).await;
    let sent: Vec<_> = scene.attempts().into_iter().map(|one| one.payload).collect();
    equal(
        "the keys of each attempt",
        &["a b c d e", "b d", "d"].map(str::to_owned).to_vec(),
        &sent,
    )?;
    let seen: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(_) => "deleted".to_owned(),
            Err(error) => format!(
                "{} of {}, effect {:?}",
                error.kind(),
                error.resource().unwrap_or_default(),
                error.effect()
            ),
        })
        .collect();
    let expected = [
        "deleted",
        "deleted",
        "permission denied of c, effect No",
        "unavailable of d, effect Unknown",
        "deleted",
    ];
    equal("the results", &expected.map(str::to_owned).to_vec(), &seen)?;

    // A batch that is cut off: what was answered stays answered.
    const THEN: Step = Step::keys(&[("b", DOWN)]);
    let settings = only(
        &["retry", "attempt-timeout"],
        "attempt_timeout = \"1s\"\nretry = { attempts = 2, first_wait = \"0s\" }",
    );
    let scene = Scene::new(subject, &settings, &[THEN, crate::layers::scene::HANGS])?;
    let results = scene.store.delete_many(&names[..2]).await;
    let seen: Vec<_> = results.iter().map(|one| one.as_ref().err().map(|e| e.kind())).collect();
    equal("the results", &vec![None, Some(ErrorKind::Timeout)], &seen)?;
    // An empty batch is no reason for anything.
    let scene = Scene::new(subject, &at_once(2), &[DONE])?;
    equal("results of an empty batch", &0, &scene.store.delete_many(&[]).await.len())?;
    let gone = scene.store.delete(&key("a"), &DeleteOptions::default()).await;
    ok("delete", gone).map(drop)
}
