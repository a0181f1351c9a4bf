//! Listings while the store changes: STO-093.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use omni_contracts::storage::{DeleteOptions, ListEntry, ListRequest, StorageProvider};

use super::inputs::{key, put};
use super::race::finished;
use super::walk::{Entry, asked, expected, fill, request, rolled_up, walk};
use crate::check::{Outcome, check, holds, ok};
use crate::{Check, Context, Failure};

pub(crate) const CHECKS: &[Check] = &[check!(
    "STO-093",
    change_makes_no_gaps,
    "look for page tokens that count entries, or that need the key at the boundary to be there still"
)];

/// What happens between two pages.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// The last key of the page goes.
    DeletesTheBoundary,
    /// All keys of the page go.
    DeletesThePage,
    /// Keys come up before everything that is still to be listed.
    InsertsBefore,
    /// Keys come up at once after the last key of the page.
    InsertsAfter,
    /// The last key of the page goes, and comes back.
    RecreatesTheBoundary,
    /// The keys that come next go, every second of them.
    DeletesAhead,
    /// The keys that come next are overwritten.
    OverwritesAhead,
    /// All of it.
    Everything,
}

const CHANGES: [Change; 8] = [
    Change::DeletesTheBoundary,
    Change::DeletesThePage,
    Change::InsertsBefore,
    Change::InsertsAfter,
    Change::RecreatesTheBoundary,
    Change::DeletesAhead,
    Change::OverwritesAhead,
    Change::Everything,
];

async fn change_makes_no_gaps(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let all = CHANGES.into_iter().flat_map(|change| {
        let limits = [1, 2, 3, 7].into_iter();
        limits.flat_map(move |limit| [None, Some("/")].map(|delimiter| (change, limit, delimiter)))
    });
    for (round, (change, limit, delimiter)) in cx.some(all).into_iter().enumerate() {
        changed_between_pages(&*store, round, change, limit, delimiter).await?;
    }
    changed_all_the_time(&store).await
}

/// The keys of one round, and which of them were there all the time.
struct Changing<'a> {
    store: &'a dyn StorageProvider,
    root: String,
    /// What is there now.
    now: BTreeSet<String>,
    /// What was there from the beginning, without a gap.
    always: BTreeSet<String>,
    /// Everything that was there at some time.
    ever: BTreeSet<String>,
    steps: Vec<String>,
}

impl Changing<'_> {
    async fn put(&mut self, name: &str) -> Outcome {
        self.steps.push(format!("put {name:?}"));
        ok(format!("put of {name:?}"), put(self.store, &key(name), "new").await)?;
        self.now.insert(name.to_owned());
        self.ever.insert(name.to_owned());
        Ok(())
    }

    async fn delete(&mut self, name: &str) -> Outcome {
        self.steps.push(format!("delete {name:?}"));
        let deleted = self.store.delete(&key(name), &DeleteOptions::default()).await;
        ok(format!("delete of {name:?}"), deleted)?;
        self.now.remove(name);
        self.always.remove(name);
        Ok(())
    }

    /// Changes the store after a page with these entries.
    async fn after(&mut self, page: &[ListEntry], change: Change) -> Outcome {
        let Some(boundary) = page.last() else { return Ok(()) };
        let objects: Vec<String> = page
            .iter()
            .filter_map(ListEntry::as_object)
            .map(|object| object.key.as_str().to_owned())
            .collect();
        // A key at the boundary: the object itself, or one in the folder that stands there.
        let at_boundary = match boundary {
            ListEntry::Object(object) => Some(object.key.as_str().to_owned()),
            ListEntry::Prefix(folder) => {
                self.now.iter().find(|name| name.starts_with(folder.as_str())).cloned()
            }
        };
        let ahead: Vec<String> = self
            .now
            .iter()
            .filter(|name| name.as_str() > boundary.name())
            .take(4)
            .cloned()
            .collect();
        let is = |which: &[Change]| {
            let all = matches!(change, Change::Everything);
            all || which
                .iter()
                .any(|one| std::mem::discriminant(one) == std::mem::discriminant(&change))
        };
        if is(&[Change::DeletesThePage]) {
            for name in &objects {
                self.delete(name).await?;
            }
        }
        if let Some(name) = &at_boundary {
            if is(&[Change::DeletesTheBoundary, Change::RecreatesTheBoundary]) {
                self.delete(name).await?;
            }
            if is(&[Change::RecreatesTheBoundary]) {
                self.put(name).await?;
            }
            if is(&[Change::InsertsAfter]) && name.len() < 60 {
                self.put(&format!("{name}!")).await?;
            }
        }
        if is(&[Change::InsertsBefore]) {
            let number = self.ever.len();
            for name in [format!("{}!{number}", self.root), format!("{}!{number}/x", self.root)] {
                self.put(&name).await?;
            }
        }
        if is(&[Change::DeletesAhead]) {
            for name in ahead.iter().step_by(2).take(1) {
                self.delete(name).await?;
            }
        }
        if is(&[Change::OverwritesAhead]) {
            for name in ahead.iter().skip(1).step_by(2) {
                self.put(name).await?;
            }
        }
        Ok(())
    }
}

async fn changed_between_pages(
    store: &dyn StorageProvider,
    round: usize,
    change: Change,
    limit: usize,
    delimiter: Option<&str>,
) -> Outcome {
    let root = format!("r{round:03}");
    // Objects, folders of one and of several keys, and names around `/`.
    let names = (0..26).map(|n| match n % 5 {
        0 | 1 => format!("{root}k{n:02}"),
        2 => format!("{root}k{n:02}/x"),
        3 => format!("{root}k{:02}/y{n}", n - 1),
        _ => format!("{root}k{n:02}-"),
    });
    let all = fill(store, names).await?;
    let mut changing = Changing {
        store,
        root: root.clone(),
        now: all.clone(),
        always: all.clone(),
        ever: all,
        steps: Vec::new(),
    };
    let plain = delimiter.map_or_else(|| request(&root), |delimiter| rolled_up(&root, delimiter));
    let mut request = ListRequest { limit: Some(limit), ..plain };
    let mut seen: Vec<Entry> = Vec::new();
    // Keys that are put after the boundary may each make a page more, but never without end.
    for _ in 0..200 {
        let page = ok(asked(&request), store.list(&request).await)
            .map_err(|failure| failure.with_steps(changing.steps.clone()))?;
        let names: Vec<&str> = page.entries.iter().map(ListEntry::name).collect();
        changing.steps.push(format!("list: {names:?}"));
        seen.extend(page.entries.iter().map(Entry::from));
        let Some(next) = page.next else { break };
        request.token = Some(next);
        if seen.len() < 80 {
            changing.after(&page.entries, change).await?;
        }
    }
    request.token = None;
    let situation = format!("{}, between two pages {change:?}", asked(&request));
    let outcome = each_once(&situation, &changing.always, &changing.ever, &request, &seen);
    outcome.map_err(|failure| failure.with_steps(changing.steps))
}

/// Every key that was always there comes once, and none that never was.
fn each_once(
    situation: &str,
    always: &BTreeSet<String>,
    ever: &BTreeSet<String>,
    request: &ListRequest,
    seen: &[Entry],
) -> Outcome {
    let mut count: BTreeMap<&Entry, usize> = BTreeMap::new();
    for entry in seen {
        *count.entry(entry).or_default() += 1;
    }
    let wrong: Vec<(Entry, usize)> = expected(always, request)
        .into_iter()
        .map(|entry| {
            let times = count.get(&entry).copied().unwrap_or_default();
            (entry, times)
        })
        .filter(|(_, times)| *times != 1)
        .collect();
    holds(
        situation,
        wrong.is_empty(),
        "every entry that was there all the time is listed once",
        format_args!("listed so many times: {wrong:?}"),
    )?;
    let possible = expected(ever, request);
    let strange: Vec<&Entry> = seen.iter().filter(|entry| !possible.contains(entry)).collect();
    holds(situation, strange.is_empty(), "only entries that were there at some time", &strange)
}

/// A writer that puts, overwrites and deletes without a pause, while listings go page by page.
async fn changed_all_the_time(store: &Arc<dyn StorageProvider>) -> Outcome {
    const WALKS: usize = 6;
    let always = fill(&**store, (0..30).map(|n| format!("busy/{n:02}/k"))).await?;
    let passing: Vec<String> = (0..30).map(|n| format!("busy/{n:02}/{}", n % 3)).collect();
    let mut ever = always.clone();
    ever.extend(passing.iter().cloned());
    let over = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (store, over) = (Arc::clone(store), Arc::clone(&over));
        let kept: Vec<String> = always.iter().cloned().collect();
        async move {
            let mut turn = 0;
            while !over.load(Ordering::SeqCst) {
                let at = turn % passing.len();
                ok("put", put(&*store, &key(&passing[at]), "comes and goes").await)?;
                let before = key(&passing[(at * 7) % passing.len()]);
                ok("delete", store.delete(&before, &DeleteOptions::default()).await)?;
                ok("overwrite", put(&*store, &key(&kept[(at * 11) % kept.len()]), "stays").await)?;
                turn += 1;
                tokio::task::yield_now().await;
            }
            Ok::<(), Failure>(())
        }
    });
    let mut outcome = Ok(());
    for number in 0..WALKS {
        let plain = if number % 2 == 0 { request("busy/") } else { rolled_up("busy/", "/") };
        let request = ListRequest { limit: Some(1 + number), ..plain };
        outcome = match walk(&**store, &request).await {
            Ok(seen) => {
                let situation =
                    format!("{} while a writer puts, overwrites and deletes", asked(&request));
                each_once(&situation, &always, &ever, &request, &seen)
            }
            Err(failure) => Err(failure),
        };
        if outcome.is_err() {
            break;
        }
    }
    over.store(true, Ordering::SeqCst);
    finished(writer.await)??;
    outcome
}
