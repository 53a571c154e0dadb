//! The other end of the pipes: what a recogniser process does with what it is asked. Opens nothing, limits nothing.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Scope};
use std::time::Instant;

use crossbeam::channel::{Receiver, bounded};
use models::{DecodeOptions, RecognizeError, Recognizer, Transcription};

use super::frame::{self, FrameError, Message, Ready, put_answer, put_ready};

/// What a Rust program that panics exits with.
const PANICKED: i32 = 101;

/// Says that it is `ready`, then answers requests until `input` ends: as many at a time as there are recognisers, each in a
/// thread of its own, and in the order in which they are done. A panic ends the process.
pub fn serve<R: Recognizer>(
    recognizers: &mut [R],
    ready: &Ready,
    input: &mut impl Read,
    output: &mut (impl Write + Send),
) -> Result<(), FrameError> {
    let mut greeting = Vec::new();
    put_ready(ready, &mut greeting);
    send(output, &greeting)?;
    // The parent asks for no more at a time than there are recognisers.
    let (jobs, to_do) = bounded(recognizers.len());
    let output = Mutex::new(output);
    std::thread::scope(|scope| {
        let threads = recognizers.iter_mut().enumerate().map(|(idx, recognizer)| {
            let of_thread = Decoding { recognizer, jobs: to_do.clone(), output: &output };
            of_thread.spawn(idx, scope)
        });
        let threads = threads.collect::<io::Result<Vec<_>>>()?;
        drop(to_do);
        let read = hand_out(input, |job| jobs.send(job).is_ok());
        drop(jobs);
        let decoded = threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(())));
        read.and(decoded.collect::<io::Result<()>>().map_err(FrameError::from))
    })
}

struct Job {
    id: u64,
    options: DecodeOptions,
    pcm: Vec<f32>,
}

/// Reads requests until there are no more, or nobody to take them.
fn hand_out(input: &mut impl Read, take: impl Fn(Job) -> bool) -> Result<(), FrameError> {
    let mut body = Vec::new();
    while let Some(message) = frame::read(input, &mut body)? {
        let Message::Request { id, options, pcm } = message else { return Err(FrameError::Field("type")) };
        if !take(Job { id, options, pcm }) {
            break;
        }
    }
    Ok(())
}

/// A thread of compute.
struct Decoding<'a, R, W> {
    recognizer: &'a mut R,
    jobs: Receiver<Job>,
    output: &'a Mutex<W>,
}

impl<'scope, R: Recognizer, W: Write + Send> Decoding<'scope, R, W> {
    fn spawn<'env>(
        mut self,
        idx: usize,
        scope: &'scope Scope<'scope, 'env>,
    ) -> io::Result<std::thread::ScopedJoinHandle<'scope, io::Result<()>>> {
        Builder::new().name(format!("decode-{idx}")).spawn_scoped(scope, move || {
            match catch_unwind(AssertUnwindSafe(|| self.run())) {
                Ok(result) => result,
                // Now: whoever waits for the answer need not wait until it is late.
                #[allow(
                    clippy::disallowed_methods,
                    reason = "nothing is unflushed, and the parent starts anew"
                )]
                Err(_) => std::process::exit(PANICKED),
            }
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let (mut transcription, mut answer) = (Transcription::default(), Vec::new());
        for Job { id, options, pcm } in &self.jobs {
            let began_at = Instant::now();
            let result = self.recognizer.recognize(&pcm, &options, &mut transcription).map_err(reason);
            let decode_us = u64::try_from(began_at.elapsed().as_micros()).unwrap_or(u64::MAX);
            let outcome = result.as_ref().map(|()| &transcription).map_err(String::as_str);
            answer.clear();
            put_answer(id, decode_us, outcome, &mut answer);
            // One frame after the other.
            send(&mut *self.output.lock().unwrap_or_else(PoisonError::into_inner), &answer)?;
        }
        Ok(())
    }
}

fn send(output: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    output.write_all(frame)?;
    output.flush()
}

/// The engine says itself that recognition failed.
fn reason(error: RecognizeError) -> String {
    match error {
        RecognizeError::Failed(reason) => reason,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use models::{Fault, Scripted};

    use super::*;
    use crate::recognise::process::frame::put_request;

    fn ready() -> Ready {
        Ready { model: "scripted".into(), is_multilingual: false, load_ms: 3 }
    }

    /// What comes back for `input`.
    fn served(recognizer: &mut Scripted, input: &[u8]) -> (Result<(), FrameError>, Vec<Message>) {
        let mut output = Vec::new();
        let result = serve(std::slice::from_mut(recognizer), &ready(), &mut &*input, &mut output);
        let mut output = &*output;
        let messages = std::iter::from_fn(|| frame::read(&mut output, &mut Vec::new()).unwrap());
        (result, messages.collect())
    }

    #[test]
    fn each_request_has_its_answer_and_the_end_is_the_end() {
        let tone: Vec<f32> = (0..8_000).map(|i| (i as f32 * 0.2).sin() * 0.3).collect();
        let mut input = Vec::new();
        for id in [5, 6] {
            put_request(id, &DecodeOptions::default(), &tone, &mut input);
        }
        let mut recognizer = Scripted::new().with_faults(&[Fault::None, Fault::Error]);
        let (result, messages) = served(&mut recognizer, &input);
        result.unwrap();
        let [Message::Ready(first), Message::Answer { id: 5, outcome: Ok(heard), .. }, last] = &messages[..]
        else {
            panic!("{messages:?}")
        };
        assert_eq!((first, heard.text.as_str()), (&ready(), "w5"));
        let Message::Answer { id: 6, outcome: Err(reason), .. } = last else { panic!("{last:?}") };
        assert_eq!(reason, "scripted");
    }

    #[test]
    fn what_is_no_request_ends_it() {
        let mut input = Vec::new();
        put_ready(&ready(), &mut input);
        assert!(served(&mut Scripted::new(), &input).0.is_err());
        assert!(served(&mut Scripted::new(), &[0xff; 9]).0.is_err());
        assert!(served(&mut Scripted::new(), &input[..10]).0.is_err());
    }
}
