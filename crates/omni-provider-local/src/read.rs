//! Reading, as the contract asks for it: validated, then carried out on one snapshot of the index.

use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::storage::{
    ByteRange, Capability, GetOptions, GetResult, Key, ListPage, ListRequest, ObjectMeta,
    PageToken, Prefix, VersionPage,
};
use omni_contracts::{Body, Result};

use crate::error::IoContext;
use crate::list::{ObjectsPage, VersionsPage};
use crate::objects::{self, Found};
use crate::provider::LocalStorage;
use crate::stream::Reading;

impl LocalStorage {
    pub(crate) async fn try_get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        options.range.validate()?;
        options.expect_supported(&self.capabilities)?;
        let (blobs, buffers) = (Arc::clone(&self.blobs), Arc::clone(&self.buffers));
        let (key, options) = (key.clone(), options.clone());
        let open = self.readers.run(move |connection| {
            let (record, meta, found) = objects::open(connection, &blobs, key.as_str(), &options)?;
            let range = options.range.resolve(meta.size)?;
            let opened = match found {
                Found::Whole(bytes) => Ok(bytes.slice(range.start as usize..range.end as usize)),
                Found::File(file) => {
                    let reading = Reading::new(file, record, &range, key.as_str())?;
                    if reading.is_short() { Ok(reading.read_all()?) } else { Err(reading) }
                }
            };
            Ok((meta, range, opened))
        });
        let (meta, range, opened) = open.await?;
        let body = match opened {
            Ok(bytes) => Body::from(bytes),
            Err(reading) => reading.into_body(&buffers),
        };
        Ok(GetResult { meta, range, body })
    }

    pub(crate) async fn try_get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        options: &GetOptions,
    ) -> Result<Vec<Bytes>> {
        ranges.iter().try_for_each(|range| range.validate())?;
        options.expect_supported(&self.capabilities)?;
        let blobs = Arc::clone(&self.blobs);
        let gap = self.capabilities.limits.coalesce_gap;
        let (key, ranges, options) = (key.clone(), ranges.to_vec(), options.clone());
        let read = self.readers.run(move |connection| {
            let (record, _, found) = objects::open(connection, &blobs, key.as_str(), &options)?;
            Ok(objects::read_ranges(&record, &found, &ranges, gap, key.as_str())?)
        });
        read.await
    }

    pub(crate) async fn try_head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        options.expect_supported(&self.capabilities)?;
        let (key, options) = (key.clone(), options.clone());
        self.readers.run(move |connection| objects::head(connection, key.as_str(), &options)).await
    }

    pub(crate) async fn try_list(&self, request: &ListRequest) -> Result<ListPage> {
        let page = ObjectsPage::new(request)?;
        self.readers.run(move |index| page.read(index)).await
    }

    pub(crate) async fn try_list_versions(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: Option<usize>,
    ) -> Result<VersionPage> {
        let page = VersionsPage::new(prefix, token, limit)?;
        self.capabilities.expect(Capability::Versioning)?;
        self.readers.run(move |index| page.read(index)).await
    }

    pub(crate) async fn try_check(&self) -> Result<()> {
        let index = self.index.clone();
        let answers = self.readers.run(move |connection| {
            // A folder that was removed can still be read through open files.
            std::fs::metadata(&index).context("find the index", &index)?;
            let count = "SELECT value FROM meta WHERE name = 'writes'";
            Ok(connection.query_row(count, [], |row| row.get::<_, u64>(0))?)
        });
        answers.await.map(drop)
    }
}
