//! `sync` and `migrate`: what is equal stays, what is not is copied, and a killed run goes on.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Desk;

const TWO: &str = "[default.storage.main]\nprovider = \"local\"\npath = \"one\"\n\
                   [default.storage.other]\nprovider = \"local\"\npath = \"two\"\n";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("omni.toml", TWO);
    desk
}

fn put(desk: &Desk, address: &str, content: &str) {
    desk.write("content", content).ok(&format!("put content {address}"));
}

fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn a_sync_copies_what_differs_and_deletes_when_asked() {
    let desk = desk();
    for (name, content) in [("a", "1"), ("b/c", "22"), ("b/d.csv", "333")] {
        put(&desk, &format!("main:/data/{name}"), content);
    }
    put(&desk, "other:/copy/a", "2");
    put(&desk, "other:/copy/extra", "x");
    let said = desk.ok("sync main:/data other:/copy");
    assert!(said.contains("3 copied, 6 B, 0 the same, 1 only at the target"), "{said}");
    assert_eq!(desk.ok("cat other:/copy/a"), "1");
    let said = json(&desk.ok("--json sync main:/data other:/copy --delete"));
    let summary = &said["summary"];
    assert_eq!(
        (&summary["copied"], &summary["same"], &summary["deleted"]),
        (&0.into(), &3.into(), &1.into())
    );
    assert_eq!(desk.ok("ls -r other:/copy").lines().count(), 3);
    // The same content with other attributes is not the same.
    desk.write("content", "1").ok("put content main:/data/a --content-type text/plain");
    assert!(desk.ok("sync main:/data other:/copy").contains("1 copied"));
    assert!(desk.ok("stat other:/copy/a").contains("text/plain"));
}

#[test]
fn a_dry_run_says_everything_and_does_nothing() {
    let desk = desk();
    put(&desk, "main:/data/a", "1");
    put(&desk, "other:/copy/extra", "x");
    let said = desk.ok("sync main:/data other:/copy --delete --dry-run");
    assert!(said.contains("copy     a  1 B") && said.contains("delete   extra"), "{said}");
    assert!(said.contains("1 to copy, 1 B, 0 the same, 1 deleted"), "{said}");
    assert_eq!(desk.ok("ls -r other:/"), desk.ok("ls -r other:/copy"));
    assert_eq!(desk.ok("cat other:/copy/extra"), "x");
}

#[test]
fn patterns_choose_on_both_sides() {
    let desk = desk();
    for name in ["a.csv", "a.txt", "b/c.csv", "b/tmp/d.csv"] {
        put(&desk, &format!("main:/{name}"), "1");
    }
    put(&desk, "other:/kept.txt", "1");
    let said = desk.ok("sync main:/ other:/ --include **/*.csv --exclude **/tmp/** --delete");
    assert!(said.contains("2 copied"), "{said}");
    let listed = desk.ok("ls -r other:/");
    for name in ["a.csv", "b/c.csv", "kept.txt"] {
        assert!(listed.contains(name), "{listed}");
    }
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(desk.fails(2, "sync main:/ other:/ --include [").contains('['));
}

#[test]
fn a_folder_is_not_copied_into_itself() {
    let desk = desk();
    put(&desk, "main:/a/b", "1");
    for line in ["sync main:/a main:/a", "sync main:/ main:/a", "migrate main:/a/b main:/a"] {
        assert!(desk.fails(2, line).contains("itself"), "{line}");
    }
    assert!(desk.ok("sync main:/a main:/c").contains("1 copied"));
}

#[test]
fn a_migration_compares_at_the_end() {
    let desk = desk();
    for number in 0..30 {
        put(&desk, &format!("main:/m/{number}"), &number.to_string());
    }
    let said = json(&desk.ok("--json migrate main:/m other:/n --parallel 4"));
    assert_eq!(said["summary"]["copied"], 30);
    assert_eq!(said["verified"]["same"], 30);
    assert_eq!(said["verified"]["failed"], 0);
    // What is only at the target is left, and is no difference.
    put(&desk, "other:/n/extra", "x");
    let said = desk.ok("migrate main:/m other:/n");
    assert!(said.contains("0 copied") && said.contains("verified: 30 are equal"), "{said}");
}

#[test]
fn what_the_target_cannot_have_stops_a_migration_before_it_begins() {
    let desk = desk();
    desk.write(
        "omni.toml",
        format!("{TWO}[small.storage.other]\nprovider = \"local\"\npath = \"two\"\nmax_object_size = \"10 B\"\n"),
    );
    put(&desk, "main:/m/large", "more than ten bytes");
    put(&desk, "main:/m/small", "few");
    let told = desk.command("--profile small migrate main:/m other:/".split(' ')).output().unwrap();
    let said = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(1));
    assert!(said.contains("refused  large") && said.contains("19 bytes"), "{said}");
    assert_eq!(desk.ok("ls -r other:/"), "");
    let said = desk.omni("--profile small migrate main:/m other:/ --dry-run");
    assert!(String::from_utf8(said.stdout).unwrap().contains("refused  large"));
    let told = desk.ok("--profile small migrate main:/m other:/ --skip-refused");
    assert!(told.contains("1 copied") && told.contains("verified: 1 are equal"), "{told}");
}

#[test]
fn the_bandwidth_is_a_limit() {
    let desk = desk();
    put(&desk, "main:/a", &"x".repeat(50_000));
    let begun = std::time::Instant::now();
    desk.ok("sync main:/ other:/ --bandwidth 50KB");
    assert!(begun.elapsed().as_millis() >= 1000, "{:?}", begun.elapsed());
    assert!(desk.fails(2, "sync main:/ other:/ --bandwidth 0B").contains("at least 1"));
}

#[cfg(unix)]
#[test]
fn a_run_that_was_killed_goes_on() {
    let desk = desk();
    for number in 0..40 {
        put(&desk, &format!("main:/k/{number:02}"), &"k".repeat(5000));
    }
    let mut copied = 0;
    for _ in 0..2 {
        // Slow enough to be killed in the middle, seen by what has arrived.
        let mut sync = desk
            .command("sync main:/k other:/k --parallel 2 --bandwidth 100KB".split(' '))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let before = copied;
        while copied < before + 5 {
            copied = desk.ok("ls -r other:/k").lines().count();
        }
        let pid = sync.id().to_string();
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        sync.wait().unwrap();
    }
    assert!(copied < 40);
    let said = json(&desk.ok("--json migrate main:/k other:/k"));
    assert_eq!(said["verified"]["same"], 40);
    assert!(said["summary"]["same"].as_u64().unwrap() >= copied as u64);
}
