//! Ctrl-C and other signals: an exit code that says which, and nothing half-written.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use crate::Desk;

#[test]
fn an_interrupted_put_stores_nothing() {
    let desk = Desk::new();
    let mut put = desk
        .command(["put", "-", "main:/large"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More than pipes and buffers hold, so that the put has begun when the last write returns.
    let mut input = put.stdin.take().unwrap();
    for _ in 0..64 {
        input.write_all(&[7; 65_536]).unwrap();
    }
    let pid = put.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = put.wait_with_output().unwrap();
    drop(input);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(desk.ok("ls -r"), "");
    assert_eq!(desk.ok("du"), "0 objects, 0 B (0 bytes)\n");
}

#[test]
fn an_interrupted_certification_leaves_no_folder_and_reports_no_failure() {
    let desk = Desk::new();
    let folder = desk.path().join("temporary");
    std::fs::create_dir(&folder).unwrap();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut certify = desk
            .command(["certify", "--only", "STO-0"])
            .env("TMPDIR", &folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(certify.stdout.take().unwrap());
        let mut said = String::new();
        lines.read_line(&mut said).unwrap();
        let pid = certify.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        lines.read_to_string(&mut said).unwrap();
        let output = certify.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(said.starts_with("ok ") && !said.contains("FAILED"), "{said}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
}
