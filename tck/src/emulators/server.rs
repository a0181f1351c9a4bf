//! A server of an emulator: one of our own, or the one of the process that started this one.

use std::ffi::OsString;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use omni_contracts::{Error, ErrorKind, Result};
use rustix::process::Signal;

use super::supervised::{PAUSE, Supervised};
use super::{Emulator, Install, Stores, http, install, ports};

/// How many times a server is started that ends before it is ready.
const ATTEMPTS: usize = 3;

/// How long a server may take to end.
const ENDING: Duration = Duration::from_secs(20);

/// A server to start: a program, and how it shows that it is ready.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its name, for people.
    pub name: String,
    /// The program.
    pub program: OsString,
    /// Its arguments. `{port}` is filled in, and `{port2}` and so on where it needs several.
    pub arguments: Vec<String>,
    /// Names and values that are added to its environment, filled in likewise.
    pub environment: Vec<(String, String)>,
    /// How many ports it listens on.
    pub ports: usize,
    /// The path of the GET on its first port by which it shows that it is ready. The others must take
    /// connections.
    pub ready: String,
    /// The status of the answer; `None`: any.
    pub status: Option<u16>,
    /// How long it may take to be ready.
    pub patience: Duration,
}

/// A server that answers. One that was started here ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    name: String,
    ports: Vec<u16>,
    endpoints: Vec<String>,
    variable: String,
    stores: Option<Stores>,
    /// `None` for a server that another process started.
    own: Option<(Launch, Supervised)>,
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

    /// Its ports, in the order of the emulator.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Ends the server by SIGKILL. Blocks until it has ended.
    ///
    /// # Errors
    ///
    /// `Unavailable` when it does not end; `Unsupported` for a server that another process started.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Signal::KILL)
    }

    /// Asks the server to end, by SIGTERM. Blocks until it has ended.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::TERM)
    }

    /// Halts the server, by SIGSTOP: the system still takes connections for it, and nobody answers.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn halt(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a server go on that was halted.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Starts a server that has ended again, on the same ports. Blocks until it answers.
    ///
    /// # Errors
    ///
    /// `Unavailable`, with the end of what it said.
    pub fn restart(&mut self) -> Result<()> {
        let (launch, _) = self.own()?;
        let launch = launch.clone();
        let again = launch.attempt(&self.ports).map_err(|gave_up| launch.failed(gave_up))?;
        self.own = Some((launch, again));
        Ok(())
    }

    fn own(&mut self) -> Result<&mut (Launch, Supervised)> {
        let problem = format!("{} was started by another process", self.name);
        self.own.as_mut().ok_or_else(|| Error::new(ErrorKind::Unsupported, problem))
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        let (launch, running) = self.own()?;
        running.signal(signal).map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("{}: {error}", launch.name))
        })
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        self.signal(signal)?;
        let (launch, running) = self.own()?;
        match running.wait(ENDING) {
            Ok(Some(_)) => Ok(()),
            outcome => {
                let problem = format!("{} does not end: {outcome:?}", launch.name);
                Err(Error::new(ErrorKind::Unavailable, problem))
            }
        }
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
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let launch = Launch {
            name: format!("{} {}", self.name, self.version),
            program,
            arguments: self.arguments.iter().map(|text| (*text).to_owned()).collect(),
            environment: owned(self.environment),
            ports: self.ports,
            ready: self.ready.path.to_owned(),
            status: self.ready.status,
            patience: self.patience,
        };
        let mut server = launch.start()?;
        server.name = self.name.to_owned();
        server.variable = self.variable();
        server.stores = self.stores;
        Ok(server)
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
        let ports = endpoints.iter().filter_map(|one| one.rsplit_once(':')?.1.parse().ok());
        let ports: Vec<u16> = ports.collect();
        if ports.len() != self.ports {
            return Err(form());
        }
        match is_ready(&endpoints, self.ready.path, self.ready.status) {
            true => Ok(Server {
                name: self.name.to_owned(),
                ports,
                endpoints,
                variable: self.variable(),
                stores: self.stores,
                own: None,
            }),
            false => Err(format!("no {} answers at {}", self.name, endpoints.join(" "))),
        }
    }
}

impl Launch {
    /// Starts the server on free ports. Blocks until it answers.
    ///
    /// # Errors
    ///
    /// `Unavailable`, with the end of what it said.
    pub fn start(&self) -> Result<Server> {
        let mut attempt = 1;
        loop {
            let ports = ports::free(self.ports).map_err(|error| {
                Error::new(ErrorKind::Unavailable, format!("no free port: {error}"))
            })?;
            match self.attempt(&ports) {
                Ok(running) => {
                    return Ok(Server {
                        name: self.name.clone(),
                        endpoints: endpoints(&ports),
                        ports,
                        variable: String::new(),
                        stores: None,
                        own: Some((self.clone(), running)),
                    });
                }
                Err(GaveUp::Ended(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(gave_up) => return Err(self.failed(gave_up)),
            }
        }
    }

    fn failed(&self, gave_up: GaveUp) -> Error {
        let (GaveUp::Ended(problem) | GaveUp::ForGood(problem)) = gave_up;
        let problem = format!("the server {} did not start: {problem}", self.name);
        Error::new(ErrorKind::Unavailable, problem)
    }

    fn attempt(&self, ports: &[u16]) -> std::result::Result<Supervised, GaveUp> {
        let for_good = |error: std::io::Error| GaveUp::ForGood(error.to_string());
        let filled = |text: &String| ports::fill_in(text, ports);
        let arguments: Vec<_> = self.arguments.iter().map(filled).collect();
        let environment: Vec<_> =
            self.environment.iter().map(|(name, value)| (name.clone(), filled(value))).collect();
        let mut running =
            Supervised::start(&self.program, &arguments, &environment, None).map_err(for_good)?;
        let endpoints = endpoints(ports);
        let deadline = Instant::now() + self.patience;
        loop {
            // Asked first, for somebody else may have the port of a server that is gone.
            let ready = is_ready(&endpoints, &self.ready, self.status);
            match running.ended().map_err(for_good)? {
                Some(126 | 127) => {
                    let program = self.program.display();
                    let problem = format!("{program} cannot be run; {}", running.tail());
                    return Err(GaveUp::ForGood(problem));
                }
                Some(status) => {
                    let problem = format!("it ended with status {status}; {}", running.tail());
                    return Err(GaveUp::Ended(problem));
                }
                None if ready => return Ok(running),
                None if Instant::now() >= deadline => {
                    let problem =
                        format!("no answer within {:?}; {}", self.patience, running.tail());
                    return Err(GaveUp::ForGood(problem));
                }
                None => thread::sleep(PAUSE),
            }
        }
    }
}

fn endpoints(ports: &[u16]) -> Vec<String> {
    ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect()
}

/// Whether the first port answers as it should, and the others take connections.
fn is_ready(endpoints: &[String], path: &str, wanted: Option<u16>) -> bool {
    let Some((endpoint, others)) = endpoints.split_first() else { return false };
    let answer = http::get(&format!("{endpoint}{path}"));
    answer.is_ok_and(|status| wanted.is_none_or(|wanted| wanted == status))
        && others.iter().all(|other| listens(other))
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
