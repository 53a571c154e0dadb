//! The other end of the pipes: what a recogniser process does with what it is asked. Opens nothing, limits nothing.

use std::io::{self, Read, Write};
use std::time::Instant;

use models::{RecognizeError, Recognizer, Transcription};

use super::frame::{self, FrameError, Message, Ready, put_answer, put_ready};

/// Says that it is `ready`, then answers requests until `input` ends.
pub fn serve(
    recognizer: &mut dyn Recognizer,
    ready: &Ready,
    input: &mut impl Read,
    output: &mut impl Write,
) -> Result<(), FrameError> {
    let (mut body, mut answer) = (Vec::new(), Vec::new());
    let mut transcription = Transcription::default();
    put_ready(ready, &mut answer);
    send(output, &answer)?;
    while let Some(message) = frame::read(input, &mut body)? {
        let Message::Request { id, options, pcm } = message else { return Err(FrameError::Field("type")) };
        let began_at = Instant::now();
        let result = recognizer.recognize(&pcm, &options, &mut transcription).map_err(reason);
        let decode_us = u64::try_from(began_at.elapsed().as_micros()).unwrap_or(u64::MAX);
        answer.clear();
        put_answer(
            id,
            decode_us,
            result.as_ref().map(|()| &transcription).map_err(String::as_str),
            &mut answer,
        );
        send(output, &answer)?;
    }
    Ok(())
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
    use models::{DecodeOptions, Fault, Scripted};

    use super::*;
    use crate::recognise::process::frame::put_request;

    fn ready() -> Ready {
        Ready { model: "scripted".into(), is_multilingual: false, load_ms: 3 }
    }

    /// What comes back for `input`.
    fn served(recognizer: &mut Scripted, input: &[u8]) -> (Result<(), FrameError>, Vec<Message>) {
        let mut output = Vec::new();
        let result = serve(recognizer, &ready(), &mut &*input, &mut output);
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
