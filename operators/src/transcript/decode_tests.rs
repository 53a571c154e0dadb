//! Tests of the guards around a recogniser, with scripted replies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;

use engine::time::{MediaTime, Span};
use models::{CONTEXT_FRAMES_MIN, DecodeOptions, RecognizeError, Recognizer, Transcription, fitted_context};

use super::{DecodePolicy, Decoder, Outcome};
use crate::utterances::{AskHead, Purpose, Voiced};

const SECOND: usize = 16_000;
const LOOP: &str = "and then and then and then and then and then";

/// What the model says next: words at half a second each, no-speech probability, mean log probability.
#[derive(Clone, Copy)]
struct Reply(&'static str, f32, f32);

const fn says(text: &'static str) -> Reply {
    Reply(text, 0.1, -0.3)
}

struct Script {
    replies: VecDeque<Reply>,
    /// Seconds of audio and context of each call.
    calls: Vec<(usize, u32)>,
}

impl Recognizer for Script {
    fn recognize(
        &mut self,
        pcm: &[f32],
        options: &DecodeOptions,
        out: &mut Transcription,
    ) -> Result<(), RecognizeError> {
        let context = options.audio_context.unwrap_or_else(|| fitted_context(pcm.len(), CONTEXT_FRAMES_MIN));
        self.calls.push((pcm.len() / SECOND, context));
        let Some(Reply(text, no_speech, log_probability)) = self.replies.pop_front() else {
            return Err(RecognizeError::Failed("no reply left".into()));
        };
        for (at, word) in text.split_whitespace().enumerate() {
            out.push_word(word, at * SECOND / 2..(at + 1) * SECOND / 2, 0.5);
        }
        (out.no_speech_probability, out.mean_log_probability) = (no_speech, log_probability);
        out.audio_context = context;
        Ok(())
    }

    fn model(&self) -> &str {
        "script"
    }
}

/// Decodes audio, voiced throughout, as long as the first call, and checks outcome, text and calls.
fn check(
    purpose: Purpose,
    replies: &[Reply],
    outcome: Outcome,
    text: &str,
    calls: &[(usize, u32)],
) -> Decoder {
    let mut voiced = Voiced::default();
    let n_secs = calls[0].0;
    (0..n_secs * 100).for_each(|hop_idx| voiced.set(hop_idx));
    let span = Span::new(MediaTime::ZERO, MediaTime::from_secs(n_secs as u64));
    let head =
        AskHead { utterance: 0, attempt: 1, purpose, span, speech_end: span.end, proof: span.end, voiced };
    let mut script = Script { replies: replies.iter().copied().collect(), calls: Vec::new() };
    let mut decoder = Decoder::new(DecodePolicy::default()).unwrap();
    let mut out = Transcription::default();
    let seen = decoder.recognise(&mut script, &head, &vec![0.1; n_secs * SECOND], &mut out).unwrap();
    assert_eq!((seen, out.text.as_str(), script.calls.as_slice()), (outcome, text, calls));
    assert!(script.replies.is_empty(), "every reply was wanted");
    decoder
}

const WORDS: &str = "a b c d e f g h";
const SAID: Outcome = Outcome::Said { hole: None };

#[test]
fn speech_is_decoded_once_at_the_fitted_context() {
    check(Purpose::Final, &[says(WORDS)], SAID, WORDS, &[(6, 448)]);
    check(Purpose::Partial, &[says("a b")], SAID, "a b", &[(6, 448)]);
}

#[test]
fn the_context_is_as_wide_as_was_asked_for() {
    let calls = |purpose: Purpose, context_margin: u32| {
        let span = Span::new(MediaTime::ZERO, MediaTime::from_secs(8));
        let (speech_end, voiced) = (span.end, Voiced::default());
        let head = AskHead { utterance: 0, attempt: 1, purpose, span, speech_end, proof: span.end, voiced };
        let mut script = Script { replies: [says(WORDS)].into(), calls: Vec::new() };
        let mut decoder = Decoder::new(DecodePolicy { context_margin, ..DecodePolicy::default() }).unwrap();
        decoder.recognise(&mut script, &head, &vec![0.1; 8 * SECOND], &mut Transcription::default()).unwrap();
        script.calls
    };
    // 8 s are 400 frames.
    for purpose in [Purpose::Final, Purpose::Partial] {
        assert_eq!([0, 128, 256].map(|margin| calls(purpose, margin)[0].1), [448, 576, 704]);
    }
    assert!(Decoder::new(DecodePolicy { context_margin: 1_501, ..DecodePolicy::default() }).is_err());
}

#[test]
fn a_looping_partial_is_dropped_and_a_final_is_tried_at_longer_contexts() {
    let decoder = check(Purpose::Partial, &[says(LOOP)], Outcome::Looping, "", &[(6, 448)]);
    assert_eq!((decoder.counts().partials_dropped, decoder.counts().decodes), (1, 1));
    let decoder = check(Purpose::Final, &[says(LOOP), says(WORDS)], SAID, WORDS, &[(6, 448), (6, 768)]);
    assert_eq!((decoder.counts().retries, decoder.counts().requests), (1, 1));
    let all = [(6, 448), (6, 768), (6, 1_500)];
    check(Purpose::Speculative, &[says(LOOP), says(LOOP), says(WORDS)], SAID, WORDS, &all);
    check(Purpose::Final, &[says(LOOP), says(LOOP), says(LOOP)], Outcome::Looping, "", &all);
    // 12 s are at context 768 from the start.
    let long = [(12, 768), (12, 1_500)];
    check(Purpose::Final, &[says(LOOP), says(LOOP)], Outcome::Looping, "", &long);
}

#[test]
fn what_nobody_said_is_nothing() {
    check(Purpose::Final, &[Reply("thank you", 0.81, -0.2)], Outcome::Nothing, "", &[(6, 448)]);
    check(Purpose::Final, &[Reply(WORDS, 0.79, -0.85)], SAID, WORDS, &[(6, 448)]);
    check(Purpose::Final, &[Reply(WORDS, 0.61, -1.1)], Outcome::Nothing, "", &[(6, 448)]);
    check(Purpose::Final, &[Reply(WORDS, 0.59, -1.1)], SAID, WORDS, &[(6, 448)]);
    check(Purpose::Final, &[Reply("Oh! Oh!", 0.1, -0.95)], Outcome::Nothing, "", &[(6, 448)]);
    check(Purpose::Final, &[says("(upbeat music)")], Outcome::Nothing, "", &[(6, 448)]);
    check(Purpose::Partial, &[says("[BLANK_AUDIO]")], Outcome::Nothing, "", &[(6, 448)]);
    check(Purpose::Final, &[Reply(LOOP, 0.9, -0.1)], Outcome::Nothing, "", &[(6, 448)]);
}

#[test]
fn speech_without_words_is_decoded_once_more_and_then_reported() {
    let calls = [(6, 448), (5, 384)];
    let counts = |decoder: Decoder| (decoder.counts().holes, decoder.counts().holes_left);
    let filled = [says("a b"), says("c d e f g")];
    assert_eq!(counts(check(Purpose::Final, &filled, SAID, "a b c d e f g", &calls)), (1, 0));
    let music = [says("a b"), says("(music)")];
    assert_eq!(counts(check(Purpose::Final, &music, SAID, "a b", &calls)), (1, 0));
    let half = [says("a b"), says("c")];
    let left = Outcome::Said { hole: Some(3 * SECOND / 2..6 * SECOND) };
    assert_eq!(counts(check(Purpose::Final, &half, left, "a b c", &calls)), (1, 1));
    let hole = Outcome::Said { hole: Some(SECOND..6 * SECOND) };
    check(Purpose::Final, &[says("a b"), says(LOOP)], hole, "a b", &calls);
    check(Purpose::Partial, &[says("a b")], SAID, "a b", &[(6, 448)]);
}

#[test]
fn failures_of_the_recogniser_are_returned() {
    let mut script = Script { replies: VecDeque::new(), calls: Vec::new() };
    let mut decoder = Decoder::new(DecodePolicy::default()).unwrap();
    let span = Span::default();
    let head = AskHead {
        utterance: 0,
        attempt: 1,
        purpose: Purpose::Final,
        span,
        speech_end: span.end,
        proof: span.end,
        voiced: Voiced::default(),
    };
    assert!(decoder.recognise(&mut script, &head, &[0.1; SECOND], &mut Transcription::default()).is_err());
}

#[test]
fn policies_out_of_range_are_named() {
    let check = |change: fn(&mut DecodePolicy), expected: &str| {
        let mut policy = DecodePolicy::default();
        change(&mut policy);
        assert_eq!(Decoder::new(policy).unwrap_err().to_string(), expected);
    };
    let expected = "retry context, encoder frames is 1501, expected 64 to 1500";
    check(|p| p.retry_contexts.push(1_501), expected);
    check(|p| p.no_speech = 1.5, "no_speech is 1.5, expected 0 to 1");
    check(|p| p.no_speech_doubtful = -0.5, "no_speech_doubtful is -0.5, expected 0 to 1");
    check(|p| p.improbable = 0.5, "improbable is 0.5, expected -10 to 0");
    check(|p| p.improbable_words = 101, "improbable_words is 101, expected 0 to 100");
    check(|p| p.hole_words_per_second = 0.0, "hole_words_per_second is 0, expected 1 to 20");
    check(|p| p.hole = Some(MediaTime::ZERO), "hole, ms is 0, expected 500 to 29000");
    check(|p| p.loops.words_per_second = 2.0, "loop words_per_second is 2, expected 3 to 20");
    check(|p| p.loops.rate_words = 0, "loop rate_words is 0, expected 1 to 100");
    check(|p| p.loops.single_repeats = 2, "loop single_repeats is 2, expected 3 to 100");
    check(|p| p.loops.phrase_repeats = 1, "loop phrase_repeats is 1, expected 2 to 100");
}
