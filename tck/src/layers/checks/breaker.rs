//! The circuit breaker: LAY-050 to LAY-058.

use omni_contracts::{Effect, ErrorKind, Result};
use tokio::time::{sleep, timeout};

use super::{at, ms, only, s};
use crate::Outcome;
use crate::check::{equal, fails_with, holds, ok};
use crate::layers::scene::{DONE, DOWN, Fault, HANGS, Scene, Step};
use crate::layers::{LayerCheck, LayersSubject, check};

pub(super) const CHECKS: &[LayerCheck] = &[
    check!("LAY-050", the_breaker_judges_by_numbers),
    check!("LAY-051", answers_are_no_failures),
    check!("LAY-052", open_refuses_at_once),
    check!("LAY-053", one_call_tries),
    check!("LAY-054", it_closes_and_opens_again),
    check!("LAY-055", a_try_that_is_given_up_is_replaced),
    check!("LAY-056", old_outcomes_do_not_count),
    check!("LAY-057", outcomes_age),
    check!("LAY-058", cut_off_is_a_failure),
];

/// The breaker alone: judges by ten calls, half of them; stays open for 5s.
fn settings() -> String {
    only(&["breaker"], "breaker = { calls = 10, share = 0.5, window = \"10s\", open_for = \"5s\" }")
}

const FAILS: Step = Step::fails(DOWN);

/// Makes calls one after the other, and returns how many of them reached the provider.
async fn calls(scene: &Scene, number: usize) -> usize {
    let before = scene.attempts().len();
    for _ in 0..number {
        let _ = scene.store.check().await;
    }
    scene.attempts().len() - before
}

async fn the_breaker_judges_by_numbers(subject: &dyn LayersSubject) -> Outcome {
    // By script: how many calls reach the provider, of 30.
    let mixed = |good: usize, bad: usize| [vec![DONE; good], vec![FAILS; bad]].concat();
    for (case, script, expected) in [
        ("failures only", mixed(0, 30), 10),
        ("5 answers, then failures", mixed(5, 25), 10),
        ("6 answers, then failures", mixed(6, 24), 12),
        ("20 answers, then failures", mixed(20, 10), 30),
        ("answers only", mixed(30, 0), 30),
        ("failures and answers by turns, one answer more", [DONE, DONE, FAILS].repeat(10), 30),
    ] {
        let scene = Scene::new(subject, &settings(), &script)?;
        equal(format!("{case}: calls let through"), &expected, &calls(&scene, 30).await)?;
    }
    // Two back-ends, two breakers.
    let (down, up) =
        (Scene::new(subject, &settings(), &[FAILS])?, Scene::new(subject, &settings(), &[DONE])?);
    equal("calls let through to what is down", &10, &calls(&down, 20).await)?;
    equal("calls let through to another back-end", &20, &calls(&up, 20).await)
}

async fn answers_are_no_failures(subject: &dyn LayersSubject) -> Outcome {
    for kind in ErrorKind::ALL {
        let is_failure = matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout);
        let scene = Scene::new(subject, &settings(), &[Step::fails(Fault::new(*kind))])?;
        let expected = if is_failure { 10 } else { 50 };
        equal(format!("`{kind}`: calls let through of 50"), &expected, &calls(&scene, 50).await)?;
    }
    Ok(())
}

async fn open_refuses_at_once(subject: &dyn LayersSubject) -> Outcome {
    let scene = Scene::new(subject, &settings(), &[FAILS])?;
    calls(&scene, 10).await;
    for (after, left) in [(0, 5000), (2000, 3000), (4900, 100)] {
        sleep(ms(after).saturating_sub(scene.now())).await;
        let before = scene.now();
        let result = scene.store.check().await;
        let case = format!("a call {after}ms after the breaker opened");
        let error = fails_with(&case, ErrorKind::Unavailable, result)?;
        equal(format!("{case}: its effect"), &Effect::No, &error.effect())?;
        holds(format!("{case}: its error"), error.is_retryable(), "may be repeated", &error)?;
        at(&format!("{case}: the wait"), ms(left), error.retry_after().unwrap_or_default())?;
        equal(format!("{case}: its time"), &before, &scene.now())?;
        equal(format!("{case}: attempts"), &10, &scene.attempts().len())?;
    }
    Ok(())
}

/// A scene whose breaker has just opened; the eleventh attempt is by `then`.
async fn opened(
    subject: &dyn LayersSubject,
    then: &[Step],
) -> std::result::Result<Scene, crate::Failure> {
    let scene = Scene::new(subject, &settings(), &[&[FAILS; 10], then].concat())?;
    let through = calls(&scene, 20).await;
    equal("calls let through before it opens", &10, &through)?;
    Ok(scene)
}

fn refused(case: &str, result: Result<()>) -> Outcome {
    fails_with(case, ErrorKind::Unavailable, result).map(drop)
}

async fn one_call_tries(subject: &dyn LayersSubject) -> Outcome {
    let scene = opened(subject, &[DONE.after(s(2))]).await?;
    sleep(ms(4990)).await;
    refused("a call 10ms before it may try", scene.store.check().await)?;
    equal("attempts", &10, &scene.attempts().len())?;
    sleep(ms(12)).await;
    let (first, second, third) = tokio::join!(scene.store.check(), scene.store.check(), async {
        sleep(s(1)).await;
        scene.store.check().await
    });
    ok("the call that tries", first)?;
    refused("another at the same time", second)?;
    refused("another while that is on its way", third)?;
    equal("attempts", &11, &scene.attempts().len())
}

async fn it_closes_and_opens_again(subject: &dyn LayersSubject) -> Outcome {
    // An answer closes it, whatever it says; the outcomes before are forgotten.
    for answer in [DONE, Step::fails(Fault::new(ErrorKind::NotFound))] {
        let scene = opened(subject, &[answer, FAILS]).await?;
        sleep(ms(5002)).await;
        equal("the call that tries", &1, &calls(&scene, 1).await)?;
        equal("failing calls after it closed, let through of 30", &10, &calls(&scene, 30).await)?;
    }
    let scene = opened(subject, &[FAILS, DONE]).await?;
    sleep(ms(5002)).await;
    equal("the call that tries, and fails, and those after it", &1, &calls(&scene, 9).await)?;
    sleep(ms(4990)).await;
    equal("calls 4.99s after it failed", &0, &calls(&scene, 1).await)?;
    sleep(ms(12)).await;
    equal("calls 5s after it failed", &9, &calls(&scene, 9).await)
}

async fn a_try_that_is_given_up_is_replaced(subject: &dyn LayersSubject) -> Outcome {
    let scene = opened(subject, &[HANGS, DONE]).await?;
    sleep(ms(5002)).await;
    let given_up = timeout(s(1), scene.store.check()).await;
    holds("the call that tries", given_up.is_err(), "no answer in 1s", &given_up)?;
    ok("a call after it was given up", scene.store.check().await)?;
    equal("calls after that", &20, &calls(&scene, 20).await)
}

async fn old_outcomes_do_not_count(subject: &dyn LayersSubject) -> Outcome {
    // Twelve calls are on their way when the breaker opens; they end much later.
    for (case, late, expected) in
        [("fail", FAILS.after(s(8)), 10), ("are answered", DONE.after(s(3)), 0)]
    {
        let script = [vec![late; 12], vec![FAILS; 10], vec![DONE], vec![FAILS]].concat();
        let scene = Scene::new(subject, &settings(), &script)?;
        let old = async {
            let olds = (0..12).map(|_| scene.store.check());
            futures_util::future::join_all(olds).await
        };
        let new = async {
            sleep(ms(1)).await;
            equal("calls until it opens", &10, &calls(&scene, 20).await)?;
            match expected {
                0 => {
                    // They are answered at 3s, which must not close it.
                    sleep(s(4)).await;
                    equal(format!("calls after old ones {case}"), &0, &calls(&scene, 5).await)
                }
                _ => {
                    sleep(s(5)).await;
                    ok("the call that tries", scene.store.check().await)?;
                    // They fail at 8s, which must not open it again.
                    sleep(s(4)).await;
                    let through = calls(&scene, 20).await;
                    equal(format!("failing calls after old ones {case}"), &expected, &through)
                }
            }
        };
        let (_, outcome) = tokio::join!(old, new);
        outcome?;
    }
    Ok(())
}

async fn outcomes_age(subject: &dyn LayersSubject) -> Outcome {
    let scene = Scene::new(subject, &settings(), &[FAILS])?;
    equal("failing calls", &9, &calls(&scene, 9).await)?;
    sleep(s(12)).await;
    equal("failing calls 12s later, with a window of 10s", &10, &calls(&scene, 20).await)?;
    // Within it, they do count.
    let scene = Scene::new(subject, &settings(), &[FAILS])?;
    equal("failing calls", &9, &calls(&scene, 9).await)?;
    sleep(s(8)).await;
    equal("failing calls 8s later", &1, &calls(&scene, 20).await)
}

async fn cut_off_is_a_failure(subject: &dyn LayersSubject) -> Outcome {
    let scene = Scene::new(subject, &settings(), &[HANGS])?;
    for _ in 0..20 {
        let _ = scene.within(ms(100)).check().await;
    }
    equal("calls with 100ms that hang, let through of 20", &10, &scene.attempts().len())?;
    let scene = Scene::new(subject, &settings(), &[HANGS])?;
    for _ in 0..20 {
        let _ = timeout(ms(100), scene.within(s(5)).check()).await;
    }
    equal("calls with 5s given up after 100ms, let through of 20", &20, &scene.attempts().len())
}
