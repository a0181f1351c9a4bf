//! Limits: LAY-060 to LAY-062.

use futures_util::future::join_all;
use omni_contracts::storage::DeleteOptions;
use omni_contracts::{Effect, ErrorKind};
use tokio::time::{Duration, sleep, timeout};

use super::{at, ms, only, s};
use crate::Outcome;
use crate::check::{equal, fails_with, holds, ok};
use crate::layers::scene::{Attempt, DONE, DOWN, HANGS, Scene, Step, key};
use crate::layers::{LayerCheck, LayersSubject, check};

pub(super) const CHECKS: &[LayerCheck] = &[
    check!("LAY-060", places_are_kept_and_given_back),
    check!("LAY-061", waiting_has_its_own_time),
    check!("LAY-062", the_rate_is_kept_and_used),
];

/// Makes calls at once, in order, on keys that are numbers.
async fn at_once(scene: &Scene, calls: usize) -> usize {
    let names: Vec<_> = (0..calls).map(|number| key(&format!("k{number:03}"))).collect();
    let options = DeleteOptions::default();
    let deletes = names.iter().map(|name| scene.store.delete(name, &options));
    join_all(deletes).await.iter().filter(|result| result.is_ok()).count()
}

/// The most attempts that were under way at once.
fn most(attempts: &[Attempt]) -> usize {
    let at = |time: Duration| {
        let runs = |one: &&Attempt| one.begun <= time && one.ended.is_none_or(|ended| ended > time);
        attempts.iter().filter(runs).count()
    };
    attempts.iter().map(|one| at(one.begun)).max().unwrap_or(0)
}

async fn places_are_kept_and_given_back(subject: &dyn LayersSubject) -> Outcome {
    let settings = only(&[], "concurrency = 3");
    for (case, step) in [("answered", DONE), ("failing", Step::fails(DOWN))] {
        let scene = Scene::new(subject, &settings, &[step.after(s(1))])?;
        at_once(&scene, 10).await;
        let attempts = scene.attempts();
        equal(format!("{case} calls under way at once, with 3 places"), &3, &most(&attempts))?;
        at(&format!("the end of 10 {case} calls of 1s"), s(4), scene.now())?;
        let order: Vec<_> = attempts.iter().map(|one| one.resource.clone()).collect();
        let sorted: Vec<_> = (0..10).map(|number| format!("k{number:03}")).collect();
        equal("the order in which they began", &sorted, &order)?;
    }
    // Given up, on its way and while it waits.
    let scene = Scene::new(subject, &settings, &[HANGS, HANGS, HANGS, DONE])?;
    let given_up = timeout(s(1), at_once(&scene, 6)).await;
    holds("six calls that hang", given_up.is_err(), "no end", &given_up)?;
    equal("their attempts", &3, &scene.attempts().len())?;
    equal("calls after they were given up", &10, &at_once(&scene, 10).await)?;
    at("the end of those", s(1), scene.now())
}

async fn waiting_has_its_own_time(subject: &dyn LayersSubject) -> Outcome {
    let settings = only(&["attempt-timeout"], "concurrency = 1\nattempt_timeout = \"5s\"");
    let scene = Scene::new(subject, &settings, &[DONE.after(s(4))])?;
    equal("calls of 4s one after the other, with 5s each", &5, &at_once(&scene, 5).await)?;
    let paced = only(
        &["attempt-timeout"],
        "rate = { per_second = 1, burst = 1 }\nattempt_timeout = \"500ms\"",
    );
    let scene = Scene::new(subject, &paced, &[DONE.after(ms(400))])?;
    equal("calls of 400ms, one a second, with 500ms each", &5, &at_once(&scene, 5).await)?;

    let settings = only(&["deadline"], "concurrency = 1\ndeadline = \"2s\"");
    let scene = Scene::new(subject, &settings, &[HANGS])?;
    let (name, options) = (key("a"), DeleteOptions::default());
    let waiting = async {
        sleep(s(1)).await;
        (scene.store.delete(&name, &options).await, scene.now())
    };
    let (first, (second, ended)) = tokio::join!(scene.store.check(), waiting);
    fails_with("the call that has the place", ErrorKind::Timeout, first)?;
    // Its place is free at 2s, then the second hangs, too.
    let error = fails_with("the call that waited", ErrorKind::Timeout, second)?;
    at("its end", s(3), ended)?;
    equal("its effect, its attempt having begun", &Effect::Unknown, &error.effect())?;

    let scene = Scene::new(subject, &only(&[], "concurrency = 1"), &[HANGS])?;
    let store = scene.within(s(2));
    let (_, second) = tokio::join!(timeout(s(5), scene.store.check()), async {
        sleep(ms(1)).await;
        (store.delete(&name, &options).await, scene.now())
    });
    let error = fails_with("a call that waits to its deadline", ErrorKind::Timeout, second.0)?;
    at("its end", s(2), second.1)?;
    equal("its effect, no attempt having begun", &Effect::No, &error.effect())?;
    equal("attempts", &1, &scene.attempts().len())
}

async fn the_rate_is_kept_and_used(subject: &dyn LayersSubject) -> Outcome {
    for (per_second, burst, calls) in [(10, 5, 50), (100, 1, 150), (7, 7, 40)] {
        let rate = format!("rate = {{ per_second = {per_second}, burst = {burst} }}");
        let scene = Scene::new(subject, &only(&[], &rate), &[DONE])?;
        equal("calls", &calls, &at_once(&scene, calls).await)?;
        let begun: Vec<_> = scene.attempts().iter().map(|one| one.begun).collect();
        for (first, from) in begun.iter().enumerate() {
            for (number, to) in begun[first..].iter().enumerate() {
                let span = to.saturating_sub(*from).as_secs_f64();
                let allowed = f64::from(burst) + f64::from(per_second) * (span + 0.003);
                let case = format!("calls begun within {span:.3}s, with {rate}");
                holds(
                    case,
                    (number + 1) as f64 <= allowed,
                    format!("at most {allowed:.1}"),
                    number + 1,
                )?;
            }
        }
        let needed = (calls - burst as usize) as f64 / f64::from(per_second);
        let last = begun.last().copied().unwrap_or_default().as_secs_f64();
        let case = format!("the begin of the last of {calls} calls, with {rate}");
        holds(case, last <= needed * 1.2 + 0.01, format!("at about {needed:.2}s"), last)?;
    }
    // After a pause there is a burst again, and no more than that.
    let settings = only(&[], "rate = { per_second = 10, burst = 5 }");
    let scene = Scene::new(subject, &settings, &[DONE])?;
    at_once(&scene, 5).await;
    sleep(s(60)).await;
    let before = scene.now();
    at_once(&scene, 6).await;
    let begun: Vec<_> = scene.attempts()[5..].iter().map(|one| one.begun - before).collect();
    holds(
        "five calls after a pause",
        begun[..5].iter().all(|one| *one <= ms(2)),
        "at once",
        &begun,
    )?;
    holds("the sixth", begun[5] >= ms(90), "a tenth of a second later", &begun)?;
    // Repeats count: the back-end sees them.
    let settings = only(
        &["retry"],
        "rate = { per_second = 1, burst = 1 }\n\
         retry = { attempts = 4, first_wait = \"0s\", longest_wait = \"0s\" }",
    );
    let scene = Scene::new(subject, &settings, &[Step::fails(DOWN)])?;
    fails_with("a call that fails", ErrorKind::Unavailable, scene.store.check().await)?;
    holds("the end of four attempts, one a second", scene.now() >= ms(2990), "3s", scene.now())?;
    ok("the scene", Ok(()))
}
