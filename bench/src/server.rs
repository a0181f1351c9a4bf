//! The server of B7, B10 and B11: S3 in memory, in a process of its own, which is this program started again.
//! The protocol is that of the crate `s3s`, which checks signatures and checksums; what is stored is here.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::env::current_exe;
use std::io::{BufRead, BufReader};
use std::ops::{Bound, Range};
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
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Metadata, PutObjectInput,
    PutObjectOutput, StreamingBlob, UploadPartInput, UploadPartOutput,
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

/// Server and clients on a processor each, until this is dropped: where they wander, what goes to and fro
/// one at a time takes half as long again in some rounds. Needs the program taskset.
pub(crate) struct Apart {
    /// How many processors there are.
    processors: usize,
}

impl Apart {
    pub(crate) fn new(server: &Server) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        bind(server.process.id(), "1");
        bind(std::process::id(), "0");
        Self { processors }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        bind(std::process::id(), &format!("0-{}", self.processors - 1));
    }
}

fn bind(process: u32, processors: &str) {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", processors, &process.to_string()]);
    let bound = command.stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !bound {
        eprintln!("processes wander between processors: taskset does not work here");
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

/// Serves until the process is killed, or its parent is gone, on the port that is asked for, else on a free
/// one. Every name is that of a bucket.
pub(crate) async fn serve() -> Result<(), Failure> {
    let mut builder = S3ServiceBuilder::new(Store::default());
    builder.set_auth(SimpleAuth::from_single(ACCESS, SECRET));
    let service = builder.build();
    let port = std::env::args().nth(2);
    let port = port.as_deref().map(str::parse).transpose()?;
    let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(0))).await?;
    if port.is_none() {
        println!("http://{}", listener.local_addr()?);
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(0);
        });
    }
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
    uploads: Mutex<HashMap<String, Upload>>,
}

/// What an object will be, and the parts that were received: their contents and MD5 sums.
type Upload = (Object, BTreeMap<i32, (Bytes, [u8; 16])>);

#[derive(Clone)]
struct Object {
    /// The parts that it was sent in.
    content: Vec<Bytes>,
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
        Self { content: vec![content], tag, modified, content_type, metadata, checksum: None }
    }

    fn size(&self) -> u64 {
        self.content.iter().map(|part| part.len() as u64).sum()
    }

    fn chunks(&self, range: Range<u64>) -> Vec<Result<Bytes, Infallible>> {
        let (mut chunks, mut before) = (Vec::new(), 0);
        for part in &self.content {
            let within = |at: u64| at.saturating_sub(before).min(part.len() as u64) as usize;
            let (start, end) = (within(range.start), within(range.end));
            let starts = (start..end).step_by(CHUNK);
            chunks.extend(starts.map(|start| Ok(part.slice(start..end.min(start + CHUNK)))));
            before += part.len() as u64;
        }
        chunks
    }
}

async fn read(body: Option<StreamingBlob>, length: Option<i64>) -> S3Result<Bytes> {
    let length = length.and_then(|length| usize::try_from(length).ok());
    let mut content = BytesMut::with_capacity(length.unwrap_or(0));
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

    /// Changes what is there, where the conditions hold; `None` for a delete.
    fn change(
        &self,
        bucket: String,
        key: String,
        object: Option<Object>,
        if_match: Option<&ETagCondition>,
        if_none_match: bool,
    ) -> S3Result<()> {
        let mut objects = locked(&self.objects);
        let place = (bucket, key);
        let known = objects.get(&place).map(|object| object.tag.as_str());
        let holds = if_match
            .and_then(ETagCondition::as_etag)
            .is_none_or(|tag| known.is_some_and(|known| tag.as_strong() == Some(known)));
        if !holds || if_none_match && known.is_some() {
            return Err(match (known, if_match) {
                (None, Some(_)) => s3_error!(NoSuchKey),
                _ => s3_error!(PreconditionFailed),
            });
        }
        match object {
            Some(object) => drop(objects.insert(place, object)),
            None => drop(objects.remove(&place)),
        }
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
        let content = read(input.body, input.content_length).await?;
        let object = Object {
            checksum: input.checksum_crc32c,
            ..Object::new(content, input.content_type, input.metadata)
        };
        let e_tag = Some(ETag::Strong(object.tag.clone()));
        let (if_match, if_none_match) = (input.if_match.as_ref(), input.if_none_match.is_some());
        self.change(input.bucket, input.key, Some(object), if_match, if_none_match)?;
        done(PutObjectOutput { e_tag, ..Default::default() })
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        self.change(input.bucket, input.key, None, input.if_match.as_ref(), false)?;
        done(DeleteObjectOutput::default())
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.object(input.bucket, input.key)?;
        let size = object.size();
        let range = match input.range {
            None => 0..size,
            Some(range) => range.check(size)?,
        };
        let length = range.end - range.start;
        let body = StreamingBlob::wrap(stream::iter(object.chunks(range.clone())));
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
            content_length: Some(object.size() as i64),
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
                size: Some(object.size() as i64),
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
        let content = read(input.body, input.content_length).await?;
        let sum: [u8; 16] = Md5::digest(&content).into();
        let e_tag = Some(ETag::Strong(hex(&sum)));
        let mut uploads = locked(&self.uploads);
        let (_, parts) =
            uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        parts.insert(input.part_number, (content, sum));
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
        let mut sums = Md5::new();
        for (part, sum) in parts.values() {
            object.content.push(part.clone());
            sums.update(sum);
        }
        object.tag = format!("{}-{}", hex(&sums.finalize()), parts.len());
        object.checksum = input.checksum_crc32c.clone();
        let e_tag = Some(ETag::Strong(object.tag.clone()));
        let (if_match, if_none_match) = (input.if_match.as_ref(), input.if_none_match.is_some());
        self.change(input.bucket, input.key, Some(object), if_match, if_none_match)?;
        let checksum_crc32c = input.checksum_crc32c;
        done(CompleteMultipartUploadOutput { e_tag, checksum_crc32c, ..Default::default() })
    }
}
