//! The emulators that the kit knows. Their lock files are in `tck/emulators`.

use std::time::Duration;

use super::{Emulator, Install, Ready, Stores};

const PATIENCE: Duration = Duration::from_secs(30);

/// Buckets of S3. Neither emulator looks at the signatures of headers.
const BUCKETS: Stores = Stores {
    url: "{endpoint}/{store}",
    authorization: "AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/s3/aws4_request, \
                    SignedHeaders=host, Signature=0",
    settings: &[
        ("provider", "s3"),
        ("bucket", "{store}"),
        ("region", "us-east-1"),
        ("endpoint", "{endpoint}"),
        ("access_key_id", "test"),
        ("secret_access_key", "test"),
    ],
};

/// Containers of the account that Azurite has by itself, with the key that is documented, and a shared
/// access signature by that key.
const CONTAINERS: Stores = Stores {
    url: "{endpoint}/devstoreaccount1/{store}?restype=container&sv=2022-11-02&ss=b&srt=sco&sp=rwdlac\
          &se=2999-01-01T00%3A00%3A00Z&sig=qzjP0%2FsiTqNVdOWkrn9NyNcmsqdEe%2BhJBYV7umc843Y%3D",
    authorization: "",
    settings: &[
        ("provider", "azblob"),
        ("account", "devstoreaccount1"),
        ("container", "{store}"),
        ("endpoint", "{endpoint}/devstoreaccount1"),
        (
            "account_key",
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        ),
    ],
};

/// MiniStack: services of AWS. `serve.py` says what is computed for it.
pub static MINISTACK: Emulator = Emulator {
    name: "ministack",
    version: "1.5.33",
    install: Install::Python {
        requirements: include_str!("../../emulators/ministack/requirements.txt"),
    },
    program: "venv/bin/python",
    arguments: &["-c", include_str!("../../emulators/ministack/serve.py")],
    environment: &[
        ("GATEWAY_PORT", "{port}"),
        ("BIND_HOST", "127.0.0.1"),
        // Would listen on a fixed port.
        ("IOT_MTLS_ENABLED", "0"),
        // Refuses who is not signed in, and looks at presigned requests.
        ("AUTH", "true"),
    ],
    ports: 1,
    ready: Ready { path: "/_ministack/ready", status: Some(200) },
    patience: PATIENCE,
    stores: Some(BUCKETS),
};

/// Moto as a server: services of AWS. It answers one request after the other; `serve.py` says why.
pub static MOTO: Emulator = Emulator {
    name: "moto",
    version: "5.2.5",
    install: Install::Python {
        requirements: include_str!("../../emulators/moto/requirements.txt"),
    },
    program: "venv/bin/python",
    arguments: &["-c", include_str!("../../emulators/moto/serve.py"), "{port}"],
    environment: &[],
    ports: 1,
    ready: Ready { path: "/moto-api/", status: None },
    patience: PATIENCE,
    stores: Some(BUCKETS),
};

/// Azurite: storage of Azure. Its ports are those of blobs, queues and tables, in this order. `serve.js`
/// says what is left out of it.
pub static AZURITE: Emulator = Emulator {
    name: "azurite",
    version: "3.35.0",
    install: Install::Npm {
        package: include_str!("../../emulators/azurite/package.json"),
        lock: include_str!("../../emulators/azurite/package-lock.json"),
        serve: include_str!("../../emulators/azurite/serve.js"),
    },
    program: "serve.js",
    arguments: &[
        "--inMemoryPersistence",
        "--disableTelemetry",
        "--skipApiVersionCheck",
        // Otherwise it closes connections after 5 seconds, also those that a request is on its way on.
        "--blobKeepAliveTimeout",
        "3600",
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        "{port}",
        "--queueHost",
        "127.0.0.1",
        "--queuePort",
        "{port2}",
        "--tableHost",
        "127.0.0.1",
        "--tablePort",
        "{port3}",
    ],
    environment: &[],
    ports: 3,
    ready: Ready { path: "/", status: None },
    patience: PATIENCE,
    stores: Some(CONTAINERS),
};

/// VictoriaMetrics: takes metrics by OTLP, and answers queries in the language of Prometheus. What tests
/// its alert rules is installed beside it, in `root/usr/bin`.
pub static VICTORIA_METRICS: Emulator = Emulator {
    name: "victoria-metrics",
    version: "1.112.0",
    install: Install::Debian {
        script: include_str!("../../emulators/victoria-metrics/install.sh"),
        sources: include_str!("../../emulators/victoria-metrics/debian.sources"),
        sums: include_str!("../../emulators/victoria-metrics/SHA256SUMS"),
    },
    program: "root/usr/bin/victoria-metrics",
    arguments: &[
        "-httpListenAddr=127.0.0.1:{port}",
        "-storageDataPath=data",
        // The names that the specification of OpenTelemetry gives them in Prometheus.
        "-opentelemetry.usePrometheusNaming",
        // What was taken is seen at once.
        "-search.latencyOffset=0s",
        "-inmemoryDataFlushInterval=1s",
    ],
    environment: &[],
    ports: 1,
    ready: Ready { path: "/health", status: Some(200) },
    patience: PATIENCE,
    stores: None,
};

/// Rotel: a collector of OpenTelemetry, by HTTP on its first port and by gRPC on its second. It needs
/// more arguments, which say where it sends what it takes.
pub static ROTEL: Emulator = Emulator {
    name: "rotel",
    version: "0.0.1a15",
    install: Install::Python {
        requirements: include_str!("../../emulators/rotel/requirements.txt"),
    },
    program: "venv/bin/python",
    arguments: &[
        "-c",
        include_str!("../../emulators/rotel/serve.py"),
        "start",
        "--otlp-http-endpoint=127.0.0.1:{port}",
        "--otlp-grpc-endpoint=127.0.0.1:{port2}",
    ],
    environment: &[],
    ports: 2,
    ready: Ready { path: "/", status: None },
    patience: PATIENCE,
    stores: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_files_state_the_version_and_no_registry() {
        for emulator in [&MINISTACK, &MOTO, &AZURITE, &ROTEL, &VICTORIA_METRICS] {
            let Emulator { name, version, .. } = emulator;
            match emulator.install {
                Install::Python { requirements } => {
                    let lines = requirements.lines().filter(|line| !line.starts_with('#'));
                    assert!(lines.clone().all(|line| line.contains("==")), "{name}");
                    assert!(lines.clone().any(|line| line == format!("{name}=={version}")));
                }
                Install::Npm { package, lock, .. } => {
                    assert!(package.contains(&format!("\"{name}\": \"{version}\"")), "{name}");
                    assert!(!lock.contains("\"resolved\""), "{name}");
                }
                Install::Debian { script, sums, .. } => {
                    assert!(script.contains(&format!("{name}={version}+")), "{name}");
                    assert!(sums.contains(&format!("{name}_{version}+")), "{name}");
                }
                Install::Nothing => panic!("{name} is not installed"),
            }
        }
    }
}
