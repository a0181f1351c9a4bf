//! `Collector`: a real receiver of OTLP, what it hands metrics on to, and queries of these.

use std::path::PathBuf;
use std::time::Duration;

use omni_contracts::{Error, ErrorKind, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::receiver::Receiver;
use crate::emulators::{Emulator, ROTEL, Server, VICTORIA_METRICS};

/// How long something may take that is bound to happen.
const SOON: Duration = Duration::from_secs(30);

/// Rotel, which hands on metrics to VictoriaMetrics, spans and log records to a receiver of the kit.
pub struct Collector {
    rotel: Server,
    metrics: Server,
    receiver: Receiver,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("rotel", &self.rotel.endpoints()).finish_non_exhaustive()
    }
}

impl Collector {
    /// Installs what is needed, and starts it.
    ///
    /// # Errors
    ///
    /// `Unavailable`, with what the machine lacks.
    pub async fn start() -> Result<Self> {
        let receiver = Receiver::start(true).await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "no port for a receiver").with_source(error)
        })?;
        let metrics = blocking(|| VICTORIA_METRICS.start()).await?;
        let to = |signal: &str, url: String| format!("--otlp-exporter-{signal}-endpoint={url}");
        let own = |signal: &str| format!("http://{}/v1/{signal}", receiver.address);
        let more = [
            "--exporter=otlp".to_owned(),
            "--otlp-exporter-protocol=http".to_owned(),
            to("metrics", format!("{}/opentelemetry/v1/metrics", metrics.endpoint())),
            to("traces", own("traces")),
            to("logs", own("logs")),
        ];
        // An emulator is data of the program; this one is made once in a test.
        let more = more.map(|argument| &*argument.leak());
        let arguments = [ROTEL.arguments, &more].concat().leak();
        let rotel = Emulator { arguments, ..ROTEL.clone() };
        let rotel = blocking(move || rotel.start()).await?;
        Ok(Self { rotel, metrics, receiver })
    }

    /// Where it takes OTLP by HTTP.
    #[must_use]
    pub fn http(&self) -> &str {
        self.rotel.endpoint()
    }

    /// Where it takes OTLP by gRPC.
    #[must_use]
    pub fn grpc(&self) -> &str {
        self.rotel.endpoints().get(1).map_or("", String::as_str)
    }

    /// Whether a text stands in the spans, or log records (`traces`, `logs`), that have come; waits for
    /// it.
    pub async fn has(&self, signal: &str, text: &str) -> bool {
        let path = format!("/v1/{signal}");
        let stands = || {
            let bodies = self.receiver.taken(&path);
            bodies.iter().any(|body| body.windows(text.len()).any(|part| part == text.as_bytes()))
        };
        let end = Instant::now() + SOON;
        while !stands() {
            if Instant::now() > end {
                return false;
            }
            sleep(Duration::from_millis(50)).await;
        }
        true
    }

    /// What a query gives: the number of its series. Waits until there is one.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a query that is refused, `Unavailable` when nobody answers.
    pub async fn query(&self, query: &str) -> Result<usize> {
        let encoded = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let url = format!("{}/api/v1/query?query={encoded}", self.metrics.endpoint());
        let end = Instant::now() + SOON;
        loop {
            let answer = ask(&url).await?;
            if answer["status"] != "success" {
                let problem = format!("{query}: {answer}");
                return Err(Error::new(ErrorKind::InvalidArgument, problem));
            }
            let series = answer["data"]["result"].as_array().map_or(0, Vec::len);
            if series > 0 || Instant::now() > end {
                return Ok(series);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// The folder of `vmalert` and `vmalert-tool`, by which rules are tested.
    ///
    /// # Errors
    ///
    /// `Unavailable`, with what the machine lacks.
    pub async fn tools() -> Result<PathBuf> {
        Ok(blocking(|| VICTORIA_METRICS.install()).await?.join("root/usr/bin"))
    }
}

async fn ask(url: &str) -> Result<Value> {
    let failed = |error: reqwest::Error| {
        Error::new(ErrorKind::Unavailable, "no answer to a query").with_source(error)
    };
    let answer = reqwest::get(url).await.map_err(failed)?.text().await.map_err(failed)?;
    serde_json::from_str(&answer).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("no JSON: {answer}")).with_source(error)
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::new(ErrorKind::Internal, "an installer").with_source(error))?
}
