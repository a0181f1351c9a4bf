//! `Receiver`: takes OTLP over HTTP, and notes to which path how many bytes came.

use std::convert::Infallible;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A content that was compressed with gzip; none where it was not.
fn unpacked(body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    match flate2::read::GzDecoder::new(body).read_to_end(&mut content) {
        Ok(_) => content,
        Err(_) => Vec::new(),
    }
}

/// A path, and what came to it.
type Taken = (String, Vec<u8>);

/// A receiver on a free port of 127.0.0.1. It ends when it is dropped.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    taken: Arc<Mutex<Vec<Taken>>>,
    serving: JoinHandle<()>,
    answering: watch::Sender<bool>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    /// Starts one that answers, or that reads and does not answer yet.
    pub(super) async fn start(answers: bool) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let taken = Arc::<Mutex<Vec<Taken>>>::default();
        let (answering, answers) = watch::channel(answers);
        let noting = Arc::clone(&taken);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (noting, answers) = (Arc::clone(&noting), answers.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (noting, mut answers) = (Arc::clone(&noting), answers.clone());
                    async move {
                        let path = request.uri().path().to_owned();
                        let is_packed = request.headers().contains_key("content-encoding");
                        let body = request.into_body().collect().await;
                        // Only fails when the receiver ends.
                        let answering = answers.wait_for(|answers| *answers).await.is_ok();
                        if let Some(body) = body.ok().filter(|_| answering) {
                            let mut noting = noting.lock().unwrap_or_else(PoisonError::into_inner);
                            let body = body.to_bytes().to_vec();
                            noting.push((path, if is_packed { unpacked(&body) } else { body }));
                        }
                        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                    }
                });
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    // A client that goes away is none of our business.
                    let _ = http.serve_connection(TokioIo::new(client), service).await;
                });
            }
        });
        Ok(Self { address, taken, serving, answering })
    }

    /// Answers from now on.
    pub(super) fn answer(&self) {
        self.answering.send_replace(true);
    }

    /// The bodies that came to a path.
    pub(super) fn taken(&self, path: &str) -> Vec<Vec<u8>> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.iter().filter(|(to, _)| to == path).map(|(_, body)| body.clone()).collect()
    }
}
