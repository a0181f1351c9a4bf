//! Contents: counted as they pass, and their spans current while they are read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use omni_contracts::{Body, Call, Operation, Result};

use crate::record::{Outcome, Record};

/// How many bytes pass before they are counted: counting each chunk would cost more than it tells.
const COUNTED: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Transmit,
    Receive,
}

/// The same body, seen as it passes.
pub(crate) fn watched(record: &Arc<Record>, call: &Call<'_>, body: Body) -> Body {
    let direction = match call.operation {
        Operation::Get | Operation::GetRanges => Direction::Receive,
        _ => Direction::Transmit,
    };
    let length = body.length();
    match body.into_bytes() {
        Ok(bytes) => {
            count(record, direction, bytes.len() as u64);
            Body::from(bytes)
        }
        Err(body) => {
            let content = Content {
                body,
                direction,
                begun: Instant::now(),
                uncounted: 0,
                outcome: Outcome::CANCELLED,
                record: Arc::clone(record),
            };
            Body::from_stream(content, length)
        }
    }
}

fn count(record: &Record, direction: Direction, bytes: u64) {
    let known = record.shared.state.of(record.operation);
    let attributes = match direction {
        Direction::Transmit => &known.transmitted,
        Direction::Receive => &known.received,
    };
    record.shared.pipeline.instruments.content_size.add(bytes, attributes);
}

/// A content on its way.
struct Content {
    body: Body,
    direction: Direction,
    begun: Instant,
    uncounted: u64,
    outcome: Outcome,
    record: Arc<Record>,
}

impl Stream for Content {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let current = self.record.enter();
        let item = ready!(self.body.poll_next_unpin(task));
        drop(current);
        match &item {
            Some(Ok(bytes)) => {
                self.uncounted += bytes.len() as u64;
                if self.uncounted >= COUNTED {
                    count(&self.record, self.direction, self.uncounted);
                    self.uncounted = 0;
                }
            }
            Some(Err(error)) => {
                self.outcome = Outcome::of(error.kind());
                // What fails on its way out fails the call, which tells it.
                if self.direction == Direction::Receive {
                    self.record.content_failed(error);
                }
            }
            None => self.outcome = Outcome::OK,
        }
        Poll::Ready(item)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        if self.uncounted > 0 {
            count(&self.record, self.direction, self.uncounted);
        }
        if self.direction == Direction::Receive {
            self.record.content_ended(self.begun, self.outcome);
        }
    }
}
