//! `STO-170`: everything is there after the store was opened again.

use std::sync::Arc;

use futures_util::TryStreamExt;
use omni_contracts::storage::{
    Attributes, Capability, CompleteOptions, CopyOptions, DeleteOptions, GetOptions, Key,
    ListEntry, ListRequest, ObjectMeta, Part, PartNumber, PutOptions, StorageProvider, UploadId,
    Written, list_all,
};
use omni_contracts::{ErrorKind, Result};

use crate::check::{equal, fails_with, ok};
use crate::reference::Content;
use crate::storage::multipart::as_acknowledged;
use crate::{Context, Outcome};

const SIZES: [u64; 8] = [0, 1, 100, 4096, 65_536, 65_537, 1_048_577, 5_000_000];

/// What was stored, and what was said about it.
struct Stored {
    key: Key,
    content: Content,
    attributes: Arc<Attributes>,
    written: Written,
    meta: ObjectMeta,
}

/// What a program leaves behind when it ends well.
struct Left {
    objects: Vec<Stored>,
    deleted: Vec<Key>,
    upload: Option<(Key, UploadId, Vec<Part>)>,
}

impl Left {
    /// Remembers an object that was just written.
    async fn keep(
        &mut self,
        store: &dyn StorageProvider,
        key: Key,
        content: Content,
        attributes: &Arc<Attributes>,
        written: Written,
    ) -> Result<()> {
        let meta = store.head(&key, &GetOptions::default()).await?;
        let attributes = Arc::clone(attributes);
        self.objects.push(Stored { key, content, attributes, written, meta });
        Ok(())
    }
}

pub(super) async fn what_was_acknowledged_is_there_after_reopening(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let left = ok("writing before the store is closed", write(store.as_ref()).await)?;
    drop(store);
    // Twice: opening must not lose anything either.
    for times in ["once", "twice"] {
        let store = cx.open().await?;
        verify(store.as_ref(), &left, times).await?;
    }
    let Some((key, upload, parts)) = left.upload else { return Ok(()) };
    let store = cx.open().await?;
    let situation = "completing an upload that was begun before the store was opened again";
    let options = CompleteOptions::default();
    ok(situation, store.complete_upload(&key, &upload, &parts, &options).await)?;
    let got = ok(situation, store.get(&key, &GetOptions::default()).await)?;
    let wrong = ok(situation, PART.compare(got.body).await)?;
    equal(format!("{situation}: the first wrong byte"), &None, &wrong)
}

const PART: Content = Content { seed: 77, size: 200_000 };

async fn write(store: &dyn StorageProvider) -> Result<Left> {
    let mut left = Left { objects: Vec::new(), deleted: Vec::new(), upload: None };
    for (number, size) in (0..).zip(SIZES) {
        let options = PutOptions {
            attributes: Arc::new(Attributes {
                content_type: Some(format!("text/x-{number}")),
                metadata: [("number".to_owned(), number.to_string())].into(),
                ..Attributes::default()
            }),
            ..PutOptions::default()
        };
        let attributes = &options.attributes;
        let content = |way: u64| Content::new(number * 10 + way, size);
        let key = |name: &str| Key::new(format!("{name}/{number}"));
        let body = |content: Content| content.bytes().into();

        let whole = store.put(&key("whole")?, body(content(1)), &options).await?;
        left.keep(store, key("whole")?, content(1), attributes, whole).await?;
        let streamed = content(2).stream(50_000, None);
        let streamed = store.put(&key("stream")?, streamed, &options).await?;
        left.keep(store, key("stream")?, content(2), attributes, streamed).await?;
        let copied = store.copy(&key("whole")?, &key("copy")?, &CopyOptions::default()).await?;
        left.keep(store, key("copy")?, content(1), attributes, copied).await?;
        // Overwritten by something shorter, deleted, deleted and written again.
        store.put(&key("again")?, Content::new(3, size + 10_000).bytes().into(), &options).await?;
        let again = store.put(&key("again")?, body(content(4)), &PutOptions::default()).await?;
        left.keep(store, key("again")?, content(4), &Attributes::none(), again).await?;
        store.put(&key("deleted")?, body(content(5)), &options).await?;
        store.delete(&key("deleted")?, &DeleteOptions::default()).await?;
        left.deleted.push(key("deleted")?);
        store.put(&key("back")?, body(content(6)), &options).await?;
        store.delete(&key("back")?, &DeleteOptions::default()).await?;
        let back = store.put(&key("back")?, content(7).stream(999, Some(size)), &options).await?;
        left.keep(store, key("back")?, content(7), attributes, back).await?;
    }
    if store.capabilities().has(Capability::Multipart) {
        let key = Key::new("upload/done")?;
        let upload = store.create_upload(&key, &PutOptions::default()).await?;
        let body = PART.bytes().into();
        let part = store.upload_part(&key, &upload, PartNumber::new(1)?, body).await?;
        let options = CompleteOptions::default();
        let written = store.complete_upload(&key, &upload, &[part], &options).await?;
        left.keep(store, key, PART, &Attributes::none(), written).await?;

        let key = Key::new("upload/unfinished")?;
        let upload = store.create_upload(&key, &PutOptions::default()).await?;
        let body = PART.stream(30_000, None);
        let part = store.upload_part(&key, &upload, PartNumber::new(2)?, body).await?;
        left.upload = Some((key, upload, vec![part]));
    }
    Ok(left)
}

async fn verify(store: &dyn StorageProvider, left: &Left, times: &str) -> Outcome {
    for Stored { key, content, attributes, written, meta } in &left.objects {
        let situation = format!("get of {key:?} after the store was opened again {times}");
        let got = ok(&situation, store.get(key, &GetOptions::default()).await)?;
        equal(format!("{situation}: what was acknowledged"), written, &got.meta.written())?;
        equal(format!("{situation}: the attributes"), attributes, &got.meta.attributes)?;
        equal(format!("{situation}: the description"), meta, &got.meta)?;
        let wrong = ok(&situation, content.compare(got.body).await)?;
        equal(format!("{situation}: the first wrong byte"), &None, &wrong)?;
    }
    for key in &left.deleted {
        let situation = format!("get of the deleted {key:?} after the store was opened again");
        fails_with(situation, ErrorKind::NotFound, store.get(key, &GetOptions::default()).await)?;
    }
    let situation = format!("list after the store was opened again {times}");
    let listed: Result<Vec<ListEntry>> =
        list_all(store, ListRequest::default()).try_collect().await;
    let mut listed: Vec<Key> = ok(&situation, listed)?
        .iter()
        .filter_map(ListEntry::as_object)
        .map(|object| object.key.clone())
        .collect();
    listed.sort();
    let mut expected: Vec<Key> = left.objects.iter().map(|stored| stored.key.clone()).collect();
    expected.sort();
    equal(situation, &expected, &listed)?;
    if let Some((key, upload, parts)) = &left.upload {
        let situation = format!("parts of an upload after the store was opened again {times}");
        let listed = ok(&situation, store.list_parts(key, upload).await)?;
        as_acknowledged(&situation, parts, &listed)?;
    }
    Ok(())
}
