//! `certify` and `diff-reports`: verdict, report, exit codes.

use crate::Desk;

#[test]
fn the_embedded_default_keeps_some_clauses_without_configuration() {
    let desk = Desk::new();
    let said = desk.ok("certify --only STO-00 --seed 1");
    assert!(said.contains("ok           STO-001"), "{said}");
    assert!(said.contains("8 passed, 0 failed") && said.contains("seed 1"), "{said}");
    assert!(!desk.path().join("omni-data").exists());
}

#[test]
fn a_configured_instance_is_certified_on_a_place_of_its_own() {
    let desk = Desk::new();
    desk.write(
        "omni.toml",
        "[default.storage.main]\nprovider = \"local\"\n[memory.storage.main]\nprovider = \"memory\"\n",
    );
    desk.write("a", "1");
    desk.ok("put a main:/a");
    for line in ["certify main --only STO-08", "--profile memory certify main --only STO-08"] {
        let said = desk.ok(line);
        assert!(said.contains("ok           STO-080"), "{said}");
    }
    // A worker process finds the same instance.
    assert!(desk.ok("certify main --only STO-164").contains("ok           STO-164"));
    assert_eq!(desk.ok("ls -r"), "a\n");
}

#[test]
fn a_clause_that_does_not_exist_is_told() {
    assert!(Desk::new().fails(2, "certify --only STO-999").contains("STO-999"));
    assert!(Desk::new().fails(2, "certify nobody").contains("nobody"));
    assert!(Desk::new().fails(2, "diff-reports a b").contains("a"));
}

#[test]
fn instances_are_compared_with_each_other() {
    let desk = Desk::new();
    desk.write(
        "omni.toml",
        "[default.storage.one]\nprovider = \"local\"\npath = \"one\"\n\
         [default.storage.two]\nprovider = \"memory\"\n",
    );
    let said = desk.ok("certify --against one,two --programs 10 --seed 3");
    assert!(said.contains("storage.one, storage.two: 10 programs each, seed 3"), "{said}");
    assert!(said.ends_with("no difference\n"), "{said}");
    assert!(desk.fails(2, "certify --against one,nobody").contains("nobody"));
    assert!(!desk.path().join("one").exists(), "the instance's own place was used");
}

#[cfg(feature = "aws")]
#[test]
fn why_nothing_ran_is_said() {
    let desk = Desk::new();
    desk.write(
        "omni.toml",
        "[default.storage.main]\nprovider = \"s3\"\nbucket = \"b\"\nendpoint = \"http://127.0.0.1:1\"\n\
         access_key_id = \"a\"\nsecret_access_key = \"s\"\n",
    );
    let output = desk.omni("certify main --only STO-001");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("nothing ran") && said.contains("http://127.0.0.1:1"), "{said}");
}
