//! The server that is measured: started here, or there already.

use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::failure::Failure;
use crate::mode::About;
use crate::scenario::{CONFIG, LISTEN, Target, TargetKind};
use crate::target::aircheck::{Api, get};
use crate::target::{Process, free_port};

/// For a server to be ready: it may have a model to load.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(50);
/// Says where a program keeps its state (XDG Base Directory Specification). One that is started here shall not touch what
/// the user has; a scenario may name a folder.
const STATE: &str = "XDG_STATE_HOME";

/// See the module.
pub(super) struct Server {
    kind: TargetKind,
    pub(super) url: String,
    pub(super) token: Option<String>,
    ready: Option<String>,
    pub(super) about: About,
    pub(super) process: Option<Process>,
    /// Folder for the state of a server that is started here.
    state: PathBuf,
    /// The same unless the scenario names one, and the server's configuration: removed in the end.
    _scratch: TempDir,
}

impl Server {
    /// Starts it if `target` says how. It is killed when this is dropped.
    pub(super) fn start(target: &Target) -> Result<Self, Failure> {
        let scratch = tempfile::tempdir().map_err(|error| Failure::runtime("make a folder", error))?;
        let listen = format!("127.0.0.1:{}", free_port()?);
        let config = scratch.path().join("config");
        let put = |text: &str| text.replace(LISTEN, &listen).replace(CONFIG, &config.display().to_string());
        let (command, mut env) =
            (target.command.iter().map(|word| put(word)).collect::<Vec<_>>(), target.env.clone());
        env.values_mut().for_each(|value| *value = put(value));
        let state = env.entry(STATE.to_owned()).or_insert_with(|| scratch.path().display().to_string());
        let state = PathBuf::from(state.as_str());
        if let Some(text) = &target.config {
            let tried = format!("write {}", config.display());
            std::fs::write(&config, put(text)).map_err(|error| Failure::runtime(&tried, error))?;
        }
        let process = match target.pid {
            _ if !command.is_empty() => Some(Process::spawn(&command, &env.into_iter().collect::<Vec<_>>())?),
            Some(pid) => Some(Process::attach(pid)?),
            None => None,
        };
        let token = target.token.as_ref().map(|token| token.secret().map_err(Failure::Usage)).transpose()?;
        let url = put(&target.url());
        Ok(Self {
            kind: target.kind,
            token,
            ready: target.ready.as_deref().map(put),
            about: About { address: Some(url.clone()), ..About::default() },
            url,
            process,
            state,
            _scratch: scratch,
        })
    }

    /// Waits until it can be used.
    pub(super) async fn ready(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            if let Some(process) = &mut self.process {
                process.check()?;
            }
            let why = match self.try_once().await {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            if began.elapsed() >= PATIENCE {
                return Err(why);
            }
            sleep(AGAIN).await;
        }
    }

    /// Folder on the disk that it writes to.
    pub(super) fn state(&self) -> PathBuf {
        self.state.clone()
    }

    /// Its HTTP API, if it is an Aircheck.
    pub(super) fn api(&self) -> Result<Api, Failure> {
        let url = match self.kind {
            TargetKind::Aircheck => self.url.clone(),
            _ => {
                return Err(Failure::Usage(
                    "feeds are added over the API of an Aircheck: target.kind".into(),
                ));
            }
        };
        Api::new(&url, self.token.as_deref())
    }

    /// One try to use it.
    async fn try_once(&mut self) -> Result<(), Failure> {
        if let Some(ready) = &self.ready {
            get(ready).await?;
        }
        if self.kind != TargetKind::Aircheck {
            return if self.ready.is_some() { Ok(()) } else { connect(&self.url).await };
        }
        let said = self.api()?.ready(Duration::ZERO).await?;
        let version = said.version.map(|version| format!("aircheck {version}"));
        self.about = About { version, model: said.model, ..self.about.clone() };
        Ok(())
    }
}

/// Where nothing can be asked for: whether anybody listens there.
async fn connect(address: &str) -> Result<(), Failure> {
    let tried = format!("connect to {address}");
    let url = Url::parse(address).map_err(|error| Failure::runtime(&tried, error))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let resolved = (host.as_str(), port).to_socket_addrs().map(|mut all| all.next());
    let resolved = resolved.map_err(|error| Failure::runtime(&tried, error))?;
    let Some(resolved) = resolved else { return Err(Failure::Runtime(format!("{tried}: no such host"))) };
    match timeout(Duration::from_secs(5), TcpStream::connect(resolved)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Failure::runtime(&tried, error)),
        Err(_) => Err(Failure::Runtime(format!("{tried}: no answer"))),
    }
}
