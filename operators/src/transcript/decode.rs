//! Runs a recogniser on what was asked for, and guards what it says: loops, silence, annotations, holes. Runs where
//! the recogniser runs; knows no feed and no clock.

use std::ops::Range;

use engine::time::{MediaTime, SampleRate};
use models::{
    CONTEXT_FRAMES_MARGIN, CONTEXT_FRAMES_MAX, CONTEXT_FRAMES_MIN, DecodeOptions, RecognizeError, Recognizer,
    Transcription, wider_context,
};

use super::annotations::remove_annotations;
use super::coverage::{HoleLimits, splice, worst_hole};
use super::loops::{LoopLimits, is_loop};
use crate::error::{BuildError, check_range};
use crate::utterances::{AskHead, Purpose};

/// How speech is decoded and what of it is believed.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodePolicy {
    /// First decode of everything that is asked for.
    pub options: DecodeOptions,
    /// Encoder contexts at which a final that loops is decoded again, in order, 64 ..= 1500 encoder frames. Those
    /// not above the one already used are left out. Default 768, then 1500.
    pub retry_contexts: Vec<u32>,
    /// Encoder frames behind the audio of the first decode, 0 ..= 1500. Default 128: with half as many it loops.
    pub context_margin: u32,
    /// Least encoder context of a partial, 64 ..= 1500 encoder frames. Default 256: cheaper than a final's, and what
    /// loops is not shown.
    pub partial_context: u32,
    /// What counts as a loop.
    pub loops: LoopLimits,
    /// Above this no-speech probability nothing was said, 0..=1. Default 0.8 (speech reaches 0.72).
    pub no_speech: f32,
    /// Words are improbable below this mean natural-log probability, -10 ..= 0. Default -0.9: speech in noise
    /// reaches -0.85, a cough or a bark that became a word lies at -0.93 and below.
    pub improbable: f32,
    /// Up to this many improbable words nobody said, 0 ..= 100. Default 6.
    pub improbable_words: usize,
    /// Above this no-speech probability nobody said any number of improbable words, 0..=1. Default 0.6.
    pub no_speech_doubtful: f32,
    /// Voiced audio without a word that is decoded once more on its own in a final, 500 ms ..= 29 s. `None`: never.
    /// Default 3 s.
    pub hole: Option<MediaTime>,
    /// There is no such hole if the words fill the rest of the audio at more than this many a second, 1 ..= 20:
    /// their times are wrong instead. Default 4.
    pub hole_words_per_second: f64,
}

impl Default for DecodePolicy {
    fn default() -> Self {
        Self {
            options: DecodeOptions::default(),
            retry_contexts: vec![768, CONTEXT_FRAMES_MAX],
            context_margin: CONTEXT_FRAMES_MARGIN,
            partial_context: 256,
            loops: LoopLimits::default(),
            no_speech: 0.8,
            improbable: -0.9,
            improbable_words: 6,
            no_speech_doubtful: 0.6,
            hole: Some(MediaTime::from_secs(3)),
            hole_words_per_second: 4.0,
        }
    }
}

impl DecodePolicy {
    fn check(&self) -> Result<(), BuildError> {
        let partial = ("partial context, encoder frames", self.partial_context);
        let retries = self.retry_contexts.iter().map(|context| ("retry context, encoder frames", *context));
        for (parameter, context) in retries.chain([partial]) {
            check_range(parameter, context.into(), 64.0..=1_500.0, "64 to 1500")?;
        }
        check_range(
            "context_margin, encoder frames",
            self.context_margin.into(),
            0.0..=1_500.0,
            "0 to 1500",
        )?;
        let hole_ms = self.hole.unwrap_or(MediaTime::from_secs(3)).as_millis() as f64;
        check_range("hole, ms", hole_ms, 500.0..=29_000.0, "500 to 29000")?;
        check_range("no_speech", self.no_speech.into(), 0.0..=1.0, "0 to 1")?;
        check_range("no_speech_doubtful", self.no_speech_doubtful.into(), 0.0..=1.0, "0 to 1")?;
        check_range("improbable", self.improbable.into(), -10.0..=0.0, "-10 to 0")?;
        check_range("improbable_words", self.improbable_words as f64, 0.0..=100.0, "0 to 100")?;
        check_range("hole_words_per_second", self.hole_words_per_second, 1.0..=20.0, "1 to 20")?;
        self.loops.check()
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Words, in the `Transcription`.
    Said {
        /// Samples of the request's audio in which there is speech for which no word was found in two decodes. Not
        /// told where the second decode, of that stretch alone, finds that nobody speaks.
        hole: Option<Range<usize>>,
    },
    /// Nobody said anything.
    Nothing,
    /// The recogniser repeated itself, at every context that was tried.
    Looping,
}

/// What the guards had to do, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeCounts {
    /// Requests.
    pub requests: u64,
    /// Decodes of them.
    pub decodes: u64,
    /// Partials dropped because they looped.
    pub partials_dropped: u64,
    /// Finals decoded again because they looped.
    pub retries: u64,
    /// Holes decoded again.
    pub holes: u64,
    /// Holes that stayed without a word.
    pub holes_left: u64,
}

/// Decodes requests by a policy. One per recogniser thread: it keeps scratch storage.
#[derive(Clone, Debug)]
pub struct Decoder {
    policy: DecodePolicy,
    hole: HoleLimits,
    scratch: Transcription,
    counts: DecodeCounts,
}

impl Decoder {
    /// Checks the policy.
    pub fn new(policy: DecodePolicy) -> Result<Self, BuildError> {
        policy.check()?;
        let n_samples = policy.hole.map_or(u64::MAX, |hole| hole.to_frames(SampleRate::HZ_16000));
        let hole = HoleLimits {
            n_samples: usize::try_from(n_samples).unwrap_or(usize::MAX),
            words_per_second: policy.hole_words_per_second,
        };
        Ok(Self { policy, hole, scratch: Transcription::default(), counts: DecodeCounts::default() })
    }

    /// What the guards had to do so far.
    #[must_use]
    pub fn counts(&self) -> DecodeCounts {
        self.counts
    }

    /// Recognises `pcm`, the audio of the request `head`, into `out`. `out` holds words only if they were said.
    ///
    /// Errors are those of the recogniser itself: try another one, then give the request up as lost.
    pub fn recognise(
        &mut self,
        recognizer: &mut dyn Recognizer,
        head: &AskHead,
        pcm: &[f32],
        out: &mut Transcription,
    ) -> Result<Outcome, RecognizeError> {
        self.counts.requests += 1;
        let mut options = self.policy.options.clone();
        let is_partial = head.purpose == Purpose::Partial;
        let least = if is_partial { self.policy.partial_context } else { CONTEXT_FRAMES_MIN };
        options.audio_context.get_or_insert(wider_context(pcm.len(), least, self.policy.context_margin));
        let outcome = if is_partial {
            let outcome = self.decode(recognizer, pcm, &options, out)?;
            self.counts.partials_dropped += u64::from(outcome == Outcome::Looping);
            outcome
        } else {
            let outcome = self.decode_until_no_loop(recognizer, pcm, options, out)?;
            if outcome == (Outcome::Said { hole: None }) {
                self.fill_hole(recognizer, head, pcm, out)?
            } else {
                outcome
            }
        };
        if !matches!(outcome, Outcome::Said { .. }) {
            out.clear();
        }
        Ok(outcome)
    }

    fn decode_until_no_loop(
        &mut self,
        recognizer: &mut dyn Recognizer,
        pcm: &[f32],
        mut options: DecodeOptions,
        out: &mut Transcription,
    ) -> Result<Outcome, RecognizeError> {
        let mut outcome = self.decode(recognizer, pcm, &options, out)?;
        for attempt in 0..self.policy.retry_contexts.len() {
            let context = self.policy.retry_contexts.get(attempt).copied().unwrap_or(0);
            if outcome != Outcome::Looping || context <= out.audio_context {
                continue;
            }
            options.audio_context = Some(context);
            self.counts.retries += 1;
            outcome = self.decode(recognizer, pcm, &options, out)?;
        }
        Ok(outcome)
    }

    /// One decode and the guards that need nothing else.
    fn decode(
        &mut self,
        recognizer: &mut dyn Recognizer,
        pcm: &[f32],
        options: &DecodeOptions,
        out: &mut Transcription,
    ) -> Result<Outcome, RecognizeError> {
        self.counts.decodes += 1;
        out.clear();
        recognizer.recognize(pcm, options, out)?;
        remove_annotations(out);
        Ok(if out.words.is_empty() || self.is_silence(out) {
            Outcome::Nothing
        } else if is_loop(out, pcm.len(), &self.policy.loops) {
            Outcome::Looping
        } else {
            Outcome::Said { hole: None }
        })
    }

    fn is_silence(&self, heard: &Transcription) -> bool {
        let policy = &self.policy;
        let is_improbable = heard.mean_log_probability < policy.improbable;
        let is_doubtful = heard.no_speech_probability > policy.no_speech_doubtful
            || heard.words.len() <= policy.improbable_words;
        heard.no_speech_probability > policy.no_speech || (is_improbable && is_doubtful)
    }

    /// Decodes the longest stretch of speech that no word covers once more, on its own.
    fn fill_hole(
        &mut self,
        recognizer: &mut dyn Recognizer,
        head: &AskHead,
        pcm: &[f32],
        out: &mut Transcription,
    ) -> Result<Outcome, RecognizeError> {
        let Some(hole) = worst_hole(out, &head.voiced, pcm.len(), self.hole) else {
            return Ok(Outcome::Said { hole: None });
        };
        self.counts.holes += 1;
        let mut found = std::mem::take(&mut self.scratch);
        let options = self.policy.options.clone();
        let outcome = self.decode(recognizer, pcm.get(hole.clone()).unwrap_or(&[]), &options, &mut found);
        let left = match outcome {
            Ok(Outcome::Said { .. }) if splice(out, &found, hole.start) => {
                worst_hole(out, &head.voiced, pcm.len(), self.hole)
            }
            Ok(Outcome::Looping) => Some(hole),
            Ok(_) | Err(_) => None,
        };
        self.scratch = found;
        outcome?;
        self.counts.holes_left += u64::from(left.is_some());
        Ok(Outcome::Said { hole: left })
    }
}
