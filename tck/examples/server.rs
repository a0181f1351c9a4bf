//! Starts a server that the kit certifies providers on, with one store, and prints how to configure it.
//!
//! `cargo run -p tck --all-features --example server -- azurite`, or `ministack`, `moto`, `gcs`. Ends,
//! and forgets everything, when its input ends or it is interrupted.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use omni_contracts::{Error, ErrorKind, Result};
use tck::emulators::{AZURITE, Emulator, MINISTACK, MOTO, Server};
use tck::fakes::gcs::{Gcs, NewBucket};

const USAGE: &str = "usage: server ministack | moto | azurite | gcs [STORE]";

type Settings = Vec<(&'static str, String)>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, store) = match arguments[..] {
        [name] => (name, "omni"),
        [name, store] => (name, store),
        _ => ("", ""),
    };
    match serve(name, store) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(name: &str, store: &str) -> Result<()> {
    let known: [&Emulator; 3] = [&MINISTACK, &MOTO, &AZURITE];
    // Runs until it is dropped.
    let mut _server: Option<Server> = None;
    let settings = match known.into_iter().find(|emulator| emulator.name == name) {
        Some(emulator) => _server.insert(emulator.start()?).make_store(store)?,
        None if name == "gcs" => own(store)?,
        None => return Err(Error::new(ErrorKind::InvalidArgument, USAGE)),
    };
    let said = print(&settings).and_then(|()| io::stdin().read_to_end(&mut Vec::new()).map(drop));
    said.map_err(|error| Error::new(ErrorKind::Unavailable, error.to_string()))
}

/// Our own server is a part of this process.
fn own(store: &str) -> Result<Settings> {
    let server = Gcs::start()?;
    server.create_bucket(&NewBucket::named(store))?;
    Ok(vec![
        ("provider", "gcs".to_owned()),
        ("bucket", store.to_owned()),
        ("endpoint", server.endpoint().to_owned()),
        ("anonymous", "true".to_owned()),
    ])
}

fn print(settings: &Settings) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (setting, value) in settings {
        writeln!(out, "export OMNI_STORAGE__MAIN__{}='{value}'", setting.to_uppercase())?;
    }
    out.flush()
}
