//! Objects and files: every command that touches them, on the embedded default.

use serde_json::Value;

use crate::Desk;

#[test]
fn an_object_goes_round() {
    let desk = Desk::new();
    desk.write("hello.txt", "hello, omni");
    desk.ok("put hello.txt main:/greetings/ --content-type text/plain --metadata who=us");
    assert_eq!(desk.ok("cat main:/greetings/hello.txt"), "hello, omni");
    assert_eq!(desk.ok("cat main:/greetings/hello.txt --range 7.."), "omni");
    assert_eq!(desk.ok("cat main:/greetings/hello.txt --range -4"), "omni");
    assert_eq!(desk.ok("ls"), "greetings/\n");
    assert_eq!(desk.ok("ls -r"), "greetings/hello.txt\n");

    let stat = desk.ok("stat main:/greetings/hello.txt");
    assert!(stat.contains("11 B") && stat.contains("content-type: text/plain"), "{stat}");
    assert!(stat.contains("metadata who: \"us\""), "{stat}");
    let json: Value =
        serde_json::from_str(&desk.ok("--json stat main:/greetings/hello.txt")).unwrap();
    assert_eq!(json["size"], 11);
    assert_eq!(json["metadata"]["who"], "us");
    let du: Value = serde_json::from_str(&desk.ok("--json du")).unwrap();
    assert_eq!((&du["objects"], &du["bytes"]), (&1.into(), &11.into()));

    desk.ok("get main:/greetings/hello.txt copy.txt");
    assert_eq!(std::fs::read_to_string(desk.path().join("copy.txt")).unwrap(), "hello, omni");
    desk.ok("cp main:/greetings/hello.txt main:/other");
    assert_eq!(desk.ok("cat main:/other"), "hello, omni");
    desk.ok("rm main:/other");
    let complaint = desk.fails(1, "cat main:/other");
    assert!(complaint.contains("not found") && complaint.contains("`other`"), "{complaint}");
    assert!(desk.fails(1, "rm main:/other").contains("no object has this key"));
}

#[test]
fn if_absent_tells_a_taken_key() {
    let desk = Desk::new();
    desk.write("a", "1");
    desk.ok("put a main:/a --if-absent");
    assert!(desk.fails(1, "put a main:/a --if-absent").contains("already exists"));
}

#[test]
fn a_folder_goes_in_across_and_out_unchanged() {
    let desk = Desk::new();
    let large: Vec<u8> = (0..3_000_000_u32).map(|byte| (byte % 251) as u8).collect();
    desk.write("tree/empty", "").write("tree/ä b/c.txt", "text").write("tree/x/large", &large);
    desk.write(
        "omni.toml",
        "[default.storage.main]\nprovider = \"local\"\npath = \"one\"\n\
         [default.storage.second]\nprovider = \"local\"\npath = \"two\"\n",
    );
    desk.ok("cp -r tree main:/in");
    desk.ok("cp -r main:/in second:/across/");
    desk.ok("cp -r second:/across out");
    for name in ["empty", "ä b/c.txt", "x/large"] {
        let read = |folder: &str| std::fs::read(desk.path().join(folder).join(name)).unwrap();
        assert_eq!(read("tree"), read("out"), "{name}");
    }
    assert!(desk.ok("rm -r -n main:/in").contains("would delete 3 objects"));
    assert_eq!(desk.ok("ls -r").lines().count(), 3);
    assert!(desk.ok("rm -r main:/in").contains("deleted 3 objects"));
    assert_eq!(desk.ok("ls -r"), "");
}

#[test]
fn wrong_words_are_told_with_what_is_right() {
    let desk = Desk::new();
    desk.write("a", "1");
    for (line, complaint) in [
        ("put a main:/a//b", "empty segment"),
        ("put a main:/../b", "`.` and `..`"),
        ("put missing main:/a", "missing"),
        ("put a main:a", "main:/a"),
        ("cp a b", "NAME:/KEY"),
        ("cat main:/", "a key is needed"),
        ("cat main:/a --range 5..2", "ends before it starts"),
        ("rm -r main:/", "whole storage"),
        ("ls other:/", "main"),
        ("put a main:/a --metadata Name=x", "[a-z][a-z0-9_]*"),
        ("fly", "unrecognized subcommand"),
    ] {
        let output = desk.omni(line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(complaint), "omni {line}: {said}");
        let code = if line.contains("missing") { 1 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "omni {line}: {said}");
    }
    assert_eq!(desk.ok("ls -r"), "");
}

#[test]
fn a_get_into_a_missing_or_wrong_place_leaves_nothing() {
    let desk = Desk::new();
    desk.write("a", "1").write("file", "2").write("folder/b", "3");
    desk.ok("put a main:/a");
    assert!(desk.fails(1, "get main:/a file/below").contains("file"));
    assert!(desk.fails(1, "get main:/missing fresh").contains("not found"));
    assert!(!desk.path().join("fresh").exists());
    desk.ok("get main:/a folder");
    assert_eq!(std::fs::read_to_string(desk.path().join("folder/a")).unwrap(), "1");
}

#[test]
fn completions_are_printed() {
    assert!(Desk::new().ok("completions bash").contains("omni"));
}

#[cfg(unix)]
#[test]
fn reading_into_a_file_keeps_what_the_file_is() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    let desk = Desk::new();
    desk.write("a", "1").write("secret", "0");
    desk.ok("put a main:/a");
    let secret = desk.path().join("secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink("secret", desk.path().join("link")).unwrap();
    desk.ok("get main:/a link");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "1");
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(desk.path().join("link").is_symlink());

    // Not /dev/null: a failure of this test must not replace it.
    let pipe = desk.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap())
    };
    desk.ok("get main:/a pipe");
    assert_eq!(reader.join().unwrap(), "1");
    assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn a_recursive_copy_says_what_it_does_not_copy() {
    let desk = Desk::new();
    desk.write("tree/a", "1").write("file", "2");
    assert!(desk.ok("cp -r tree main:/tree").ends_with("1 objects, 1 B\n"));
    assert!(desk.fails(1, "cp -r main:/nothing back").contains("main:/nothing/"));
    assert!(desk.fails(1, "cp -r main:/tree file/b").contains("file is a file"));
}

#[test]
fn wrong_arguments_are_told_as_json_too() {
    let complaint = Desk::new().fails(2, "--json ls --lnog");
    let complaint: serde_json::Value = serde_json::from_str(&complaint).unwrap();
    assert!(complaint["error"].as_str().unwrap().contains("--long"), "{complaint}");
}
