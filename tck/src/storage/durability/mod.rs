//! `STO-170` to `STO-173` and `STO-191`: what stays after the handle, the process and a kill; what an
//! interruption leaves behind; and how much memory a stream takes.

mod kill;
mod leftover;
mod reopen;

use crate::check::{check, equal, holds};
use crate::reference::Content;
use crate::worker::{Command, Length, Reply};
use crate::{Check, Context, Failure, Outcome};

use self::kill::{what_survives_a_kill_is_consistent, what_was_acknowledged_survives_a_kill};
use self::leftover::leftovers_are_freed;
use self::reopen::what_was_acknowledged_is_there_after_reopening;

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-170",
        what_was_acknowledged_is_there_after_reopening,
        "look for what is written only when the handle is dropped, or kept only in the handle"
    ),
    check!(
        "STO-171",
        what_was_acknowledged_survives_a_kill,
        "look for acknowledgements that come before the data has left the process, and for files that are written in place"
    ),
    check!(
        "STO-172",
        what_survives_a_kill_is_consistent,
        "look for changes that are made in two steps without a transaction or a recovery"
    ),
    check!(
        "STO-173",
        leftovers_are_freed,
        "look for temporary files and parts that nobody removes when their process is gone"
    ),
    check!(
        "STO-191",
        streams_take_bounded_memory,
        "look for bodies that are collected, or queues without a bound between reader and writer"
    ),
];

/// The most that the process of a stream may grow, in KiB.
const MAX_GROWTH: u64 = 64 * 1024;

async fn streams_take_bounded_memory(cx: &Context) -> Outcome {
    // In a process of its own, whose memory nothing else uses.
    let mut worker = cx.worker().await?;
    for (mebibytes, length) in [(256, Length::Unknown), (128, Length::Stated)] {
        let content = Content::new(cx.seed(), mebibytes << 20);
        let situation = format!("a stream of {mebibytes} MiB, length {length:?}, put and read");
        match worker.ask(&Command::Stream { content, length }).await? {
            Ok(Reply::Memory { before, after, wrong }) => {
                equal(format!("{situation}: the first wrong byte"), &None, &wrong)?;
                // Where the system does not say what a process uses, only the bytes are checked.
                if let Some((before, after)) = before.zip(after) {
                    let grown = after.saturating_sub(before);
                    let expected = format!("at most {MAX_GROWTH} KiB more memory");
                    holds(situation, grown <= MAX_GROWTH, expected, format!("{grown} KiB more"))?;
                }
            }
            other => return Err(unexpected(&situation, other)),
        }
    }
    Ok(())
}

fn unexpected(situation: &str, answer: omni_contracts::Result<Reply>) -> Failure {
    let seen = match answer {
        Ok(reply) => format!("{reply:?}"),
        Err(error) => format!("error: {error}"),
    };
    Failure::new(situation, "success", seen)
}
