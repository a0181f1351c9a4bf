//! Telemetry is switched on by configuration alone: what the program does arrives in a collector.
#![cfg(unix)]

use std::process::Command;

use tck::telemetry::Collector;

#[tokio::test(flavor = "multi_thread")]
async fn what_it_does_arrives() {
    let collector = Collector::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (protocol, endpoint) in [("http", collector.http()), ("grpc", collector.grpc())] {
        let service = format!("archive-by-{protocol}");
        let mut archive = Command::new(env!("CARGO_BIN_EXE_archive"));
        archive.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("OMNI_CONFIG");
        archive.env("OMNI_PROFILE", "default");
        archive.env("OMNI_STORAGE__MAIN__PATH", folder.path().join(protocol));
        archive.env("OMNI_TELEMETRY__PROTOCOL", protocol);
        archive.env("OMNI_TELEMETRY__ENDPOINT", endpoint);
        archive.env("OMNI_TELEMETRY__SERVICE", &service);
        let ran = archive.output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        assert!(collector.has("traces", &service).await, "no spans of {service}");
        let query = format!(
            r#"omni_client_operation_duration_seconds_count{{omni_operation="put",service_name="{service}"}}"#
        );
        assert!(collector.query(&query).await.unwrap() > 0, "nothing is answered to {query}");
    }
}
