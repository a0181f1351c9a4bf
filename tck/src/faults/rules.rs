//! The clauses of `docs/spec/faults.md`, as judgements on what was noted.

use std::fmt;

use omni_contracts::{Effect, Error, ErrorKind};

use super::operations::{Answer, Operation as Op, SIZE, Scene};
use super::plan::Fault;
use super::proxy::{Exchange, WAIT};
use super::{Observation, limit};
use crate::check::{Failure, Outcome};

/// How one clause is judged.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The clause: `FLT-001`.
    pub id: &'static str,
    /// What is judged, as an identifier.
    pub name: &'static str,
    /// Whether the clause is about what happened.
    applies: fn(&Observation) -> bool,
    /// What is wrong about it: what was expected, and what was seen.
    judge: fn(&Observation) -> Result<(), (String, String)>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.id, self.name)
    }
}

/// All of them, in the order of the clauses.
pub const RULES: &[Rule] = &[
    Rule { id: "FLT-001", name: "operations_end_in_time", applies: |_| true, judge: ends_in_time },
    Rule {
        id: "FLT-002",
        name: "success_is_success",
        applies: |seen| seen.acted.result.is_ok() && !is_spoiled(seen),
        judge: is_done,
    },
    Rule {
        id: "FLT-003",
        name: "no_effect_is_no_effect",
        applies: |seen| effect(seen).is_some_and(|effect| effect != Effect::Unknown),
        judge: effect_is_true,
    },
    Rule {
        id: "FLT-004",
        name: "in_doubt_is_all_or_nothing",
        applies: |seen| effect(seen) == Some(Effect::Unknown),
        judge: all_or_nothing,
    },
    Rule {
        id: "FLT-005",
        name: "own_writes_are_nobody_elses",
        applies: |seen| seen.operation.is_conditional(),
        judge: not_somebody_elses,
    },
    Rule {
        id: "FLT-006",
        name: "faults_are_told_as_faults",
        applies: |seen| seen.acted.result.is_err(),
        judge: told_as_faults,
    },
    Rule { id: "FLT-007", name: "one_fault_is_survived", applies: is_survivable, judge: succeeds },
    Rule {
        id: "FLT-008",
        name: "who_is_told_to_wait_waits",
        applies: |seen| seen.only().is_some_and(|exchange| exchange.fault == Fault::Throttle),
        judge: waits,
    },
    Rule {
        id: "FLT-009",
        name: "in_doubt_nothing_is_done_twice",
        applies: |seen| seen.layered && !seen.operation.is_repeatable(),
        judge: not_twice,
    },
    Rule {
        id: "FLT-010",
        name: "afterwards_all_is_well",
        applies: |seen| !seen.is_slow(),
        judge: |seen| match &seen.next {
            Ok(()) => Ok(()),
            Err(error) => Err(("a get that succeeds afterwards".to_owned(), shown(error))),
        },
    },
    Rule {
        id: "FLT-011",
        name: "what_was_changed_on_the_way_is_found_out",
        applies: is_spoiled,
        judge: is_done,
    },
    Rule {
        id: "FLT-012",
        name: "contents_are_read_on",
        applies: |seen| {
            let breaks = |exchange: &Exchange| {
                exchange.answered >= SIZE
                    && matches!(exchange.fault, Fault::CutAnswer | Fault::ShortenAnswer)
            };
            seen.operation == Op::Get && seen.only().is_some_and(breaks)
        },
        judge: succeeds,
    },
];

impl Rule {
    /// Judges everything that was noted.
    ///
    /// # Errors
    ///
    /// The first thing that breaks the clause, or that nothing was noted that it is about.
    pub fn judge(&self, noted: &[Observation]) -> Outcome {
        let mut judged = 0_u32;
        for seen in noted.iter().filter(|seen| (self.applies)(seen)) {
            judged += 1;
            (self.judge)(seen).map_err(|(expected, saw)| {
                Failure::new(seen.situation(), expected, saw).with_steps(seen.steps())
            })?;
        }
        match judged {
            0 => Err(Failure::new(self.name, "something that the clause is about", "nothing")),
            _ => Ok(()),
        }
    }
}

fn shown(error: &Error) -> String {
    format!("error: {error}, effect {:?}", error.effect())
}

fn effect(seen: &Observation) -> Option<Effect> {
    seen.acted.result.as_ref().err().map(Error::effect)
}

fn is_spoiled(seen: &Observation) -> bool {
    seen.exchanges.iter().any(|exchange| exchange.fault.spoils())
}

fn ends_in_time(seen: &Observation) -> Result<(), (String, String)> {
    let limit = limit(seen);
    // A content is read after the call has ended.
    let reading = seen.acted.in_all.saturating_sub(seen.acted.called);
    match seen.acted.called.max(reading) {
        took if took <= limit => Ok(()),
        took => Err((format!("an end within {limit:?}"), format!("it took {took:?}"))),
    }
}

/// Success means that what was asked for is there, and what was answered is so.
fn is_done(seen: &Observation) -> Result<(), (String, String)> {
    let Ok(Answer { said, version }) = &seen.acted.result else { return Ok(()) };
    let Observation { after, clean, .. } = seen;
    if *said != clean.said {
        return Err((format!("the answer {}", clean.said), said.clone()));
    }
    if !after.is(&clean.after, seen.operation) {
        return Err((format!("what is stored: {:?}", clean.after), format!("{after:?}")));
    }
    let stored = after.versions.get(Scene::target(seen.operation));
    match version {
        Some(version) if Some(version) != stored => {
            Err((format!("the version {stored:?}"), format!("{version:?}")))
        }
        _ => Ok(()),
    }
}

fn effect_is_true(seen: &Observation) -> Result<(), (String, String)> {
    let Err(error) = &seen.acted.result else { return Ok(()) };
    let Observation { before, after, clean, .. } = seen;
    let kept = match error.effect() {
        // One of several keys: the others have results of their own.
        Effect::No if seen.operation == Op::DeleteMany => {
            after.objects.iter().all(|object| before.objects.get(object.0) == Some(object.1))
        }
        Effect::No => after.is(before, seen.operation),
        Effect::Yes => after.is(&clean.after, seen.operation),
        Effect::Unknown => true,
    };
    let gone = seen.acted.gone.iter().all(|name| !after.objects.contains_key(name));
    match kept && gone {
        true => Ok(()),
        false => Err((
            format!("what is stored, as the error says: before {before:?}"),
            format!("{}; {after:?}", shown(error)),
        )),
    }
}

fn all_or_nothing(seen: &Observation) -> Result<(), (String, String)> {
    let Observation { before, after, clean, .. } = seen;
    let one_by_one = seen.operation == Op::DeleteMany
        && after.objects.iter().all(|object| before.objects.get(object.0) == Some(object.1));
    match after.is(before, seen.operation) || after.is(&clean.after, seen.operation) || one_by_one {
        true => Ok(()),
        false => {
            Err((format!("{before:?} or {:?}", clean.after), format!("what is stored: {after:?}")))
        }
    }
}

fn not_somebody_elses(seen: &Observation) -> Result<(), (String, String)> {
    match &seen.acted.result {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::AlreadyExists | ErrorKind::PreconditionFailed | ErrorKind::NotFound
            ) =>
        {
            Err(("success, or the fault that happened".to_owned(), shown(error)))
        }
        _ => Ok(()),
    }
}

fn told_as_faults(seen: &Observation) -> Result<(), (String, String)> {
    let Err(error) = &seen.acted.result else { return Ok(()) };
    let had = |fault| seen.exchanges.iter().any(|exchange| exchange.fault == fault);
    let known = match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Timeout => true,
        ErrorKind::Throttled => had(Fault::Throttle) || had(Fault::Busy),
        ErrorKind::Corrupt => is_spoiled(seen),
        _ => false,
    };
    match known {
        true => Ok(()),
        false => Err(("an error that says what happened".to_owned(), shown(error))),
    }
}

/// One fault, of an operation that may be repeated, with layers that repeat.
fn is_survivable(seen: &Observation) -> bool {
    seen.only().is_some_and(|Exchange { fault, .. }| {
        let repeated = seen.layered && seen.operation.is_repeatable() && !fault.spoils();
        *fault == Fault::SlowAnswer || repeated
    })
}

fn succeeds(seen: &Observation) -> Result<(), (String, String)> {
    match &seen.acted.result {
        Ok(_) => is_done(seen),
        Err(error) => Err(("success".to_owned(), shown(error))),
    }
}

/// Whether what went wrong was a stream of HTTP/2.
fn is_of_grpc(seen: &Observation) -> bool {
    seen.only().is_some_and(|exchange| exchange.request.starts_with("stream "))
}

fn waits(seen: &Observation) -> Result<(), (String, String)> {
    if !seen.layered {
        return match &seen.acted.result {
            // What is left over is cleared another time.
            Ok(_) if seen.operation == Op::CompleteUpload => is_done(seen),
            // The refusals of gRPC ask for no time.
            Err(error)
                if error.kind() == ErrorKind::Throttled
                    && (error.retry_after() == Some(WAIT) || is_of_grpc(seen)) =>
            {
                Ok(())
            }
            other => Err((
                format!("`throttled`, with a wait of {WAIT:?}"),
                other.as_ref().map_or_else(
                    |error| format!("{}, wait {:?}", shown(error), error.retry_after()),
                    |answer| answer.said.clone(),
                ),
            )),
        };
    }
    let told = seen.exchanges.iter().position(|exchange| exchange.fault == Fault::Throttle);
    let again = told.and_then(|at| {
        let told = &seen.exchanges[at];
        let mut later = seen.exchanges[at + 1..].iter();
        // Requests beside it were not told to wait.
        Some((told, later.find(|later| later.request == told.request)?))
    });
    match again.map(|(told, again)| again.begun.duration_since(told.begun)) {
        Some(waited) if waited < WAIT => {
            Err((format!("a wait of {WAIT:?}"), format!("the next request after {waited:?}")))
        }
        _ => Ok(()),
    }
}

/// A request that was answered, but the answer never came, is not sent again.
fn not_twice(seen: &Observation) -> Result<(), (String, String)> {
    let in_doubt = |fault| {
        matches!(
            fault,
            Fault::LoseAnswer | Fault::StallAnswer | Fault::CutAnswer | Fault::ShortenAnswer
        )
    };
    let method = |exchange: &Exchange| {
        let method = exchange.request.split(' ').next().unwrap_or_default();
        Some(method.to_owned()).filter(|method| !["", "GET", "HEAD", "stream"].contains(&&**method))
    };
    for (at, exchange) in seen.exchanges.iter().enumerate() {
        // What only looks may look again; the requests of streams are not read.
        let Some(asked) = method(exchange).filter(|_| in_doubt(exchange.fault)) else { continue };
        let mut later = seen.exchanges[at + 1..].iter();
        if let Some(again) = later.find(|later| method(later).as_ref() == Some(&asked)) {
            let saw = format!("another one: {}", again.request);
            return Err((format!("nothing after {}", exchange.request), saw));
        }
    }
    Ok(())
}
