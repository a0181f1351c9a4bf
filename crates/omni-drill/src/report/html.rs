//! The report as a page for people. It loads nothing and runs no script.

use std::fmt::{self, Display, Write};

use super::{Report, Times};

const STYLE: &str = include_str!("report.css");

/// The size of the drawing.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 130.0;
const GAP: f64 = 34.0;

/// A text with what HTML would read as its own.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sign in self.0.chars() {
            match sign {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

pub(super) fn page(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, report);
    page
}

fn write_page(page: &mut String, report: &Report) -> fmt::Result {
    let title = if report.title.is_empty() { &report.instance } else { &report.title };
    let verdict = match (&report.aborted, report.is_kept()) {
        (Some(_), _) => "given up",
        (None, true) => "every target was kept",
        (None, false) => "a target was missed",
    };
    let class = if report.is_kept() { "kept" } else { "missed" };
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}: {verdict}</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n\
         <header class=\"{class}\"><h1>{title}</h1><p>{verdict}</p></header>\n",
        title = Text(title),
    )?;
    if let Some(why) = &report.aborted {
        writeln!(page, "<p class=\"missed\">{}</p>", Text(why))?;
    }
    writeln!(
        page,
        "<p>{} programs with {} clients each made {} calls of <code>{}</code> in {:.1} s; {} writes and \
         deletes were acknowledged, {} errors reached the application. Seed {}.</p>",
        report.load[0],
        report.load[1],
        report.calls,
        Text(&report.instance),
        report.seconds,
        report.acknowledged,
        report.errors.values().sum::<u64>(),
        report.seed
    )?;
    targets(page, report)?;
    drawing(page, report)?;
    faults(page, report)?;
    findings(page, report)?;
    evidence(page, report)?;
    page.write_str("</main></body></html>\n")
}

fn targets(page: &mut String, report: &Report) -> fmt::Result {
    page.write_str(
        "<h2>Targets</h2><table><tr><th>Target</th><th>Demanded</th><th>Seen</th><th></th></tr>\n",
    )?;
    for target in &report.targets {
        let (class, word) = if target.kept { ("kept", "kept") } else { ("missed", "missed") };
        writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{word}</td></tr>",
            Text(&target.name),
            Text(&target.demanded),
            Text(&target.seen)
        )?;
    }
    page.write_str("</table>\n")
}

/// Calls and their times over time, with what was done and who was primary.
fn drawing(page: &mut String, report: &Report) -> fmt::Result {
    let timeline = &report.timeline;
    let count = timeline.succeeded.len().max(1) as f64;
    let seconds = count * timeline.step as f64 / 1000.0;
    let across = |at: f64| (at / seconds * WIDTH).clamp(0.0, WIDTH);
    writeln!(
        page,
        "<h2>Course</h2><svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" \
         aria-label=\"calls and their times over time\">",
        2.0 * (HEIGHT + GAP)
    )?;
    for fault in &report.faults {
        let from = across(fault.at);
        let to = fault.lasted.map_or(WIDTH, |lasted| across(fault.at + lasted));
        writeln!(
            page,
            "<rect class=\"fault\" x=\"{from:.1}\" y=\"0\" width=\"{:.1}\" height=\"{:.0}\">\
             <title>{:.1} s: {} {}</title></rect>",
            (to - from).max(1.0),
            2.0 * HEIGHT + GAP,
            fault.at,
            fault.fault.as_str(),
            Text(&fault.on)
        )?;
    }
    let mut primary = None;
    for change in &report.changes {
        if primary.replace(&change.primary).is_some_and(|known| *known != change.primary) {
            let at = across(change.at);
            writeln!(
                page,
                "<line class=\"switch\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"{:.0}\">\
                 <title>{:.1} s: primary is {}</title></line>",
                2.0 * HEIGHT + GAP,
                change.at,
                Text(&change.primary)
            )?;
        }
    }
    let each = 1000.0 / timeline.step as f64;
    let rate = |counts: &[u64]| -> Vec<f64> { counts.iter().map(|n| *n as f64 * each).collect() };
    let (succeeded, failed) = (rate(&timeline.succeeded), rate(&timeline.failed));
    let most = succeeded.iter().chain(&failed).copied().fold(1.0, f64::max);
    curve(page, "succeeded", &succeeded, most, HEIGHT)?;
    curve(page, "failed", &failed, most, HEIGHT)?;
    label(page, HEIGHT, &format!("calls each second, up to {most:.0}; failed ones red"))?;
    let longest = timeline.slowest.iter().copied().fold(1.0, f64::max);
    curve(page, "slowest", &timeline.slowest, longest, 2.0 * HEIGHT + GAP)?;
    label(
        page,
        2.0 * HEIGHT + GAP,
        &format!(
            "slowest call that ended, up to {longest:.0} ms; {seconds:.0} s from left to right"
        ),
    )?;
    page.write_str(
        "</svg>\n<p class=\"legend\">Grey: a fault. Dashed: another member became primary.</p>\n",
    )
}

fn curve(page: &mut String, class: &str, values: &[f64], most: f64, floor: f64) -> fmt::Result {
    let step = WIDTH / values.len().max(1) as f64;
    write!(page, "<polyline class=\"{class}\" points=\"")?;
    for (at, value) in values.iter().enumerate() {
        let (x, y) = ((at as f64 + 0.5) * step, floor - value / most * (HEIGHT - 6.0));
        write!(page, "{x:.1},{y:.1} ")?;
    }
    page.write_str("\"/>\n")
}

fn label(page: &mut String, floor: f64, text: &str) -> fmt::Result {
    writeln!(
        page,
        "<line class=\"floor\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{floor}\" y2=\"{floor}\"/>\
         <text x=\"0\" y=\"{:.0}\">{}</text>",
        floor + 18.0,
        Text(text)
    )
}

fn faults(page: &mut String, report: &Report) -> fmt::Result {
    page.write_str(
        "<h2>Faults</h2><table><tr><th>At</th><th>Fault</th><th>Lasted</th><th>First success after, \
         p50 / p99 / longest</th><th>Calls that met it, p50 / p99 / longest</th><th>Primary then</th>\
         <th>All back after</th></tr>\n",
    )?;
    let times =
        |times: &Times| format!("{:.0} / {:.0} / {:.0} ms", times.p50, times.p99, times.max);
    let or_none = |seconds: Option<f64>| seconds.map_or("-".to_owned(), |s| format!("{s:.1} s"));
    for fault in &report.faults {
        writeln!(
            page,
            "<tr><td>{:.1} s</td><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            fault.at,
            fault.fault.as_str(),
            Text(&fault.on),
            or_none(fault.lasted),
            times(&fault.rto),
            times(&fault.met),
            Text(fault.primary.as_deref().unwrap_or("as before")),
            or_none(fault.returned)
        )?;
    }
    writeln!(
        page,
        "<tr><th colspan=\"3\">all {}</th><th>{}</th><th>{}</th><th colspan=\"2\"></th></tr></table>",
        report.faults.len(),
        times(&report.rto),
        times(&report.met)
    )
}

fn findings(page: &mut String, report: &Report) -> fmt::Result {
    if !report.errors.is_empty() {
        page.write_str(
            "<h2>Errors</h2><table><tr><th>Kind</th><th>How many</th><th>The first</th></tr>\n",
        )?;
        for (kind, count) in &report.errors {
            let example = report.examples.get(kind).map_or("", String::as_str);
            writeln!(
                page,
                "<tr><td>{}</td><td>{count}</td><td><pre>{}</pre></td></tr>",
                Text(kind),
                Text(example)
            )?;
        }
        page.write_str("</table>\n")?;
    }
    if !report.findings.is_empty() {
        page.write_str("<h2>What cannot be true</h2><table>\n")?;
        for finding in &report.findings {
            writeln!(
                page,
                "<tr><td>{:.1} s</td><td><code>{}</code></td><td>{}</td></tr>",
                super::seconds(finding.at.saturating_sub(report.started)),
                Text(&finding.key),
                Text(&finding.text)
            )?;
        }
        page.write_str("</table>\n")?;
    }
    Ok(())
}

fn evidence(page: &mut String, report: &Report) -> fmt::Result {
    page.write_str("<h2>Against what</h2><table>\n")?;
    for (instance, evidence) in &report.evidence {
        writeln!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td></tr>",
            Text(instance),
            Text(evidence)
        )?;
    }
    page.write_str("</table>\n")
}
