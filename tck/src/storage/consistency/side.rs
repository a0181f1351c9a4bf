//! `Side`: a handle on the store, in this process or in another; both follow the same commands.

use std::sync::Arc;

use omni_contracts::storage::StorageProvider;
use omni_contracts::{Error, ErrorKind, Result};

use crate::Failure;
use crate::reference::Content;
use crate::worker::{Command, Condition, Form, Reply, Worker, follow};

/// Somebody who uses the store.
#[derive(Debug)]
pub(super) enum Side {
    Here(Arc<dyn StorageProvider>),
    There(Worker),
}

/// An object as a side sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) version: String,
    /// Which whole content the bytes are, if any; `head` does not say.
    pub(super) content: Option<Content>,
    /// Which content the metadata names.
    pub(super) named: Option<Content>,
}

/// What a side answers: an error of the provider is the inner one.
pub(super) type Answered<T> = std::result::Result<Result<T>, Failure>;

impl Side {
    pub(super) async fn ask(&mut self, command: Command) -> Answered<Reply> {
        match self {
            Self::Here(store) => Ok(follow(store.as_ref(), command).await),
            Self::There(worker) => worker.ask(&command).await,
        }
    }

    /// Puts content with attributes that name it; gives the version.
    pub(super) async fn put(
        &mut self,
        key: &str,
        content: Content,
        condition: Condition,
        form: Form,
    ) -> Answered<String> {
        let key = key.to_owned();
        let reply = self.ask(Command::Put { key, content, condition, form }).await?;
        Ok(reply.and_then(|reply| match reply {
            Reply::Written { version } => Ok(version),
            other => Err(unexpected(&other)),
        }))
    }

    pub(super) async fn get(&mut self, key: &str) -> Answered<Seen> {
        self.ask(Command::Get { key: key.to_owned() }).await.map(seen)
    }

    pub(super) async fn head(&mut self, key: &str) -> Answered<Seen> {
        self.ask(Command::Head { key: key.to_owned() }).await.map(seen)
    }

    /// Deletes; says whether there was an object, where the provider does.
    pub(super) async fn delete(
        &mut self,
        key: &str,
        if_match: Option<String>,
    ) -> Answered<Option<bool>> {
        let reply = self.ask(Command::Delete { key: key.to_owned(), if_match }).await?;
        Ok(reply.and_then(|reply| match reply {
            Reply::Deleted { existed } => Ok(existed),
            other => Err(unexpected(&other)),
        }))
    }

    /// Keys and versions below a prefix.
    pub(super) async fn list(&mut self, prefix: &str) -> Answered<Vec<(String, String)>> {
        let reply = self.ask(Command::List { prefix: prefix.to_owned() }).await?;
        Ok(reply.and_then(|reply| match reply {
            Reply::Listed(entries) => Ok(entries),
            other => Err(unexpected(&other)),
        }))
    }
}

fn seen(reply: Result<Reply>) -> Result<Seen> {
    match reply? {
        Reply::Object { version, content, named } => Ok(Seen { version, content, named }),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(reply: &Reply) -> Error {
    Error::new(ErrorKind::Internal, format!("the worker answers {reply:?}"))
}
