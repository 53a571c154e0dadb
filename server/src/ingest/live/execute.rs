//! A live feed whose bytes a command writes: started, watched, ended and started again. What the bytes are is for the
//! decoder.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use engine::event::FeedState;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::child::Program;
use super::inbox::Message;
use super::receive::{Abandoned, GIVEN_UP, Outlet};
use super::{Live, LiveConfig};
use crate::ingest::decode::Hint;
use crate::ingest::error::IngestError;
use crate::ingest::exec::ExecSource;
use crate::ingest::http::PIECE_BYTES_MAX;
use crate::ingest::pcm::PcmSpec;

/// A command that ran for so long, and gave audio, was a good one: the waits begin anew.
const GOOD_RUN: Duration = Duration::from_secs(10);
/// Time that a command has to end after it has closed its output.
const CLOSING: Duration = Duration::from_secs(2);

impl Live {
    /// A feed whose bytes `source` writes, which are samples as `pcm` says, or else what they look like.
    pub(in crate::ingest) fn executing(
        source: &ExecSource,
        pcm: Option<PcmSpec>,
        config: LiveConfig,
        runtime: &Handle,
    ) -> Result<Self, IngestError> {
        let executing = Executing { source: source.clone(), pcm: pcm.or(source.pcm()), config };
        let receive =
            |messages, shared| runtime.spawn(executing.run(Outlet { messages, shared })).abort_handle();
        Self::decoding(source.to_string(), config, receive)
    }
}

struct Executing {
    source: ExecSource,
    pcm: Option<PcmSpec>,
    config: LiveConfig,
}

impl Executing {
    async fn run(self, outlet: Outlet) {
        // An abandoned feed has nobody to tell.
        let _ = self.supervise(&outlet).await;
    }

    async fn supervise(&self, outlet: &Outlet) -> Result<(), Abandoned> {
        let mut backoff = Backoff::new(self.config.backoff);
        let place = self.source.to_string();
        let mut number = 0;
        loop {
            let reason = match Program::start(self.source.argv(), &place) {
                Ok(program) => {
                    number += 1;
                    let began = Instant::now();
                    let reason = self.once(program, number, outlet).await?;
                    if outlet.shared.heard.swap(false, Relaxed) && began.elapsed() >= GOOD_RUN {
                        backoff.reset();
                    }
                    reason
                }
                Err(error) if self.config.first_attempts.is_some() && number == 0 => {
                    let reason = format!("cannot be started: {error}");
                    let failed = IngestError::Unreachable { place, reason };
                    return outlet.send(Message::Failed(failed)).await;
                }
                Err(error) => format!("cannot be started: {error}"),
            };
            let reason = format!("{place}: {reason}");
            if !self.config.reconnect {
                return outlet.tell(FeedState::Ended, reason).await;
            }
            let wait = backoff.next();
            outlet.tell(FeedState::Reconnecting, format!("{reason}; next attempt in {wait:.1?}")).await?;
            sleep(wait).await;
        }
    }

    /// One run of the command. Answers why it ended.
    async fn once(&self, mut program: Program, number: u64, outlet: &Outlet) -> Result<String, Abandoned> {
        let id = program.id();
        outlet.tell(FeedState::Connected, format!("{}: process {id}", self.source)).await?;
        let hint = Hint { pcm: self.pcm, ..Hint::default() };
        outlet.send(Message::Opened { number, hint, age: Duration::ZERO }).await?;
        let bytes = self.pass(&mut program, outlet);
        let why = outlet.unless_given_up(number, bytes).await?;
        // What closes its output is about to end, and knows best how.
        let is_closing = why.as_deref() == Some("");
        let how = program.end(if is_closing { CLOSING } else { Duration::ZERO }).await;
        if self.config.reconnect {
            outlet.send(Message::Endpoint).await?;
        }
        outlet.send(Message::Closed).await?;
        let why = why.unwrap_or_else(|| GIVEN_UP.to_owned());
        Ok(if why.is_empty() { how } else { format!("{why}; {how}") })
    }

    /// Sends what it writes. Answers why there is no more; nothing: it says so itself.
    async fn pass(&self, program: &mut Program, outlet: &Outlet) -> Result<String, Abandoned> {
        let LiveConfig { stalled_after, dead_after, .. } = self.config;
        let mut is_stalled = false;
        let mut piece = BytesMut::new();
        loop {
            piece.reserve(PIECE_BYTES_MAX);
            let patience = if is_stalled { dead_after.saturating_sub(stalled_after) } else { stalled_after };
            let mut limited = (&mut program.stdout).take(PIECE_BYTES_MAX as u64);
            match timeout(patience, limited.read_buf(&mut piece)).await {
                Ok(Ok(0)) => return Ok(String::new()),
                Ok(Ok(_)) => {
                    is_stalled = false;
                    let bytes = piece.split().freeze();
                    outlet.send(Message::Bytes { bytes, at: Instant::now() }).await?;
                }
                Ok(Err(error)) => return Ok(error.to_string()),
                Err(_) if is_stalled => return Ok(format!("no bytes for {dead_after:?}")),
                Err(_) => {
                    is_stalled = true;
                    outlet.send(Message::Stalled).await?;
                }
            }
        }
    }
}
