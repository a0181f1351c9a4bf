//! `Stage`: the servers and proxies of a drill, and what is done to them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use omni_contracts::{Error, ErrorKind, Result};
use omni_storage::Config;
use tck::emulators::{AZURITE, Emulator, Launch, MINISTACK, MOTO, Server};
use tck::faults::{Fault as Exchange, Proxy};
use tokio::task::spawn_blocking;

use crate::plan::{Fault, PROGRAM, Plan, ServerPlan};
use crate::program::config;
use crate::protocol::Source;

/// The emulators that a plan can name.
const EMULATORS: &[&Emulator] = &[&AZURITE, &MINISTACK, &MOTO];

/// The bucket or container that is made on them.
const STORE: &str = "omni-drill";

/// How long a server that a plan starts may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// The servers and proxies, by the instances that use them. What was started ends with this.
#[derive(Debug)]
pub(crate) struct Stage {
    servers: BTreeMap<String, Option<Started>>,
    proxies: BTreeMap<String, Proxy>,
    /// What instances are configured with here.
    pub(crate) source: Source,
    /// What the drill is evidence of, by instance.
    pub(crate) evidence: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Started {
    server: Server,
    /// The store is made again when the server has lost it.
    is_emulator: bool,
}

impl Stage {
    /// Starts what a plan needs.
    pub(crate) async fn set(plan: &Plan, mut source: Source, folder: &Path) -> Result<Self> {
        if !plan.storage.is_empty() {
            source = Source { text: Some(text(plan, folder)?), ..Source::default() };
        }
        let mut stage = Self {
            servers: BTreeMap::new(),
            proxies: BTreeMap::new(),
            source,
            evidence: BTreeMap::new(),
        };
        for (name, server) in &plan.servers {
            let (name, server, folder) = (name.clone(), server.clone(), folder.to_owned());
            let label = name.clone();
            let starting = spawn_blocking(move || start(&label, &server, &folder));
            let (started, settings, evidence) = finished(starting.await)?;
            for (setting, value) in settings {
                stage.source.settings.push((name.clone(), setting, value));
            }
            stage.evidence.insert(name.clone(), evidence);
            stage.servers.insert(name, Some(started));
        }
        let config = config(&stage.source)?;
        for victim in plan.victims().into_iter().filter(|victim| *victim != PROGRAM) {
            let section = config.section("storage", victim)?;
            stage
                .evidence
                .entry(victim.to_owned())
                .or_insert_with(|| format!("as configured: {}", section.provider()));
            if plan.faults_on(victim).iter().any(|fault| !fault.is_of_a_process()) {
                stage.interpose(&config, victim).await?;
            }
        }
        Ok(stage)
    }

    /// Puts a proxy between an instance and its server.
    async fn interpose(&mut self, config: &Config, name: &str) -> Result<()> {
        let section = config.section("storage", name)?;
        let key = format!("storage.{name}.endpoint");
        let stated = section.stated().into_iter().find(|setting| setting.key == key);
        let endpoint = stated.map(|setting| setting.value).unwrap_or_default();
        let wrong = || {
            let problem = format!(
                "faults of the network on `{name}` need `{key}` of the form http://HOST:PORT, so that \
                 a proxy can stand there; it is {:?}",
                endpoint
            );
            Error::new(ErrorKind::Configuration, problem)
        };
        let rest = endpoint.strip_prefix("http://").ok_or_else(wrong)?;
        let (host, path) = match rest.split_once('/') {
            Some((host, path)) => (host, format!("/{path}")),
            None => (rest, String::new()),
        };
        let named = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let address = named.to_socket_addrs().ok().and_then(|mut all| all.next());
        let proxy = Proxy::start(address.ok_or_else(wrong)?).await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("no port for a proxy: {error}"))
        })?;
        proxy.always(Exchange::Pass);
        let here: SocketAddr = proxy.address();
        self.source.settings.push((
            name.to_owned(),
            "endpoint".to_owned(),
            format!("http://{here}{path}"),
        ));
        self.proxies.insert(name.to_owned(), proxy);
        Ok(())
    }

    /// Lets something go wrong.
    pub(crate) async fn begin(&mut self, fault: Fault, on: &str) -> Result<()> {
        match fault {
            Fault::Kill => self.on_server(on, |started| started.server.kill()).await,
            Fault::Stop => self.on_server(on, |started| started.server.stop()).await,
            Fault::Hang => self.on_server(on, |started| started.server.halt()).await,
            Fault::Partition => self.exchange(on, Exchange::Refuse),
            Fault::Silence => self.exchange(on, Exchange::Stall),
            Fault::Slow => self.exchange(on, Exchange::SlowAnswer),
            Fault::Throttle => self.exchange(on, Exchange::Throttle),
            Fault::Corrupt => self.exchange(on, Exchange::SpoilAnswer),
        }
    }

    /// Whether a server may have lost what it had, by that fault. A server of the plan may be one that
    /// keeps it; who knows.
    pub(crate) fn forgets(&self, fault: Fault, on: &str) -> bool {
        matches!(fault, Fault::Kill | Fault::Stop) && self.servers.contains_key(on)
    }

    /// Makes it right again.
    pub(crate) async fn end(&mut self, fault: Fault, on: &str) -> Result<()> {
        match fault {
            Fault::Kill | Fault::Stop => {
                let again = |started: &mut Started| {
                    started.server.restart()?;
                    if started.is_emulator {
                        started.server.make_store(STORE)?;
                    }
                    Ok(())
                };
                self.on_server(on, again).await
            }
            Fault::Hang => self.on_server(on, |started| started.server.resume()).await,
            _ if self.proxies.contains_key(on) => {
                // Whoever waits for what was swallowed is not answered any more.
                if fault == Fault::Silence {
                    self.exchange(on, Exchange::Refuse)?;
                }
                self.exchange(on, Exchange::Pass)
            }
            _ => Ok(()),
        }
    }

    fn exchange(&self, on: &str, fault: Exchange) -> Result<()> {
        let missing = || Error::new(ErrorKind::Internal, format!("no proxy stands before `{on}`"));
        self.proxies.get(on).ok_or_else(missing)?.always(fault);
        Ok(())
    }

    /// Servers block.
    async fn on_server(
        &mut self,
        on: &str,
        work: impl FnOnce(&mut Started) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let missing =
            || Error::new(ErrorKind::Internal, format!("no server was started for `{on}`"));
        let place = self.servers.get_mut(on).ok_or_else(missing)?;
        let mut started = place.take().ok_or_else(missing)?;
        let working = spawn_blocking(move || {
            let worked = work(&mut started);
            (started, worked)
        });
        let (started, worked) = finished(working.await.map(Ok))?;
        *place = Some(started);
        worked
    }
}

fn finished<T>(joined: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    joined.map_err(|panic| Error::new(ErrorKind::Internal, panic.to_string()))?
}

/// The instances of a plan as a configuration.
fn text(plan: &Plan, folder: &Path) -> Result<String> {
    let mut storage = toml::Table::new();
    for (name, settings) in &plan.storage {
        let mut settings = settings.clone();
        if let Some(server) = plan.servers.get(name)
            && !settings.contains_key("provider")
        {
            // Stated over it when the server is there; without it, this would be no instance.
            let provider = match server.emulator.as_deref() {
                Some("azurite") => Some("azblob".to_owned()),
                Some(_) => Some("s3".to_owned()),
                None => server.settings.get("provider").cloned(),
            };
            settings.extend(provider.map(|name| ("provider".to_owned(), name.into())));
        }
        storage.insert(name.clone(), settings.into());
    }
    let profile = toml::Table::from_iter([("storage".to_owned(), storage.into())]);
    let all = toml::Table::from_iter([("default".to_owned(), profile.into())]);
    let text = toml::to_string(&all).map_err(|error| {
        Error::new(ErrorKind::Configuration, format!("the instances of the plan: {error}"))
    })?;
    Ok(text.replace("{folder}", &folder.display().to_string()))
}

type Settings = Vec<(String, String)>;

fn start(name: &str, plan: &ServerPlan, folder: &Path) -> Result<(Started, Settings, String)> {
    if let Some(wanted) = &plan.emulator {
        let known = EMULATORS.iter().find(|emulator| emulator.name == wanted.as_str());
        let emulator = known.ok_or_else(|| {
            let names: Vec<_> = EMULATORS.iter().map(|emulator| emulator.name).collect();
            let problem = format!(
                "servers.{name}: there is no emulator {wanted:?}, there are {}",
                names.join(", ")
            );
            Error::new(ErrorKind::Configuration, problem)
        })?;
        let server = emulator.start()?;
        let settings = server.make_store(STORE)?;
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let evidence = format!("emulator({}, {})", emulator.name, emulator.version);
        return Ok((Started { server, is_emulator: true }, settings, evidence));
    }
    let kept = folder.join(format!("server-{name}"));
    std::fs::create_dir_all(&kept).map_err(|error| {
        Error::new(ErrorKind::Unavailable, format!("{}: {error}", kept.display()))
    })?;
    let filled = |text: &String| text.replace("{folder}", &kept.display().to_string());
    let mut words = plan.command.iter().map(filled);
    let launch = Launch {
        name: name.to_owned(),
        program: OsString::from(words.next().unwrap_or_default()),
        arguments: words.collect(),
        environment: Vec::new(),
        ports: 1,
        ready: plan.ready.clone(),
        status: None,
        patience: PATIENCE,
    };
    let server = launch.start()?;
    let port = server.ports().first().copied().unwrap_or_default().to_string();
    let settings = plan.settings.iter();
    let settings = settings.map(|(name, value)| (name.clone(), value.replace("{port}", &port)));
    // Without the folder, which is one of this machine.
    let program = plan.command.first().map(Path::new).and_then(Path::file_name);
    let program = program.unwrap_or_default().to_string_lossy();
    let evidence = format!("a server of this plan: {program}");
    Ok((Started { server, is_emulator: false }, settings.collect(), evidence))
}
