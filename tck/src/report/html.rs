//! The report as one page that a person reads, on screen or on paper. It loads nothing and runs no
//! script. The looks live in `report.css`.

use std::fmt::{self, Display, Write};

use super::{ClauseReport, Diff, Profile, Report, Status, Verdict};
use crate::Failure;

const STYLE: &str = include_str!("report.css");

/// The page.
pub(super) fn render(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, report);
    page
}

fn write_page(page: &mut String, report: &Report) -> fmt::Result {
    let subject = Text(&report.subject);
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{subject}: {}</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n",
        report.verdict()
    )?;
    banner(page, report)?;
    counts(page, report)?;
    failures(page, report)?;
    deviations(page, report)?;
    if let Some(changes) = &report.changes {
        differences(page, changes)?;
    }
    declarations(page, report)?;
    clauses(page, report)?;
    footer(page, report)?;
    page.write_str("</main></body></html>\n")
}

fn banner(page: &mut String, report: &Report) -> fmt::Result {
    let verdict = report.verdict();
    let class = match verdict {
        Verdict::Certified => "passed",
        Verdict::Deviating => "deviates",
        Verdict::NotCertified => "failed",
        Verdict::Incomplete => "open",
    };
    let product = report.declared.as_ref().map_or("unknown", |declared| &declared.product);
    write!(
        page,
        "<header class=\"{class}\"><div class=\"title\"><p class=\"kicker\">Omni storage contract {}</p>\
         <h1>{}</h1></div><p class=\"verdict\">{}</p><p class=\"because\">{}</p></header>\n<dl class=\"facts\">",
        Text(&report.contract_version),
        Text(&report.subject),
        mark(class, &capitalised(verdict.as_str())),
        Text(&because(report)),
    )?;
    let elapsed = report.finished.duration_since(report.started);
    let machine = &report.environment;
    for (name, value) in [
        ("Provider", product.to_owned()),
        ("Evidence", report.evidence.to_string()),
        ("Date", report.started.strftime("%Y-%m-%d %H:%M UTC").to_string()),
        ("Duration", milliseconds(elapsed.as_secs_f64() * 1000.0)),
        ("Seed", report.seed.to_string()),
        ("Rounds and inputs tried", format!("{:.0} %", report.share * 100.0)),
        ("Machine", format!("{} {}, {} cpus", machine.os, machine.arch, machine.cpus)),
    ] {
        write!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", Text(&value))?;
    }
    page.write_str("</dl>\n")
}

/// The verdict in a sentence.
fn because(report: &Report) -> String {
    if let Some(error) = &report.unreachable {
        return format!("The provider could not be opened, so no clause was checked: {error}");
    }
    let claimed = report.clauses.iter().filter(|clause| clause.claimed).count();
    let passed = report.count("passed");
    let profiles: Vec<_> = report
        .profiles()
        .iter()
        .filter(|profile| profile.is_passed())
        .map(|profile| profile.level.to_string())
        .collect();
    match report.verdict() {
        Verdict::Certified => {
            format!("All {claimed} claimed clauses passed. Profiles: {}.", profiles.join(", "))
        }
        Verdict::NotCertified => {
            format!("{passed} of {claimed} claimed clauses passed. Every one must.")
        }
        Verdict::Deviating => format!(
            "{passed} of {claimed} claimed clauses passed. The back-end that this ran against breaks \
             the other {}; what it does is listed below.",
            report.count("deviates")
        ),
        Verdict::Incomplete => format!(
            "{passed} of {claimed} claimed clauses were run and passed; the others were not selected."
        ),
    }
}

fn counts(page: &mut String, report: &Report) -> fmt::Result {
    const KINDS: [(&str, &str); 6] = [
        ("passed", "passed"),
        ("failed", "failed"),
        ("deviates", "deviates"),
        ("not claimed", "off"),
        ("untested", "open"),
        ("not run", "off"),
    ];
    let counted = || KINDS.map(|(name, class)| (name, class, report.count(name)));
    page.write_str("<section class=\"counts\"><div class=\"bar\" aria-hidden=\"true\">")?;
    for (_, class, count) in counted().iter().filter(|(.., count)| *count > 0) {
        write!(page, "<i class=\"{class}\" style=\"flex-grow:{count}\"></i>")?;
    }
    page.write_str("</div><ul>")?;
    for (name, class, count) in counted() {
        let class = if count == 0 { "none" } else { class };
        write!(page, "<li class=\"{class}\"><b>{count}</b> {name}</li>")?;
    }
    page.write_str("</ul></section>\n")
}

fn failures(page: &mut String, report: &Report) -> fmt::Result {
    let mut failures = report.failures().peekable();
    if failures.peek().is_none() {
        return Ok(());
    }
    page.write_str("<section><h2>What failed</h2>\n")?;
    for (clause, failure) in failures {
        article(page, "failed", clause, &[], failure)?;
    }
    page.write_str("</section>\n")
}

fn deviations(page: &mut String, report: &Report) -> fmt::Result {
    if report.deviations().next().is_none() {
        return Ok(());
    }
    page.write_str("<section><h2>What the back-end itself breaks</h2>\n")?;
    for clause in report.deviations() {
        if let Status::Deviates { reason, evidence, failure } = &clause.status {
            let declared = [("Back-end", reason), ("Evidence", evidence)];
            article(page, "deviates", clause, &declared, failure)?;
        }
    }
    page.write_str("</section>\n")
}

/// A check that failed, with what else there is to say about it.
fn article(
    page: &mut String,
    class: &str,
    clause: &ClauseReport,
    first: &[(&str, &String)],
    failure: &Failure,
) -> fmt::Result {
    let id = Text(&clause.id);
    write!(
        page,
        "<article class=\"failure {class}\" id=\"failure-{id}\"><h3><a href=\"#{id}\">{id}</a> {}</h3>\
         <p>{}</p><dl>",
        Text(&clause.check.as_deref().unwrap_or_default().replace('_', " ")),
        Prose(&clause.text),
    )?;
    let seen = [
        ("Situation", &failure.situation),
        ("Expected", &failure.expected),
        ("Seen", &failure.seen),
    ];
    for (name, value) in first.iter().chain(&seen) {
        write!(page, "<dt>{name}</dt><dd>{}</dd>", Prose(value))?;
    }
    if !failure.steps.is_empty() {
        page.write_str("<dt>Steps</dt><dd><ol>")?;
        for step in &failure.steps {
            write!(page, "<li><code>{}</code></li>", Text(step))?;
        }
        page.write_str("</ol></dd>")?;
    }
    if let Some(hint) = &clause.hint {
        write!(page, "<dt>Hint</dt><dd>{}</dd>", Prose(hint))?;
    }
    if let Some(command) = &clause.run_alone {
        let command = Text(command);
        write!(page, "<dt>Run it alone</dt><dd><code class=\"command\">{command}</code></dd>")?;
    }
    page.write_str("</dl></article>\n")
}

fn differences(page: &mut String, diff: &Diff) -> fmt::Result {
    page.write_str("<section><h2>Since the previous report</h2>\n")?;
    if diff.changes.is_empty() {
        return page.write_str("<p>Nothing differs.</p></section>\n");
    }
    page.write_str(
        "<table class=\"changes\"><thead><tr><th></th><th>What</th><th>Before</th><th>Now</th></tr></thead><tbody>",
    )?;
    for change in &diff.changes {
        let class = match change.meaning {
            super::Meaning::Lost => "failed",
            super::Meaning::Different => "open",
            super::Meaning::Gained => "passed",
        };
        write!(
            page,
            "<tr><td>{}</td><td><b>{}</b>",
            mark(class, change.meaning.as_str()),
            Text(&change.what)
        )?;
        if !change.text.is_empty() {
            write!(page, "<small>{}</small>", Prose(&change.text))?;
        }
        write!(page, "</td><td>{}</td><td>{}</td></tr>", Text(&change.from), Text(&change.to))?;
    }
    page.write_str("</tbody></table></section>\n")
}

fn declarations(page: &mut String, report: &Report) -> fmt::Result {
    page.write_str("<div class=\"pair\"><section><h2>Profiles</h2><table><tbody>")?;
    for profile in report.profiles() {
        let Profile { passed, failed, deviating, total, .. } = profile;
        let (class, word) = if !profile.claimed {
            ("off", "not claimed")
        } else if failed > 0 {
            ("failed", "failed")
        } else if profile.is_passed() {
            ("passed", "passed")
        } else if passed + deviating == total {
            ("deviates", "deviates")
        } else {
            ("open", "incomplete")
        };
        let score = if profile.claimed {
            format!("{passed} of {total}")
        } else {
            format!("{total} clauses")
        };
        write!(
            page,
            "<tr class=\"{class}\"><td>{}</td><td>{}</td><td class=\"number\">{score}</td></tr>",
            profile.level,
            mark(class, word)
        )?;
    }
    page.write_str("</tbody></table></section>\n<section><h2>Declared limits</h2>")?;
    match &report.declared {
        None => page.write_str("<p>Not known: the provider could not be opened.</p>")?,
        Some(declared) => {
            page.write_str("<table><tbody>")?;
            for (name, value) in declared.limits() {
                write!(page, "<tr><td>{name}</td><td class=\"number\">{}</td></tr>", Text(&value))?;
            }
            page.write_str("</tbody></table>")?;
        }
    }
    page.write_str("</section></div>\n")
}

fn clauses(page: &mut String, report: &Report) -> fmt::Result {
    page.write_str("<section><h2>Every clause</h2>\n")?;
    for section in report.clauses.chunk_by(|a, b| a.section == b.section) {
        let passed = section.iter().filter(|c| c.status == Status::Passed).count();
        writeln!(
            page,
            "<details open><summary><h3>{}</h3><span>{passed} of {}</span></summary><ol class=\"clauses\">",
            Text(&section[0].section),
            section.len(),
        )?;
        for clause in section {
            self::clause(page, clause)?;
        }
        page.write_str("</ol></details>\n")?;
    }
    page.write_str("</section>\n")
}

fn clause(page: &mut String, clause: &ClauseReport) -> fmt::Result {
    let (class, word, reason) = match &clause.status {
        Status::Passed => ("passed", "passed", String::new()),
        Status::Failed(_) => ("failed", "failed", String::new()),
        Status::Deviates { reason, .. } => {
            ("deviates", "deviates", format!("The back-end itself breaks it: {reason}"))
        }
        Status::NotClaimed { capability } => {
            ("off", "not claimed", format!("Needs {capability}, which is not declared."))
        }
        Status::Untested { reason } => ("open", "untested", format!("Untested: {reason}.")),
        Status::NotRun => ("off", "not run", String::new()),
    };
    let id = Text(&clause.id);
    write!(page, "<li id=\"{id}\" class=\"{class}\"><span class=\"id\">")?;
    match clause.status {
        Status::Failed(_) | Status::Deviates { .. } => {
            write!(page, "<a href=\"#failure-{id}\">{id}</a>")?
        }
        _ => write!(page, "{id}")?,
    }
    write!(page, "</span><div><p>{}</p><p class=\"intent\">", Prose(&clause.text))?;
    write!(page, "{}", Prose(&capitalised(&clause.intent)))?;
    if clause.level != "core" {
        write!(page, " <span class=\"level\">{}</span>", Text(&clause.level))?;
    }
    page.write_str("</p>")?;
    if !reason.is_empty() {
        write!(page, "<p class=\"reason\">{}</p>", Text(&reason))?;
    }
    write!(page, "</div><span class=\"outcome\">{}", mark(class, word))?;
    if !matches!(
        clause.status,
        Status::NotClaimed { .. } | Status::Untested { .. } | Status::NotRun
    ) {
        write!(page, "<time>{}</time>", milliseconds(clause.duration_ms))?;
    }
    page.write_str("</span></li>\n")
}

fn footer(page: &mut String, report: &Report) -> fmt::Result {
    write!(
        page,
        "<footer><p>A clause that did not run is <i>not claimed</i>, <i>untested</i> or <i>not run</i>, \
         never passed; nor is one that <i>deviates</i>, because the back-end itself breaks it. \
         The certificate holds for the evidence stated above: {}.</p>\
         <p>Made by tck {} on {}.</p></footer>",
        Text(&report.evidence.to_string()),
        Text(&report.tool_version),
        report.finished.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )
}

/// A word with its sign, so that no meaning depends on colour alone.
fn mark(class: &str, word: &str) -> String {
    let sign = match class {
        "passed" => "\u{2713}",
        "failed" => "\u{2717}",
        "deviates" => "\u{2260}",
        "open" => "\u{25cb}",
        _ => "\u{2013}",
    };
    format!("<span class=\"mark {class}\"><i aria-hidden=\"true\">{sign}</i>{word}</span>")
}

fn milliseconds(time: f64) -> String {
    match time {
        time if time < 10.0 => format!("{time:.1} ms"),
        time if time < 1000.0 => format!("{time:.0} ms"),
        time => format!("{:.1} s", time / 1000.0),
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next();
    first.into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}

/// Text in which nothing is markup.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Not allowed in a page, and bidirectional controls would reorder what is read.
                '\0'..='\u{8}'
                | '\u{b}'..='\u{1f}'
                | '\u{7f}'..='\u{9f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' => write!(f, "{}", character.escape_unicode())?,
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// Text in which what stands between backticks is code.
struct Prose<'a>(&'a str);

impl Display for Prose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: Vec<_> = self.0.split('`').collect();
        if pieces.len() % 2 == 0 {
            return Text(self.0).fmt(f);
        }
        for (number, piece) in pieces.into_iter().enumerate() {
            match number % 2 {
                0 => Text(piece).fmt(f)?,
                _ => write!(f, "<code>{}</code>", Text(piece))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup() {
        let text = "<script>alert(\"1\" & '2')</script>\u{0}\u{202e}";
        assert_eq!(
            Text(text).to_string(),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;\\u{0}\\u{202e}"
        );
        assert_eq!(Prose("a `<b>` c").to_string(), "a <code>&lt;b&gt;</code> c");
        assert_eq!(Prose("odd ` <").to_string(), "odd ` &lt;");
    }
}
