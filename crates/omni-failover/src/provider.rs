//! `FailoverStorage`: the provider.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use omni_contracts::storage::{
    ByteRange, Capabilities, Capability, CompleteOptions, CopyOptions, DeleteOptions, Deleted,
    GetOptions, GetResult, Key, ListEntry, ListPage, ListRequest, ObjectMeta, PageToken, Part,
    PartNumber, Prefix, PresignRequest, PresignedUrl, PutOptions, StorageProvider, UploadId,
    UploadPage, VersionPage, Written,
};
use omni_contracts::{Body, Effect, Error, ErrorKind, Gauges, Operation, Result};

use crate::gauges::gauges;
use crate::member::{Member, split_page, split_upload};
use crate::record::Standing;
use crate::settings::{FailoverSettings, Replication};
use crate::shared::{Shared, Verdict, is_gone};
use crate::watch;
use crate::witness::{Conflict, Witness};
use crate::write::{Change, Content, Made, no_upload};

/// The name in configurations and errors.
pub(crate) const NAME: &str = "failover";

/// How often the primary may change under a read.
const TURNS: usize = 4;

/// How many keys of a batch are deleted at once.
const AT_ONCE: usize = 16;

/// One storage on several members. Cheap to clone; clones are the same.
#[derive(Clone, Debug)]
pub struct FailoverStorage {
    shared: Arc<Shared>,
    /// Ends what goes on beside calls.
    _watch: Arc<Watch>,
}

#[derive(Debug)]
struct Watch([tokio::task::JoinHandle<()>; 2]);

impl Drop for Watch {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// How a failover stands, as this program last saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Grows with every change of what follows.
    pub epoch: u64,
    /// The member that is written first, and read.
    pub primary: String,
    /// The other members.
    pub others: Vec<MemberStatus>,
}

/// How a member stands that is not the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberStatus {
    /// The name of the instance.
    pub name: String,
    /// Where it stands.
    pub standing: Standing,
    /// How many keys wait to be sent to it, that this program knows of.
    pub waiting: usize,
    /// How long the oldest of them has been waiting.
    pub behind: Option<Duration>,
}

impl FailoverStorage {
    /// A storage on `members`, named as in `settings` and in that order. `name` is that of the instance:
    /// all programs that use the same members must use the same, and the same witness.
    ///
    /// Spawns tasks on the current runtime, which look at the members until the last clone is dropped.
    ///
    /// # Errors
    ///
    /// `Configuration` for settings that contradict themselves, and for members or a witness that lack
    /// what they need; `Unavailable` when the witness does not answer, or, for a store that is new, the
    /// first member.
    pub async fn open(
        name: &str,
        settings: FailoverSettings,
        members: Vec<Arc<dyn StorageProvider>>,
        witness: Arc<dyn StorageProvider>,
    ) -> Result<Self> {
        settings.check()?;
        if members.len() != settings.members.len() {
            let problem = "as many members must be opened as are named";
            return Err(Error::new(ErrorKind::Configuration, problem));
        }
        let named = settings.members.iter().zip(members);
        let members =
            named.map(|(name, store)| Member { name: name.as_str().into(), store }).collect();
        let witness = Witness::new(witness, &settings.witness, name)?;
        let shared = Arc::new(Shared::open(members, witness, settings).await?);
        let tasks = [
            tokio::spawn(watch::look(Arc::downgrade(&shared))),
            tokio::spawn(watch::work(Arc::downgrade(&shared), Arc::clone(&shared.wake))),
        ];
        Ok(Self { shared, _watch: Arc::new(Watch(tasks)) })
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let held = self.shared.held();
        let others = held.record.others.iter().map(|(name, standing)| MemberStatus {
            name: name.clone(),
            standing: *standing,
            waiting: self.shared.waiting.count(name),
            behind: self.shared.waiting.behind(name),
        });
        Status {
            epoch: held.record.epoch,
            primary: held.record.primary.clone(),
            others: others.collect(),
        }
    }

    /// Tells how it stands, as the metrics `omni.failover.*`, until the last clone is dropped.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let shared = Arc::downgrade(&self.shared);
        Arc::new(move || shared.upgrade().map(|shared| gauges(&shared)).unwrap_or_default())
    }

    /// What members had that nobody else has, and that was replaced when they came back.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the witness does not answer.
    pub async fn conflicts(&self) -> Result<Vec<Conflict>> {
        self.shared.witness.conflicts().await
    }

    /// Reads from the primary; from another one when it is gone.
    async fn read<T, F, Fut>(&self, read: F) -> Result<T>
    where
        T: Send,
        F: Fn(Member) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let mut turn = 0;
        loop {
            turn += 1;
            let (held, primary) = self.shared.primary()?;
            let call = self.shared.on_primary(primary, read(primary.clone()));
            let error = match call.await {
                // A read has no effect, whatever became of it.
                Err(error) if is_gone(&error) => error.with_effect(Effect::No),
                outcome => return outcome,
            };
            match self.shared.suspect(&held).await {
                Ok(Verdict::Switched) if turn < TURNS => {}
                // The record was just read: who has everything by it, has everything.
                Ok(Verdict::Alone) => return self.read_elsewhere(&read, error).await,
                Err(_) if self.shared.settings.replication == Replication::Read => {
                    return self.read_elsewhere(&read, error).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn read_elsewhere<T, F, Fut>(&self, read: &F, mut error: Error) -> Result<T>
    where
        T: Send,
        F: Fn(Member) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let held = self.shared.held();
        let may_be_old = self.shared.settings.replication == Replication::Read;
        for member in &self.shared.members {
            let standing = held.record.standing(&member.name);
            let fits = match standing {
                Some(Standing::InSync) => true,
                Some(Standing::Following) => may_be_old,
                _ => false,
            };
            if fits {
                match read(member.clone()).await {
                    Err(other) if is_gone(&other) => error = other,
                    outcome => return outcome,
                }
            }
        }
        Err(error)
    }

    async fn write(&self, operation: Operation, key: &Key, change: Change) -> Result<Made> {
        self.shared.write(key, &change).await.map_err(|error| told(error, operation, key.as_str()))
    }

    fn capable(&self, capability: Capability, operation: Operation, key: &str) -> Result<()> {
        self.capabilities().expect(capability).map_err(|error| told(error, operation, key))
    }
}

/// The error of a member, as one of the failover, with that of the member as its cause.
fn told(error: Error, operation: Operation, resource: &str) -> Error {
    if error.provider().is_none_or(|provider| provider == NAME) {
        return error.at(operation, NAME, resource);
    }
    let mut told = Error::new(error.kind(), error.message().to_owned())
        .with_retryable(error.is_retryable())
        .with_effect(error.effect());
    if let Some(wait) = error.retry_after() {
        told = told.with_retry_after(wait);
    }
    let resource = error.resource().unwrap_or(resource).to_owned();
    told.with_source(error).at(operation, NAME, &resource)
}

/// What to read, as a member understands it.
///
/// # Errors
///
/// `PreconditionFailed` for a version of another member.
async fn own_options(member: &Member, key: &Key, options: &GetOptions) -> Result<GetOptions> {
    let mut own = options.clone();
    if let Some(version) = &options.condition.if_none_match {
        // One of another member is not the current one.
        own.condition.if_none_match = member.own(version);
        if own.condition.if_none_match.is_none() {
            own.condition.if_modified_since = None;
        }
    }
    if let Some(version) = &options.condition.if_match {
        own.condition.if_match = member.own(version);
        if own.condition.if_match.is_none() {
            // What is missing is told first.
            member.store.head(key, &GetOptions::default()).await?;
            return Err(member.foreign(version));
        }
    }
    Ok(own)
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl StorageProvider for FailoverStorage {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    fn layers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    async fn check(&self) -> Result<()> {
        let at = |error| told(error, Operation::Check, "");
        self.shared.witness.check().await.map_err(at)?;
        self.read(|member| async move { member.store.check().await }).await.map_err(at)
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Written> {
        let at = |error| told(error, Operation::Put, key.as_str());
        options.attributes.validate().map_err(at)?;
        options.expect_supported(self.capabilities()).map_err(at)?;
        let change = Change::put(body, options.clone()).map_err(at)?;
        self.write(Operation::Put, key, change).await?.written().map_err(at)
    }

    async fn get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        let at = |error| told(error, Operation::Get, key.as_str());
        options.range.validate().map_err(at)?;
        options.expect_supported(self.capabilities()).map_err(at)?;
        let read = |member: Member| async move {
            let own = own_options(&member, key, options).await?;
            let mut got = member.store.get(key, &own).await?;
            got.meta = member.shown_meta(got.meta)?;
            Ok(got)
        };
        self.read(read).await.map_err(at)
    }

    async fn get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        options: &GetOptions,
    ) -> Result<Vec<Bytes>> {
        let at = |error| told(error, Operation::GetRanges, key.as_str());
        for range in ranges {
            range.validate().map_err(at)?;
        }
        options.expect_supported(self.capabilities()).map_err(at)?;
        let read = |member: Member| async move {
            let own = own_options(&member, key, options).await?;
            member.store.get_ranges(key, ranges, &own).await
        };
        self.read(read).await.map_err(at)
    }

    async fn head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        let at = |error| told(error, Operation::Head, key.as_str());
        options.expect_supported(self.capabilities()).map_err(at)?;
        let read = |member: Member| async move {
            let own = own_options(&member, key, options).await?;
            member.shown_meta(member.store.head(key, &own).await?)
        };
        self.read(read).await.map_err(at)
    }

    async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        let at = |error| told(error, Operation::Delete, key.as_str());
        options.expect_supported(self.capabilities()).map_err(at)?;
        let change = Change::Delete { options: options.clone() };
        self.write(Operation::Delete, key, change).await?.deleted().map_err(at)
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        let delete = |key: Key| {
            let this = self.clone();
            async move { this.delete(&key, &DeleteOptions::default()).await }
        };
        // Owned by the stream: a borrowed one cannot be sent between threads.
        let keys: Vec<_> = keys.to_vec();
        stream::iter(keys).map(delete).buffered(AT_ONCE).collect().await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage> {
        let at = |error| told(error, Operation::List, request.prefix.as_str());
        request.validate().map_err(at)?;
        let page = request.token.as_ref().map(|token| split_page(request, token));
        let page = page.transpose().map_err(at)?;
        let page = &page;
        let read = |member: Member| async move {
            let mut own = request.clone();
            if let Some(page) = page {
                if *page.member == *member.name {
                    own.token = Some(PageToken::new(page.own));
                } else if !self.capabilities().has(Capability::OrderedList) {
                    let problem = "another member has become the primary, which lists in another \
                                   order: begin the listing anew";
                    return Err(Error::new(ErrorKind::Conflict, problem).with_retryable(false));
                } else {
                    own.token = None;
                    let last = (!page.last.is_empty()).then(|| Key::native(page.last));
                    own.start_after = last.or(own.start_after);
                }
            }
            let mut listed = member.store.list(&own).await?;
            let last = listed.entries.last().map(|entry| entry.name().to_owned());
            let last = last.or_else(|| page.as_ref().map(|page| page.last.to_owned()));
            let next = listed.next.take();
            listed.next = next.map(|next| member.shown_page(request, &next, last.as_deref()));
            for entry in &mut listed.entries {
                if let ListEntry::Object(object) = entry {
                    object.version = member.shown(&object.version)?;
                }
            }
            Ok(listed)
        };
        self.read(read).await.map_err(at)
    }

    async fn list_versions(
        &self,
        prefix: &Prefix,
        _: Option<&PageToken>,
        _: Option<usize>,
    ) -> Result<VersionPage> {
        let at = |error| told(error, Operation::ListVersions, prefix.as_str());
        Err(at(Error::unsupported(Capability::Versioning)))
    }

    async fn copy(&self, from: &Key, to: &Key, options: &CopyOptions) -> Result<Written> {
        let at = |error| told(error, Operation::Copy, to.as_str());
        if let Some(attributes) = &options.attributes {
            attributes.validate().map_err(at)?;
        }
        options.expect_supported(self.capabilities()).map_err(at)?;
        if from == to && options.attributes.is_none() {
            return Err(at(Error::invalid("a copy of an object to itself needs new attributes")));
        }
        let change = Change::Copy { from: from.clone(), options: options.clone() };
        self.write(Operation::Copy, to, change).await?.written().map_err(at)
    }

    async fn create_upload(&self, key: &Key, options: &PutOptions) -> Result<UploadId> {
        self.capable(Capability::Multipart, Operation::CreateUpload, key.as_str())?;
        let create = |member: Member| async move {
            let upload = member.store.create_upload(key, options).await?;
            Ok(member.shown_upload(&upload))
        };
        let at = |error| told(error, Operation::CreateUpload, key.as_str());
        self.read(create).await.map_err(at)
    }

    async fn upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        let operation = Operation::UploadPart;
        self.capable(Capability::Multipart, operation, key.as_str())?;
        let content = &Content::new(body);
        let send = |member: Member| async move {
            let own = own_upload(&member, upload)?;
            member.store.upload_part(key, &own, number, content.take()?).await
        };
        self.read(send).await.map_err(|error| told(error, operation, key.as_str()))
    }

    async fn list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>> {
        let operation = Operation::ListParts;
        self.capable(Capability::Multipart, operation, key.as_str())?;
        let list = |member: Member| async move {
            let own = own_upload(&member, upload)?;
            member.store.list_parts(key, &own).await
        };
        self.read(list).await.map_err(|error| told(error, operation, key.as_str()))
    }

    async fn complete_upload(
        &self,
        key: &Key,
        upload: &UploadId,
        parts: &[Part],
        options: &CompleteOptions,
    ) -> Result<Written> {
        let operation = Operation::CompleteUpload;
        self.capable(Capability::Multipart, operation, key.as_str())?;
        let change = Change::Complete {
            upload: upload.clone(),
            parts: parts.to_vec(),
            options: options.clone(),
        };
        let at = |error| told(error, operation, key.as_str());
        self.write(operation, key, change).await?.written().map_err(at)
    }

    async fn abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()> {
        let operation = Operation::AbortUpload;
        self.capable(Capability::Multipart, operation, key.as_str())?;
        // Whoever is primary: an upload takes up space where it is.
        let Some((name, own)) = split_upload(upload) else { return Ok(()) };
        let Ok(member) = self.shared.member(name) else { return Ok(()) };
        let aborted = member.store.abort_upload(key, &own).await;
        aborted.map_err(|error| told(error, operation, key.as_str()))
    }

    async fn list_uploads(&self, prefix: &Prefix, token: Option<&PageToken>) -> Result<UploadPage> {
        let operation = Operation::ListUploads;
        self.capable(Capability::Multipart, operation, prefix.as_str())?;
        let request = ListRequest::prefix(prefix.clone());
        let request = &request;
        let at = |error| told(error, operation, prefix.as_str());
        let page = token.map(|token| split_page(request, token)).transpose().map_err(at)?;
        let page = &page;
        let list = |member: Member| async move {
            // Uploads of another member are others: the listing begins again.
            let own = page.as_ref().filter(|page| *page.member == *member.name);
            let own = own.map(|page| PageToken::new(page.own));
            let mut listed = member.store.list_uploads(prefix, own.as_ref()).await?;
            for upload in &mut listed.entries {
                upload.id = member.shown_upload(&upload.id);
            }
            let next = listed.next.take();
            listed.next = next.map(|next| member.shown_page(request, &next, None));
            Ok(listed)
        };
        self.read(list).await.map_err(at)
    }

    async fn presign(&self, key: &Key, _: &PresignRequest) -> Result<PresignedUrl> {
        let at = |error| told(error, Operation::Presign, key.as_str());
        Err(at(Error::unsupported(Capability::Presign)))
    }
}

/// # Errors
///
/// `NotFound` for an upload of another member.
fn own_upload(member: &Member, upload: &UploadId) -> Result<UploadId> {
    let own = split_upload(upload).filter(|(name, _)| **name == *member.name);
    own.map(|(_, own)| own).ok_or_else(no_upload)
}
