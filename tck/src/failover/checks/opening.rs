//! Opening: FAI-001 to FAI-005.

use std::sync::Arc;
use std::time::Duration;

use omni_config::{Labels, Loader};
use omni_contracts::storage::{
    Capabilities, Capability, Durability, GetOptions, Key, PutOptions, StorageProvider,
};
use omni_contracts::{Body, ErrorKind, Result};
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
        ("required", |settings| settings.required = Some(0)),
        ("required", |settings| settings.required = Some(3)),
        ("required", |settings| {
            settings.replication = Replication::Async;
            settings.required = Some(2);
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

/// The labels of the instances of `opened`.
fn labels(name: &str) -> Result<Labels> {
    let labels: &[(&str, &str)] = match name {
        "first" => &[("residency", "eu"), ("class", "a")],
        "second" => &[("residency", "ch")],
        "third" => &[("residency", "us")],
        "witness" => &[("residency", "eu")],
        _ => &[],
    };
    let owned = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
    Ok(owned.collect())
}

/// What a configuration makes of a failover with these settings.
fn settings(subject: &dyn FailoverSubject, provider: &str, more: &str) -> Result<FailoverSettings> {
    let text =
        format!("[default.storage.main]\nprovider = {provider:?}\nwitness = 'witness'\n{more}");
    let config = Loader::new().text(text).environment([("", ""); 0]).load()?;
    let settings = FailoverSettings::of(&config.section("storage", "main")?, labels)?;
    Ok(subject.settings(settings))
}

const FOUR: &str = "members = ['first', 'second', 'third', 'fourth']\n";

pub(super) async fn places_that_are_not_allowed_get_nothing(
    subject: &dyn FailoverSubject,
) -> Outcome {
    let of = |more: &str| settings(subject, "failover", &format!("{FOUR}{more}"));
    let everywhere = ok("no `only`", of(""))?;
    equal("who is there without `only`", &everywhere.members.len(), &4)?;
    let settings = ok("two of four are allowed", of("only.residency = ['eu', 'ch']"))?;

    let names = ["first", "second", "third", "fourth"];
    let stores: Vec<_> = names.iter().map(|_| memory()).collect();
    let named = |name: &String| {
        let at = names.iter().position(|known| known == name).unwrap_or_default();
        Arc::clone(&stores[at])
    };
    let members = settings.members.iter().map(named).collect();
    let witness = memory();
    let opened = FailoverStorage::open("main", settings.clone(), members, Arc::clone(&witness));
    let failover = ok("it opens", opened.await)?;
    let key = ok("a key", Key::new("a"))?;
    let put = failover.put(&key, Body::from("1"), &PutOptions::default()).await;
    ok("it is written", put)?;
    for (name, store) in names.iter().zip(&stores) {
        let there = store.head(&key, &GetOptions::default()).await.is_ok();
        let allowed = matches!(*name, "first" | "second");
        equal(format!("whether {name} has what was written"), &there, &allowed)?;
    }
    let left = ["first".to_owned(), "second".to_owned()];
    equal("the members", &settings.members, &left.to_vec())?;

    for (more, words) in [
        ("only.residency = ['ch', 'us']", ["the witness", "residency", "\"eu\"", "ch, us"]),
        (
            "only.residency = ['eu']",
            ["1 of the members", "second has", "\"ch\"", "fourth has no label"],
        ),
    ] {
        let error = fails_with(more, ErrorKind::Configuration, of(more))?;
        let has = words.iter().all(|word| error.message().contains(word));
        holds(more, has, format!("{words:?} are named"), &error)?;
    }
    Ok(())
}

pub(super) async fn a_mirror_requires_all(subject: &dyn FailoverSubject) -> Outcome {
    for (provider, more, required) in [
        ("failover", "", None),
        ("mirror", "", Some(4)),
        ("mirror", "only.residency = ['eu', 'ch']", Some(2)),
        ("mirror", "required = 3", Some(3)),
    ] {
        let situation = format!("{provider} {more}");
        let settings = settings(subject, provider, &format!("{FOUR}{more}"));
        equal(&*situation, &ok(&*situation, settings)?.required, &required)?;
    }
    Ok(())
}
