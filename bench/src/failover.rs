//! B10: a failover of two S3 servers on this machine, whose primary or standby is killed, cut off, halted
//! or silenced at random moments under the load of 16 clients, round after round. There is no peer.

use std::fmt::Write;
use std::path::Path;

use omni_drill::{Options, Plan, Report};

use crate::Failure;
use crate::server::{ACCESS, SECRET};

/// By which the server is started on a port.
const SERVE: &str = "--serve";

/// How long an attempt at a member may take, in milliseconds.
const ATTEMPT: u64 = 1000;

/// How long a switch may take beyond that, in milliseconds.
const SWITCH: u64 = 250;

struct Work {
    title: &'static str,
    faults: &'static str,
    /// The bar: 99 of 100 clients have success within this time, in milliseconds.
    bar: u64,
}

const WORKS: &[Work] = &[
    Work { title: "killed or cut off", faults: r#"["kill", "partition"]"#, bar: SWITCH },
    Work { title: "halted or silenced", faults: r#"["hang", "silence"]"#, bar: ATTEMPT + SWITCH },
];

/// Runs both drills and writes `failover.md` and their data, if `write` says so.
pub(crate) async fn run(rounds: usize, write: bool) -> Result<(), Failure> {
    let mut page = String::from(HEAD);
    let mut rows = String::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reports");
    for (number, work) in WORKS.iter().enumerate() {
        let plan = Plan::from_toml(&plan(work, rounds)?)?;
        let mut told = |what: &str| eprintln!("B10 {}: {what}", work.title);
        let options = Options { seed: 1, ..Options::default() };
        let report = omni_drill::run(&plan, &options, &mut told).await?;
        row(&mut page, work, &report)?;
        writeln!(rows, "\n## {}\n\n```text\n{report}\n```", work.title)?;
        if write {
            let name = format!("failover-{}.json", number + 1);
            std::fs::write(folder.join(name), serde_json::to_vec_pretty(&report)?)?;
        }
    }
    page.push_str(&rows);
    println!("{page}");
    if write {
        std::fs::write(folder.join("failover.md"), page)?;
    }
    Ok(())
}

const HEAD: &str = "\
# Failover under faults

Written by `cargo xtask bench failover`.
A failover with `replication = \"sync\"` of two S3 servers, processes of this machine that keep objects in memory, with a folder as the witness; 16 clients that never pause.
At a random moment of each round the primary or the standby is killed by SIGKILL, cut off by a proxy, halted by SIGSTOP or silenced by a proxy, for up to a second; the round ends when both members count again.
The time of a fault is, for each client, from the fault to the end of the first call that was begun after it and succeeded. `docs/guides/drills.md` says how that is measured, and what is compared in the end.
Evidence: servers of our own on the protocol crate `s3s`, real processes.

| # | what | rounds | bar | p50 | p99 | longest | kept | acknowledged | lost | wrong otherwise | errors |
|---|---|---|---|---|---|---|---|---|---|---|---|
";

fn row(page: &mut String, work: &Work, report: &Report) -> std::fmt::Result {
    let kept = report.rto.p99 <= work.bar as f64 && report.wrong.is_empty();
    let lost = report.wrong.get(&omni_drill::Wrong::Lost).copied().unwrap_or_default();
    let wrong: usize = report.wrong.values().sum();
    writeln!(
        page,
        "| B10 | {} | {} | p99 {} ms, nothing lost | {:.0} ms | {:.0} ms | {:.0} ms | {} | {} | {lost} | {} | {} |",
        work.title,
        report.faults.len(),
        work.bar,
        report.rto.p50,
        report.rto.p99,
        report.rto.max,
        if kept { "yes" } else { "**no**" },
        report.acknowledged,
        wrong - lost,
        report.errors.values().sum::<u64>(),
    )
}

fn plan(work: &Work, rounds: usize) -> Result<String, Failure> {
    let program = std::env::current_exe()?.display().to_string();
    let mut plan = format!(
        r#"
        title = "B10: {}"
        instance = "main"

        [storage.main]
        provider = "failover"
        members = ["primary", "standby"]
        witness = "witness"
        replication = "sync"
        probe_every = "100ms"
        probe_timeout = "250ms"
        return_after = "200ms"
        targets = {{ rto = "{}ms", rpo = "0s" }}

        [storage.witness]
        provider = "local"
        path = "{{folder}}/witness"

        [load]
        lasts = "1s"

        [random]
        rounds = {rounds}
        faults = {}
        on = ["primary", "standby"]
        within = "300ms"
        lasts = "1s"

        [abort]
        after = "3h"
        "#,
        work.title,
        2 * work.bar,
        work.faults
    );
    for member in ["primary", "standby"] {
        write!(
            plan,
            r#"
            [servers.{member}]
            command = [{program:?}, "{SERVE}", "{{port}}"]
            settings = {{ endpoint = "http://127.0.0.1:{{port}}" }}

            [storage.{member}]
            provider = "s3"
            bucket = "drill"
            region = "us-east-1"
            access_key_id = "{ACCESS}"
            secret_access_key = "{SECRET}"
            layers = {{ attempt_timeout = "{ATTEMPT}ms", retry = {{ attempts = 2, first_wait = "5ms" }} }}
            "#
        )?;
    }
    Ok(plan)
}
