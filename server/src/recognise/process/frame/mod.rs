//! What goes over the pipes of a recogniser process: frames of a length, a checksum and a body. No pipes, no processes.
//!
//! A frame is the length of its body (`u32`), the CRC-32 of its body (`u32`) and the body: a type byte and its fields.
//! All numbers are little-endian, so that both ends may be built anywhere. Nothing that is read is trusted: whatever
//! the bytes are, reading ends in a message or an error, and takes no more memory than [`BODY_BYTES_MAX`] and its like.

mod fields;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::mem::size_of;

use models::{DecodeOptions, SAMPLE_RATE_HZ, Transcription};
use thiserror::Error;

use fields::{Fields, put_str, put_transcription};

/// Longest body: 30 s of audio, the window of the model, and its head.
pub const BODY_BYTES_MAX: usize = 30 * SAMPLE_RATE_HZ as usize * size_of::<f32>() + 64;
/// Length and checksum.
pub const HEAD_BYTES: usize = 8;

const READY: u8 = 1;
const REQUEST: u8 = 2;
const ANSWER: u8 = 3;

/// The first thing that a process says: its model is loaded and warm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Name of the model as events report it.
    pub model: String,
    /// Whether it knows languages other than English.
    pub is_multilingual: bool,
    /// Time from its start to here, ms.
    pub load_ms: u32,
}

/// One thing that is said, either way.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// From the process, once.
    Ready(Ready),
    /// To the process.
    Request {
        /// Comes back with the answer.
        id: u64,
        /// How to decode.
        options: DecodeOptions,
        /// Mono, 16 kHz.
        pcm: Vec<f32>,
    },
    /// From the process, one for each request.
    Answer {
        /// Of the request.
        id: u64,
        /// Time that the decode took, us.
        decode_us: u64,
        /// What was heard, or why nothing was.
        outcome: Result<Transcription, String>,
    },
}

/// Why bytes are no message.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The length cannot be that of a message.
    #[error("a frame of {actual} bytes, expected 1 to {expected}")]
    Length {
        /// Length that the frame states.
        actual: usize,
        /// Largest allowed.
        expected: usize,
    },
    /// The body is not what was sent.
    #[error("a frame with checksum {actual:08x}, expected {expected:08x}")]
    Checksum {
        /// Of the body.
        actual: u32,
        /// Stated.
        expected: u32,
    },
    /// A field has no meaning.
    #[error("a frame whose {0} makes no sense")]
    Field(&'static str),
    /// The bytes end within a frame.
    #[error("a frame that ends after {actual} of {expected} bytes")]
    Truncated {
        /// Bytes that were there.
        actual: usize,
        /// Bytes that it should have.
        expected: usize,
    },
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Appends the frame of a [`Message::Ready`].
pub fn put_ready(ready: &Ready, out: &mut Vec<u8>) {
    put_frame(READY, out, |out| {
        out.extend_from_slice(&ready.load_ms.to_le_bytes());
        out.push(u8::from(ready.is_multilingual));
        put_str(&ready.model, out);
    });
}

/// Appends the frame of a [`Message::Request`].
pub fn put_request(id: u64, options: &DecodeOptions, pcm: &[f32], out: &mut Vec<u8>) {
    put_frame(REQUEST, out, |out| {
        out.extend_from_slice(&id.to_le_bytes());
        // 0 is no context that can be asked for.
        out.extend_from_slice(&options.audio_context.unwrap_or(0).to_le_bytes());
        out.extend_from_slice(&options.beam_size.to_le_bytes());
        put_str(options.language.unwrap_or_default(), out);
        let audio_at = out.len();
        out.resize(audio_at + size_of_val(pcm), 0);
        let places = out.get_mut(audio_at..).unwrap_or_default().as_chunks_mut().0;
        places.iter_mut().zip(pcm).for_each(|(place, sample)| *place = sample.to_le_bytes());
    });
}

/// Appends the frame of a [`Message::Answer`].
pub fn put_answer(id: u64, decode_us: u64, outcome: Result<&Transcription, &str>, out: &mut Vec<u8>) {
    put_frame(ANSWER, out, |out| {
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&decode_us.to_le_bytes());
        out.push(u8::from(outcome.is_ok()));
        match outcome {
            Ok(transcription) => put_transcription(transcription, out),
            Err(reason) => put_str(reason, out),
        }
    });
}

fn put_frame(kind: u8, out: &mut Vec<u8>, put_fields: impl FnOnce(&mut Vec<u8>)) {
    let head_at = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    out.push(kind);
    put_fields(out);
    let (head, body) = out.split_at_mut(head_at + HEAD_BYTES);
    // A body beyond 4 GiB, which nobody makes, is refused by the reader like any that is too long.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    if let Some(head) = head.get_mut(head_at..) {
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    }
}

/// The first message of `bytes`, and how many of them it takes. `None`: it is not complete yet.
pub fn parse(bytes: &[u8]) -> Result<Option<(Message, usize)>, FrameError> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let head = Head::parse(head)?;
    match rest.get(..head.n_bytes) {
        Some(body) => Ok(Some((head.open(body)?, HEAD_BYTES + head.n_bytes))),
        None => Ok(None),
    }
}

/// Reads one message, waiting for it; `body` is its storage. `None`: the input ended before it began.
pub fn read(input: &mut impl Read, body: &mut Vec<u8>) -> Result<Option<Message>, FrameError> {
    let mut head = [0; HEAD_BYTES];
    match fill(input, &mut head)? {
        0 => return Ok(None),
        HEAD_BYTES => {}
        actual => return Err(FrameError::Truncated { actual, expected: HEAD_BYTES }),
    }
    let head = Head::parse(&head)?;
    body.resize(head.n_bytes, 0);
    let actual = fill(input, body)?;
    if actual < head.n_bytes {
        return Err(FrameError::Truncated { actual, expected: head.n_bytes });
    }
    head.open(body).map(Some)
}

/// Reads until `out` is full or the input ends: bytes read. In as few calls as can be, unlike `read_to_end`.
fn fill(input: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut n_bytes = 0;
    while let Some(rest) = out.get_mut(n_bytes..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(n) => n_bytes += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_bytes)
}

struct Head {
    n_bytes: usize,
    checksum: u32,
}

impl Head {
    fn parse(&[a, b, c, d, e, f, g, h]: &[u8; HEAD_BYTES]) -> Result<Self, FrameError> {
        let n_bytes = u32::from_le_bytes([a, b, c, d]) as usize;
        if n_bytes == 0 || n_bytes > BODY_BYTES_MAX {
            return Err(FrameError::Length { actual: n_bytes, expected: BODY_BYTES_MAX });
        }
        Ok(Self { n_bytes, checksum: u32::from_le_bytes([e, f, g, h]) })
    }

    fn open(&self, body: &[u8]) -> Result<Message, FrameError> {
        let actual = crc32fast::hash(body);
        if actual != self.checksum {
            return Err(FrameError::Checksum { actual, expected: self.checksum });
        }
        let mut fields = Fields(body);
        let message = match fields.u8("type")? {
            READY => Message::Ready(Ready {
                load_ms: fields.u32("load time")?,
                is_multilingual: fields.flag("languages")?,
                model: fields.str("model")?.to_owned(),
            }),
            REQUEST => Message::Request {
                id: fields.u64("id")?,
                options: fields.options()?,
                pcm: fields.rest_as_samples()?,
            },
            ANSWER => Message::Answer {
                id: fields.u64("id")?,
                decode_us: fields.u64("decode time")?,
                outcome: match fields.flag("outcome")? {
                    true => Ok(fields.transcription()?),
                    false => Err(fields.str("reason")?.to_owned()),
                },
            },
            _ => return Err(FrameError::Field("type")),
        };
        if fields.0.is_empty() { Ok(message) } else { Err(FrameError::Field("length")) }
    }
}
