//! Grafana dashboards and Prometheus alert rules, made from [`METRICS`](crate::METRICS).
//!
//! Names are those that Prometheus gives the metrics by the rules of OpenTelemetry, with `_` for `.`,
//! the unit and `_total`.

use std::fmt::Write;

use omni_contracts::Contract;
use serde_json::{Value, json};

use crate::table::{
    ACTIVE, BEHIND, BREAKER, CONFLICTS, CONTENT_DURATION, CONTENT_SIZE, DURATION, EPOCH, LIMIT,
    Metric, RETRIES, RPO, STANDING, SWITCHES, TO_SEND, USED, WAITING,
};

/// A file, and what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The file's name.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Everything: the dashboards, the rules, and the tests of the rules for `promtool test rules`.
#[must_use]
pub fn pages() -> Vec<Page> {
    let mut pages: Vec<_> = dashboards()
        .iter()
        .map(|dashboard| Page {
            file: format!("{}.json", dashboard.uid),
            text: format!("{:#}\n", dashboard.json()),
        })
        .collect();
    pages.push(Page { file: "alerts.yml".to_owned(), text: rules() });
    pages.push(Page { file: "alerts.test.yml".to_owned(), text: rule_tests() });
    pages
}

/// Every query of the dashboards and of the rules, these without what they compare it with, and with Grafana's variables replaced by what they stand
/// for when everything is chosen.
#[must_use]
pub fn queries() -> Vec<String> {
    let panels = dashboards().into_iter().flat_map(|dashboard| dashboard.panels);
    let of_panels = panels.flat_map(|panel| panel.queries).map(|(query, _)| query);
    let of_rules = alerts().into_iter().map(|alert| alert.query);
    of_panels
        .chain(of_rules)
        .map(|query| query.replace("$__rate_interval", "5m"))
        .map(plain)
        .collect()
}

fn plain(query: String) -> String {
    query.replace("=~\"$provider\"", "=~\".*\"").replace("=~\"$instance\"", "=~\".*\"")
}

struct Dashboard {
    uid: String,
    title: String,
    about: &'static str,
    panels: Vec<Panel>,
}

struct Panel {
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    /// Each with the legend of its lines.
    queries: Vec<(String, &'static str)>,
}

impl Panel {
    fn new(
        title: &'static str,
        unit: &'static str,
        about: &'static str,
        queries: Vec<(String, &'static str)>,
    ) -> Self {
        Self { title, about, unit, queries }
    }
}

/// What is chosen at the top of a dashboard.
const CHOSEN: &str = r#"omni_provider=~"$provider",omni_instance=~"$instance""#;

fn chosen(also: &str) -> String {
    format!("{{{CHOSEN}{also}}}")
}

/// How often something counted happens in a second.
fn rate(series: &str, selection: &str, by: &str) -> String {
    format!("sum by ({by}) (rate({series}{selection}[$__rate_interval]))")
}

fn quantile(quantile: &str, metric: &str, selection: &str, by: &str) -> String {
    let buckets = rate(&format!("{metric}_bucket"), selection, &format!("le, {by}"));
    format!("histogram_quantile({quantile}, {buckets})")
}

const FAILED: &str = r#",error_type!="""#;

/// The four golden signals of what is selected, by something.
fn golden(also: &str, by: &'static str, legend: &'static str) -> Vec<Panel> {
    let duration = DURATION.prometheus();
    let calls = format!("{duration}_count");
    let all = chosen(also);
    let failed = chosen(&format!("{also}{FAILED}"));
    let share = format!(
        "({} or 0 * {}) / {}",
        rate(&calls, &failed, by),
        rate(&calls, &all, by),
        rate(&calls, &all, by),
    );
    vec![
        Panel::new(
            "Latency, 99 of 100 calls are faster",
            "s",
            "with all attempts and the waits between them",
            vec![(quantile("0.99", &duration, &all, by), legend)],
        ),
        Panel::new("Traffic", "reqps", "calls in a second", vec![(rate(&calls, &all, by), legend)]),
        Panel::new(
            "Errors",
            "percentunit",
            "the share of calls that failed; what is not found is no failure",
            vec![(share, legend)],
        ),
    ]
}

fn of_instance(metric: &str, also: &str) -> String {
    format!("sum by (omni_provider, omni_instance) ({metric}{})", chosen(also))
}

const INSTANCE: &str = "{{omni_provider}} {{omni_instance}}";

/// How full instances are.
fn saturation(also: &str) -> Vec<Panel> {
    let used = of_instance(&USED.prometheus(), also);
    let limit = of_instance(&LIMIT.prometheus(), also);
    let breaker = BREAKER.prometheus();
    vec![
        Panel::new(
            "Saturation",
            "percentunit",
            "places of the concurrency limit that are taken, where there is a limit",
            vec![(format!("{used} / {limit}"), INSTANCE)],
        ),
        Panel::new(
            "Under way",
            "short",
            "calls that are not answered, and attempts that wait for a place",
            vec![
                (
                    of_instance(&ACTIVE.prometheus(), also),
                    "calls of {{omni_provider}} {{omni_instance}}",
                ),
                (
                    of_instance(&WAITING.prometheus(), also),
                    "waiting for {{omni_provider}} {{omni_instance}}",
                ),
            ],
        ),
        Panel::new(
            "Circuit breaker",
            "none",
            "0 closed, 1 half open, 2 open",
            vec![(
                format!("max by (omni_provider, omni_instance) ({breaker}{})", chosen(also)),
                INSTANCE,
            )],
        ),
    ]
}

/// Repeats, kinds of errors, contents.
fn details(also: &str) -> Vec<Panel> {
    let (duration, content) = (DURATION.prometheus(), CONTENT_DURATION.prometheus());
    let failed = chosen(&format!("{also}{FAILED}"));
    let all = chosen(also);
    vec![
        Panel::new(
            "Errors by kind",
            "reqps",
            "calls in a second that failed",
            vec![(rate(&format!("{duration}_count"), &failed, "error_type"), "{{error_type}}")],
        ),
        Panel::new(
            "Outcomes",
            "reqps",
            "what calls came to, failures and answers",
            vec![(rate(&format!("{duration}_count"), &all, "omni_outcome"), "{{omni_outcome}}")],
        ),
        Panel::new(
            "Retries",
            "reqps",
            "attempts in a second after the first of a call",
            vec![(rate(&RETRIES.prometheus(), &all, "omni_operation"), "{{omni_operation}}")],
        ),
        Panel::new(
            "Throughput",
            "Bps",
            "bytes of contents in a second",
            vec![(
                rate(&CONTENT_SIZE.prometheus(), &all, "network_io_direction"),
                "{{network_io_direction}}",
            )],
        ),
        Panel::new(
            "Reading of contents, 99 of 100 are faster",
            "s",
            "from the answer to the end of the content",
            vec![(quantile("0.99", &content, &all, "omni_provider"), "{{omni_provider}}")],
        ),
    ]
}

fn dashboards() -> Vec<Dashboard> {
    let overview = Dashboard {
        uid: "omni-overview".to_owned(),
        title: "Omni: overview".to_owned(),
        about: "The four golden signals of everything behind Omni's contracts.",
        panels: golden(
            "",
            "omni_contract, omni_provider, omni_instance",
            "{{omni_contract}} {{omni_provider}} {{omni_instance}}",
        )
        .into_iter()
        .chain(saturation(""))
        .collect(),
    };
    let of_contract = |contract: &Contract| {
        let name = contract.as_str();
        let also = format!(r#",omni_contract="{name}""#);
        Dashboard {
            uid: format!("omni-{name}"),
            title: format!("Omni: {name}"),
            about: "One contract, by operation.",
            panels: golden(&also, "omni_operation", "{{omni_operation}}")
                .into_iter()
                .chain(details(&also))
                .chain(saturation(&also))
                .collect(),
        }
    };
    // What applications can open.
    let contracts = [Contract::Storage].iter().map(of_contract);
    std::iter::once(overview).chain(contracts).chain([failover()]).collect()
}

/// What is made of several instances.
fn failover() -> Dashboard {
    let of_member = |metric: &Metric| {
        format!("max by (omni_instance, omni_member) ({}{})", metric.prometheus(), chosen(""))
    };
    let of_instance =
        |metric: &Metric| format!("max by (omni_instance) ({}{})", metric.prometheus(), chosen(""));
    let increase = |metric: &Metric| {
        let series = format!("{}{}", metric.prometheus(), chosen(""));
        format!("sum by (omni_instance) (increase({series}[$__rate_interval]))")
    };
    let (member, instance) = ("{{omni_instance}} {{omni_member}}", "{{omni_instance}}");
    let panel = Panel::new;
    Dashboard {
        uid: "omni-failover".to_owned(),
        title: "Omni: failover".to_owned(),
        about: "Storages on several members: who is primary, who counts, who is behind.",
        panels: vec![
            panel("Members", "none", STANDING.about, vec![(of_member(STANDING), member)]),
            panel("Switches", "short", SWITCHES.about, vec![(increase(SWITCHES), instance)]),
            panel(
                "Behind",
                "s",
                "how long what was acknowledged has been waiting to be sent, and how long it may",
                vec![(of_member(BEHIND), member), (of_instance(RPO), "may be: {{omni_instance}}")],
            ),
            panel("Waiting", "short", TO_SEND.about, vec![(of_member(TO_SEND), member)]),
            panel("Conflicts", "short", CONFLICTS.about, vec![(increase(CONFLICTS), instance)]),
            panel("Epoch", "none", EPOCH.about, vec![(of_instance(EPOCH), instance)]),
        ],
    }
}

impl Dashboard {
    /// As Grafana reads it, from version 9.
    fn json(&self) -> Value {
        let panels: Vec<_> =
            self.panels.iter().enumerate().map(|(number, panel)| panel.json(number)).collect();
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["omni"],
            "timezone": "",
            "editable": true,
            "schemaVersion": 38,
            "version": 1,
            "refresh": "30s",
            "time": { "from": "now-1h", "to": "now" },
            "templating": { "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "refresh": 1,
                },
                variable("provider", "omni_provider"),
                variable("instance", "omni_instance"),
            ] },
            "annotations": { "list": [] },
            "panels": panels,
        })
    }
}

fn variable(name: &str, label: &str) -> Value {
    let query = format!("label_values({}_count, {label})", DURATION.prometheus());
    json!({
        "name": name,
        "type": "query",
        "datasource": { "type": "prometheus", "uid": "${datasource}" },
        "definition": query,
        "query": { "query": query, "refId": "variable" },
        "includeAll": true,
        "allValue": ".*",
        "multi": true,
        "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
        "refresh": 2,
        "sort": 1,
    })
}

impl Panel {
    fn json(&self, number: usize) -> Value {
        let targets: Vec<_> = self
            .queries
            .iter()
            .enumerate()
            .map(|(number, (query, legend))| {
                json!({
                    "refId": char::from(b'A' + number as u8).to_string(),
                    "datasource": { "type": "prometheus", "uid": "${datasource}" },
                    "expr": query,
                    "legendFormat": legend,
                    "range": true,
                })
            })
            .collect();
        json!({
            "id": number + 1,
            "type": "timeseries",
            "title": self.title,
            "description": self.about,
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
            "gridPos": { "h": 8, "w": 8, "x": number % 3 * 8, "y": number / 3 * 8 },
            "fieldConfig": {
                "defaults": { "unit": self.unit, "min": 0, "custom": { "showPoints": "never" } },
                "overrides": [],
            },
            "options": {
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            },
            "targets": targets,
        })
    }
}

struct Alert {
    name: &'static str,
    query: String,
    /// What the query must give, for the alert.
    when: &'static str,
    /// How long it has to hold.
    lasts: &'static str,
    severity: &'static str,
    says: &'static str,
    /// Series of a test, and their values once a minute.
    test: Vec<(String, &'static str)>,
}

const BY: &str = "omni_contract, omni_provider, omni_instance";

fn alerts() -> Vec<Alert> {
    let duration = DURATION.prometheus();
    let calls = |selection: &str| format!("sum by ({BY}) (rate({duration}_count{selection}[5m]))");
    let of = |metric: &str, also: &str| {
        format!(
            r#"{metric}{{omni_contract="storage",omni_provider="s3",omni_instance="main"{also}}}"#
        )
    };
    let ok = r#",omni_operation="get",omni_outcome="ok""#;
    let failed = r#",omni_operation="get",omni_outcome="unavailable",error_type="unavailable""#;
    let count = format!("{duration}_count");
    let bucket = format!("{duration}_bucket");
    vec![
        Alert {
            name: "OmniErrors",
            query: format!("{} / {}", calls(r#"{error_type!=""}"#), calls("")),
            when: "> 0.05",
            lasts: "5m",
            severity: "critical",
            says: "more than 5 of 100 calls of {{ $labels.omni_provider }} \
                   ({{ $labels.omni_instance }}) fail",
            test: vec![(of(&count, ok), "0+50x20"), (of(&count, failed), "0+10x20")],
        },
        Alert {
            name: "OmniSlow",
            query: format!("histogram_quantile(0.99, sum by (le, {BY}) (rate({bucket}[5m])))"),
            when: "> 5",
            lasts: "10m",
            severity: "warning",
            says: "1 of 100 calls of {{ $labels.omni_provider }} ({{ $labels.omni_instance }}) \
                   takes longer than 5 s",
            test: vec![
                (of(&bucket, &format!(r#"{ok},le="5""#)), "0+50x30"),
                (of(&bucket, &format!(r#"{ok},le="10""#)), "0+100x30"),
                (of(&bucket, &format!(r#"{ok},le="+Inf""#)), "0+100x30"),
            ],
        },
        Alert {
            name: "OmniBreakerOpen",
            query: format!("max by ({BY}) ({})", BREAKER.prometheus()),
            when: ">= 2",
            lasts: "1m",
            severity: "critical",
            says: "the circuit breaker of {{ $labels.omni_provider }} \
                   ({{ $labels.omni_instance }}) is open: calls are refused",
            test: vec![(of(&BREAKER.prometheus(), ""), "2x20")],
        },
        Alert {
            name: "OmniSaturated",
            query: format!(
                "sum by ({BY}) ({}) / sum by ({BY}) ({})",
                USED.prometheus(),
                LIMIT.prometheus()
            ),
            when: "> 0.9",
            lasts: "5m",
            severity: "warning",
            says: "more than 90 of 100 places of {{ $labels.omni_provider }} \
                   ({{ $labels.omni_instance }}) are taken",
            test: vec![
                (of(&USED.prometheus(), ""), "64x20"),
                (of(&LIMIT.prometheus(), ""), "64x20"),
            ],
        },
        Alert {
            name: "OmniRetries",
            query: format!("sum by ({BY}) (rate({}[5m])) / {}", RETRIES.prometheus(), calls("")),
            when: "> 0.2",
            lasts: "10m",
            severity: "warning",
            says: "{{ $labels.omni_provider }} ({{ $labels.omni_instance }}) is asked again for \
                   more than 20 of 100 calls",
            test: vec![
                (of(&count, ok), "0+50x30"),
                (of(&RETRIES.prometheus(), r#",omni_operation="get""#), "0+25x30"),
            ],
        },
        Alert {
            name: "OmniSwitched",
            query: format!("max by ({BY}) (increase({}[15m]))", SWITCHES.prometheus()),
            when: "> 0",
            lasts: "0m",
            severity: "warning",
            says: "another member of {{ $labels.omni_instance }} has become primary",
            test: vec![(of(&SWITCHES.prometheus(), ""), "0x5 1x20")],
        },
        Alert {
            name: "OmniMemberOut",
            query: format!("min by ({BY}) ({})", STANDING.prometheus()),
            when: "< 1",
            lasts: "5m",
            severity: "critical",
            says: "a member of {{ $labels.omni_instance }} is away: one less may fail",
            test: vec![
                (of(&STANDING.prometheus(), r#",omni_member="primary""#), "3x20"),
                (of(&STANDING.prometheus(), r#",omni_member="standby""#), "0x20"),
            ],
        },
        Alert {
            name: "OmniBehind",
            query: format!(
                "max by ({BY}) ({}) / max by ({BY}) ({})",
                BEHIND.prometheus(),
                RPO.prometheus()
            ),
            when: "> 1",
            lasts: "1m",
            severity: "critical",
            says: "a member of {{ $labels.omni_instance }} is further behind than targets.rpo",
            test: vec![
                (of(&BEHIND.prometheus(), r#",omni_member="standby""#), "60x20"),
                (of(&RPO.prometheus(), ""), "30x20"),
            ],
        },
    ]
}

/// A text in single quotes, as YAML has it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn rules() -> String {
    let mut text = "# Alert rules for Prometheus, made by `omni dashboards`.\ngroups:\n  - name: omni\n    rules:\n".to_owned();
    for Alert { name, query, when, lasts, severity, says, .. } in alerts() {
        let (query, says) = (quoted(&format!("{query} {when}")), quoted(says));
        let _ = write!(
            text,
            "      - alert: {name}\n        expr: {query}\n        for: {lasts}\n        labels:\n          \
             severity: {severity}\n        annotations:\n          summary: {says}\n"
        );
    }
    text
}

/// One test of each rule: that it fires for its series after half an hour, and not without them.
fn rule_tests() -> String {
    let mut text = "# Run with `promtool test rules alerts.test.yml`.\nrule_files:\n  - alerts.yml\nevaluation_interval: 1m\ntests:\n".to_owned();
    for Alert { name, severity, says, test, .. } in alerts() {
        let _ = write!(text, "  - name: {name}\n    interval: 1m\n    input_series:\n");
        for (series, values) in test {
            let _ = write!(
                text,
                "      - series: {}\n        values: {}\n",
                quoted(&series),
                quoted(values)
            );
        }
        let says = says
            .replace("{{ $labels.omni_provider }}", "s3")
            .replace("{{ $labels.omni_instance }}", "main");
        let _ = write!(
            text,
            "    alert_rule_test:\n      - eval_time: 0m\n        alertname: {name}\n        exp_alerts: []\n      \
             - eval_time: 15m\n        alertname: {name}\n        exp_alerts:\n          - exp_labels:\n              \
             omni_contract: storage\n              omni_provider: s3\n              omni_instance: main\n              \
             severity: {severity}\n            exp_annotations:\n              summary: {}\n",
            quoted(&says)
        );
    }
    text
}
