//! Listings: order, pages, common prefixes, tokens, and change while listing.

use std::collections::BTreeSet;

use omni_contracts::ErrorKind;
use omni_contracts::storage::{ListEntry, ListRequest, PageToken, Prefix, StorageProvider};

use crate::store::{Folder, delete, head, key, put};

const KEYS: [&str; 14] = [
    "a",
    "a/b",
    "a/b/c",
    "a/c",
    "a-b",
    "ab",
    "t-/x",
    "t/x",
    "t/y",
    "z%2F",
    "\u{e000}",
    "\u{ff5e}/1",
    "\u{1f600}/1",
    "\u{10ffff}\u{10ffff}/2",
];

fn request(prefix: &str, delimiter: Option<&str>) -> ListRequest {
    ListRequest {
        delimiter: delimiter.map(str::to_owned),
        ..ListRequest::prefix(Prefix::new(prefix).unwrap())
    }
}

/// What a listing must be, computed from all keys.
fn expected(request: &ListRequest) -> Vec<String> {
    let entries: BTreeSet<_> = KEYS
        .iter()
        .filter(|key| key.starts_with(request.prefix.as_str()))
        .map(|key| request.rolled_up(key).unwrap_or(key))
        .filter(|name| {
            let after = request.start_after.as_ref();
            after.is_none_or(|after| *name > after.as_str())
        })
        .map(str::to_owned)
        .collect();
    entries.into_iter().collect()
}

async fn all(store: &dyn StorageProvider, mut request: ListRequest) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let page = store.list(&request).await.unwrap();
        assert!(request.limit.is_none_or(|limit| page.entries.len() <= limit));
        names.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
        match page.next {
            // As text, so that a token survives being stored.
            Some(next) => request.token = Some(PageToken::new(next.as_str())),
            None => return names,
        }
    }
}

#[tokio::test]
async fn every_prefix_delimiter_and_page_size_agree_with_the_model() {
    let folder = Folder::new();
    let store = folder.open().await;
    for name in KEYS {
        put(&store, name, name).await.unwrap();
    }
    for prefix in ["", "a", "a/", "a/b", "t", "\u{1f600}", "\u{10ffff}", "none"] {
        for delimiter in [None, Some("/"), Some("-"), Some("/b"), Some("\u{10ffff}")] {
            for after in [None, Some("a"), Some("a/b"), Some("a/bb"), Some("t/x"), Some("zz")] {
                for limit in [None, Some(1), Some(2), Some(3), Some(100_000)] {
                    let request = ListRequest {
                        start_after: after.map(key),
                        limit,
                        ..request(prefix, delimiter)
                    };
                    assert_eq!(
                        all(&store, request.clone()).await,
                        expected(&request),
                        "{request:?}"
                    );
                }
            }
        }
    }
    let page = store.list(&request("a/b/", None)).await.unwrap();
    let Some(ListEntry::Object(entry)) = page.entries.first() else {
        panic!("{page:?}");
    };
    let meta = head(&store, "a/b/c").await.unwrap();
    assert_eq!(entry.key, key("a/b/c"));
    assert_eq!(
        (entry.size, &entry.version, entry.modified),
        (meta.size, &meta.version, meta.modified)
    );
}

#[tokio::test]
async fn a_page_holds_at_most_a_thousand() {
    let folder = Folder::new();
    let store = folder.open().await;
    let store = &store;
    let names: Vec<_> = (0..1001).map(|n| format!("{n:04}")).collect();
    futures_util::future::join_all(names.iter().map(|name| put(store, name, "x"))).await;
    let first = store.list(&request("", None)).await.unwrap();
    assert_eq!(first.entries.len(), 1000);
    assert!(first.next.is_some());
    assert_eq!(all(store, request("", None)).await, names);
}

#[tokio::test]
async fn a_listing_goes_on_over_changes_at_the_page_boundary() {
    let folder = Folder::new();
    let store = folder.open().await;
    for name in ["a", "c", "e", "g"] {
        put(&store, name, "x").await.unwrap();
    }
    let mut request = ListRequest { limit: Some(2), ..request("", None) };
    let first = store.list(&request).await.unwrap();
    delete(&store, "c").await.unwrap();
    put(&store, "b", "x").await.unwrap();
    put(&store, "d", "x").await.unwrap();
    request.token = first.next;
    assert_eq!(all(&store, request.clone()).await, ["d", "e", "g"]);
    assert_eq!(all(&store, request).await, ["d", "e", "g"], "once more");
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let folder = Folder::new();
    let store = folder.open().await;
    for name in KEYS {
        put(&store, name, "x").await.unwrap();
    }
    let mut one = request("", None);
    one.limit = Some(1);
    let token = store.list(&one).await.unwrap().next.unwrap();
    let forged = format!("{}x", token.as_str());
    let with =
        |token: &str| ListRequest { token: Some(PageToken::new(token)), ..request("", None) };
    let elsewhere = ListRequest { token: Some(token), ..request("a", None) };
    let zero = ListRequest { limit: Some(0), ..request("", None) };
    for wrong in [with("garbage"), with(""), with(&forged), elsewhere, zero, request("", Some(""))]
    {
        let error = store.list(&wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong:?}");
    }
    let uploads = store.list_uploads(&Prefix::ALL, Some(&PageToken::new("garbage"))).await;
    assert_eq!(uploads.unwrap_err().kind(), ErrorKind::InvalidArgument);
}
