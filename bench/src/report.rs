//! The report: a page and its data.

use std::fmt::Write;
use std::process::Command;

use serde_json::json;

use crate::Failure;
use crate::measure::Case;

pub(crate) fn markdown(cases: &[Case]) -> String {
    let mut page = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench`.\nAll contestants ran in one process and one run, \
         interleaved (A B B A); the control is our own contestant measured a second time.\nWhere there is no \
         control, each ran once, one after the other.\nOnly the \
         ratios mean something: absolute times are those of one shared machine.\nEvery payload is touched: \
         peers compute a CRC-32C beside each put and get, ours stores it with the object on put.\n\n",
    );
    let _ = writeln!(page, "Machine: {}.\n", machine());
    page.push_str(
        "| # | work | bar | best peer / ours | kept | control |\n|---|---|---|---|---|---|\n",
    );
    for case in cases {
        let (ratio, kept) = case.verdict();
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            case.id,
            case.title,
            case.bar.words,
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            if kept { "yes" } else { "**no**" },
            case.control.map_or_else(|| "-".to_owned(), |control| format!("{control:.1} %"))
        );
    }
    for case in cases {
        let _ = writeln!(page, "\n## {} {}\n", case.id, case.title);
        let _ = writeln!(
            page,
            "| contestant | median {0} | minimum | p90 | allocations |\n|---|---|---|---|---|",
            case.unit
        );
        for result in &case.results {
            let scale = if case.unit == "ns" { 1.0 } else { 1e6 };
            let _ = writeln!(
                page,
                "| {}{} | {:.*} | {:.*} | {:.*} | {:.1} |",
                result.name,
                if result.keeps_less { " (weaker promise, not counted)" } else { "" },
                usize::from(scale > 1.0) * 3,
                result.median / scale,
                usize::from(scale > 1.0) * 3,
                result.minimum / scale,
                usize::from(scale > 1.0) * 3,
                result.p90 / scale,
                result.allocations
            );
        }
    }
    page
}

pub(crate) fn json(cases: &[Case]) -> Result<String, Failure> {
    let cases: Vec<_> = cases
        .iter()
        .map(|case| {
            let (ratio, kept) = case.verdict();
            let results: Vec<_> = case
                .results
                .iter()
                .map(|result| {
                    json!({
                        "contestant": result.name,
                        "median_ns": result.median,
                        "minimum_ns": result.minimum,
                        "p90_ns": result.p90,
                        "allocations": result.allocations,
                    })
                })
                .collect();
            json!({
                "id": case.id,
                "title": case.title,
                "bar": case.bar.words,
                "ratio": ratio,
                "kept": kept,
                "control_percent": case.control,
                "results": results,
            })
        })
        .collect();
    let all = json!({ "machine": machine(), "cases": cases });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

fn machine() -> String {
    let first = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(": ")?.1.to_owned())
    });
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    let load = load.and_then(|text| Some(text.split(' ').next()?.to_owned()));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let known = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    format!(
        "{cores} cores of {}, Linux {}, {}, load {}; opendal 0.59.5, object_store 0.14.2",
        known(cpu),
        known(first("uname", &["-r"])),
        known(first("rustc", &["--version"])),
        known(load),
    )
}
