//! Opening: FAI-001 to FAI-003.

use std::sync::Arc;
use std::time::Duration;

use omni_contracts::ErrorKind;
use omni_contracts::storage::{Capabilities, Capability, Durability, StorageProvider};
use omni_failover::{FailoverSettings, FailoverStorage, Replication};
use omni_provider_memory::{MemorySettings, MemoryStorage};

use crate::Outcome;
use crate::check::{equal, fails_with, holds, ok};
use crate::failover::FailoverSubject;
use crate::mutants::declaring;

fn memory() -> Arc<dyn StorageProvider> {
    Arc::new(MemoryStorage::new(MemorySettings::default()))
}

/// A capability, and how it is not declared.
type Lacking = (Capability, fn(Capabilities) -> Capabilities);

/// Settings, and the word that their refusal must have.
type Wrong = (&'static str, fn(&mut FailoverSettings));

pub(super) async fn contradictions_are_refused(subject: &dyn FailoverSubject) -> Outcome {
    let wrongs: &[Wrong] = &[
        ("members", |settings| settings.members.truncate(1)),
        ("members", |settings| settings.members[1] = settings.members[0].clone()),
        ("member", |settings| settings.members[1] = "a/b".to_owned()),
        ("witness", |settings| settings.witness = settings.members[1].clone()),
        ("required", |settings| settings.required = 0),
        ("required", |settings| settings.required = 3),
        ("required", |settings| {
            settings.replication = Replication::Async;
            settings.required = 2;
        }),
        ("targets.rpo", |settings| settings.targets.rpo = Some(Duration::from_secs(1))),
        ("targets.rpo", |settings| {
            settings.replication = Replication::Async;
            settings.targets.rpo = Some(Duration::ZERO);
        }),
    ];
    for (word, wrong) in wrongs {
        let mut settings = FailoverSettings::new(&["first", "second"], "witness");
        wrong(&mut settings);
        let situation = format!("opening with {settings:?}");
        let members = settings.members.iter().map(|_| memory()).collect();
        let settings = subject.settings(settings);
        let opened = FailoverStorage::open("main", settings, members, memory()).await;
        let error = fails_with(&*situation, ErrorKind::Configuration, opened)?;
        holds(situation, error.message().contains(word), format!("{word:?} is named"), &error)?;
    }
    Ok(())
}

pub(super) async fn what_is_lacking_is_named(subject: &dyn FailoverSubject) -> Outcome {
    let lacking: &[Lacking] = &[
        (Capability::ConditionalCreate, |all| all.without(&[Capability::ConditionalCreate])),
        (Capability::ConditionalDelete, |all| all.without(&[Capability::ConditionalDelete])),
        (Capability::ConditionalUpdate, |all| all.without(&[Capability::ConditionalUpdate])),
    ];
    for (capability, without) in lacking.iter().copied() {
        for place in ["second", "witness"] {
            let of = |name: &str| {
                if name == place { declaring(memory(), without) } else { memory() }
            };
            let members = vec![subject.member(0, of("first")), subject.member(1, of("second"))];
            let witness = subject.witness(of("witness"));
            let settings = FailoverSettings::new(&["first", "second"], "witness");
            let opened = FailoverStorage::open("main", settings, members, witness).await;
            let situation = format!("{place} does not declare {capability}");
            let error = fails_with(&*situation, ErrorKind::Configuration, opened)?;
            let named = [place, capability.as_str()];
            let has = named.iter().all(|word| error.message().contains(word));
            holds(situation, has, format!("{named:?} are named"), &error)?;
        }
    }
    Ok(())
}

pub(super) async fn what_all_declare_is_declared(subject: &dyn FailoverSubject) -> Outcome {
    let strict = |mut all: Capabilities| {
        all.durability = Durability::Memory;
        all.list_delay = Duration::from_secs(3);
        all.limits.max_object_size = Some(1 << 20);
        all.limits.min_part_size = 7;
        all.limits.max_page_size = 10;
        all.without(&[Capability::ConditionalCopy])
    };
    let generous = |mut all: Capabilities| {
        all.durability = Durability::Replicated;
        all.with(&[Capability::Presign, Capability::Versioning])
    };
    let members = vec![declaring(memory(), generous), declaring(memory(), strict)];
    let settings = FailoverSettings::new(&["first", "second"], "witness");
    let opened = FailoverStorage::open("main", settings, members, memory()).await;
    let opened = subject.opened(Arc::new(ok("opening", opened)?));
    let situation = "one member with everything, one with less";
    let seen = opened.capabilities();
    let common = memory().capabilities().clone();
    let common =
        common.without(&[Capability::ConditionalCopy, Capability::Presign, Capability::Versioning]);
    equal(situation, &common.iter().collect::<Vec<_>>(), &seen.iter().collect())?;
    equal(situation, &Durability::Memory, &seen.durability)?;
    equal(situation, &Duration::from_secs(3), &seen.list_delay)?;
    equal(situation, &Some(1 << 20), &seen.limits.max_object_size)?;
    equal(situation, &7, &seen.limits.min_part_size)?;
    equal(situation, &10, &seen.limits.max_page_size)?;
    let lasting = |mut all: Capabilities| {
        all.durability = Durability::Disk;
        all.with(&[Capability::MultiProcess])
    };
    for (witness, shared) in [(memory(), false), (declaring(memory(), lasting), true)] {
        let durability = witness.capabilities().durability;
        let members = vec![declaring(memory(), lasting), declaring(memory(), lasting)];
        let settings = FailoverSettings::new(&["first", "second"], "witness");
        let opened = FailoverStorage::open("main", settings, members, witness).await;
        let opened = subject.opened(Arc::new(ok("opening", opened)?));
        let seen = opened.capabilities();
        let situation = format!("a witness of durability {durability}");
        equal(&*situation, &durability, &seen.durability)?;
        equal(situation, &shared, &seen.has(Capability::MultiProcess))?;
    }
    Ok(())
}
