//! The emulators, installed, started and stopped. Needs Python 3, npm and, the first time, a network.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use omni_contracts::ErrorKind;
use tck::Evidence;
use tck::emulators::{AZURITE, Emulator, Install, MINISTACK, MOTO, Ready, Shared};

/// How long something may take that is bound to happen.
const SOON: Duration = Duration::from_secs(20);

fn listens(endpoint: &str) -> bool {
    TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).is_ok()
}

fn starts_answers_and_is_gone(emulator: &'static Emulator) {
    let server = emulator.start().unwrap();
    assert_eq!(server.endpoints().len(), emulator.ports);
    for endpoint in server.endpoints() {
        assert!(endpoint.starts_with("http://127.0.0.1:"));
        assert!(listens(endpoint));
    }
    // The second finds it there.
    for _ in 0..2 {
        let settings = server.make_store("a-store").unwrap();
        assert!(settings.iter().any(|(_, value)| value == "a-store"), "{settings:?}");
    }
    for _ in 0..2 {
        server.remove_store("a-store").unwrap();
    }
    let endpoints = server.endpoints().to_owned();
    drop(server);
    for endpoint in endpoints {
        assert!(!listens(&endpoint), "{endpoint} is still there");
    }
    let Evidence::Emulator { name, version } = emulator.evidence() else { panic!() };
    assert_eq!((&*name, &*version), (emulator.name, emulator.version));
}

#[test]
fn ministack_starts_answers_and_is_gone() {
    starts_answers_and_is_gone(&MINISTACK);
}

#[test]
fn moto_starts_answers_and_is_gone() {
    starts_answers_and_is_gone(&MOTO);
}

#[test]
fn azurite_starts_answers_and_is_gone() {
    starts_answers_and_is_gone(&AZURITE);
}

/// Says where its server is, and waits to be killed.
#[test]
#[ignore = "the process that other tests start"]
fn child() {
    let server = MINISTACK.connect_or_start().unwrap();
    println!("\nendpoint {}", server.endpoint());
    thread::sleep(3 * SOON);
}

/// Runs [`child`] in another process, and returns where its server is.
fn start_child(prepare: impl FnOnce(&mut Command)) -> (Child, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture"]).stdout(Stdio::piped());
    prepare(&mut command);
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let endpoint = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("endpoint ").map(str::to_owned));
    (child, endpoint.unwrap())
}

#[test]
fn a_server_does_not_outlive_a_process_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let left = || fs::read_dir(folder.path()).unwrap().count();
    let (mut child, endpoint) = start_child(|command| {
        command.env("TMPDIR", folder.path());
    });
    assert_eq!(left(), 1);
    assert!(listens(&endpoint));
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + SOON;
    while listens(&endpoint) || left() > 0 {
        assert!(Instant::now() < deadline, "{endpoint} or its folder is still there");
        thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_worker_uses_the_server_of_its_parent() {
    let shared = Shared::new(&MINISTACK);
    // Nothing to hand on yet.
    shared.hand_on(&mut Command::new("true"));
    let (one, another) = tokio::join!(shared.get(), shared.get());
    let endpoint = one.unwrap().endpoint();
    assert_eq!(another.unwrap().endpoint(), endpoint);
    let (mut child, of_child) = start_child(|command| shared.hand_on(command));
    assert_eq!(of_child, endpoint);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(listens(endpoint), "the child took the server with it");
}

#[test]
fn a_variable_that_names_no_server_is_an_error() {
    for (value, problem) in [
        ("http://127.0.0.1:1", "no ministack answers at http://127.0.0.1:1"),
        ("127.0.0.1:1", "1 of the form http://127.0.0.1:8080"),
        ("http://example.com:80", "1 of the form"),
        ("", "1 of the form"),
    ] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--ignored", "--nocapture"]);
        let output = command.env(MINISTACK.variable(), value).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        let problem = format!("OMNI_TCK_ENDPOINT_MINISTACK: {problem}");
        assert!(said.contains(&problem), "{said}");
    }
}

/// A program of the machine in the place of an emulator.
fn program(program: &'static str, arguments: &'static [&'static str]) -> Emulator {
    Emulator {
        name: "made-up",
        version: "1",
        install: Install::Nothing,
        program,
        arguments,
        environment: &[("PORT", "{port}")],
        ports: 1,
        ready: Ready { path: "/", status: None },
        patience: Duration::from_secs(1),
        stores: None,
    }
}

fn fails(emulator: &Emulator) -> String {
    let error = emulator.start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    error.to_string()
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let error = fails(&program("no-such-server", &[]));
    assert!(error.contains("made-up 1 did not start: no-such-server cannot be run"), "{error}");
    let error = fails(&Emulator { program: "venv/bin/no-such-server", ..MINISTACK.clone() });
    assert!(error.contains("ministack 1.5.33 has no program"), "{error}");
}

#[test]
fn a_server_that_never_answers_is_given_up_with_its_words() {
    let started = Instant::now();
    let error = fails(&program("sh", &["-c", "echo boom; sleep 60"]));
    assert!(error.contains("no answer within 1s; its output ends with:\nboom"), "{error}");
    assert!(started.elapsed() < SOON);
}

#[test]
fn a_server_that_ends_is_tried_three_times() {
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("count");
    let script = format!("echo $PORT >> {}; echo in use; exit 3", count.display());
    let arguments = vec!["-c", &*script.leak()].leak();
    let error = fails(&program("sh", arguments));
    assert!(error.contains("it ended with status 3; its output ends with:\nin use"), "{error}");
    assert_eq!(fs::read_to_string(count).unwrap().lines().count(), 3);
}

#[test]
fn what_a_server_started_is_gone_with_it() {
    // Answers once, and leaves a process behind that has its output open.
    let script = "sleep 1000 & echo $! >&2; exec python3 -m http.server --bind 127.0.0.1 $PORT";
    let arguments = vec!["-c", script].leak();
    let server = Emulator { patience: SOON, ..program("sh", arguments) }.start().unwrap();
    let group = || {
        let output = Command::new("ps").args(["-eo", "args"]).stdout(Stdio::piped()).spawn();
        let mut text = String::new();
        output.unwrap().stdout.unwrap().read_to_string(&mut text).unwrap();
        text.lines().filter(|line| *line == "sleep 1000").count()
    };
    let before = group();
    assert!(before > 0);
    drop(server);
    assert!(group() < before);
}
