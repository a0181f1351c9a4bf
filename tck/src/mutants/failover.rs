//! Failovers that are wrong in one way each, for the suite of `docs/spec/failover.md`: the honest one
//! with other settings, or with something between it and its members, its witness, or the application.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omni_contracts::storage::{
    Capabilities, Capability, Deleted, Key, StorageProvider, Version, WriteCondition, Written,
};
use omni_contracts::{Body, Effect, ErrorKind, Gauge, Result};
use omni_failover::{FailoverSettings, Replication};

use super::Mutant;
use super::calls::Put;
use super::sabotage::{HONEST, Sabotage, Sabotaged, Scratch, Store, fail};
use crate::failover::FailoverSubject;

/// A failover that is wrong in one way.
#[derive(Clone, Copy)]
pub struct FailoverMutant {
    /// The clause that it breaks, and whose check must fail on it.
    pub clause: &'static str,
    /// The name, as an identifier.
    pub name: &'static str,
    /// What it does wrong.
    pub wrong: &'static str,
    settings: fn(FailoverSettings) -> FailoverSettings,
    place: Place,
    sabotage: Sabotage,
    told: fn(Vec<Gauge>) -> Vec<Gauge>,
}

/// Where the sabotage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    /// Before the first member.
    First,
    /// Before every member but the first.
    Others,
    /// Before all members.
    Members,
    /// Before all members and the witness.
    Parts,
    Witness,
    /// Between the failover and the application.
    Outside,
}

impl std::fmt::Debug for FailoverMutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.clause, self.name)
    }
}

impl FailoverMutant {
    const fn at(place: Place, mutant: Mutant) -> Self {
        let Mutant { clause, name, wrong, sabotage, .. } = mutant;
        let (settings, told): (fn(_) -> _, fn(_) -> _) = (|settings| settings, |told| told);
        Self { clause, name, wrong, settings, place, sabotage, told }
    }

    const fn tells(
        name: &'static str,
        wrong: &'static str,
        told: fn(Vec<Gauge>) -> Vec<Gauge>,
    ) -> Self {
        let mutant = Self::at(Place::Nowhere, Mutant::new("FAI-050", name, wrong));
        Self { told, ..mutant }
    }

    const fn with(mut self, settings: fn(FailoverSettings) -> FailoverSettings) -> Self {
        self.settings = settings;
        self
    }

    const fn set(
        clause: &'static str,
        name: &'static str,
        wrong: &'static str,
        settings: fn(FailoverSettings) -> FailoverSettings,
    ) -> Self {
        Self::at(Place::Nowhere, Mutant::new(clause, name, wrong)).with(settings)
    }

    fn around(&self, inner: Arc<dyn StorageProvider>, here: bool) -> Arc<dyn StorageProvider> {
        if here { sabotaged(inner, self.sabotage) } else { inner }
    }
}

impl FailoverSubject for FailoverMutant {
    fn settings(&self, settings: FailoverSettings) -> FailoverSettings {
        (self.settings)(settings)
    }

    fn member(&self, at: usize, member: Arc<dyn StorageProvider>) -> Arc<dyn StorageProvider> {
        let here = match self.place {
            Place::First => at == 0,
            Place::Others => at > 0,
            Place::Members | Place::Parts => true,
            _ => false,
        };
        self.around(member, here)
    }

    fn witness(&self, witness: Arc<dyn StorageProvider>) -> Arc<dyn StorageProvider> {
        self.around(witness, matches!(self.place, Place::Parts | Place::Witness))
    }

    fn opened(&self, failover: Arc<dyn StorageProvider>) -> Arc<dyn StorageProvider> {
        self.around(failover, self.place == Place::Outside)
    }

    fn told(&self, gauges: Vec<Gauge>) -> Vec<Gauge> {
        (self.told)(gauges)
    }
}

fn sabotaged(inner: Arc<dyn StorageProvider>, sabotage: Sabotage) -> Arc<dyn StorageProvider> {
    let store = Store { inner, scratch: Arc::new(Scratch::new()), gate: None };
    Arc::new(Sabotaged::new(store, sabotage))
}

/// A store that declares something else than it does; for stages.
pub(crate) fn declaring(
    inner: Arc<dyn StorageProvider>,
    change: fn(Capabilities) -> Capabilities,
) -> Arc<dyn StorageProvider> {
    let store = Store { inner, scratch: Arc::new(Scratch::new()), gate: None };
    let declared = change(store.inner.capabilities().clone());
    Arc::new(Sabotaged::declaring(store, HONEST, declared))
}

/// Every mutant, in the order of the clauses.
pub fn failover_mutants() -> impl Iterator<Item = &'static FailoverMutant> {
    MUTANTS.iter()
}

/// What a store says that has not stored anything.
fn pretended(content: &Body) -> Written {
    let size = content.length().unwrap_or_default();
    Written { size, version: Version::numbered(7, 7), checksum: None }
}

/// Takes what the caller sends, and drops what is read from the primary and sent later: that has a
/// checksum.
async fn without_what_is_sent_later(store: &Store, put: Put) -> Result<Written> {
    match put.options.checksum {
        Some(_) => Ok(pretended(&put.body)),
        None => put.to(&*store.inner).await,
    }
}

/// Drops what is kept in a folder.
async fn without(store: &Store, folder: &str, put: Put) -> Result<Written> {
    match put.key.as_str().contains(folder) {
        true => Ok(pretended(&put.body)),
        false => put.to(&*store.inner).await,
    }
}

fn replaced(text: Bytes, from: &str, to: &str) -> Bytes {
    match std::str::from_utf8(&text) {
        Ok(text) => Bytes::from(text.replace(from, to)),
        Err(_) => text,
    }
}

fn is_asynchronous(settings: FailoverSettings) -> FailoverSettings {
    FailoverSettings { replication: Replication::Async, ..settings }
}

const MUTANTS: &[FailoverMutant] = &[
    FailoverMutant::set(
        "FAI-001",
        "forgives",
        "contradictions are settled in silence",
        |settings| {
            let members = (0..settings.members.len()).map(|at| format!("member{at}")).collect();
            FailoverSettings { members, ..FailoverSettings::new(&["first", "second"], "witness") }
        },
    ),
    FailoverMutant::at(
        Place::Parts,
        Mutant::new("FAI-002", "takes_all", "what is not declared is used all the same")
            .capabilities(|_, all| {
                all.with(&[
                    Capability::ConditionalCreate,
                    Capability::ConditionalDelete,
                    Capability::ConditionalUpdate,
                ])
            }),
    ),
    FailoverMutant::at(
        Place::Outside,
        Mutant::new("FAI-003", "signs", "presign is declared, which goes past the failover")
            .capabilities(|_, all| all.with(&[Capability::Presign])),
    ),
    FailoverMutant::at(
        Place::Outside,
        Mutant::new("FAI-003", "is_generous", "the limits are those of the first member")
            .capabilities(|_, mut all| {
                all.limits.max_object_size = None;
                all
            }),
    ),
    FailoverMutant::set(
        "FAI-010",
        "sends_later",
        "acknowledged before it is sent",
        is_asynchronous,
    ),
    FailoverMutant::set("FAI-004", "goes_anywhere", "who is left out is a member", |settings| {
        let members = match settings.members.len() {
            2 => ["first", "second", "third"].map(str::to_owned).to_vec(),
            _ => settings.members,
        };
        FailoverSettings { members, ..settings }
    }),
    FailoverMutant::set("FAI-005", "mirrors_nothing", "one of a mirror is enough", |settings| {
        FailoverSettings { required: None, ..settings }
    }),
    FailoverMutant::at(
        Place::Others,
        Mutant::new("FAI-010", "forgets_attributes", "standbys have contents alone")
            .options(|options| options.attributes = omni_contracts::storage::Attributes::none()),
    ),
    FailoverMutant::at(
        Place::Others,
        Mutant::new("FAI-010", "keeps_deleted", "standbys delete nothing")
            .delete(|_, _| Box::pin(async { Ok(Deleted::new(Some(true))) })),
    ),
    FailoverMutant::at(
        Place::Others,
        Mutant::new("FAI-011", "believes", "a standby that took nothing counts as one that did")
            .put(|store, put| {
                Box::pin(async move {
                    let written = pretended(&put.body);
                    put.to(&*store.inner).await.or(Ok(written))
                })
            }),
    ),
    FailoverMutant::set("FAI-012", "needs_one", "one member is always enough", |settings| {
        FailoverSettings { required: Some(1), ..settings }
    }),
    FailoverMutant::at(
        Place::Others,
        Mutant::new("FAI-013", "keeps_the_first", "standbys overwrite nothing").put(
            |store, put| {
                Box::pin(async move {
                    match store.has(&put.key).await {
                        true => Ok(pretended(&put.body)),
                        false => put.to(&*store.inner).await,
                    }
                })
            },
        ),
    ),
    FailoverMutant::at(
        Place::Others,
        Mutant::new("FAI-014", "settles_nothing", "what was given up stays as it is")
            .put(|store, put| Box::pin(without_what_is_sent_later(store, put))),
    ),
    FailoverMutant::at(
        Place::Witness,
        Mutant::new("FAI-015", "notes_nothing", "what is to be sent is in memory alone")
            .put(|store, put| Box::pin(without(store, "/marks/", put))),
    ),
    FailoverMutant::set(
        "FAI-016",
        "has_no_bound",
        "a standby may be a day behind",
        |mut settings| {
            settings.targets.rpo = Some(Duration::from_secs(86_400));
            settings
        },
    ),
    FailoverMutant::at(
        Place::Members,
        Mutant::new("FAI-020", "hopes", "who is gone counts as there")
            .check(|_, ()| Box::pin(async { Ok(()) })),
    ),
    FailoverMutant::at(
        Place::First,
        Mutant::new("FAI-021", "is_hasty", "one failed call is an outage")
            .check(|_, ()| Box::pin(async { fail(ErrorKind::Unavailable) })),
    ),
    FailoverMutant::set("FAI-022", "waits", "members are looked at once an hour", |settings| {
        FailoverSettings { probe_every: Duration::from_secs(3600), ..settings }
    }),
    FailoverMutant::at(
        Place::Witness,
        Mutant::new("FAI-023", "takes_anybody", "who is out may lead")
            .read(Some(|text| replaced(text, "\"out\"", "\"in-sync\""))),
    ),
    FailoverMutant::set("FAI-024", "loses", "acknowledged before it is sent", is_asynchronous),
    FailoverMutant::at(
        Place::Outside,
        Mutant::new("FAI-025", "compares_nothing", "conditions on old versions hold").options(
            |options| {
                if let WriteCondition::IfMatch(_) = options.condition {
                    options.condition = WriteCondition::Always;
                }
            },
        ),
    ),
    FailoverMutant::at(
        Place::Outside,
        Mutant::new("FAI-026", "forgets_itself", "a put is repeated as another one").put(
            |store, put| {
                Box::pin(async move {
                    let (put, content) = put.whole().await?;
                    let mut again = put.with(content);
                    again.options.write_id = None;
                    put.to(&*store.inner).await?;
                    again.to(&*store.inner).await
                })
            },
        ),
    ),
    FailoverMutant::at(
        Place::Others,
        Mutant::new("FAI-027", "begins_late", "after a switch, a listing leaves one out").list(
            |store, list| {
                Box::pin(async move {
                    let mut list = list;
                    let Some(after) = list.0.start_after.clone() else {
                        return list.from(&*store.inner).await;
                    };
                    list.0.start_after = Some(Key::native(format!("{}~", after.as_str())));
                    let first = list.0.clone();
                    let page = store.inner.list(&first).await?;
                    match page.entries.first() {
                        Some(entry) => {
                            list.0.start_after = Some(Key::native(entry.name()));
                            list.from(&*store.inner).await
                        }
                        None => Ok(page),
                    }
                })
            },
        ),
    ),
    FailoverMutant::at(
        Place::Outside,
        Mutant::new("FAI-028", "sends_what_is_left", "the rest of a stream is sent again").put(
            |store, put| {
                Box::pin(async move {
                    let rest = put.with(Body::empty());
                    match put.to(&*store.inner).await {
                        Err(error) if error.kind() == ErrorKind::Unavailable => {
                            rest.to(&*store.inner).await
                        }
                        outcome => outcome,
                    }
                })
            },
        ),
    ),
    FailoverMutant::set("FAI-029", "writes", "a standby for reading takes over", is_asynchronous),
    FailoverMutant::at(
        Place::Witness,
        Mutant::new("FAI-030", "overwrites", "the record is written without a condition")
            .options(|options| options.condition = WriteCondition::Always),
    ),
    FailoverMutant::at(
        Place::Others,
        Mutant::new("FAI-031", "acknowledges_alone", "a switched program's standby is not asked")
            .put(|store, put| {
                Box::pin(async move {
                    // Whoever comes over an object of another program is told that it was stored.
                    let written = pretended(&put.body);
                    match put.options.condition {
                        WriteCondition::Always => put.to(&*store.inner).await,
                        _ => Ok(written),
                    }
                })
            }),
    ),
    FailoverMutant::at(
        Place::Outside,
        Mutant::new(
            "FAI-032",
            "forgets_the_condition",
            "a late write is made without its condition",
        )
        .options(|options| options.condition = WriteCondition::Always),
    ),
    FailoverMutant::at(
        Place::Outside,
        Mutant::new("FAI-033", "does_not_know", "writes without a witness are in doubt")
            .error(|error| error.with_effect(Effect::Unknown)),
    ),
    FailoverMutant::at(
        Place::Others,
        Mutant::new("FAI-034", "flaps", "a look that fails now and then is an outage").check(
            |store, ()| {
                Box::pin(async move {
                    match store.count() % 8 >= 4 {
                        true => fail(ErrorKind::Unavailable),
                        false => store.inner.check().await,
                    }
                })
            },
        ),
    ),
    FailoverMutant::at(
        Place::Members,
        Mutant::new("FAI-040", "counts_too_early", "who returns counts before it has everything")
            .put(|store, put| Box::pin(without_what_is_sent_later(store, put))),
    ),
    FailoverMutant::set(
        "FAI-041",
        "welcomes_at_once",
        "who comes back counts at once",
        |settings| FailoverSettings { return_after: Duration::ZERO, ..settings },
    ),
    FailoverMutant::at(
        Place::Witness,
        Mutant::new("FAI-042", "is_silent", "conflicts are not listed")
            .put(|store, put| Box::pin(without(store, "/conflict-notes/", put))),
    ),
    FailoverMutant::at(
        Place::Witness,
        Mutant::new("FAI-042", "replaces", "what is in conflict is not kept")
            .put(|store, put| Box::pin(without(store, "/conflicts/", put))),
    ),
    FailoverMutant::at(
        Place::Members,
        Mutant::new("FAI-043", "cries_wolf", "what a member had is not known any more")
            .described(|meta| meta.checksum = None),
    ),
    FailoverMutant::at(
        Place::Members,
        Mutant::new("FAI-044", "brings_back", "deletes are not made up for").delete(
            |store, delete| {
                Box::pin(async move {
                    match delete.options.if_match {
                        Some(_) => Ok(Deleted::new(Some(true))),
                        None => delete.from(&*store.inner).await,
                    }
                })
            },
        ),
    ),
    FailoverMutant::at(
        Place::Witness,
        Mutant::new("FAI-045", "forgets_conflicts", "what was in conflict is known to one program")
            .put(|store, put| Box::pin(without(store, "/conflict-notes/", put))),
    ),
    FailoverMutant::at(
        Place::Members,
        Mutant::new("FAI-046", "leaves_a_gap", "what is written during a return is not sent")
            .put(|store, put| Box::pin(without_what_is_sent_later(store, put))),
    ),
    FailoverMutant::at(
        Place::Witness,
        Mutant::new("FAI-047", "is_never_done", "what was sent is noted for ever")
            .delete(|_, _| Box::pin(async { Ok(Deleted::new(Some(true))) })),
    ),
    FailoverMutant::tells("says_all_is_well", "who is out counts", |mut gauges| {
        let standings = gauges.iter_mut().filter(|gauge| gauge.name.ends_with("standing"));
        standings.for_each(|gauge| gauge.value = gauge.value.max(2.0));
        gauges
    }),
    FailoverMutant::tells("counts_no_switch", "switches are not counted", |mut gauges| {
        let switches = gauges.iter_mut().filter(|gauge| gauge.name.ends_with("switches"));
        switches.for_each(|gauge| gauge.value = 0.0);
        gauges
    }),
    FailoverMutant::tells("hides_the_lag", "nothing waits", |mut gauges| {
        gauges.retain(|gauge| !gauge.name.ends_with("behind"));
        gauges
    }),
    FailoverMutant::tells("has_no_limit", "how far behind is allowed is not told", |mut gauges| {
        gauges.retain(|gauge| !gauge.name.ends_with("rpo"));
        gauges
    }),
];
