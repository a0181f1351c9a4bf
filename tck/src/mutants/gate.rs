//! `Gate`: HTTP in front of stores in memory, which lets in who has a presigned request. With it the
//! checks of presigning are tested without a product.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use omni_contracts::storage::{
    Attributes, DeleteOptions, GetOptions, Key, PresignMethod, PresignRequest, PresignedUrl,
    PutOptions, StorageProvider,
};
use omni_contracts::{Body, Error, Result};
use omni_provider_memory::MemoryStorage;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio::net::{TcpListener, TcpStream};

/// What begins the signature in a query; it covers what stands before it.
const SIGNATURE: &str = "&signature=";

/// The longest that a presigned request works.
pub(super) const LIMIT: Duration = Duration::from_secs(3600);

/// What a presigned request permits. The honest one permits what was asked for, and nothing else.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// The method; `None`: any.
    pub(super) method: Option<PresignMethod>,
    /// The object; `None`: every one of the store.
    pub(super) key: Option<Key>,
    /// When it ends, in seconds since 1970; `None`: never.
    pub(super) until: Option<u64>,
    /// Whether the signature covers the end.
    pub(super) signs_end: bool,
    /// The content type that a put must have.
    pub(super) content_type: Option<String>,
}

/// A listener on this machine, and the stores behind it.
pub(super) struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    secret: RandomState,
    stores: Mutex<HashMap<String, MemoryStorage>>,
}

impl Gate {
    /// Opens a gate. It is closed with the runtime.
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let behind = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Arc::clone(&behind), stream));
            }
        });
        Ok(Self { address, shared })
    }

    /// Puts a store behind the gate.
    pub(super) fn add(&self, name: &str, store: MemoryStorage) {
        let mut stores = self.shared.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.insert(name.to_owned(), store);
    }

    /// What a request asks for, if it may be had.
    pub(super) fn grant(key: &Key, request: &PresignRequest) -> Result<Grant> {
        if request.expires_in.is_zero() || request.expires_in > LIMIT {
            return Err(Error::invalid(format!("a presigned request expires within {LIMIT:?}")));
        }
        Ok(Grant {
            method: Some(request.method),
            key: Some(key.clone()),
            until: Some(seconds(SystemTime::now() + request.expires_in)),
            signs_end: true,
            content_type: request.content_type.clone(),
        })
    }

    /// The URL of a grant for an object of a store.
    pub(super) fn sign(&self, store: &str, key: &Key, grant: &Grant) -> PresignedUrl {
        let method = grant.method.map_or("any".to_owned(), |method| verb(method).to_string());
        let scope = if grant.key.is_some() { "key" } else { "store" };
        let mut signed = format!("method={method}&scope={scope}");
        if let Some(content_type) = &grant.content_type {
            signed += &format!("&type={}", utf8_percent_encode(content_type, NON_ALPHANUMERIC));
        }
        let until = grant.until.map(|until| format!("&until={until}")).unwrap_or_default();
        let mut unsigned = String::new();
        if grant.signs_end { &mut signed } else { &mut unsigned }.push_str(&until);
        let signature = self.shared.signature(store, grant.key.as_ref(), &signed);
        let path = utf8_percent_encode(key.as_str(), NON_ALPHANUMERIC);
        let end = grant.until.unwrap_or_else(|| seconds(SystemTime::now() + LIMIT));
        let content_type = grant.content_type.clone();
        PresignedUrl {
            url: format!(
                "http://{}/{store}/{path}?{signed}{SIGNATURE}{signature}{unsigned}",
                self.address
            ),
            headers: Vec::from_iter(content_type.map(|of| (CONTENT_TYPE.to_string(), of))),
            expires_at: UNIX_EPOCH + Duration::from_secs(end),
        }
    }
}

impl Shared {
    fn signature(&self, store: &str, key: Option<&Key>, signed: &str) -> String {
        format!("{:016x}", self.secret.hash_one((store, key, signed)))
    }

    /// The store and the key that a request is let in to, if it is.
    fn let_in(&self, request: &Request<Incoming>) -> Option<(MemoryStorage, Key)> {
        let (store, path) = request.uri().path().strip_prefix('/')?.split_once('/')?;
        let key = Key::new(percent_decode_str(path).decode_utf8().ok()?).ok()?;
        let query = request.uri().query()?;
        let given: HashMap<_, _> =
            query.split('&').filter_map(|parameter| parameter.split_once('=')).collect();
        let (signed, _) = query.split_once(SIGNATURE)?;
        let scope = (*given.get("scope")? == "key").then_some(&key);
        let in_time = match given.get("until") {
            None => true,
            Some(until) => seconds(SystemTime::now()) < until.parse().ok()?,
        };
        let typed = match given.get("type") {
            None => true,
            Some(of) => {
                let of = percent_decode_str(of).decode_utf8().ok()?;
                request.headers().get(CONTENT_TYPE)?.to_str().ok()? == of
            }
        };
        let allowed = ["any", request.method().as_str()].contains(given.get("method")?);
        let signature = self.signature(store, scope, signed);
        let let_in = in_time && typed && allowed && *given.get("signature")? == signature;
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let store = stores.get(store).cloned()?;
        let_in.then_some((store, key))
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<(StatusCode, Bytes)> {
        let Some((store, key)) = self.let_in(&request) else {
            return Ok((StatusCode::FORBIDDEN, Bytes::new()));
        };
        let (parts, body) = request.into_parts();
        match parts.method {
            Method::PUT => {
                let content_type = parts.headers.get(CONTENT_TYPE);
                let content_type = content_type.and_then(|of| of.to_str().ok()).map(str::to_owned);
                let attributes = Arc::new(Attributes { content_type, ..Attributes::default() });
                let body = body.collect().await;
                let body = body.map_err(|error| Error::invalid(error.to_string()))?.to_bytes();
                let options = PutOptions { attributes, ..PutOptions::default() };
                store.put(&key, Body::from(body), &options).await?;
                Ok((StatusCode::OK, Bytes::new()))
            }
            Method::DELETE => {
                store.delete(&key, &DeleteOptions::default()).await?;
                Ok((StatusCode::NO_CONTENT, Bytes::new()))
            }
            _ => {
                let found = store.get(&key, &GetOptions::default()).await?;
                Ok((StatusCode::OK, found.body.collect().await?))
            }
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let answer = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            let answer = shared.answer(request).await;
            let (status, body) = answer.unwrap_or((StatusCode::NOT_FOUND, Bytes::new()));
            let mut response = Response::new(Full::new(body));
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    });
    // A connection that breaks is its client's affair.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

fn verb(method: PresignMethod) -> Method {
    match method {
        PresignMethod::Delete => Method::DELETE,
        PresignMethod::Get => Method::GET,
        PresignMethod::Head => Method::HEAD,
        PresignMethod::Put => Method::PUT,
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
