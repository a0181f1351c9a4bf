//! Telemetry by configuration, through a real collector: what arrives, and what the dashboards and alert
//! rules make of it. Needs Python 3 and Debian's packages, and, the first time, a network.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use omni_contracts::storage::{Intercepted, StorageProvider};
use omni_contracts::{Body, Call, Effect, Error, ErrorKind, Interceptor, Operation, Result, Scope};
use omni_provider_memory::{MemorySettings, MemoryStorage};
use omni_storage::{Config, Loader, Registry, Storage};
use tck::telemetry::Collector;

/// Fails now and then, and gives every content as a stream.
#[derive(Debug, Default)]
struct Flaky(AtomicU64);

impl Interceptor for Flaky {
    fn name(&self) -> &'static str {
        "flaky"
    }

    async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let kind = match self.0.fetch_add(1, Ordering::Relaxed) {
            number if number % 5 == 4 => ErrorKind::Unavailable,
            number if number % 13 == 12 => ErrorKind::Corrupt,
            _ => return attempt().await,
        };
        Err(Error::new(kind, "as the test wants it").with_effect(Effect::No).at(
            call.operation,
            call.provider,
            call.resource,
        ))
    }

    fn body(&self, call: &Call<'_>, body: Body) -> Body {
        match body.into_bytes() {
            Ok(bytes) if call.operation == Operation::Get => {
                let length = bytes.len() as u64;
                Body::from_stream(stream::iter([Ok::<Bytes, _>(bytes)]), Some(length))
            }
            Ok(bytes) => Body::from(bytes),
            Err(body) => body,
        }
    }
}

fn config(protocol: &str, endpoint: &str) -> Config {
    let none: [(&str, &str); 0] = [];
    let text = format!(
        r#"
        [default.storage.main]
        provider = "flaky"
        layers = {{ concurrency = 4, retry = {{ first_wait = "1ms", longest_wait = "1ms" }} }}

        [default.storage.ha]
        provider = "failover"
        members = ["first", "second"]
        witness = "witness"
        replication = "async"

        [default.storage.first]
        provider = "memory"

        [default.storage.second]
        provider = "memory"

        [default.storage.witness]
        provider = "memory"

        [default.telemetry]
        protocol = "{protocol}"
        endpoint = "{endpoint}"
        service = "pipeline-{protocol}"
        interval = "200ms"
        delay = "100ms"
        "#
    );
    Loader::new().environment(none).text(text).load().unwrap()
}

fn registry() -> Registry<dyn StorageProvider> {
    let mut registry = omni_storage::registry().unwrap();
    let flaky = |_| async {
        let memory = Arc::new(MemoryStorage::new(MemorySettings::default()));
        Ok(Arc::new(Intercepted::new(Flaky::default(), memory, Scope::default())) as _)
    };
    registry.register("flaky", flaky).unwrap();
    registry
}

async fn some_calls(storage: &Storage) {
    for number in 0..40 {
        let key = format!("object-{}", number % 7);
        // Some fail, as they must.
        let _ = storage.put(&key, "12345").await;
        let _ = storage.head(&key).await;
        if let Ok(object) = storage.get(&key).await {
            let _ = object.bytes().await;
        }
        let _ = storage.list("").stream().next().await;
        let _ = storage.delete(&key).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_is_answered() {
    let collector = Collector::start().await.unwrap();
    let open = async |protocol, endpoint, name| {
        Storage::from_config_with(&config(protocol, endpoint), name, &registry()).await.unwrap()
    };
    let by_grpc = open("grpc", collector.grpc(), "main").await;
    let by_http = open("http", collector.http(), "main").await;
    let on_members = open("http", collector.http(), "ha").await;
    assert_eq!(by_http.layers().first(), Some(&"telemetry"));
    let working = tokio::spawn(async move {
        loop {
            some_calls(&by_grpc).await;
            some_calls(&by_http).await;
            some_calls(&on_members).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    for service in ["pipeline-grpc", "pipeline-http"] {
        for signal in ["traces", "logs"] {
            assert!(collector.has(signal, service).await, "no {signal} of {service}");
        }
    }
    let mut silent = Vec::new();
    for query in omni_telemetry::dashboards::queries() {
        if collector.query(&query).await.unwrap() == 0 {
            silent.push(query);
        }
    }
    working.abort();
    assert!(silent.is_empty(), "nothing is answered to {silent:#?}");
}

#[tokio::test]
async fn the_rules_fire_when_they_should() {
    let tools = Collector::tools().await.unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dashboards");
    for (tool, arguments) in [
        ("vmalert", &["-dryRun", "-rule=alerts.yml"][..]),
        ("vmalert-tool", &["unittest", "--disableAlertgroupLabel", "--files=alerts.test.yml"]),
    ] {
        let ran = Command::new(tools.join(tool)).args(arguments).current_dir(&folder).output();
        let ran = ran.unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        assert!(ran.status.success(), "{tool}: {}", String::from_utf8_lossy(&said));
    }
}
