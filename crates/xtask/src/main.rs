//! The chores of the workspace. `cargo xtask test` is the one test command; CI runs nothing else.

mod bench;
mod consumer;
mod guides;
mod packages;
mod run;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  test    everything: format, lints, documentation, tests, certification, examples, tidy, licences;
          with a word, the steps that have it in their names
  tidy    the textual rules alone: sizes, openings, ids, dependency rules, links
  guides  writes the tables of settings in docs/guides
  bench   benchmarks against the peers; writes docs/reports/bench*.md
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["test"] => test::test(""),
        ["test", step] => test::test(step),
        ["tidy"] => tidy::tidy(),
        ["guides"] => guides::write(),
        ["bench", options @ ..] => bench::bench(options),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nxtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
