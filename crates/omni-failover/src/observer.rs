//! `Observer`: how a failover stands, seen from its witness alone.

use std::sync::Arc;
use std::time::SystemTime;

use omni_contracts::Result;
use omni_contracts::storage::StorageProvider;

use crate::provider::{MemberStatus, Status};
use crate::settings::FailoverSettings;
use crate::witness::{Conflict, Witness};

/// Sees how a failover stands without being one of its programs: it asks no member, and changes nothing
/// but what it is told to forget.
///
/// ```
/// # use std::sync::Arc;
/// use omni_failover::{FailoverSettings, Observer};
///
/// # async fn program(witness: Arc<dyn omni_contracts::storage::StorageProvider>) -> omni_contracts::Result<()> {
/// let settings = FailoverSettings::new(&["primary", "standby"], "witness");
/// let observer = Observer::new("main", &settings, witness)?;
/// if let Some(status) = observer.status().await? {
///     println!("epoch {}: {} is primary", status.epoch, status.primary);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Observer {
    witness: Witness,
}

impl Observer {
    /// For the instance `name`, whose settings and witness these are.
    ///
    /// # Errors
    ///
    /// `Configuration` for a witness that lacks what it needs, or a name that cannot be a key.
    pub fn new(
        name: &str,
        settings: &FailoverSettings,
        witness: Arc<dyn StorageProvider>,
    ) -> Result<Self> {
        Ok(Self { witness: Witness::new(witness, &settings.witness, name)? })
    }

    /// Who is primary, and where the others stand; not what waits for them. `None` when the instance was
    /// never opened.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the witness does not answer, `Corrupt` when what it has is damaged.
    pub async fn standings(&self) -> Result<Option<Status>> {
        let Some(held) = self.witness.record().await? else { return Ok(None) };
        let others = held.record.others.into_iter().map(|(name, standing)| MemberStatus {
            name,
            standing,
            waiting: 0,
            behind: None,
        });
        Ok(Some(Status {
            epoch: held.record.epoch,
            primary: held.record.primary,
            others: others.collect(),
        }))
    }

    /// As [`standings`](Self::standings), with what waits to be sent: how many keys, and how long the oldest
    /// of them has been waiting.
    ///
    /// # Errors
    ///
    /// As [`standings`](Self::standings).
    pub async fn status(&self) -> Result<Option<Status>> {
        let Some(mut status) = self.standings().await? else { return Ok(None) };
        for member in &mut status.others {
            let mut oldest: Option<SystemTime> = None;
            let mut page = None;
            loop {
                let (marks, next) = self.witness.marks(&member.name, page).await?;
                member.waiting += marks.len();
                oldest = marks.iter().map(|mark| mark.since).chain(oldest).min();
                if next.is_none() {
                    break;
                }
                page = next;
            }
            member.behind =
                oldest.map(|since| SystemTime::now().duration_since(since).unwrap_or_default());
        }
        Ok(Some(status))
    }

    /// What members had that nobody else has, and that was replaced when they came back.
    ///
    /// # Errors
    ///
    /// As [`standings`](Self::standings).
    pub async fn conflicts(&self) -> Result<Vec<Conflict>> {
        self.witness.conflicts().await
    }

    /// Removes a conflict, with the content that was kept.
    ///
    /// # Errors
    ///
    /// As [`standings`](Self::standings).
    pub async fn forget(&self, conflict: &Conflict) -> Result<()> {
        self.witness.forget(conflict).await
    }
}
