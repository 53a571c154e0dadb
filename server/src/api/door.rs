//! The door: accepts connections, keeps to the limits, and leads each to the API or to a mount.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::places::{Place, Places, Way};
use super::watched::Watched;
use super::{App, router};
use crate::config::{Limits, Role};
use crate::ingest::mount::{self, MountLimits};
use crate::telemetry::{TurnedAway, turned_away};

/// A reader that takes nothing for so long is gone: the kernel ends its connection.
const STUCK: Duration = Duration::from_secs(30);
/// Wait after a failure to accept, such as no descriptors left.
const BREATH: Duration = Duration::from_millis(100);
/// What one too many is told, as far as it listens.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n\
    Content-Type: text/plain\r\n\r\ntoo many connections (limits.connections, limits.connections_per_address)\n";

/// Serves `app` on `listener` until it ends; then no connection is accepted, and those that are idle end.
pub async fn serve(listener: TcpListener, app: App) {
    let limits = app.feeds.config().limits.clone();
    let mut ending = app.ending.clone();
    let door = Arc::new(Door {
        places: Places::new(limits.connections, limits.connections_per_address),
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
    places: Arc<Places>,
    limits: Limits,
    router: Router,
    app: App,
}

/// A request that is still to come lets go of this when it is there.
struct UntilServed(Arc<Place>);

/// An answer lets go of this when it was sent.
struct WhileServed(Arc<Place>);

impl Door {
    /// Serves a connection in a task of its own, until another one needs its place. One too many is closed at once.
    fn let_in(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let place = match self.places.take(peer.ip()) {
            Ok((place, Way::Free)) => place,
            Ok((place, Way::InPlaceOfAnother)) => {
                turned_away(TurnedAway::GaveWay);
                place
            }
            Err(full) => {
                tracing::debug!("{peer}: too many connections ({full:?})");
                turned_away(TurnedAway::Full);
                // Nobody waits for one that does not take it at once.
                let _ = stream.try_write(NO_ROOM);
                return;
            }
        };
        let (door, place) = (Arc::clone(self), Arc::new(place));
        tokio::spawn(async move {
            tokio::select! {
                served = door.serve(stream, peer, &place) => {
                    if let Err(error) = served {
                        tracing::debug!("{peer}: {error}");
                    }
                }
                () = place.is_needed() => tracing::debug!("{peer}: gave way to another one"),
            }
        });
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr, place: &Arc<Place>) -> io::Result<()> {
        stream.set_nodelay(true)?;
        set_tcp_user_timeout(&stream, u32::try_from(STUCK.as_millis()).unwrap_or(u32::MAX))?;
        let head_due = Instant::now() + Duration::from_secs(self.limits.header_secs);
        match mount::peek(&stream, head_due).await {
            mount::Door::Api => self.serve_api(stream, peer, place, head_due).await,
            mount::Door::Mount => {
                let limits = MountLimits {
                    head: head_due.saturating_duration_since(Instant::now()),
                    head_bytes: self.limits.header_bytes,
                    ..MountLimits::default()
                };
                let auth = self.auth(Arc::clone(place));
                // In a box: the task of each connection has room for the largest way, and most go another one.
                Box::pin(mount::serve(stream, peer, Arc::clone(&self.app.docks), auth, limits)).await;
                Ok(())
            }
            mount::Door::Nobody => Ok(()),
        }
    }

    /// Encoders give a token as their password; their user is `source` or anything. Who is let in keeps its place.
    fn auth(&self, place: Arc<Place>) -> mount::Auth {
        let tokens = self.app.tokens();
        Arc::new(move |given| {
            let bearer = given.and_then(|(_, password)| tokens.bearer(password));
            let is_let_in = tokens.is_empty() || bearer.is_some_and(|bearer| bearer.role >= Role::Ingest);
            if is_let_in {
                place.is_served();
            }
            is_let_in
        })
    }

    async fn serve_api(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: &Arc<Place>,
        head_due: Instant,
    ) -> io::Result<()> {
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(|request: Request<Incoming>| {
            let mut request =
                request.map(|body| Body::new(Watched::new(body, UntilServed(Arc::clone(place)))));
            request.extensions_mut().insert(ConnectInfo(peer));
            let answering = router.call(request);
            async move {
                let answer = answering.await;
                answer.map(|answer| answer.map(|body| Watched::new(body, WhileServed(Arc::clone(place)))))
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(head_due.saturating_duration_since(Instant::now()))
            .max_buf_size(self.limits.header_bytes.max(8_192))
            .max_headers(64);
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        tokio::pin!(connection);
        let mut ending = self.app.ending.clone();
        tokio::select! {
            served = connection.as_mut() => return served.map_err(io::Error::other),
            _ = ending.wait_for(|ending| *ending) => connection.as_mut().graceful_shutdown(),
        }
        connection.await.map_err(io::Error::other)
    }
}

impl Drop for UntilServed {
    fn drop(&mut self) {
        self.0.is_served();
    }
}

impl Drop for WhileServed {
    fn drop(&mut self) {
        self.0.waits();
    }
}
