//! `google.storage.v2.Storage`: the calls that manage objects and buckets.
//!
//! From `google/storage/v2/storage.proto` and its comments. Contents are read and written by the JSON
//! API only.

use std::future::{Ready, ready};

use googleapis_tonic_google_storage_v2::google::storage::v2 as proto;
use hyper::Request;
use hyper::body::Incoming;
use prost::Message;
use tonic::server::{Grpc, UnaryService};
use tonic::{Response, Status};
use tonic_prost::ProstCodec;

use super::State;
use super::conditions::Conditions;
use super::copies::{Compose, Copy, Progress, Source};
use super::encryption::KeyHash;
use super::fault::{Fault, Kind};
use super::http::Answer;
use super::listing::Query;
use super::proto as message;
use super::store::{Bucket, Store};

/// A call on the service.
pub(super) async fn serve(server: &State, request: Request<Incoming>) -> Answer {
    let method = request.uri().path().strip_prefix("/google.storage.v2.Storage/");
    match method.map(str::to_owned).as_deref() {
        Some("CreateBucket") => unary(server, request, create_bucket).await,
        Some("GetBucket") => unary(server, request, get_bucket).await,
        Some("DeleteBucket") => unary(server, request, delete_bucket).await,
        Some("ListBuckets") => unary(server, request, list_buckets).await,
        Some("GetObject") => unary(server, request, get_object).await,
        Some("ListObjects") => unary(server, request, list_objects).await,
        Some("DeleteObject") => unary(server, request, delete_object).await,
        Some("UpdateObject") => unary(server, request, update_object).await,
        Some("ComposeObject") => unary(server, request, compose_object).await,
        Some("RewriteObject") => unary(server, request, rewrite_object).await,
        _ => Status::unimplemented(format!("no method {}", request.uri().path())).into_http(),
    }
}

/// The store, for one caller.
struct Caller<'a> {
    store: &'a mut Store,
    has_credential: bool,
}

impl Caller<'_> {
    /// The bucket that is named, where the caller may use it.
    fn bucket(&self, resource: &str) -> Result<String, Fault> {
        let id = message::bucket_id(resource)?;
        self.store.bucket(id)?.admit(self.has_credential)?;
        Ok(id.to_owned())
    }
}

type Call<Q, A> = fn(&mut Caller<'_>, Q) -> Result<A, Fault>;

/// A call with one message in and one out.
struct Unary<'a, Q, A> {
    server: &'a State,
    has_credential: bool,
    call: Call<Q, A>,
}

impl<Q, A> UnaryService<Q> for Unary<'_, Q, A> {
    type Response = A;
    type Future = Ready<Result<Response<A>, Status>>;

    fn call(&mut self, request: tonic::Request<Q>) -> Self::Future {
        let mut store = self.server.store();
        let mut caller = Caller { store: &mut store, has_credential: self.has_credential };
        let answered = (self.call)(&mut caller, request.into_inner());
        ready(answered.map(Response::new).map_err(Status::from))
    }
}

async fn unary<Q, A>(server: &State, request: Request<Incoming>, call: Call<Q, A>) -> Answer
where
    Q: Message + Default + 'static,
    A: Message + 'static,
{
    let has_credential = request.headers().contains_key("authorization");
    let codec = ProstCodec::<A, Q>::default();
    Grpc::new(codec).unary(Unary { server, has_credential, call }, request).await
}

fn create_bucket(
    caller: &mut Caller<'_>,
    request: proto::CreateBucketRequest,
) -> Result<proto::Bucket, Fault> {
    let described = request.bucket.unwrap_or_default();
    if !described.name.is_empty() {
        return Err(Fault::invalid("bucket.name must not be set: bucket_id has the name"));
    }
    let project = match (request.parent.as_str(), described.project.strip_prefix("projects/")) {
        ("" | "projects/_", Some(project)) => project,
        _ => {
            return Err(Fault::invalid(
                "parent must be projects/_, and bucket.project must be projects/{project}",
            ));
        }
    };
    let mut bucket = Bucket::new(&request.bucket_id, project);
    bucket.versioning = described.versioning.is_some_and(|versioning| versioning.enabled);
    if !described.storage_class.is_empty() {
        bucket.storage_class.clone_from(&described.storage_class);
    }
    if !described.location.is_empty() {
        bucket.location = described.location.to_ascii_uppercase();
    }
    caller.store.create_bucket(bucket).map(message::bucket)
}

fn get_bucket(
    caller: &mut Caller<'_>,
    request: proto::GetBucketRequest,
) -> Result<proto::Bucket, Fault> {
    let id = caller.bucket(&request.name)?;
    caller.store.bucket(&id).map(message::bucket)
}

fn delete_bucket(
    caller: &mut Caller<'_>,
    request: proto::DeleteBucketRequest,
) -> Result<(), Fault> {
    let id = caller.bucket(&request.name)?;
    caller.store.delete_bucket(&id)
}

fn list_buckets(
    caller: &mut Caller<'_>,
    request: proto::ListBucketsRequest,
) -> Result<proto::ListBucketsResponse, Fault> {
    let project = request.parent.strip_prefix("projects/").unwrap_or_default();
    let buckets = caller
        .store
        .buckets
        .values()
        .filter(|bucket| bucket.project == project && bucket.name.starts_with(&request.prefix));
    let buckets = buckets.map(message::bucket).collect();
    Ok(proto::ListBucketsResponse { buckets, ..proto::ListBucketsResponse::default() })
}

fn get_object(
    caller: &mut Caller<'_>,
    request: proto::GetObjectRequest,
) -> Result<proto::Object, Fault> {
    let key = KeyHash::of_params(request.common_object_request_params.as_ref())?;
    without_soft_delete(request.soft_deleted.unwrap_or_default())?;
    let id = caller.bucket(&request.bucket)?;
    let conditions = Conditions {
        generation: request.if_generation_match,
        not_generation: request.if_generation_not_match,
        metageneration: request.if_metageneration_match,
        not_metageneration: request.if_metageneration_not_match,
    };
    let generation = message::generation(request.generation);
    let bucket = caller.store.bucket(&id)?;
    let found = bucket.object_if(&request.object, generation, &conditions)?;
    Ok(message::object(&id, found, key))
}

fn list_objects(
    caller: &mut Caller<'_>,
    request: proto::ListObjectsRequest,
) -> Result<proto::ListObjectsResponse, Fault> {
    without_soft_delete(request.soft_deleted)?;
    if !request.match_glob.is_empty() || !request.filter.is_empty() {
        return Err(Fault::new(Kind::Unimplemented, "match_glob and filter are not supported"));
    }
    let id = caller.bucket(&request.parent)?;
    let wrong = |_| Fault::invalid("Invalid page_size: it must not be negative");
    let query = Query {
        prefix: request.prefix,
        delimiter: request.delimiter,
        include_trailing_delimiter: request.include_trailing_delimiter,
        start: request.lexicographic_start,
        end: request.lexicographic_end,
        versions: request.versions,
        page_size: request.page_size.try_into().map_err(wrong)?,
        page_token: request.page_token,
    };
    let page = query.page(caller.store.bucket(&id)?)?;
    Ok(proto::ListObjectsResponse {
        objects: page
            .objects
            .into_iter()
            .map(|object| message::object(&id, object, None))
            .collect(),
        prefixes: page.prefixes,
        next_page_token: page.next.unwrap_or_default(),
    })
}

fn delete_object(
    caller: &mut Caller<'_>,
    request: proto::DeleteObjectRequest,
) -> Result<(), Fault> {
    let id = caller.bucket(&request.bucket)?;
    let conditions = Conditions {
        generation: request.if_generation_match,
        not_generation: request.if_generation_not_match,
        metageneration: request.if_metageneration_match,
        not_metageneration: request.if_metageneration_not_match,
    };
    let generation = message::generation(request.generation);
    caller.store.delete(&id, &request.object, generation, &conditions)
}

fn update_object(
    caller: &mut Caller<'_>,
    request: proto::UpdateObjectRequest,
) -> Result<proto::Object, Fault> {
    let object = request.object.ok_or_else(|| Fault::required("object"))?;
    let id = caller.bucket(&object.bucket)?;
    let conditions = Conditions {
        generation: request.if_generation_match,
        not_generation: request.if_generation_not_match,
        metageneration: request.if_metageneration_match,
        not_metageneration: request.if_metageneration_not_match,
    };
    let mask = request.update_mask.unwrap_or_default().paths;
    let generation = message::generation(object.generation);
    let updated =
        caller.store.update(&id, &object.name, generation, &conditions, |attributes| {
            message::update(attributes, &object, &mask)
        })?;
    Ok(message::object(&id, updated, None))
}

fn compose_object(
    caller: &mut Caller<'_>,
    request: proto::ComposeObjectRequest,
) -> Result<proto::Object, Fault> {
    let key = KeyHash::of_params(request.common_object_request_params.as_ref())?;
    let target = request.destination.ok_or_else(|| Fault::required("destination"))?;
    let bucket = caller.bucket(&target.bucket)?;
    let sources = request.source_objects.into_iter().map(|source| {
        let generation = message::generation(source.generation);
        let wanted = source.object_preconditions.and_then(|wanted| wanted.if_generation_match);
        if generation.is_some() && wanted.is_some() && generation != wanted {
            return Err(Fault::invalid(
                "The generation of a source and its if_generation_match must be the same",
            ));
        }
        let conditions = Conditions { generation: wanted, ..Conditions::default() };
        Ok(Source { name: source.name, generation, conditions })
    });
    let mut attributes = message::attributes(&target)?;
    if !request.kms_key.is_empty() {
        attributes.kms_key = request.kms_key;
    }
    let compose = Compose {
        sources: sources.collect::<Result<_, _>>()?,
        attributes,
        conditions: Conditions {
            generation: request.if_generation_match,
            metageneration: request.if_metageneration_match,
            ..Conditions::default()
        },
        stated: message::stated(request.object_checksums),
        delete_sources: request.delete_source_objects.unwrap_or_default(),
        key,
        target: target.name,
        bucket,
    };
    let made = caller.store.compose(&compose)?;
    Ok(message::object(&compose.bucket, &made, key))
}

fn rewrite_object(
    caller: &mut Caller<'_>,
    request: proto::RewriteObjectRequest,
) -> Result<proto::RewriteResponse, Fault> {
    let token = request.rewrite_token.clone();
    let copy = copy_of(caller, request)?;
    let (bucket, key) = (copy.target_bucket.clone(), copy.key);
    let count = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    Ok(match caller.store.rewrite(copy, &token)? {
        Progress::Done(object) => proto::RewriteResponse {
            total_bytes_rewritten: count(object.size()),
            object_size: count(object.size()),
            done: true,
            rewrite_token: String::new(),
            resource: Some(message::object(&bucket, &object, key)),
        },
        Progress::More { written, size, token } => proto::RewriteResponse {
            total_bytes_rewritten: count(written),
            object_size: count(size),
            done: false,
            rewrite_token: token,
            resource: None,
        },
    })
}

fn copy_of(caller: &Caller<'_>, request: proto::RewriteObjectRequest) -> Result<Copy, Fault> {
    let described = request.destination.as_ref();
    if described.is_some_and(|object| !object.name.is_empty() || !object.bucket.is_empty()) {
        return Err(Fault::invalid(
            "destination must not have a name or bucket: destination_name and destination_bucket \
             have them",
        ));
    }
    let attributes = described.map(message::attributes).transpose()?;
    let source_key = KeyHash::of_parts(
        &request.copy_source_encryption_algorithm,
        &request.copy_source_encryption_key_bytes,
        &request.copy_source_encryption_key_sha256_bytes,
    )?;
    let wrong = |_| Fault::invalid("Invalid max_bytes_rewritten_per_call");
    Ok(Copy {
        source_bucket: caller.bucket(&request.source_bucket)?,
        source: request.source_object,
        source_generation: message::generation(request.source_generation),
        source_conditions: Conditions {
            generation: request.if_source_generation_match,
            not_generation: request.if_source_generation_not_match,
            metageneration: request.if_source_metageneration_match,
            not_metageneration: request.if_source_metageneration_not_match,
        },
        source_key,
        key: KeyHash::of_params(request.common_object_request_params.as_ref())?,
        target_bucket: caller.bucket(&request.destination_bucket)?,
        target: request.destination_name,
        attributes,
        kms_key: request.destination_kms_key,
        conditions: Conditions {
            generation: request.if_generation_match,
            not_generation: request.if_generation_not_match,
            metageneration: request.if_metageneration_match,
            not_metageneration: request.if_metageneration_not_match,
        },
        stated: message::stated(request.object_checksums),
        bytes_per_call: request.max_bytes_rewritten_per_call.try_into().map_err(wrong)?,
    })
}

fn without_soft_delete(wanted: bool) -> Result<(), Fault> {
    match wanted {
        true => Err(Fault::invalid("The bucket has no soft delete policy")),
        false => Ok(()),
    }
}
