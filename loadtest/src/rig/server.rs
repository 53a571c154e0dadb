//! The server that is measured: started here, or there already.

use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::failure::Failure;
use crate::scenario::{Target, TargetKind};
use crate::target::aircheck::Api;
use crate::target::{Process, free_port};

/// For a server to be ready: it may have a model to load.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(50);
/// Says where a program keeps its state (XDG Base Directory Specification). One that is started here shall not touch what
/// the user has; a scenario may name a folder.
const STATE: &str = "XDG_STATE_HOME";
/// Stands for the address of a server that is started here.
const LISTEN: &str = "{listen}";

/// See the module.
pub(super) struct Server {
    kind: TargetKind,
    pub(super) url: String,
    pub(super) token: Option<String>,
    ready: Option<String>,
    pub(super) process: Option<Process>,
    /// Folder for the state of a server that is started here.
    state: PathBuf,
    /// The same, where it is removed in the end.
    _scratch: Option<TempDir>,
}

impl Server {
    /// Starts it if `target` says how. It is killed when this is dropped.
    pub(super) fn start(target: &Target) -> Result<Self, Failure> {
        let listen = format!("127.0.0.1:{}", free_port()?);
        let put = |text: &str| text.replace(LISTEN, &listen);
        let command: Vec<String> = target.command.iter().map(|word| put(word)).collect();
        let mut env: Vec<(String, String)> =
            target.env.iter().map(|(name, value)| (name.clone(), put(value))).collect();
        let given = env.iter().find(|(name, _)| name == STATE).map(|(_, folder)| PathBuf::from(folder));
        let (state, scratch) = match given {
            Some(folder) => (folder, None),
            None => {
                let scratch =
                    tempfile::tempdir().map_err(|error| Failure::runtime("make a folder", error))?;
                (scratch.path().to_owned(), Some(scratch))
            }
        };
        if scratch.is_some() {
            env.push((STATE.to_owned(), state.display().to_string()));
        }
        let process = match target.pid {
            _ if !command.is_empty() => Some(Process::spawn(&command, &env)?),
            Some(pid) => Some(Process::attach(pid)?),
            None => None,
        };
        let token = target.token.as_ref().map(|token| token.secret().map_err(Failure::Usage)).transpose()?;
        let ready = target.ready().map(|ready| put(&ready));
        Ok(Self {
            kind: target.kind,
            url: put(&target.url()),
            token,
            ready,
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

    async fn try_once(&self) -> Result<(), Failure> {
        if self.kind == TargetKind::Aircheck {
            return self.api()?.ready(Duration::ZERO).await;
        }
        let address = self.ready.as_deref().unwrap_or(&self.url);
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
}
