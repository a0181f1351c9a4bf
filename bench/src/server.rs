//! The server of B7 and B11: S3 in memory, in a process of its own, which is this program started again.
//! The protocol is that of the crate `s3s`, which checks signatures and checksums; what is stored is here.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::env::current_exe;
use std::io::{BufRead, BufReader};
use std::ops::Bound;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use md5::{Digest, Md5};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, GetObjectInput, GetObjectOutput, HeadBucketInput,
    HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output,
    Metadata, PutObjectInput, PutObjectOutput, StreamingBlob, UploadPartInput, UploadPartOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tokio::net::TcpListener;

use crate::Failure;

/// By which this program knows that it is the server.
const ARGUMENT: &str = "--serve";

/// What a content that is read comes in.
const CHUNK: usize = 128 << 10;

pub(crate) const ACCESS: &str = "bench";
pub(crate) const SECRET: &str = "benchbench";

/// A server that ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) endpoint: String,
}

impl Server {
    pub(crate) fn start() -> Result<Self, Failure> {
        let mut command = Command::new(current_exe()?);
        command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut line = String::new();
        let said = process.stdout.take().ok_or("the server says nothing")?;
        BufReader::new(said).read_line(&mut line)?;
        Ok(Self { process, endpoint: line.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether this process is the server.
pub(crate) fn requested() -> bool {
    std::env::args().nth(1).as_deref() == Some(ARGUMENT)
}

/// Serves until the process is killed, or its parent is gone. Every name is that of a bucket.
pub(crate) async fn serve() -> Result<(), Failure> {
    let mut builder = S3ServiceBuilder::new(Store::default());
    builder.set_auth(SimpleAuth::from_single(ACCESS, SECRET));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let connection = Builder::new(TokioExecutor::new());
            let _ = connection.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

/// By bucket and key.
type Objects = BTreeMap<(String, String), Object>;

#[derive(Default)]
struct Store {
    objects: Mutex<Objects>,
    /// The parts of unfinished uploads, and what the objects will be.
    uploads: Mutex<HashMap<String, (Object, BTreeMap<i32, Bytes>)>>,
}

#[derive(Clone)]
struct Object {
    content: Bytes,
    tag: String,
    modified: SystemTime,
    content_type: Option<String>,
    metadata: Option<Metadata>,
    checksum: Option<String>,
}

impl Object {
    fn new(content: Bytes, content_type: Option<String>, metadata: Option<Metadata>) -> Self {
        let tag = hex(&Md5::digest(&content));
        let modified = SystemTime::now();
        Self { content, tag, modified, content_type, metadata, checksum: None }
    }
}

async fn read(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut content = BytesMut::new();
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            content.extend_from_slice(&chunk.map_err(|_| s3_error!(IncompleteBody))?);
        }
    }
    Ok(content.freeze())
}

fn hex(sum: &[u8]) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn done<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

impl Store {
    fn object(&self, bucket: String, key: String) -> S3Result<Object> {
        let objects = locked(&self.objects);
        objects.get(&(bucket, key)).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Stores; with `if_none_match`, only what is not there.
    fn store(
        &self,
        bucket: String,
        key: String,
        object: Object,
        if_none_match: bool,
    ) -> S3Result<()> {
        let mut objects = locked(&self.objects);
        if if_none_match && objects.contains_key(&(bucket.clone(), key.clone())) {
            return Err(s3_error!(PreconditionFailed));
        }
        objects.insert((bucket, key), object);
        Ok(())
    }
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let content = read(input.body).await?;
        let object = Object {
            checksum: input.checksum_crc32c,
            ..Object::new(content, input.content_type, input.metadata)
        };
        let e_tag = Some(ETag::Strong(object.tag.clone()));
        self.store(input.bucket, input.key, object, input.if_none_match.is_some())?;
        done(PutObjectOutput { e_tag, ..Default::default() })
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.object(input.bucket, input.key)?;
        let size = object.content.len() as u64;
        let range = match input.range {
            None => 0..size,
            Some(range) => range.check(size)?,
        };
        let length = range.end - range.start;
        let part = object.content.slice(range.start as usize..range.end as usize);
        let chunks = (0..part.len()).step_by(CHUNK).map(move |start| {
            Ok::<_, Infallible>(part.slice(start..part.len().min(start + CHUNK)))
        });
        let body = StreamingBlob::wrap(stream::iter(chunks.collect::<Vec<_>>()));
        let whole = input.range.is_none();
        done(GetObjectOutput {
            body: Some(body),
            content_length: Some(length as i64),
            content_range: (!whole)
                .then(|| format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            content_type: object.content_type,
            e_tag: Some(ETag::Strong(object.tag)),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata,
            checksum_crc32c: object.checksum.filter(|_| input.checksum_mode.is_some() && whole),
            ..Default::default()
        })
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.object(input.bucket, input.key)?;
        done(HeadObjectOutput {
            content_length: Some(object.content.len() as i64),
            content_type: object.content_type,
            e_tag: Some(ETag::Strong(object.tag)),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata,
            checksum_crc32c: object.checksum.filter(|_| input.checksum_mode.is_some()),
            ..Default::default()
        })
    }

    async fn head_bucket(
        &self,
        _request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        done(HeadBucketOutput::default())
    }

    /// Knows no delimiter but for the whole of what a prefix begins.
    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        if input.delimiter.is_some_and(|delimiter| !delimiter.is_empty()) {
            return Err(s3_error!(NotImplemented, "a delimiter"));
        }
        let limit = input.max_keys.unwrap_or(1000).clamp(0, 1000) as usize;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.or(input.start_after);
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded((input.bucket.clone(), after)),
            _ => Bound::Included((input.bucket.clone(), prefix.clone())),
        };
        let objects = locked(&self.objects);
        let mut found = objects
            .range((start, Bound::Unbounded))
            .take_while(|((bucket, key), _)| *bucket == input.bucket && key.starts_with(&prefix));
        let contents: Vec<_> = found
            .by_ref()
            .take(limit)
            .map(|((_, key), object)| s3s::dto::Object {
                key: Some(key.clone()),
                size: Some(object.content.len() as i64),
                e_tag: Some(ETag::Strong(object.tag.clone())),
                last_modified: Some(object.modified.into()),
                ..Default::default()
            })
            .collect();
        let truncated = found.next().is_some();
        let last = contents.last().and_then(|object| object.key.clone());
        done(ListObjectsV2Output {
            key_count: Some(contents.len() as i32),
            max_keys: Some(limit as i32),
            contents: Some(contents),
            is_truncated: Some(truncated),
            next_continuation_token: last.filter(|_| truncated),
            name: Some(input.bucket),
            prefix: input.prefix,
            ..Default::default()
        })
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let mut uploads = locked(&self.uploads);
        let id = format!("upload-{}", uploads.len());
        let object = Object::new(Bytes::new(), input.content_type, input.metadata);
        uploads.insert(id.clone(), (object, BTreeMap::new()));
        done(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..Default::default()
        })
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let content = read(input.body).await?;
        let e_tag = Some(ETag::Strong(hex(&Md5::digest(&content))));
        let mut uploads = locked(&self.uploads);
        let (_, parts) =
            uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        parts.insert(input.part_number, content);
        let checksum_crc32c = input.checksum_crc32c;
        done(UploadPartOutput { e_tag, checksum_crc32c, ..Default::default() })
    }

    /// Joins all parts, whatever it is told of them.
    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let upload = locked(&self.uploads).get_mut(&input.upload_id).map(|(object, parts)| {
            let parts = std::mem::take(parts);
            (object.clone(), parts)
        });
        let (mut object, parts) = upload.ok_or_else(|| s3_error!(NoSuchUpload))?;
        let mut content = BytesMut::with_capacity(parts.values().map(Bytes::len).sum());
        let mut sums = Md5::new();
        for part in parts.values() {
            content.extend_from_slice(part);
            sums.update(Md5::digest(part));
        }
        object.content = content.freeze();
        object.tag = format!("{}-{}", hex(&sums.finalize()), parts.len());
        object.checksum = input.checksum_crc32c.clone();
        let e_tag = Some(ETag::Strong(object.tag.clone()));
        self.store(input.bucket, input.key, object, input.if_none_match.is_some())?;
        let checksum_crc32c = input.checksum_crc32c;
        done(CompleteMultipartUploadOutput { e_tag, checksum_crc32c, ..Default::default() })
    }
}
