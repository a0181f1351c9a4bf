//! The search for an order (Wing and Gong, with the memory of states that failed before), and for
//! the shortest history that has none.

use std::collections::HashSet;

use super::Event;

/// The longest history that can be checked: one bit per operation.
pub(crate) const MAX_EVENTS: usize = 128;

/// Checks a history of an object that is missing at first. Returns what is wrong: the shortest part
/// of the history that shows it, in the order of the calls.
pub(crate) fn shortest_failing(history: &[Event]) -> Option<Vec<Event>> {
    let mut history = history.to_vec();
    history.sort_by_key(|event| event.called);
    if is_linearizable(&history) {
        return None;
    }
    // A history is wrong as soon as its beginning is: cut after the earliest return that shows it.
    let mut ends: Vec<u64> = history.iter().map(|event| event.returned).collect();
    ends.sort_unstable();
    let failing = ends.iter().map(|end| until(&history, *end)).find(|part| !is_linearizable(part));
    let mut shortest = failing.unwrap_or(history);
    // What changes nothing can be left out, as long as the rest is wrong without it. A write cannot:
    // it may be what explains the others.
    for at in (0..shortest.len()).rev() {
        let mut without = shortest.clone();
        let event = without.remove(at);
        if event.op.only_looks(event.answer) && !is_linearizable(&without) {
            shortest = without;
        }
    }
    Some(shortest)
}

/// What was known at a moment: later calls are not there, later returns unknown.
fn until(history: &[Event], end: u64) -> Vec<Event> {
    let begun = history.iter().filter(|event| event.called < end);
    begun
        .map(|event| match event.returned > end {
            true => Event { answer: None, returned: u64::MAX, ..event.clone() },
            false => event.clone(),
        })
        .collect()
}

/// Whether the operations, which are in the order of their calls, fit into one order.
fn is_linearizable(history: &[Event]) -> bool {
    assert!(history.len() <= MAX_EVENTS, "histories are kept short by those who record them");
    let must: u128 = bits(history, |event| event.answer.is_some());
    let mut failed = HashSet::new();
    let mut open = vec![(0_u128, None)];
    while let Some((done, state)) = open.pop() {
        if done & must == must {
            return true;
        }
        if !failed.insert((done, state)) {
            continue;
        }
        // The next one must have been called before every other one that is left had returned.
        let left = || (0..history.len()).filter(|at| done & (1 << at) == 0);
        let answered = left().filter(|at| history[*at].answer.is_some());
        let first_return = answered.map(|at| history[at].returned).min().unwrap_or(u64::MAX);
        for at in left().take_while(|at| history[*at].called < first_return) {
            let Event { op, answer, .. } = &history[at];
            if let Some(after) = op.apply(state, *answer) {
                open.push((done | (1 << at), after));
            }
        }
    }
    false
}

fn bits(history: &[Event], which: impl Fn(&Event) -> bool) -> u128 {
    let chosen = history.iter().enumerate().filter(|(_, event)| which(event));
    chosen.fold(0, |bits, (at, _)| bits | (1 << at))
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Expects, Op};
    use super::*;

    const DONE: Option<Answer> = Some(Answer::Done { existed: None });
    const REFUSED: Option<Answer> = Some(Answer::Refused);

    fn found(write: u64) -> Option<Answer> {
        Some(Answer::Found(Some(write)))
    }

    fn write(write: u64, expects: Expects) -> Op {
        Op::Write { write, expects }
    }

    fn put(number: u64) -> Op {
        write(number, Expects::Anything)
    }

    fn create(number: u64) -> Op {
        write(number, Expects::Nothing)
    }

    fn swap(number: u64, expected: u64) -> Op {
        write(number, Expects::Write(expected))
    }

    /// Operations with their times, each of its own client.
    fn history(events: &[(u64, u64, Op, Option<Answer>)]) -> Vec<Event> {
        let event = |(client, (called, returned, op, answer)): (usize, &(u64, u64, Op, _))| Event {
            client,
            op: *op,
            answer: *answer,
            called: *called,
            returned: *returned,
        };
        events.iter().enumerate().map(event).collect()
    }

    fn fails(events: &[(u64, u64, Op, Option<Answer>)]) -> bool {
        shortest_failing(&history(events)).is_some()
    }

    const MISSING: Option<Answer> = Some(Answer::Found(None));
    const DELETE: Op = Op::Delete { if_match: None };

    #[test]
    fn accepts_what_has_an_order() {
        assert!(!fails(&[]));
        assert!(!fails(&[
            (1, 2, Op::Read, MISSING),
            (3, 4, put(1), DONE),
            (5, 6, Op::Read, found(1))
        ]));
        // While a write is under way, reads may see it or not, and once seen it stays.
        assert!(!fails(&[
            (1, 10, put(1), DONE),
            (2, 3, Op::Read, MISSING),
            (4, 5, Op::Read, found(1)),
            (6, 7, Op::Read, found(1)),
        ]));
        assert!(!fails(&[(1, 4, create(1), DONE), (2, 3, create(2), REFUSED)]));
        assert!(!fails(&[
            (1, 2, put(1), DONE),
            (3, 6, swap(2, 1), DONE),
            (4, 5, swap(3, 1), REFUSED)
        ]));
    }

    #[test]
    fn an_unknown_outcome_may_be_anywhere_or_nowhere() {
        for read in [MISSING, found(1)] {
            assert!(!fails(&[(1, 2, put(1), None), (5, 6, Op::Read, read)]));
        }
        // But not twice: seen, then gone, then there again.
        assert!(fails(&[
            (1, 2, put(1), None),
            (3, 4, Op::Read, found(1)),
            (5, 6, DELETE, DONE),
            (7, 8, Op::Read, found(1)),
        ]));
    }

    #[test]
    fn refuses_a_stale_read() {
        assert!(fails(&[(1, 2, put(1), DONE), (3, 4, put(2), DONE), (5, 6, Op::Read, found(1)),]));
        assert!(fails(&[
            (1, 10, put(1), DONE),
            (2, 3, Op::Read, found(1)),
            (4, 5, Op::Read, MISSING),
        ]));
    }

    #[test]
    fn refuses_a_lost_update_and_two_winners() {
        assert!(fails(
            &[(1, 2, put(1), DONE), (3, 6, swap(2, 1), DONE), (4, 5, swap(3, 1), DONE),]
        ));
        assert!(fails(&[(1, 4, create(1), DONE), (2, 3, create(2), DONE)]));
        assert!(fails(&[(1, 2, put(1), DONE), (3, 4, create(2), DONE)]));
    }

    #[test]
    fn refuses_a_delete_that_did_not_and_a_refusal_without_reason() {
        assert!(fails(&[(1, 2, put(1), DONE), (3, 4, DELETE, DONE), (5, 6, Op::Read, found(1))]));
        assert!(fails(&[(1, 2, create(1), REFUSED)]));
        let gone = Some(Answer::Done { existed: Some(false) });
        assert!(fails(&[(1, 2, put(1), DONE), (3, 4, DELETE, gone)]));
    }

    #[test]
    fn shows_only_what_is_needed() {
        let events = [
            (1, 2, put(1), DONE),
            (3, 4, Op::Read, found(1)),
            (5, 6, create(9), REFUSED),
            (7, 8, put(2), DONE),
            (9, 10, Op::Read, found(1)),
            (11, 12, put(3), DONE),
            (13, 14, Op::Read, found(3)),
        ];
        let shortest = shortest_failing(&history(&events)).unwrap();
        assert_eq!(shortest.iter().map(|event| event.called).collect::<Vec<_>>(), [1, 7, 9]);
    }

    #[test]
    fn a_long_history_is_checked_fast() {
        // Four clients that all overlap, over and over.
        let mut events = Vec::new();
        for round in 0..30 {
            let start = round * 10;
            for client in 0..4 {
                events.push((
                    start + client,
                    start + 5 + client,
                    put(round * 4 + client + 1),
                    DONE,
                ));
            }
        }
        assert!(!fails(&events));
        events.push((400, 401, Op::Read, found(1)));
        assert!(fails(&events));
    }
}
