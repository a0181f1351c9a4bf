//! What a run came to, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::output::size;

/// The most names that are kept of those that failed or were refused; the rest is counted.
const SHOWN: usize = 1000;

/// What was done about one name.
#[derive(Debug)]
pub(crate) enum Done {
    Same,
    Copied {
        bytes: u64,
        /// Whether the source was written meanwhile, and the newer version was copied.
        changed: bool,
    },
    Deleted,
    /// Only the target has it.
    Left,
    /// It was deleted from the source meanwhile.
    Vanished,
    /// The target cannot have it.
    Refused(String),
    Failed(String),
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) copied: u64,
    pub(crate) bytes: u64,
    pub(crate) same: u64,
    pub(crate) deleted: u64,
    pub(crate) left: u64,
    pub(crate) changed: u64,
    pub(crate) vanished: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) elapsed: Duration,
    /// Names and reasons, the first of them.
    problems: Vec<(String, String)>,
}

impl Summary {
    pub(crate) fn add(&mut self, name: String, done: Done) {
        match done {
            Done::Same => self.same += 1,
            Done::Copied { bytes, changed } => {
                self.copied += 1;
                self.bytes += bytes;
                self.changed += u64::from(changed);
            }
            Done::Deleted => self.deleted += 1,
            Done::Left => self.left += 1,
            Done::Vanished => self.vanished += 1,
            Done::Refused(why) => {
                self.refused += 1;
                self.note(name, why);
            }
            Done::Failed(why) => {
                self.failed += 1;
                self.note(name, why);
            }
        }
    }

    fn note(&mut self, name: String, why: String) {
        if self.problems.len() < SHOWN {
            self.problems.push((name, why));
        }
    }

    /// Whether everything that was asked for is done.
    pub(crate) fn is_complete(&self) -> bool {
        self.refused == 0 && self.failed == 0
    }

    pub(crate) fn value(&self) -> Value {
        let problem = |(name, why): &(String, String)| json!({ "name": name, "why": why });
        json!({
            "copied": self.copied, "bytes": self.bytes, "same": self.same,
            "deleted": self.deleted, "left": self.left, "changed": self.changed,
            "vanished": self.vanished, "refused": self.refused, "failed": self.failed,
            "seconds": self.elapsed.as_secs_f64(),
            "problems": self.problems.iter().map(problem).collect::<Vec<_>>(),
        })
    }

    /// One line; what is zero and not asked for is not said.
    pub(crate) fn text(&self, copied: &str) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let mut text =
            format!("{} {copied}, {}, {} the same", self.copied, size(self.bytes), self.same);
        for (count, what) in [
            (self.deleted, "deleted"),
            (self.left, "only at the target"),
            (self.changed, "written meanwhile"),
            (self.vanished, "deleted meanwhile"),
            (self.refused, "that the target cannot have"),
            (self.failed, "FAILED"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        let rate = size((self.bytes as f64 / seconds.max(0.001)) as u64);
        text.push_str(&format!("; {seconds:.1} s, {rate}/s"));
        text
    }
}
