//! The emulators that the kit knows. Their lock files are in `tck/emulators`.

use std::time::Duration;

use super::{Emulator, Install, Ready};

const PATIENCE: Duration = Duration::from_secs(30);

/// MiniStack: services of AWS.
pub static MINISTACK: Emulator = Emulator {
    name: "ministack",
    version: "1.5.33",
    install: Install::Python {
        requirements: include_str!("../../emulators/ministack/requirements.txt"),
    },
    program: "venv/bin/ministack",
    arguments: &[],
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
};

/// Azurite: storage of Azure. Its ports are those of blobs, queues and tables, in this order.
pub static AZURITE: Emulator = Emulator {
    name: "azurite",
    version: "3.35.0",
    install: Install::Npm {
        package: include_str!("../../emulators/azurite/package.json"),
        lock: include_str!("../../emulators/azurite/package-lock.json"),
    },
    program: "node_modules/.bin/azurite",
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
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_files_state_the_version_and_no_registry() {
        for emulator in [&MINISTACK, &MOTO, &AZURITE] {
            let Emulator { name, version, .. } = emulator;
            match emulator.install {
                Install::Python { requirements } => {
                    let lines = requirements.lines().filter(|line| !line.starts_with('#'));
                    assert!(lines.clone().all(|line| line.contains("==")), "{name}");
                    assert!(lines.clone().any(|line| line == format!("{name}=={version}")));
                }
                Install::Npm { package, lock } => {
                    assert!(package.contains(&format!("\"{name}\": \"{version}\"")), "{name}");
                    assert!(!lock.contains("\"resolved\""), "{name}");
                }
                Install::Nothing => panic!("{name} is not installed"),
            }
        }
    }
}
