//! One recogniser process and its pipes: started, asked, listened to, and dead when dropped. Never waits, but for the end
//! of a process that closed its output. Does not decide what follows from a death.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use models::Transcription;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use thiserror::Error;

use super::frame::{self, FrameError, Message, Ready};
use super::request::Request;

/// Bytes read at once: a pipe holds no more by default.
const READ_BYTES: usize = 64 << 10;
/// What the pipe of audio holds: the most that Linux allows without privileges (pipe(7)), half of a full window.
const PIPE_BYTES: usize = 1 << 20;
/// How long a process that closed its output may take to end; then it is killed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a process was lost. Its text goes into the error of the request.
#[derive(Debug, Error)]
pub(super) enum Loss {
    #[error("cannot be started: {0}")]
    Start(io::Error),
    #[error("took longer than {:.1} s and was killed", .0.as_secs_f32())]
    TookLonger(Duration),
    #[error("{}", exit(*.0))]
    Exited(ExitStatus),
    #[error("closed its output and was killed")]
    Closed,
    #[error("answered garbage: {0}")]
    Garbage(String),
    #[error("cannot be reached: {0}")]
    Pipe(io::Error),
}

fn exit(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("exited with signal {signal}"),
        (None, Some(code)) => format!("exited with status {code}"),
        (None, None) => "exited".to_owned(),
    }
}

impl From<FrameError> for Loss {
    fn from(error: FrameError) -> Self {
        Self::Garbage(error.to_string())
    }
}

impl From<rustix::io::Errno> for Loss {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Pipe(error.into())
    }
}

fn garbage(what: &str) -> Loss {
    Loss::Garbage(what.to_owned())
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// What it said and nobody has taken yet.
    inbox: Vec<u8>,
    /// It says nothing more, or hears nothing.
    is_at_end: bool,
    start_max: Duration,
    started_at: Instant,
    pub(super) is_ready: bool,
    /// Requests that it was given and has not answered, in the order of their way through the pipe.
    pub(super) at_work: Vec<AtWork>,
    /// Requests that it answered.
    pub(super) n_answered: u64,
}

/// A request that a process works on.
#[derive(Debug)]
pub(super) struct AtWork {
    pub(super) request: Request,
    /// When it must be answered.
    pub(super) until: Instant,
    n_bytes_sent: usize,
}

impl AtWork {
    fn unsent(&self) -> &[u8] {
        self.request.frame.get(self.n_bytes_sent..).unwrap_or_default()
    }
}

/// What a process said.
#[derive(Debug)]
pub(super) enum Said {
    /// It takes requests from now on.
    Ready(Ready),
    /// What came of a request, and the time that the decode took, us.
    Answer { request: Request, decode_us: u64, outcome: Result<Transcription, String> },
}

impl Worker {
    /// Starts a process. It is not waited for: it loads its model meanwhile, for `start_max` at most.
    pub(super) fn start(command: &mut Command, start_max: Duration) -> Result<Self, Loss> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(Loss::Start)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Loss::Start(io::Error::other("no pipes")));
        };
        // Audio is more than a pipe holds: a process that does not read must not hold us up.
        fcntl_setfl(&stdin, OFlags::NONBLOCK)?;
        // Fewer wake-ups; where it is refused it is only slower.
        let _ = fcntl_setpipe_size(&stdin, PIPE_BYTES);
        Ok(Self {
            child,
            stdin,
            stdout,
            inbox: Vec::new(),
            is_at_end: false,
            start_max,
            started_at: Instant::now(),
            is_ready: false,
            at_work: Vec::new(),
            n_answered: 0,
        })
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it may begin with `request` now.
    pub(super) fn takes(&self, request: &Request) -> bool {
        let is_taken = self.at_work.iter().any(|at_work| at_work.request.is_alone);
        self.is_ready && !is_taken && (self.at_work.is_empty() || !request.is_alone)
    }

    /// Gives it a request; its time runs from `now`.
    pub(super) fn give(&mut self, request: Request, now: Instant) {
        self.at_work.push(AtWork { until: now + request.limit, request, n_bytes_sent: 0 });
    }

    /// When it must have said something. `None`: nothing is expected of it.
    pub(super) fn due(&self) -> Option<Instant> {
        let loading = (!self.is_ready).then(|| self.started_at + self.start_max);
        self.at_work.iter().map(|at_work| at_work.until).chain(loading).min()
    }

    /// Whether it took too long, to be ready or with a request.
    pub(super) fn overdue(&self, now: Instant) -> Option<Loss> {
        let overdue = self.at_work.iter().find(|at_work| at_work.until <= now);
        let limit = overdue.map(|at_work| at_work.request.limit);
        let is_late = !self.is_ready && self.started_at + self.start_max <= now;
        limit.or(is_late.then_some(self.start_max)).map(Loss::TookLonger)
    }

    /// What to wait for: its output, and its input where there is something to send.
    pub(super) fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let reading = PollFd::new(&self.stdout, PollFlags::IN);
        let writing = self.has_unsent().then(|| PollFd::new(&self.stdin, PollFlags::OUT));
        std::iter::once(reading).chain(writing)
    }

    /// Moves what can be moved; `events` are those of [`Self::poll_fds`].
    pub(super) fn transfer(&mut self, events: &mut impl Iterator<Item = bool>) -> Result<(), Loss> {
        let may_read = events.next() == Some(true);
        let may_write = self.has_unsent() && events.next() == Some(true);
        if may_read {
            self.receive()?;
        }
        if may_write { self.send() } else { Ok(()) }
    }

    fn has_unsent(&self) -> bool {
        self.at_work.iter().any(|at_work| !at_work.unsent().is_empty())
    }

    fn send(&mut self) -> Result<(), Loss> {
        let Some(next) = self.at_work.iter_mut().find(|at_work| !at_work.unsent().is_empty()) else {
            return Ok(());
        };
        match self.stdin.write(next.unsent()) {
            Ok(n_bytes) => next.n_bytes_sent += n_bytes,
            Err(error) if is_passing(&error) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.is_at_end = true,
            Err(error) => return Err(Loss::Pipe(error)),
        }
        Ok(())
    }

    /// Takes what it said into the inbox.
    fn receive(&mut self) -> Result<(), Loss> {
        let n_held = self.inbox.len();
        self.inbox.resize(n_held + READ_BYTES, 0);
        let received = self.stdout.read(self.inbox.get_mut(n_held..).unwrap_or_default());
        let n_bytes = *received.as_ref().unwrap_or(&0);
        self.inbox.truncate(n_held + n_bytes);
        match received {
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(Loss::Pipe(error)),
            Ok(n_bytes) => self.is_at_end |= n_bytes == 0,
        }
        Ok(())
    }

    /// The next thing that it said. `None`: nothing that is complete.
    pub(super) fn heard(&mut self) -> Result<Option<Said>, Loss> {
        let Some((message, n_bytes)) = frame::parse(&self.inbox)? else {
            return if self.is_at_end { Err(self.last_words()) } else { Ok(None) };
        };
        self.inbox.drain(..n_bytes);
        match message {
            Message::Ready(ready) if !self.is_ready => {
                self.is_ready = true;
                Ok(Some(Said::Ready(ready)))
            }
            Message::Answer { .. } if !self.is_ready => Err(garbage("an answer to nothing")),
            Message::Answer { id, decode_us, outcome } => {
                let request = self.asked(id)?;
                self.n_answered += 1;
                Ok(Some(Said::Answer { request, decode_us, outcome }))
            }
            _ => Err(garbage("a message that is no answer")),
        }
    }

    /// The request that an answer is for, off the list.
    fn asked(&mut self, id: u64) -> Result<Request, Loss> {
        let idx = self.at_work.iter().position(|at_work| at_work.request.id == id);
        let idx =
            idx.ok_or_else(|| Loss::Garbage(format!("an answer to request {id}, which nobody made")))?;
        if self.at_work.get(idx).is_some_and(|at_work| !at_work.unsent().is_empty()) {
            return Err(garbage("an answer before the end of the question"));
        }
        Ok(self.at_work.remove(idx).request)
    }

    /// Why it closed its end of a pipe.
    fn last_words(&mut self) -> Loss {
        if self.ends_by(Instant::now() + LAST_WORDS).is_err() {
            return Loss::Closed;
        }
        match self.child.try_wait() {
            Ok(Some(status)) if self.inbox.is_empty() => Loss::Exited(status),
            Ok(Some(status)) => {
                let n_bytes = self.inbox.len();
                Loss::Garbage(format!("{n_bytes} bytes that are no answer; then it {}", exit(status)))
            }
            Ok(None) => Loss::Closed,
            Err(error) => Loss::Pipe(error),
        }
    }

    fn ends_by(&self, until: Instant) -> Result<(), Loss> {
        let pid = Pid::from_child(&self.child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(poll_until(&mut [PollFd::new(&pidfd.as_fd(), PollFlags::IN)], Some(until))?)
    }
}

impl Drop for Worker {
    /// It holds nothing that needs saving. Where it cannot be killed it is dead already.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

/// Waits for one of them, at most until then. `None`: however long it takes.
pub(super) fn poll_until(waited_for: &mut [PollFd<'_>], until: Option<Instant>) -> rustix::io::Result<()> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).unwrap_or_default());
        match poll(waited_for, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            polled => return polled.map(drop),
        }
    }
}
