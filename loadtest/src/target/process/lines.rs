//! The last lines that a process wrote, and waiting for one of them.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// Lines that are kept.
const LINES_MAX: usize = 50;
/// Longest line; what is longer counts as several.
const LINE_BYTES_MAX: u64 = 4_096;

/// See the module. Clones are the same lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<(Mutex<Kept>, Condvar)>);

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    /// There will be no more.
    is_over: bool,
}

impl Lines {
    /// Reads lines of `source` to its end, on a thread of its own.
    pub(super) fn of(source: impl Read + Send + 'static) -> Result<Self, Failure> {
        let lines = Self::default();
        let kept = lines.clone();
        let read = move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while (&mut source)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .is_ok_and(|n_bytes| n_bytes > 0)
            {
                kept.add(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
            kept.end();
        };
        let named = thread::Builder::new().name("server-stderr".into()).spawn(read);
        named.map(|_| lines).map_err(|error| Failure::runtime("a thread", error))
    }

    fn add(&self, line: String) {
        let mut kept = self.lock();
        if kept.lines.len() == LINES_MAX {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
        drop(kept);
        self.0.1.notify_all();
    }

    fn end(&self) {
        self.lock().is_over = true;
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Whoever panicked left whole lines behind.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are kept, in order.
    pub(super) fn last(&self) -> Vec<String> {
        self.lock().lines.iter().cloned().collect()
    }

    /// Waits for a line with `what` in it. `None`: there was none within `patience`, or will be none.
    pub(super) fn until(&self, what: &str, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        let mut kept = self.lock();
        loop {
            if let Some(line) = kept.lines.iter().find(|line| line.contains(what)) {
                return Some(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if kept.is_over || left.is_zero() {
                return None;
            }
            kept = self.0.1.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether there will be no more.
    pub(super) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Waits until there will be no more, at most `patience`.
    pub(super) fn until_over(&self, patience: Duration) {
        let waited = self.0.1.wait_timeout_while(self.lock(), patience, |kept| !kept.is_over);
        drop(waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let mut text: Vec<u8> = (0..200).flat_map(|n| format!("line {n}\r\n").into_bytes()).collect();
        text.extend_from_slice(b"\xff no end");
        let lines = Lines::of(std::io::Cursor::new(text)).unwrap();
        lines.until_over(Duration::from_secs(60));
        let last = lines.last();
        assert_eq!((last.len(), last[0].as_str(), last[48].as_str()), (LINES_MAX, "line 151", "line 199"));
        assert_eq!(lines.until("line 199", Duration::ZERO).as_deref(), Some("line 199"));
        assert_eq!(lines.until("line 1 ", Duration::from_secs(60)), None, "there will be no more");
        let endless = Lines::of(std::io::repeat(b'x').take(3 * LINE_BYTES_MAX)).unwrap();
        endless.until_over(Duration::from_secs(60));
        assert_eq!(endless.last().len(), 3);
    }
}
