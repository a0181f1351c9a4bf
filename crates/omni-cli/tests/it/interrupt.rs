//! Ctrl-C: exit code 130, and nothing half-written.

#![cfg(unix)]

use std::io::Write;
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
