//! What goes on beside calls: looking at members, sending what waits, letting members return.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use futures_util::future::join_all;
use omni_contracts::{Error, ErrorKind};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::member::Member;
use crate::record::{Held, Standing};
use crate::shared::{Shared, is_gone};
use crate::witness::Expected;

/// How often a member must not be there, one after the other, before that has consequences.
const MISSES: u32 = 2;

/// Looks at the members, until the last handle is gone.
pub(crate) async fn look(shared: Weak<Shared>) {
    let mut misses: HashMap<Arc<str>, u32> = HashMap::new();
    loop {
        let Some(here) = shared.upgrade() else { return };
        // Errors are those of the witness: the next round meets them again.
        if let Ok(held) = here.refresh().await {
            look_at_all(&here, &held, &mut misses).await;
        }
        let pause = here.settings.probe_every;
        drop(here);
        sleep(pause).await;
    }
}

/// Lets another member take over from a primary that is not there, and those leave that are not.
async fn look_at_all(shared: &Arc<Shared>, held: &Held, misses: &mut HashMap<Arc<str>, u32>) {
    let counts = |member: &Member| {
        let standing = held.record.standing(&member.name);
        standing.is_none_or(|standing| standing.receives() || standing.may_lead())
    };
    let members: Vec<_> = shared.members.iter().filter(|member| counts(member)).collect();
    let looks = join_all(members.iter().map(|member| shared.is_there(member))).await;
    for (member, there) in members.into_iter().zip(looks) {
        if there {
            misses.remove(&member.name);
            continue;
        }
        let missed = misses.entry(Arc::clone(&member.name)).or_default();
        *missed += 1;
        if *missed < MISSES {
            continue;
        }
        if held.record.primary == *member.name {
            let _ = shared.suspect(held).await;
        } else {
            let problem = format!("`{}` does not answer", member.name);
            let error = Error::new(ErrorKind::Unavailable, problem);
            let _ = shared.leave(member, &shared.held(), error).await;
        }
    }
}

/// Sends what waits and lets members return, until the last handle is gone.
pub(crate) async fn work(shared: Weak<Shared>, wake: Arc<Notify>) {
    let mut back = HashMap::new();
    // A program that was killed may have left a write half done.
    let mut compared = false;
    loop {
        let Some(here) = shared.upgrade() else { return };
        // Errors are those of members and of the witness: the next round meets them again.
        send(&here).await;
        if !compared {
            compared = compare(&here).await;
        }
        welcome_back(&here, &mut back).await;
        let pause = here.settings.probe_every;
        drop(here);
        let _ = timeout(pause, wake.notified()).await;
    }
}

/// Sends what waits to members that are there.
async fn send(shared: &Arc<Shared>) {
    let held = shared.held();
    for member in &shared.members {
        let Some(standing) = held.record.standing(&member.name) else { continue };
        if standing == Standing::Out {
            continue;
        }
        let sent = match standing {
            // Who let it join may have ended meanwhile.
            Standing::Joining => shared.join(member).await,
            _ => shared.drain(member).await.map(drop),
        };
        match sent {
            Ok(()) => {}
            Err(error) if is_gone(&error) && !shared.is_there(member).await => {
                let _ = shared.leave(member, &held, error).await;
            }
            Err(_) => {}
        }
    }
}

/// Compares the members that have everything with the primary. Whether that was done.
async fn compare(shared: &Arc<Shared>) -> bool {
    let held = shared.held();
    let mut done = true;
    for member in &shared.members {
        if held.record.standing(&member.name) == Some(Standing::InSync) {
            let compared = shared.compare(member, Expected::Anything).await;
            done &= compared.is_ok() && shared.drain(member).await.is_ok();
        }
    }
    done
}

/// Lets members return that have been there for long enough.
async fn welcome_back(shared: &Arc<Shared>, back: &mut HashMap<Arc<str>, Instant>) {
    let held = shared.held();
    for member in &shared.members {
        let out = held.record.standing(&member.name) == Some(Standing::Out);
        if !out || !shared.is_there(member).await {
            back.remove(&member.name);
            continue;
        }
        let since = *back.entry(Arc::clone(&member.name)).or_insert_with(Instant::now);
        if since.elapsed() >= shared.settings.return_after && shared.catch_up(member).await.is_ok()
        {
            back.remove(&member.name);
        }
    }
}
