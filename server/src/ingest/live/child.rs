//! A command that runs: in a process group of its own, so that whatever it starts ends with it. Its standard output is
//! audio; of its standard error the last lines are kept, because they say why it ended.

use std::collections::VecDeque;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::ingest::exec::printable;

/// Time from being asked to end until it is made to.
const GRACE: Duration = Duration::from_millis(500);
/// Time between two looks whether it has ended by itself.
const LOOK: Duration = Duration::from_millis(10);
/// Lines of standard error that are kept.
const LINES: usize = 3;
/// Longest line of standard error; the rest is another one. Bytes.
const LINE_BYTES_MAX: usize = 1_024;
/// Lines of standard error that are logged in a minute.
const LOGGED_A_MINUTE: u32 = 10;
/// Longest wait for the last lines, once it has ended: something that it started may hold the pipe.
const LAST_LINES: Duration = Duration::from_millis(200);

/// See the module. Dropped: it is killed, with all that it started.
pub(super) struct Program {
    child: Child,
    group: Pid,
    pub(super) stdout: ChildStdout,
    lines: Arc<Mutex<VecDeque<String>>>,
    listening: JoinHandle<()>,
}

impl Program {
    /// Starts `argv`; `place` names it in the log.
    pub(super) fn start(argv: &[String], place: &str) -> io::Result<Self> {
        let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Tokens may lie in ours.
        let own = std::env::vars_os().map(|(name, _)| name);
        own.filter(|name| name.to_string_lossy().starts_with("AIRCHECK_")).for_each(|name| {
            command.env_remove(name);
        });
        let mut child = command.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let (group, stdout, stderr) = match (id, child.stdout.take(), child.stderr.take()) {
            (Some(group), Some(stdout), Some(stderr)) => (group, stdout, stderr),
            _ => return Err(io::Error::other("it has no pipes")),
        };
        let lines = Arc::default();
        let listening = tokio::spawn(listen(stderr, Arc::clone(&lines), place.to_owned()));
        Ok(Self { child, group, stdout, lines, listening })
    }

    /// Its process id.
    pub(super) const fn id(&self) -> Pid {
        self.group
    }

    /// Ends it and all that it started: it is asked to, unless it ends by itself within `patience`, and then made to.
    /// Answers how it ended and what it said last.
    pub(super) async fn end(mut self, patience: Duration) -> String {
        let was_over = self.is_over_within(patience).await;
        if !was_over {
            self.kill(Signal::TERM);
            self.is_over_within(GRACE).await;
        }
        // Not before this its process id could be another one's.
        self.kill(Signal::KILL);
        let status = self.child.wait().await;
        let _ = timeout(LAST_LINES, &mut self.listening).await;
        let said = self.lines.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect::<Vec<_>>();
        let how = match status {
            Ok(status) if was_over => format!("ended ({status})"),
            Ok(_) => "ended by us".to_owned(),
            Err(error) => format!("lost: {error}"),
        };
        if said.is_empty() { how } else { format!("{how}: {}", said.join("; ")) }
    }

    async fn is_over_within(&self, time: Duration) -> bool {
        let due = Instant::now() + time;
        while !self.is_over() {
            if Instant::now() >= due {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    /// Whether it has ended. Leaves it to be waited for.
    fn is_over(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.group), options) {
            Ok(ended) => ended.is_some(),
            Err(error) => error != Errno::INTR,
        }
    }

    fn kill(&self, signal: Signal) {
        // Nobody may be left.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Once it was waited for, its id may be another one's.
        if self.child.id().is_some() {
            self.kill(Signal::KILL);
        }
        self.listening.abort();
    }
}

/// Keeps the last lines, and logs some.
async fn listen(mut stderr: ChildStderr, lines: Arc<Mutex<VecDeque<String>>>, place: String) {
    let mut piece = [0; LINE_BYTES_MAX];
    let mut open = Vec::new();
    let (mut since, mut n_logged) = (Instant::now(), 0);
    while let Ok(n) = stderr.read(&mut piece).await {
        open.extend_from_slice(piece.get(..n).unwrap_or(&[]));
        let is_end = n == 0;
        while let Some(line) = next_line(&mut open, is_end) {
            if since.elapsed() >= Duration::from_secs(60) {
                (since, n_logged) = (Instant::now(), 0);
            }
            n_logged += 1;
            match n_logged {
                ..=LOGGED_A_MINUTE => tracing::warn!("{place}: {line}"),
                n if n == LOGGED_A_MINUTE + 1 => tracing::warn!("{place}: says more than is logged"),
                _ => {}
            }
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(line);
        }
        if is_end {
            return;
        }
    }
}

/// Takes the first whole line that says something from `open`; at the end, and beyond the longest, what there is.
fn next_line(open: &mut Vec<u8>, is_end: bool) -> Option<String> {
    loop {
        let end = open.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let is_long = open.len() >= LINE_BYTES_MAX;
        let n = end.map(|end| end + 1).or((is_long || is_end && !open.is_empty()).then_some(open.len()))?;
        let line: Vec<u8> = open.drain(..n).collect();
        let line = printable(&String::from_utf8_lossy(&line));
        if !line.is_empty() {
            return Some(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_whole_and_not_too_long() {
        let mut open = b"one\r\n\n progress\rtwo".to_vec();
        assert_eq!(next_line(&mut open, false).as_deref(), Some("one"));
        assert_eq!(next_line(&mut open, false).as_deref(), Some("progress"));
        assert_eq!(next_line(&mut open, false), None);
        assert_eq!(next_line(&mut open, true).as_deref(), Some("two"));
        assert_eq!(next_line(&mut open, true), None);
        let mut endless = vec![b'x'; LINE_BYTES_MAX];
        assert!(next_line(&mut endless, false).is_some() && endless.is_empty());
    }
}
