//! B7: S3, against one server on this machine. Path style, no retries, kept connections; parts of 8 MiB,
//! four at once. Requests are signed without their contents, as over TLS, and the service is sent no
//! checksum, for the peers send none; the SDK alone can do neither over plain HTTP with its defaults. All
//! contestants read the same objects: how the server's memory lies would decide otherwise.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStoreExt, WriteMultipart};
use omni_config::Secret;
use omni_provider_aws::{S3Checksums, S3Settings, S3Storage};
use omni_storage::{Crc32c, Storage};
use opendal::{Operator, services};

use crate::Failure;
use crate::measure::{About, Bar, Case, Contestant, Plan, contestant, measure};
use crate::memory::payload;
use crate::server::{ACCESS, Apart, SECRET, Server};

const PEERS: Bar = Bar { words: "as fast as the best peer", factor: 1.0 };
const SDK: Bar = Bar { words: "at most 3 % over the bare SDK", factor: 0.97 };

const REGION: &str = "us-east-1";
const BUCKET: &str = "bench";
const PART: usize = 8 << 20;
const PARALLEL: usize = 4;
const LARGE: usize = 64 << 20;
/// The most that happens at once.
const MOST_WORKERS: u64 = 16;
/// What a stream that is put comes in.
const CHUNK: usize = 1 << 20;

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    if !plan.wants("B7") {
        return Ok(cases);
    }
    let server = Server::start()?;
    let _apart = Apart::new(&server);
    let clients = Clients::new(&server.endpoint).await?;
    for (size, small) in [("1 KiB", true), ("64 MiB", false)] {
        for worker in 0..MOST_WORKERS {
            clients.put("omni", &readable(small, worker), small).await?;
        }
        for workers in [1, MOST_WORKERS] {
            for work in [Work::Put, Work::Get] {
                let operations = match (small, workers) {
                    (true, 1) => 200,
                    (true, _) => 800,
                    (false, workers) => workers.max(4),
                };
                let rounds = if small { plan.rounds } else { plan.rounds.min(11) };
                let plan = Plan { rounds, ..*plan };
                for (peers, bar) in
                    [(&["object_store", "opendal"][..], PEERS), (&["aws-sdk-s3"], SDK)]
                {
                    let about = About {
                        id: "B7",
                        title: format!("S3, {size} {}, {workers} concurrent", work.name()),
                        unit: if small { "ns" } else { "ms" },
                        bar,
                        operations,
                    };
                    let names = std::iter::once("omni").chain(peers.iter().copied());
                    let contestants =
                        names.map(|name| clients.contestant(name, work, small, workers)).collect();
                    cases.push(measure(&plan, about, contestants).await?);
                }
            }
        }
    }
    Ok(cases)
}

#[derive(Clone, Copy)]
enum Work {
    Put,
    Get,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
        }
    }
}

#[derive(Clone)]
struct Clients {
    omni: Storage,
    object_store: Arc<AmazonS3>,
    opendal: Operator,
    sdk: Client,
}

impl Clients {
    async fn new(endpoint: &str) -> Result<Self, Failure> {
        opendal::install_default();
        let settings = S3Settings {
            region: Some(REGION.to_owned()),
            endpoint: Some(endpoint.to_owned()),
            access_key_id: Some(ACCESS.to_owned()),
            secret_access_key: Some(Secret::new(SECRET)),
            part_size: PART as u64,
            parallel_parts: PARALLEL,
            unsigned_payload: true,
            checksums: S3Checksums::None,
            ..S3Settings::bucket(BUCKET)
        };
        let object_store = AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_allow_http(true)
            .with_region(REGION)
            .with_bucket_name(BUCKET)
            .with_access_key_id(ACCESS)
            .with_secret_access_key(SECRET)
            .with_unsigned_payload(true)
            .with_retry(object_store::RetryConfig { max_retries: 0, ..Default::default() })
            .build()?;
        let opendal = services::S3::default()
            .endpoint(endpoint)
            .region(REGION)
            .bucket(BUCKET)
            .access_key_id(ACCESS)
            .secret_access_key(SECRET)
            .disable_config_load()
            .disable_ec2_metadata();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .force_path_style(true)
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(ACCESS, SECRET, None, None, "bench"))
            .retry_config(RetryConfig::disabled())
            .build();
        Ok(Self {
            omni: Storage::new(S3Storage::open(settings).await?),
            object_store: Arc::new(object_store),
            opendal: Operator::new(opendal)?,
            sdk: Client::from_conf(config),
        })
    }

    /// Every worker has an object of its own.
    fn contestant(&self, name: &'static str, work: Work, small: bool, workers: u64) -> Contestant {
        let clients = self.clone();
        contestant(name, move |operations| {
            let clients = clients.clone();
            let worker = move |worker: u64| {
                let clients = clients.clone();
                let key = match work {
                    Work::Put => format!("{name}/{small}/{worker}"),
                    Work::Get => readable(small, worker),
                };
                async move {
                    for _ in (worker..operations).step_by(workers as usize) {
                        match work {
                            Work::Put => clients.put(name, &key, small).await?,
                            Work::Get => {
                                let size = if small { 1024 } else { LARGE as u64 };
                                let read = clients.get(name, &key).await?;
                                if read != size {
                                    return Err(format!("{read} bytes of {size}").into());
                                }
                            }
                        }
                    }
                    Ok::<_, Failure>(())
                }
            };
            async move {
                let tasks: Vec<_> = (0..workers).map(|one| tokio::spawn(worker(one))).collect();
                try_join_all(tasks).await?.into_iter().collect()
            }
        })
    }

    /// Peers sum up what they send and receive, as ours does.
    async fn put(&self, name: &str, key: &str, small: bool) -> Result<(), Failure> {
        if small {
            let payload = payload();
            if name != "omni" {
                std::hint::black_box(Crc32c::of(&payload));
            }
            match name {
                "omni" => drop(self.omni.put(key, payload).await?),
                "object_store" => {
                    self.object_store.put(&Path::from(key), payload.into()).await?;
                }
                "opendal" => drop(self.opendal.write(key, payload).await?),
                _ => {
                    let put = self.sdk.put_object().bucket(BUCKET).key(key);
                    put.body(ByteStream::from(payload)).send().await?;
                }
            }
            return Ok(());
        }
        let chunks = LARGE / CHUNK;
        let chunk = chunk();
        match name {
            "omni" => {
                let stream = stream::iter((0..chunks).map(move |_| Ok(chunk.clone())));
                let body = omni_storage::Body::from_stream(stream, Some(LARGE as u64));
                self.omni.put(key, body).await?;
            }
            "object_store" => {
                let upload = self.object_store.put_multipart(&Path::from(key)).await?;
                let mut writer = WriteMultipart::new_with_chunk_size(upload, PART);
                for _ in 0..chunks {
                    std::hint::black_box(Crc32c::of(&chunk));
                    writer.wait_for_capacity(PARALLEL - 1).await?;
                    writer.put(chunk.clone());
                }
                writer.finish().await?;
            }
            "opendal" => {
                let writer = self.opendal.writer_with(key).chunk(PART).concurrent(PARALLEL);
                let mut writer = writer.await?;
                for _ in 0..chunks {
                    std::hint::black_box(Crc32c::of(&chunk));
                    writer.write(chunk.clone()).await?;
                }
                writer.close().await?;
            }
            _ => self.put_by_sdk(key, &chunk).await?,
        }
        Ok(())
    }

    async fn put_by_sdk(&self, key: &str, chunk: &Bytes) -> Result<(), Failure> {
        let created = self.sdk.create_multipart_upload().bucket(BUCKET).key(key).send().await?;
        let upload = created.upload_id().ok_or("no upload id")?;
        let numbers = 1..=(LARGE / PART) as i32;
        let part = async |number: i32| {
            let content = Bytes::from(chunk.repeat(PART / CHUNK));
            std::hint::black_box(Crc32c::of(&content));
            let put = self.sdk.upload_part().bucket(BUCKET).key(key).upload_id(upload);
            let put = put.part_number(number).body(ByteStream::from(content)).send().await?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(put.e_tag);
            Ok::<_, Failure>(part.build())
        };
        let parts: Vec<_> =
            stream::iter(numbers.map(part)).buffered(PARALLEL).try_collect().await?;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.sdk.complete_multipart_upload().bucket(BUCKET).key(key);
        complete.upload_id(upload).multipart_upload(parts).send().await?;
        Ok(())
    }

    async fn get(&self, name: &str, key: &str) -> Result<u64, Failure> {
        let (mut crc, mut size) = (Crc32c::default(), 0);
        let mut count = |chunk: &Bytes| {
            crc.update(chunk);
            size += chunk.len() as u64;
        };
        match name {
            "omni" => {
                // Compares the checksum itself.
                let mut body = self.omni.get(key).await?.stream();
                while let Some(chunk) = body.try_next().await? {
                    size += chunk.len() as u64;
                }
            }
            "object_store" => {
                let mut body = self.object_store.get(&Path::from(key)).await?.into_stream();
                while let Some(chunk) = body.try_next().await? {
                    count(&chunk);
                }
            }
            "opendal" => {
                let mut body = self.opendal.reader(key).await?.into_bytes_stream(..).await?;
                while let Some(chunk) = body.try_next().await? {
                    count(&chunk);
                }
            }
            _ => {
                let get = self.sdk.get_object().bucket(BUCKET).key(key).send().await?;
                let mut body = get.body;
                while let Some(chunk) = body.try_next().await? {
                    count(&chunk);
                }
            }
        }
        std::hint::black_box(crc);
        Ok(size)
    }
}

/// The object that a worker reads.
fn readable(small: bool, worker: u64) -> String {
    format!("read/{small}/{worker}")
}

fn chunk() -> Bytes {
    Bytes::from((0..CHUNK).map(|byte| (byte % 251) as u8).collect::<Vec<_>>())
}
