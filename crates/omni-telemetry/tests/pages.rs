//! The tables of `docs/spec/observability.md`, and `docs/dashboards`, are what the code says.
//! `OMNI_BLESS=1` writes them anew.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use omni_telemetry::{ATTRIBUTES, METRICS, dashboards};

fn docs(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(path)
}

fn metrics() -> String {
    let mut table =
        "| Metric | In Prometheus | Kind | Unit | What | Attributes |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for metric in METRICS {
        let attributes: Vec<_> = metric.attributes.iter().map(|name| format!("`{name}`")).collect();
        let (name, unit, about) = (metric.name, metric.unit, metric.about);
        let (known_as, kind) = (metric.prometheus(), format!("{:?}", metric.instrument));
        let attributes = attributes.join(", ");
        let _ = writeln!(
            table,
            "| `{name}` | `{known_as}` | {kind} | `{unit}` | {about} | {attributes} |"
        );
    }
    table
}

fn attributes() -> String {
    let mut table = "| Attribute | What | When |\n|---|---|---|\n".to_owned();
    for attribute in ATTRIBUTES {
        let when = if attribute.asked_for { "with `keys = true`" } else { "always" };
        let _ = writeln!(table, "| `{}` | {} | {when} |", attribute.name, attribute.about);
    }
    table
}

#[test]
fn the_specification_says_what_is_recorded() {
    let path = docs("spec/observability.md");
    let mut page = std::fs::read_to_string(&path).unwrap();
    for (mark, table) in
        [("<!-- metrics -->\n", metrics()), ("<!-- attributes -->\n", attributes())]
    {
        let (before, rest) = page.split_once(mark).unwrap();
        let (_, after) = rest.split_once("<!-- end -->").unwrap();
        page = format!("{before}{mark}{table}<!-- end -->{after}");
    }
    written(&path, &page);
}

#[test]
fn dashboards_are_current() {
    let pages = dashboards::pages();
    for page in &pages {
        written(&docs("dashboards").join(&page.file), &page.text);
    }
    for file in std::fs::read_dir(docs("dashboards")).unwrap() {
        let name = file.unwrap().file_name();
        assert!(pages.iter().any(|page| *page.file == *name), "{name:?} is not made");
    }
}

fn written(path: &Path, text: &str) {
    if std::env::var_os("OMNI_BLESS").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let is = std::fs::read_to_string(path).unwrap_or_default();
    assert!(is == text, "{} is stale, write it with OMNI_BLESS=1", path.display());
}
