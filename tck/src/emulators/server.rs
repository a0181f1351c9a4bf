//! A server of an emulator: one of our own, or the one of the process that started this one.

use std::ffi::OsString;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Instant;

use omni_contracts::{Error, ErrorKind, Result};

use super::supervised::{PAUSE, Supervised};
use super::{Emulator, Install, Stores, http, install, ports};

/// How many times a server is started that ends before it is ready.
const ATTEMPTS: usize = 3;

/// A server that answers. One that was started here ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    endpoints: Vec<String>,
    variable: String,
    stores: Option<Stores>,
    /// `None` for a server that another process started.
    _running: Option<Supervised>,
}

impl Server {
    /// Where it is, on its first port: `http://127.0.0.1:40123`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.endpoints.first().map_or("", String::as_str)
    }

    /// Where it is, on each of its ports in the order of the emulator.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Makes a store, which may be there already, and returns the settings by which a provider uses it.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the server makes none; `Unsupported` when it is for something else.
    pub fn make_store(&self, name: &str) -> Result<Vec<(&'static str, String)>> {
        let stores = self.ask(http::put, name, 409)?;
        let filled = |&(setting, value)| (setting, self.fill_in(value, name));
        Ok(stores.settings.iter().map(filled).collect())
    }

    /// Removes a store, which may be gone already. Blocks.
    ///
    /// # Errors
    ///
    /// As [`make_store`](Self::make_store).
    pub fn remove_store(&self, name: &str) -> Result<()> {
        self.ask(http::delete, name, 404).map(drop)
    }

    /// Asks for the URL of a store; `done` is the status of what is done already.
    fn ask(
        &self,
        ask: fn(&str, &str) -> std::io::Result<u16>,
        name: &str,
        done: u16,
    ) -> Result<&Stores> {
        let Some(stores) = &self.stores else {
            let problem = format!("{} has no stores", self.name);
            return Err(Error::new(ErrorKind::Unsupported, problem));
        };
        let failed = |problem: &dyn std::fmt::Display| {
            let problem = format!("store {name} on {}: {problem}", self.name);
            Error::new(ErrorKind::Unavailable, problem)
        };
        match ask(&self.fill_in(stores.url, name), stores.authorization) {
            Ok(status) if status / 100 == 2 || status == done => Ok(stores),
            Ok(status) => Err(failed(&format_args!("status {status}"))),
            Err(error) => Err(failed(&error)),
        }
    }

    fn fill_in(&self, text: &str, store: &str) -> String {
        text.replace("{endpoint}", self.endpoint()).replace("{store}", store)
    }

    /// Makes the process that `command` starts use this server: for [`Subject::prepare_worker`].
    ///
    /// [`Subject::prepare_worker`]: crate::Subject::prepare_worker
    pub fn hand_on(&self, command: &mut Command) {
        command.env(&self.variable, self.endpoints.join(" "));
    }
}

impl Emulator {
    /// Connects to the server that [`Emulator::variable`] names, or installs the emulator and starts
    /// one. Blocks, for minutes where it must be downloaded; see [`Shared`](super::Shared) for async
    /// code and for several users.
    ///
    /// # Errors
    ///
    /// `Configuration` for a variable that names no server; else `Unavailable`, with what the machine
    /// lacks or the end of what installer or server said.
    pub fn connect_or_start(&self) -> Result<Server> {
        let variable = self.variable();
        match std::env::var_os(&variable) {
            Some(value) => self.connect(&value.to_string_lossy()).map_err(|problem| {
                Error::new(ErrorKind::Configuration, format!("{variable}: {problem}"))
            }),
            None => self.start(),
        }
    }

    /// The folder of its installation; installs it where it is not. Blocks.
    ///
    /// # Errors
    ///
    /// `Unavailable`, with what the machine lacks or the end of what the installer said.
    pub fn install(&self) -> Result<PathBuf> {
        install::installed(self).map_err(|problem| Error::new(ErrorKind::Unavailable, problem))
    }

    /// Installs the emulator and starts a server, whatever there is already.
    ///
    /// # Errors
    ///
    /// `Unavailable`, with what the machine lacks or the end of what installer or server said.
    pub fn start(&self) -> Result<Server> {
        let unavailable = |problem| Error::new(ErrorKind::Unavailable, problem);
        let program = match self.install {
            Install::Nothing => OsString::from(self.program),
            _ => {
                let folder = self.install()?;
                let program = folder.join(self.program);
                if !program.exists() {
                    let Self { name, version, .. } = self;
                    let program = program.display();
                    return Err(unavailable(format!("{name} {version} has no program {program}")));
                }
                program.into_os_string()
            }
        };
        let mut attempt = 1;
        loop {
            match self.attempt(&program) {
                Ok(server) => return Ok(server),
                Err(GaveUp::Ended(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(GaveUp::Ended(problem) | GaveUp::ForGood(problem)) => {
                    let Self { name, version, .. } = self;
                    let problem = format!("the server {name} {version} did not start: {problem}");
                    return Err(unavailable(problem));
                }
            }
        }
    }

    fn attempt(&self, program: &OsString) -> std::result::Result<Server, GaveUp> {
        let for_good = |error: std::io::Error| GaveUp::ForGood(error.to_string());
        let ports = ports::free(self.ports).map_err(for_good)?;
        let filled = |text: &str| ports::fill_in(text, &ports);
        let arguments: Vec<_> = self.arguments.iter().map(|text| filled(text)).collect();
        let environment: Vec<_> = self
            .environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), filled(value)))
            .collect();
        let mut running =
            Supervised::start(program, &arguments, &environment, None).map_err(for_good)?;
        let endpoints: Vec<_> =
            ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let deadline = Instant::now() + self.patience;
        loop {
            // Asked first, for somebody else may have the port of a server that is gone.
            let ready = self.is_ready(&endpoints);
            match running.ended().map_err(for_good)? {
                Some(126 | 127) => {
                    let program = program.display();
                    let problem = format!("{program} cannot be run; {}", running.tail());
                    return Err(GaveUp::ForGood(problem));
                }
                Some(status) => {
                    let problem = format!("it ended with status {status}; {}", running.tail());
                    return Err(GaveUp::Ended(problem));
                }
                None if ready => break,
                None if Instant::now() >= deadline => {
                    let problem =
                        format!("no answer within {:?}; {}", self.patience, running.tail());
                    return Err(GaveUp::ForGood(problem));
                }
                None => thread::sleep(PAUSE),
            }
        }
        Ok(self.server(endpoints, Some(running)))
    }

    fn connect(&self, endpoints: &str) -> std::result::Result<Server, String> {
        let endpoints: Vec<_> = endpoints.split_whitespace().map(str::to_owned).collect();
        let form = || {
            format!(
                "{} of the form http://127.0.0.1:8080 are needed, with spaces between",
                self.ports
            )
        };
        if endpoints.len() != self.ports
            || !endpoints.iter().all(|one| one.starts_with("http://127.0.0.1:"))
        {
            return Err(form());
        }
        match self.is_ready(&endpoints) {
            true => Ok(self.server(endpoints, None)),
            false => Err(format!("no {} answers at {}", self.name, endpoints.join(" "))),
        }
    }

    fn server(&self, endpoints: Vec<String>, running: Option<Supervised>) -> Server {
        let Self { name, stores, .. } = *self;
        Server { name, endpoints, variable: self.variable(), stores, _running: running }
    }

    /// Whether the first port answers as it should, and the others take connections.
    fn is_ready(&self, endpoints: &[String]) -> bool {
        let Some((endpoint, others)) = endpoints.split_first() else { return false };
        let answer = http::get(&format!("{endpoint}{}", self.ready.path));
        answer.is_ok_and(|status| self.ready.status.is_none_or(|wanted| wanted == status))
            && others.iter().all(|other| listens(other))
    }
}

/// Whether somebody takes connections there; not every port is one of HTTP/1.1.
fn listens(endpoint: &str) -> bool {
    endpoint.strip_prefix("http://").is_some_and(|at| TcpStream::connect(at).is_ok())
}

/// Why a server is not there.
enum GaveUp {
    /// It ended by itself; on other ports it may not.
    Ended(String),
    ForGood(String),
}
