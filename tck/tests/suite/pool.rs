//! Certifying on stores that exist: they must be empty, are shared by turns, and are left empty.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use omni_contracts::storage::{Key, ListRequest, PutOptions, StorageProvider};
use omni_contracts::{Body, Error, ErrorKind};
use omni_provider_memory::{MemorySettings, MemoryStorage};
use tck::report::ClauseReport;
use tck::subjects::Pool;
use tck::{Evidence, Options, Subject, Verdict, certify};

/// Two stores in memory that outlive their handles, with versions.
fn stores() -> HashMap<String, MemoryStorage> {
    let store = || MemoryStorage::new(MemorySettings { versioning: true, ..Default::default() });
    ["one", "two"].map(|name| (name.to_owned(), store())).into()
}

fn pool(stores: HashMap<String, MemoryStorage>) -> Arc<dyn Subject> {
    let names = stores.keys().cloned().collect();
    let open = move |name: &str| {
        let store: Arc<dyn StorageProvider> = Arc::new(stores[name].clone());
        async move { Ok(store) }
    };
    let evidence = Evidence::Configured { provider: "memory".to_owned() };
    Arc::new(Pool::new("pool", evidence, names, open))
}

fn options(only: &[&str]) -> Options {
    let only = only.iter().map(|id| (*id).to_owned()).collect();
    Options { only, seed: 3, share: Some(0.1), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_checks_share_two_stores_and_leave_them_empty() {
    let stores = stores();
    let subject = pool(stores.clone());
    let options = options(&["STO-00", "STO-08", "STO-13", "STO-14", "STO-166"]);
    let run = move || certify(subject, &options, &mut |_| {});
    let report = tokio::task::spawn_blocking(run).await.unwrap();
    assert_eq!(report.count("failed"), 0, "{:?}", report.clauses);
    assert!(report.count("passed") > 20);
    assert_eq!(report.share, 0.1);
    for store in stores.values() {
        let page = store.list(&ListRequest::default()).await.unwrap();
        assert!(page.entries.is_empty(), "{page:?}");
        let versions = store.list_versions(&Default::default(), None, None).await.unwrap();
        assert!(versions.entries.is_empty(), "{versions:?}");
        let uploads = store.list_uploads(&Default::default(), None).await.unwrap();
        assert!(uploads.entries.is_empty(), "{uploads:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_holds_something_is_refused_and_not_touched() {
    let stores = stores();
    let key = Key::new("precious").unwrap();
    stores["two"].put(&key, Body::from("data"), &PutOptions::default()).await.unwrap();
    let (subject, options) = (pool(stores.clone()), options(&["STO-00"]));
    let run = move || certify(subject, &options, &mut |_| {});
    let report = tokio::task::spawn_blocking(run).await.unwrap();
    assert_eq!(report.verdict(), Verdict::NotCertified);
    let why = report.unreachable.unwrap();
    assert!(why.contains("\"precious\"") && why.contains("two"), "{why}");
    assert!(stores["two"].head(&key, &Default::default()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_cannot_be_emptied_end_the_run() {
    let opened = AtomicUsize::new(0);
    let open = move |name: &str| {
        let opened = opened.fetch_add(1, Ordering::Relaxed);
        let lost = Error::new(ErrorKind::Unavailable, format!("{name} is lost"));
        async move {
            let store: Arc<dyn StorageProvider> =
                Arc::new(MemoryStorage::new(MemorySettings::default()));
            if opened < 6 { Ok(store) } else { Err(lost) }
        }
    };
    let evidence = Evidence::Configured { provider: "memory".to_owned() };
    let subject = Arc::new(Pool::new("pool", evidence, vec!["one".into(), "two".into()], open));
    let options = options(&["STO-00", "STO-01", "STO-08"]);
    let run = move || certify(subject, &options, &mut |_| {});
    let begun = Instant::now();
    let report = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "nobody waits for a store");
    assert_eq!(report.verdict(), Verdict::NotCertified);
    let explained: Vec<_> = report.clauses.iter().filter_map(ClauseReport::explain).collect();
    let why = "cannot be emptied: unavailable: one is lost";
    assert!(explained.iter().any(|text| text.contains(why)), "{explained:?}");
}
