//! Settings that are wrong, and what is never touched.

use omni_config::{Config, Loader};
use omni_contracts::ErrorKind;
use omni_telemetry::{Telemetry, TelemetrySettings};
use opentelemetry::trace::{Span, Tracer, TracerProvider};

fn config(table: &str) -> Config {
    let none: [(&str, &str); 0] = [];
    let text = format!("[default.telemetry]\n{table}");
    Loader::new().environment(none).text(text).load().unwrap()
}

#[test]
fn wrong_settings_are_named_with_their_place() {
    for (table, problem) in [
        ("endpoint = 'collector:4318'", "`endpoint` has to begin with http:// or https://"),
        ("sample = 1.5", "`sample` has to be from 0 to 1"),
        ("queue = 0", "`queue` has to be from 1 to 100000"),
        ("queue = 100001", "`queue` has to be from 1 to 100000"),
        ("interval = '0s'", "`interval` has to be longer than nothing"),
        ("protocol = 'udp'", "unknown value `udp`"),
        ("signals = ['spans']", "unknown value `spans`"),
        ("endpiont = 'x'", "did you mean `endpoint`"),
        #[cfg(not(feature = "grpc"))]
        ("protocol = 'grpc'", "needs the feature `telemetry-grpc`"),
    ] {
        let error = Telemetry::from_config(&config(table)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let text = error.to_string();
        assert!(text.contains(problem) && text.contains("telemetry"), "{table}: {text}");
    }
}

#[test]
fn headers_are_secrets() {
    let settings: TelemetrySettings =
        toml::from_str("headers = { authorization = 'Bearer swordfish' }").unwrap();
    assert!(!format!("{settings:?}").contains("swordfish"));
}

#[test]
fn equal_tables_are_one_telemetry_and_nothing_global_is_touched() {
    let config = config("endpoint = 'http://127.0.0.1:1'\nsignals = ['traces']");
    let one = Telemetry::from_config(&config).unwrap().unwrap();
    let two = Telemetry::from_config(&config).unwrap().unwrap();
    assert_eq!(format!("{one:p}"), format!("{two:p}"));
    let global = opentelemetry::global::tracer_provider().tracer("application");
    assert!(!global.start("span").span_context().is_valid());
}
