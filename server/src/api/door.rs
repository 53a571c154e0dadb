//! The door: accepts connections, keeps to the limits, and leads each to the API or to a mount.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{App, router};
use crate::config::{Limits, Role};
use crate::ingest::mount::{self, MountLimits};

/// A reader that takes nothing for so long is gone: the kernel ends its connection.
const STUCK: Duration = Duration::from_secs(30);
/// Wait after a failure to accept, such as no descriptors left.
const BREATH: Duration = Duration::from_millis(100);

/// Serves `app` on `listener` until it ends; then no connection is accepted, and those that are idle end.
pub async fn serve(listener: TcpListener, app: App) {
    let limits = app.feeds.config().limits.clone();
    let mut ending = app.ending.clone();
    let door = Arc::new(Door {
        all: Arc::new(Semaphore::new(limits.connections)),
        by_address: Mutex::default(),
        limits,
        router: router(Arc::clone(&app)),
        app,
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ending.wait_for(|ending| *ending) => return,
        };
        match accepted {
            Ok((stream, peer)) => door.let_in(stream, peer),
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

struct Door {
    all: Arc<Semaphore>,
    by_address: Mutex<BTreeMap<IpAddr, usize>>,
    limits: Limits,
    router: Router,
    app: App,
}

/// A connection's place, given back when it is dropped.
struct Place {
    door: Arc<Door>,
    address: IpAddr,
    _one: OwnedSemaphorePermit,
}

impl Door {
    /// Serves a connection in a task of its own. One too many is closed at once.
    fn let_in(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Some(place) = self.place(peer.ip()) else {
            tracing::debug!("{peer}: too many connections");
            return;
        };
        tokio::spawn(async move {
            if let Err(error) = place.door.serve(stream, peer).await {
                tracing::debug!("{peer}: {error}");
            }
            drop(place);
        });
    }

    fn place(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let one = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let n = by_address.entry(address).or_insert(0);
        if *n >= self.limits.connections_per_address {
            return None;
        }
        *n += 1;
        Some(Place { door: Arc::clone(self), address, _one: one })
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        set_tcp_user_timeout(&stream, u32::try_from(STUCK.as_millis()).unwrap_or(u32::MAX))?;
        match mount::peek(&stream).await {
            mount::Door::Api => self.serve_api(stream, peer).await,
            mount::Door::Mount => {
                let limits = MountLimits {
                    head: Duration::from_secs(self.limits.header_secs),
                    head_bytes: self.limits.header_bytes,
                    ..MountLimits::default()
                };
                mount::serve(stream, peer, Arc::clone(&self.app.docks), self.auth(), limits).await;
                Ok(())
            }
            mount::Door::Nobody => Ok(()),
        }
    }

    /// Encoders give a token as their password; their user is `source` or anything.
    fn auth(&self) -> mount::Auth {
        let tokens = self.app.tokens();
        Arc::new(move |given| {
            let bearer = given.and_then(|(_, password)| tokens.bearer(password));
            tokens.is_empty() || bearer.is_some_and(|bearer| bearer.role >= Role::Ingest)
        })
    }

    async fn serve_api(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let router = self.router.clone().layer(axum::Extension(ConnectInfo(peer)));
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(self.limits.header_secs))
            .max_buf_size(self.limits.header_bytes.max(8_192))
            .max_headers(64);
        let connection =
            builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).with_upgrades();
        tokio::pin!(connection);
        let mut ending = self.app.ending.clone();
        tokio::select! {
            served = connection.as_mut() => return served.map_err(io::Error::other),
            _ = ending.wait_for(|ending| *ending) => connection.as_mut().graceful_shutdown(),
        }
        connection.await.map_err(io::Error::other)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.door.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = by_address.get_mut(&self.address) {
            *n -= 1;
            if *n == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}
