//! One recogniser process and its pipes: started, asked, waited for up to a limit, and dead when dropped.
//! Does not decide what follows from a death.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use thiserror::Error;

use super::frame::{self, FrameError, Message, Ready};

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

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// What it said and nobody has taken yet.
    inbox: Vec<u8>,
    started_at: Instant,
    ready: Option<Ready>,
    /// Requests that it answered.
    pub(super) n_answered: u64,
}

impl Worker {
    /// Starts a process. It is not waited for: it loads its model meanwhile.
    pub(super) fn start(command: &mut Command) -> Result<Self, Loss> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(Loss::Start)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Loss::Start(io::Error::other("no pipes")));
        };
        // Audio is more than a pipe holds: a process that does not read must not hold us up.
        fcntl_setfl(&stdin, OFlags::NONBLOCK)?;
        // Fewer wake-ups; where it is refused it is only slower.
        let _ = fcntl_setpipe_size(&stdin, PIPE_BYTES);
        let (inbox, started_at) = (Vec::new(), Instant::now());
        Ok(Self { child, stdin, stdout, inbox, started_at, ready: None, n_answered: 0 })
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is ready, at most `start_max` from its start.
    pub(super) fn ready(&mut self, start_max: Duration) -> Result<&Ready, Loss> {
        let until = self.started_at + start_max;
        if !self.is_ready(until)? {
            return Err(Loss::TookLonger(start_max));
        }
        self.ready.as_ref().ok_or(Loss::Closed)
    }

    /// Whether it is ready by `until`.
    pub(super) fn is_ready(&mut self, until: Instant) -> Result<bool, Loss> {
        if self.ready.is_none() {
            match self.talk(&[], until)? {
                Some(Message::Ready(ready)) => self.ready = Some(ready),
                Some(_) => return Err(Loss::Garbage("an answer to nothing".to_owned())),
                None => {}
            }
        }
        Ok(self.ready.is_some())
    }

    /// Sends `request`, a frame, and waits for what it answers.
    pub(super) fn ask(&mut self, request: &[u8], limit: Duration) -> Result<Message, Loss> {
        let message = self.talk(request, Instant::now() + limit)?.ok_or(Loss::TookLonger(limit))?;
        self.n_answered += 1;
        Ok(message)
    }

    /// Sends `unsent` and takes the next message. `None`: there was none until then.
    fn talk(&mut self, mut unsent: &[u8], until: Instant) -> Result<Option<Message>, Loss> {
        loop {
            if let Some((message, n_bytes)) = frame::parse(&self.inbox)? {
                self.inbox.drain(..n_bytes);
                let all_sent = unsent.is_empty();
                return if all_sent { Ok(Some(message)) } else { Err(Loss::Garbage(EARLY.to_owned())) };
            }
            let (may_write, may_read) = self.wait(!unsent.is_empty(), until)?;
            if !may_write && !may_read {
                return Ok(None);
            }
            if may_read && !self.receive()? {
                return Err(self.last_words());
            }
            if may_write {
                match self.stdin.write(unsent) {
                    Ok(n_bytes) => unsent = unsent.get(n_bytes..).unwrap_or_default(),
                    Err(error) if is_passing(&error) => {}
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Err(self.last_words()),
                    Err(error) => return Err(Loss::Pipe(error)),
                }
            }
        }
    }

    /// Waits until it takes or says something: whether there is something to write to and to read from. Neither: time
    /// is up.
    fn wait(&self, wants_write: bool, until: Instant) -> Result<(bool, bool), Loss> {
        let reading = PollFd::new(&self.stdout, PollFlags::IN);
        let writing = PollFd::new(&self.stdin, PollFlags::OUT);
        let mut both = [reading, writing];
        let waited_for = if wants_write { &mut both[..] } else { &mut both[..1] };
        poll_until(waited_for, until)?;
        let [reading, writing] = both;
        Ok((!writing.revents().is_empty(), !reading.revents().is_empty()))
    }

    /// Takes what it said into the inbox. `false`: it will say nothing more.
    fn receive(&mut self) -> Result<bool, Loss> {
        let n_held = self.inbox.len();
        self.inbox.resize(n_held + READ_BYTES, 0);
        let received = self.stdout.read(self.inbox.get_mut(n_held..).unwrap_or_default());
        let n_bytes = *received.as_ref().unwrap_or(&0);
        self.inbox.truncate(n_held + n_bytes);
        match received {
            Err(error) if is_passing(&error) => Ok(true),
            Err(error) => Err(Loss::Pipe(error)),
            Ok(n_bytes) => Ok(n_bytes > 0),
        }
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
        poll_until(&mut [PollFd::new(&pidfd.as_fd(), PollFlags::IN)], until)
    }
}

const EARLY: &str = "an answer before the end of the question";

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

fn poll_until(waited_for: &mut [PollFd<'_>], until: Instant) -> Result<(), Loss> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or_default();
        match poll(waited_for, Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            polled => return polled.map(drop).map_err(Loss::from),
        }
    }
}
