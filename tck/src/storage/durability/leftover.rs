//! `STO-173`: what interrupted writes left behind is freed.

use std::time::Duration;

use omni_contracts::storage::{Capability, GetOptions, Key, PutOptions};
use omni_contracts::{ErrorKind, storage::StorageProvider};
use tokio::time::Instant;

use super::kill::uploads_can_be_swept;
use crate::check::{equal, fails_with, holds, ok};
use crate::reference::Content;
use crate::worker::{Command, Reply};
use crate::{Context, Outcome};

/// How often a process is killed in the middle of writes.
const KILLS: u64 = 3;

/// What each kill leaves behind in unfinished writes of each kind, in bytes.
const LEFT: u64 = 8 << 20;

/// What may stay of all of them: journals and tables do not shrink at once.
const MAX_MORE: u64 = 5 << 20;

/// How long a store may take to clean up after it was opened.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn leftovers_are_freed(cx: &Context) -> Outcome {
    let kept = Content::new(1, 100_000);
    let multipart = {
        let store = cx.open().await?;
        let put = store.put(&key("kept")?, kept.bytes().into(), &PutOptions::default()).await;
        ok("put before the kills", put)?;
        store.capabilities().has(Capability::Multipart)
    };
    let before = cx.space().await?;
    for kill in 0..KILLS {
        let mut worker = cx.worker().await?;
        let hanging = [("kept", 2), ("hanging", 3)].map(|(key, seed)| Command::Hang {
            key: key.to_owned(),
            content: Content::new(kill * 10 + seed, LEFT / 2),
        });
        let upload = multipart.then(|| Command::Upload {
            key: "upload".to_owned(),
            parts: (0..4).map(|part| Content::new(kill * 10 + part, LEFT / 4)).collect(),
        });
        for command in hanging.into_iter().chain(upload) {
            match worker.ask(&command).await? {
                Ok(Reply::Done) => {}
                other => return Err(super::unexpected("a write that does not end", other)),
            }
        }
        worker.kill().await;
        let store = cx.open().await?;
        uploads_can_be_swept(store.as_ref()).await?;
        unchanged(store.as_ref(), kept).await?;
    }
    let Some(before) = before else { return Ok(()) };
    let deadline = Instant::now() + PATIENCE;
    loop {
        drop(cx.open().await?);
        let more = cx.space().await?.unwrap_or_default().saturating_sub(before);
        if more <= MAX_MORE {
            return Ok(());
        }
        let situation = format!("{KILLS} kills in the middle of writes, then opened and swept");
        let expected = format!("at most {MAX_MORE} bytes more than before");
        holds(situation, Instant::now() < deadline, expected, format!("{more} bytes more"))?;
        tokio::time::sleep(PATIENCE / 50).await;
    }
}

/// Expects the interrupted writes to have changed nothing.
async fn unchanged(store: &dyn StorageProvider, kept: Content) -> Outcome {
    let situation = "get after a put over it was interrupted by a kill";
    let got = ok(situation, store.get(&key("kept")?, &GetOptions::default()).await)?;
    let bytes = ok(situation, got.body.collect().await)?;
    equal(situation, &Some(kept), &Content::recognise(&bytes))?;
    for name in ["hanging", "upload"] {
        let got = store.get(&key(name)?, &GetOptions::default()).await;
        fails_with(format!("get of {name:?}, which was interrupted"), ErrorKind::NotFound, got)?;
    }
    Ok(())
}

fn key(text: &str) -> Result<Key, crate::Failure> {
    ok("a key", Key::new(text))
}
