//! Resumable uploads: sessions that take an object piece by piece.
//!
//! From `cloud.google.com/storage/docs/performing-resumable-uploads` and
//! `cloud.google.com/storage/docs/resumable-uploads`. Nothing of an upload is visible before it is
//! finished; the conditions are looked at when it is.

use bytes::Bytes;

use super::conditions::Conditions;
use super::encryption::{KeyHash, unlock};
use super::fault::{Fault, Kind};
use super::object::{Attributes, Content, Object, Stated};
use super::store::{Draft, Store};

/// What every chunk but the last is a multiple of.
pub(super) const QUANTUM: usize = 256 << 10;

/// A session.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) name: String,
    pub(super) attributes: Attributes,
    pub(super) conditions: Conditions,
    pub(super) stated: Stated,
    /// Every piece must come with it.
    pub(super) key: Option<KeyHash>,
    /// The length of the whole, once it was stated.
    pub(super) total: Option<usize>,
    /// What was persisted so far.
    pub(super) content: Vec<u8>,
    /// What became of it, once it was finished.
    pub(super) outcome: Option<Result<Box<Object>, Fault>>,
}

/// How far an upload is.
#[derive(Debug)]
pub(super) enum State {
    Finished(Box<Object>),
    /// This many bytes are persisted.
    Open(usize),
}

/// What a `Content-Range` header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The first byte; `None`: there are none, the state is asked for.
    pub(super) first: Option<usize>,
    /// The last byte; `None`: whatever comes is the rest.
    pub(super) last: Option<usize>,
    /// The length of the whole; `None`: not known yet.
    pub(super) total: Option<usize>,
}

impl Piece {
    /// Reads `bytes 0-524287/2000000`, `bytes 0-524287/*`, `bytes 0-*/*`, `bytes */2000000` or
    /// `bytes */*`. Without the header, everything comes in one piece.
    pub(super) fn parse(header: Option<&str>) -> Result<Self, Fault> {
        let Some(header) = header else {
            return Ok(Self { first: Some(0), last: None, total: None });
        };
        let wrong = || Fault::invalid(format!("Invalid Content-Range: {header:?}"));
        let number = |text: &str| match text {
            "*" => Ok(None),
            text => text.parse().map(Some).map_err(|_| wrong()),
        };
        let (range, total) = header
            .strip_prefix("bytes ")
            .and_then(|text| text.split_once('/'))
            .ok_or_else(wrong)?;
        let (first, last) = match range {
            "*" => (None, None),
            range => {
                let (first, last) = range.split_once('-').ok_or_else(wrong)?;
                (Some(first.parse().map_err(|_| wrong())?), number(last)?)
            }
        };
        let piece = Self { first, last, total: number(total)? };
        let ordered = match (piece.first, piece.last, piece.total) {
            (Some(first), Some(last), _) if last < first => false,
            (_, Some(last), Some(total)) => last < total,
            _ => true,
        };
        ordered.then_some(piece).ok_or_else(wrong)
    }

    /// Whether the object is complete with this piece.
    fn is_last(&self) -> bool {
        match (self.last, self.total) {
            (None, _) => true,
            (Some(last), Some(total)) => last + 1 == total,
            (Some(_), None) => false,
        }
    }
}

impl Upload {
    fn state(&self) -> Result<State, Fault> {
        match &self.outcome {
            Some(outcome) => outcome.clone().map(State::Finished),
            None => Ok(State::Open(self.content.len())),
        }
    }

    /// Takes over the bytes that are not persisted yet. Those that are, are skipped unseen.
    fn persist(&mut self, first: usize, bytes: &[u8]) {
        let known = self.content.len().saturating_sub(first).min(bytes.len());
        self.content.extend_from_slice(&bytes[known..]);
    }

    /// Takes over what is stated of the whole, or refuses what was stated otherwise before.
    fn agree(&mut self, total: Option<usize>, stated: Stated) -> Result<(), Fault> {
        if let (Some(known), Some(total)) = (self.total, total)
            && known != total
        {
            return Err(Fault::invalid(format!(
                "The upload has {known} bytes by an earlier request, {total} by this one"
            )));
        }
        self.total = self.total.or(total);
        self.stated = self.stated.clone().and(stated)?;
        Ok(())
    }
}

impl Store {
    /// Opens a session; returns its id.
    pub(super) fn begin_upload(&mut self, upload: Upload) -> Result<String, Fault> {
        super::names::object(&upload.name)?;
        upload.attributes.check()?;
        self.bucket(&upload.bucket)?;
        let id = self.next_token("upload");
        self.uploads.insert(id.clone(), upload);
        Ok(id)
    }

    pub(super) fn upload(&mut self, id: &str) -> Result<&mut Upload, Fault> {
        let gone = || Fault::new(Kind::NotFound, "No such upload session");
        self.uploads.get_mut(id).ok_or_else(gone)
    }

    /// Keeps what arrived of a piece whose connection broke: whole quanta of it.
    pub(super) fn broken_piece(&mut self, id: &str, piece: Piece, bytes: &[u8]) {
        let Ok(upload) = self.upload(id) else { return };
        let (Some(first), None) = (piece.first, &upload.outcome) else { return };
        let kept = (first + bytes.len()) / QUANTUM * QUANTUM;
        if kept > upload.content.len() && first <= upload.content.len() {
            upload.persist(first, &bytes[..kept - first]);
        }
    }

    /// Takes a piece that arrived in full; finishes the upload with the last one.
    pub(super) fn take_piece(
        &mut self,
        id: &str,
        piece: Piece,
        bytes: &[u8],
        stated: Stated,
        key: Option<KeyHash>,
    ) -> Result<State, Fault> {
        let upload = self.upload(id)?;
        if upload.outcome.is_some() {
            return upload.state();
        }
        let Some(first) = piece.first else {
            if !bytes.is_empty() {
                return Err(Fault::invalid("A request for the state must not have a body"));
            }
            upload.agree(piece.total, stated)?;
            let complete = piece.total == Some(upload.content.len());
            return if complete { self.finish_upload(id) } else { upload.state() };
        };
        if let Some(last) = piece.last
            && last + 1 - first != bytes.len()
        {
            return Err(Fault::invalid(format!(
                "Content-Range is of {} bytes, the body has {}",
                last + 1 - first,
                bytes.len()
            )));
        }
        if !piece.is_last() && !bytes.len().is_multiple_of(QUANTUM) {
            return Err(Fault::invalid(format!(
                "Every chunk but the last must be a multiple of {QUANTUM} bytes, this one has {}",
                bytes.len()
            )));
        }
        unlock(upload.key, key)?;
        if first > upload.content.len() {
            let persisted = upload.content.len();
            return Err(Fault::invalid(format!(
                "The piece begins at byte {first}, but {persisted} bytes are persisted"
            )));
        }
        upload.agree(piece.total, stated)?;
        if piece.is_last() {
            upload.agree(Some(first + bytes.len()), Stated::default())?;
        }
        upload.persist(first, bytes);
        if piece.is_last() { self.finish_upload(id) } else { self.upload(id)?.state() }
    }

    fn finish_upload(&mut self, id: &str) -> Result<State, Fault> {
        let upload = self.upload(id)?;
        let content = Content::new(Bytes::from(std::mem::take(&mut upload.content)));
        let (stated, conditions) = (upload.stated.clone(), upload.conditions);
        let (bucket, name) = (upload.bucket.clone(), upload.name.clone());
        let draft = Draft::uploaded(upload.attributes.clone(), content, upload.key);
        let checked = stated.check(&draft.content);
        let made = checked.and_then(|()| {
            self.insert(&bucket, &name, draft, &conditions).map(|object| Box::new(object.clone()))
        });
        let upload = self.upload(id)?;
        upload.outcome = Some(made);
        upload.state()
    }

    /// Ends a session without an object.
    pub(super) fn cancel_upload(&mut self, id: &str) -> Result<(), Fault> {
        self.upload(id)?;
        self.uploads.remove(id);
        Ok(())
    }
}
