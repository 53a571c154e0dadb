//! Server-Sent Events (WHATWG HTML, 9.2.6), out of bytes as they come.

use std::borrow::Cow;
use std::io::BufRead;

/// Cuts bytes into events.
#[derive(Debug, Default)]
pub(super) struct Parser {
    bytes: Vec<u8>,
    /// First byte of the event that is not whole yet.
    start: usize,
    /// First byte of its line that is not whole yet.
    line: usize,
}

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// Empty: `message`.
    pub(super) name: &'a str,
    pub(super) id: Option<&'a str>,
    pub(super) data: Cow<'a, [u8]>,
}

impl Parser {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.line -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes of the event that is not whole yet.
    pub(super) const fn n_waiting(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Forgets what is not whole.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next one that is whole and says anything.
    pub(super) fn next(&mut self) -> Option<Message<'_>> {
        let (start, end) = loop {
            let block = self.next_block()?;
            if says_anything(self.bytes.get(block.0..block.1)?) {
                break block;
            }
        };
        self.bytes.get(start..end).map(message)
    }

    /// Where the next block of lines is that an empty line ends.
    fn next_block(&mut self) -> Option<(usize, usize)> {
        loop {
            let rest = self.bytes.get(self.line..)?;
            // `skip_until` searches many bytes at a time.
            let length = (&mut &*rest).skip_until(b'\n').ok()?;
            let line = rest.get(..length)?.strip_suffix(b"\n")?;
            let is_end = line.is_empty() || line == b"\r";
            let begin = self.line;
            self.line += length;
            if is_end {
                let block = (self.start, begin);
                self.start = self.line;
                return Some(block);
            }
        }
    }
}

fn says_anything(block: &[u8]) -> bool {
    fields(block).any(|(name, _)| matches!(name, b"data" | b"id"))
}

/// Names and values of lines; comments have an empty name.
fn fields(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    block.split(|&byte| byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return (line, &[][..]) };
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        (name, value.strip_prefix(b" ").unwrap_or(value))
    })
}

fn message(block: &[u8]) -> Message<'_> {
    let mut message = Message::default();
    let mut has_data = false;
    for (name, value) in fields(block) {
        match name {
            b"event" => message.name = std::str::from_utf8(value).unwrap_or_default(),
            b"id" => message.id = std::str::from_utf8(value).ok(),
            b"data" if has_data => {
                let data = message.data.to_mut();
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            b"data" => {
                message.data = Cow::Borrowed(value);
                has_data = true;
            }
            _ => {}
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut: `name|id|data` of each event.
    fn check(text: &str, expected: &[&str]) {
        for piece in [1, 2, 3, 7, text.len()] {
            let mut parser = Parser::default();
            let mut all = Vec::new();
            for bytes in text.as_bytes().chunks(piece) {
                parser.push(bytes);
                while let Some(Message { name, id, data }) = parser.next() {
                    all.push(format!("{name}|{}|{}", id.unwrap_or("-"), String::from_utf8_lossy(&data)));
                }
            }
            assert_eq!(all, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn events_are_what_an_empty_line_ends() {
        check(
            "data: {\"a\":1}\nid: j-1\n\n:\n\n: comment\nevent: cut\nid: j-2\ndata:too slow\n\nid: j-3\ndata: half\n",
            &["|j-1|{\"a\":1}", "cut|j-2|too slow"],
        );
        check("\r\n\r\ndata: a\r\ndata\r\ndata:  b\r\n\r\ndata: c\n\n", &["|-|a\n\n b", "|-|c"]);
        check("id: j-4\n\nretry: 5\n\n", &["|j-4|"]);
    }

    #[test]
    fn what_was_told_is_not_kept() {
        let mut parser = Parser::default();
        for _ in 0..100 {
            parser.push(b"data: one\n\ndata: t");
            assert!(parser.next().is_some() && parser.next().is_none());
            assert_eq!(parser.n_waiting(), 7);
            parser.push(b"wo\n\n");
            assert_eq!(parser.next().unwrap().data, &b"two"[..]);
        }
        assert!(parser.bytes.len() < 100, "{}", parser.bytes.len());
    }
}
