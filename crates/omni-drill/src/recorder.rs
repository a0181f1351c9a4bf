//! `Recorder`: what clients of one program were told, and whether it can be true. It sees what is called
//! and what is answered, and nothing of the storage.
//!
//! Each client makes one call after the other, on keys that nobody else writes. So of each key there is
//! one content that must be there, unless a write ended in doubt: then there are several that may.

use std::collections::BTreeMap;

use omni_contracts::ErrorKind;
use serde::Serialize;

use crate::protocol::{Begun, Call, Content, Ended, Failed, Outcome};

/// Something that cannot be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of.
    pub wrong: Wrong,
    /// The key.
    pub key: String,
    /// When it was seen, in microseconds since 1970.
    pub at: u64,
    /// When the earliest write was acknowledged that is lost.
    pub since: Option<u64>,
    /// What was there, or not, instead of what.
    pub text: String,
}

/// The ways to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// What was acknowledged is not there: an older state is, or nothing.
    Lost,
    /// What is there was never written so.
    Mixed,
    /// A client that creates was told that there is something already, and it was his own or nothing.
    AlreadyExists,
    /// Members that count have something else under a key when all is quiet.
    Differs,
}

/// A call that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) client: usize,
    pub(crate) call: Call,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) succeeded: bool,
}

/// What may be under a key: the number of a content, or nothing.
type State = Option<u64>;

#[derive(Debug)]
struct Known {
    /// What was there last, for certain.
    certain: State,
    /// What may have come after it.
    doubts: Vec<State>,
    /// What was acknowledged, in order, and when.
    acknowledged: Vec<(State, u64)>,
}

impl Known {
    fn new() -> Self {
        Self { certain: None, doubts: Vec::new(), acknowledged: Vec::new() }
    }

    fn may_be(&self, state: State) -> bool {
        self.certain == state || self.doubts.contains(&state)
    }

    fn acknowledge(&mut self, state: State, at: u64) {
        self.certain = state;
        self.doubts.clear();
        self.acknowledged.push((state, at));
    }

    /// When the first write was acknowledged after which `state` was not there any more.
    fn lost_since(&self, state: State) -> Option<u64> {
        let after = match self.acknowledged.iter().rposition(|(known, _)| *known == state) {
            Some(at) => at + 1,
            // Before the first write there was nothing.
            None if state.is_none() => 0,
            // Not one of those that were acknowledged: that of the last is what is lost for certain.
            None => self.acknowledged.len().saturating_sub(1),
        };
        self.acknowledged.get(after).map(|(_, at)| *at)
    }
}

/// What is known of one program, over all its starts.
#[derive(Debug)]
pub(crate) struct Recorder {
    prefix: String,
    /// By client and key.
    keys: BTreeMap<(usize, usize), Known>,
    /// What clients are waiting for.
    pending: BTreeMap<usize, Begun>,
    pub(crate) ran: Vec<Ran>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) errors: BTreeMap<String, u64>,
    /// The first errors of each kind, in full.
    pub(crate) examples: BTreeMap<String, String>,
    pub(crate) acknowledged: u64,
    /// The highest number of a content.
    pub(crate) highest: u64,
    /// When the last call of each client was begun that succeeded.
    succeeded: BTreeMap<usize, u64>,
}

impl Recorder {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            keys: BTreeMap::new(),
            pending: BTreeMap::new(),
            ran: Vec::new(),
            findings: Vec::new(),
            errors: BTreeMap::new(),
            examples: BTreeMap::new(),
            acknowledged: 0,
            highest: 0,
            succeeded: BTreeMap::new(),
        }
    }

    fn name(&self, client: usize, key: usize) -> String {
        crate::protocol::key(&self.prefix, client, key)
    }

    fn known(&mut self, client: usize, key: usize) -> &mut Known {
        self.keys.entry((client, key)).or_insert_with(Known::new)
    }

    pub(crate) fn begun(&mut self, begun: Begun) {
        self.highest = self.highest.max(begun.number);
        self.pending.insert(begun.client, begun);
    }

    pub(crate) fn ended(&mut self, ended: &Ended) {
        // A program says what it begins before it does.
        let Some(begun) = self.pending.remove(&ended.client) else { return };
        let succeeded = self.judge(begun, ended);
        if succeeded {
            self.succeeded.insert(begun.client, begun.at);
        }
        self.ran.push(Ran {
            client: begun.client,
            call: begun.call,
            begun: begun.at,
            ended: ended.at,
            succeeded,
        });
    }

    /// Whether so many clients had success with a call that was begun since then.
    pub(crate) fn have_success_since(&self, moment: u64, clients: usize) -> bool {
        self.succeeded.values().filter(|begun| **begun >= moment).count() >= clients
    }

    /// The program was killed: what it waited for is in doubt.
    pub(crate) fn killed(&mut self) {
        for begun in std::mem::take(&mut self.pending).into_values() {
            self.doubt(begun);
        }
    }

    /// The keys that were written, by their names, for a look at the end.
    pub(crate) fn written(&self) -> Vec<(usize, usize, String)> {
        self.keys.keys().map(|(client, key)| (*client, *key, self.name(*client, *key))).collect()
    }

    /// What is under a key at the end.
    pub(crate) fn look(&mut self, client: usize, key: usize, content: Content, at: u64) {
        self.seen(client, key, content, at);
    }

    fn doubt(&mut self, begun: Begun) {
        let state = match begun.call {
            Call::Put | Call::Create | Call::Update => Some(begun.number),
            Call::Delete => None,
            Call::Get | Call::List => return,
        };
        self.known(begun.client, begun.key).doubts.push(state);
    }

    /// Whether the call did what it was for.
    fn judge(&mut self, begun: Begun, ended: &Ended) -> bool {
        match &ended.outcome {
            Outcome::Written => {
                self.acknowledged += 1;
                self.known(begun.client, begun.key).acknowledge(Some(begun.number), ended.at);
                true
            }
            Outcome::Deleted => {
                self.acknowledged += 1;
                self.known(begun.client, begun.key).acknowledge(None, ended.at);
                true
            }
            Outcome::Read(content) => {
                self.seen(begun.client, begun.key, *content, ended.at);
                true
            }
            Outcome::Listed(keys) => {
                self.listed(begun.client, keys, ended.at);
                true
            }
            Outcome::Exists(content) => {
                self.exists(begun, *content, ended.at);
                true
            }
            Outcome::Failed(failed) => self.failed(begun, failed),
        }
    }

    fn failed(&mut self, begun: Begun, failed: &Failed) -> bool {
        // A version of another member is not the current one, whoever wrote the object.
        if begun.call == Call::Update && failed.is(ErrorKind::PreconditionFailed) {
            return true;
        }
        if !failed.without_effect {
            self.doubt(begun);
        }
        *self.errors.entry(failed.kind.clone()).or_default() += 1;
        self.examples.entry(failed.kind.clone()).or_insert_with(|| failed.text.clone());
        false
    }

    /// What is there where a create was refused: something else than the create itself would have written.
    fn exists(&mut self, begun: Begun, content: Content, at: u64) {
        let own = content == Content::Whole(begun.number);
        let known = self.known(begun.client, begun.key);
        // Where something was, it is lost; where there is doubt, it may have been.
        let never = known.certain.is_none() && known.doubts.is_empty();
        if own || (never && content == Content::Nothing) {
            let text = if own { "it is his own" } else { "nothing is there" };
            self.findings.push(Finding {
                wrong: Wrong::AlreadyExists,
                key: self.name(begun.client, begun.key),
                at,
                since: None,
                text: format!("a create was refused, and {text}"),
            });
        }
        if own {
            self.known(begun.client, begun.key).acknowledge(Some(begun.number), at);
        } else {
            self.seen(begun.client, begun.key, content, at);
        }
    }

    fn seen(&mut self, client: usize, key: usize, content: Content, at: u64) {
        let name = self.name(client, key);
        let known = self.known(client, key);
        let state = match content {
            Content::Nothing => None,
            Content::Whole(number) => Some(number),
            Content::Mixed => {
                let text = "no content that was ever written there".to_owned();
                self.findings.push(Finding {
                    wrong: Wrong::Mixed,
                    key: name,
                    at,
                    since: None,
                    text,
                });
                return;
            }
        };
        if known.may_be(state) {
            if known.certain != state {
                known.certain = state;
                known.doubts.retain(|doubt| *doubt != state);
            }
            return;
        }
        let say = |state: State| match state {
            Some(number) => format!("content {number}"),
            None => "nothing".to_owned(),
        };
        let text = format!("{} is there, {} was acknowledged", say(state), say(known.certain));
        let since = known.lost_since(state);
        // Found once: it goes on from what is there.
        known.certain = state;
        known.doubts.clear();
        self.findings.push(Finding { wrong: Wrong::Lost, key: name, at, since, text });
    }

    /// What must be there is, and what must not be is not.
    fn listed(&mut self, client: usize, listed: &[usize], at: u64) {
        let mine: Vec<usize> =
            self.keys.keys().filter(|(owner, _)| *owner == client).map(|(_, key)| *key).collect();
        for key in mine {
            let known = self.known(client, key);
            let is_listed = listed.contains(&key);
            let may_be_there = known.certain.is_some() || known.doubts.iter().any(Option::is_some);
            let may_be_gone = known.certain.is_none() || known.doubts.contains(&None);
            let text = match (is_listed, may_be_there, may_be_gone) {
                (true, false, _) => "it is listed, and was deleted",
                (false, _, false) => "it is not listed, and was acknowledged",
                _ => continue,
            };
            let since = known.acknowledged.last().map(|(_, at)| *at);
            let (key, text) = (self.name(client, key), text.to_owned());
            self.findings.push(Finding { wrong: Wrong::Lost, key, at, since, text });
        }
        let twice = listed.iter().enumerate().find(|(at, key)| listed[..*at].contains(key));
        if let Some((_, key)) = twice {
            let (key, text) = (self.name(client, *key), "it is listed twice".to_owned());
            self.findings.push(Finding { wrong: Wrong::Mixed, key, at, since: None, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that calls and is answered, at times that count up.
    struct Client(Recorder, u64);

    impl Client {
        fn new() -> Self {
            Self(Recorder::new("d"), 0)
        }

        fn begins(&mut self, call: Call, number: u64) {
            self.1 += 1;
            self.0.begun(Begun { client: 0, call, key: 0, number, at: self.1 });
        }

        fn calls(&mut self, call: Call, number: u64, outcome: Outcome) -> &mut Self {
            self.begins(call, number);
            self.1 += 1;
            self.0.ended(&Ended { client: 0, outcome, at: self.1 });
            self
        }

        fn puts(&mut self, number: u64) -> &mut Self {
            self.calls(Call::Put, number, Outcome::Written)
        }

        fn reads(&mut self, content: Content) -> &mut Self {
            self.calls(Call::Get, 0, Outcome::Read(content))
        }

        fn fails(&mut self, call: Call, number: u64, kind: ErrorKind, without_effect: bool) {
            let failed =
                Failed { kind: kind.as_str().to_owned(), without_effect, text: String::new() };
            self.calls(call, number, Outcome::Failed(failed));
        }

        fn findings(&self) -> Vec<(Wrong, Option<u64>)> {
            self.0.findings.iter().map(|finding| (finding.wrong, finding.since)).collect()
        }
    }

    #[test]
    fn what_was_acknowledged_is_there() {
        let mut client = Client::new();
        client.puts(1).reads(Content::Whole(1)).puts(2).reads(Content::Whole(2));
        client.calls(Call::Delete, 0, Outcome::Deleted).reads(Content::Nothing);
        client.calls(Call::List, 0, Outcome::Listed(vec![]));
        client.puts(3).calls(Call::List, 0, Outcome::Listed(vec![0]));
        assert_eq!(client.findings(), []);
        assert_eq!((client.0.acknowledged, client.0.ran.len()), (4, 9));
    }

    #[test]
    fn what_is_lost_is_found_once_with_its_age() {
        let mut client = Client::new();
        // Acknowledged at 2, 4 and 6.
        client.puts(1).puts(2).puts(3).reads(Content::Whole(1)).reads(Content::Whole(1));
        assert_eq!(client.findings(), [(Wrong::Lost, Some(4))]);
        let mut client = Client::new();
        client.puts(1).reads(Content::Nothing);
        assert_eq!(client.findings(), [(Wrong::Lost, Some(2))]);
        let mut client = Client::new();
        client.puts(1).calls(Call::Delete, 0, Outcome::Deleted).reads(Content::Whole(1));
        assert_eq!(client.findings(), [(Wrong::Lost, Some(4))]);
        let mut client = Client::new();
        client.puts(1).calls(Call::List, 0, Outcome::Listed(vec![]));
        assert_eq!(client.findings(), [(Wrong::Lost, Some(2))]);
    }

    #[test]
    fn what_is_in_doubt_may_be_there_or_not() {
        for content in [Content::Whole(1), Content::Whole(2)] {
            let mut client = Client::new();
            client.puts(1).fails(Call::Put, 2, ErrorKind::Timeout, false);
            client.reads(content).reads(content);
            assert_eq!(client.findings(), []);
        }
        // Seen once, it stays; without effect, it never was.
        let mut client = Client::new();
        client.puts(1).fails(Call::Put, 2, ErrorKind::Timeout, false);
        client.reads(Content::Whole(2)).reads(Content::Whole(1));
        assert_eq!(client.findings().len(), 1);
        let mut client = Client::new();
        client.puts(1).fails(Call::Put, 2, ErrorKind::Unavailable, true);
        client.reads(Content::Whole(2));
        assert_eq!(client.findings().len(), 1);
        // What comes after what was acknowledged later is lost.
        let mut client = Client::new();
        client.fails(Call::Put, 1, ErrorKind::Timeout, false);
        client.puts(2).reads(Content::Whole(1));
        assert_eq!(client.findings(), [(Wrong::Lost, Some(4))]);
    }

    #[test]
    fn a_killed_program_leaves_doubt() {
        let mut client = Client::new();
        client.puts(1).begins(Call::Put, 2);
        client.0.killed();
        client.reads(Content::Whole(2));
        assert_eq!(client.findings(), []);
        assert_eq!(client.0.highest, 2);
    }

    #[test]
    fn nobody_is_told_that_his_own_object_is_somebody_elses() {
        let refused = |client: &mut Client, number, content| {
            client.calls(Call::Create, number, Outcome::Exists(content));
            client.findings()
        };
        let wrong = (Wrong::AlreadyExists, None);
        assert_eq!(refused(&mut Client::new(), 1, Content::Whole(1)), [wrong]);
        assert_eq!(refused(&mut Client::new(), 1, Content::Nothing), [wrong]);
        // Something was there, or may have been.
        assert_eq!(refused(Client::new().puts(1), 2, Content::Whole(1)), []);
        let mut client = Client::new();
        client.fails(Call::Create, 1, ErrorKind::Timeout, false);
        assert_eq!(refused(&mut client, 2, Content::Whole(1)), []);
        assert_eq!(refused(Client::new().puts(1), 2, Content::Whole(2)), [wrong]);
        // What was deleted is back: the answer is true, and the deletion is lost.
        let mut client = Client::new();
        client.puts(1).calls(Call::Delete, 0, Outcome::Deleted);
        assert_eq!(refused(&mut client, 2, Content::Whole(1)), [(Wrong::Lost, Some(4))]);
        let findings = refused(Client::new().puts(1), 2, Content::Nothing);
        assert_eq!(findings, [(Wrong::Lost, Some(2))]);
    }

    #[test]
    fn what_nobody_wrote_is_mixed() {
        let mut client = Client::new();
        client.puts(1).reads(Content::Mixed).calls(Call::List, 0, Outcome::Listed(vec![0, 0]));
        assert_eq!(client.findings(), [(Wrong::Mixed, None), (Wrong::Mixed, None)]);
    }
}
