//! What recognition is asked for: a head that says what and why, and the audio. No queue, no deadline: those are
//! the server's.

use engine::event::Settling;
use engine::time::{MediaTime, SampleRate, Span};

use super::audio::Audio;
use crate::hop::{HOP_FRAMES, hop_time};

/// Longest utterance that can be configured, in hops (29 s: with its padding it fits Whisper's window of 30 s).
pub const UTTERANCE_HOPS_MAX: usize = 2_900;
const VOICED_WORDS: usize = UTTERANCE_HOPS_MAX.div_ceil(64);

/// Why recognition is asked for, or is no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Decode what there is of a growing utterance. The newest replaces any that still waits.
    Partial,
    /// Decode with the effort of a final: the speaker pauses, and it will be the final if the endpoint comes.
    Speculative,
    /// The endpoint came: the speculative decode of this `attempt` is the final. The audio is the same and is lent
    /// again, for a caller that could not begin it.
    Confirm,
    /// Speech resumed: the speculative decode of this `attempt` will not be the final. Lends no audio.
    Abandon,
    /// Decode now, this is the whole utterance.
    Final,
    /// Nothing is to be decoded: the utterance begins, with speech from `speech_end` on. Lends no audio.
    Onset,
    /// Nothing is to be decoded: no utterance will begin before the end of the span, and all that began before it were
    /// asked for or dropped. Lends no audio.
    Settled(Settling),
}

/// What is asked for, without its audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskHead {
    /// Number of the utterance: the media time of its first sample in ms. Unique and rising within an epoch, also
    /// across discontinuities.
    pub utterance: u64,
    /// Number of the decode within the utterance, from 1. `Confirm` and `Abandon` repeat that of their speculation.
    pub attempt: u32,
    /// Why.
    pub purpose: Purpose,
    /// Media time of the audio.
    pub span: Span,
    /// End of the last voiced hop.
    pub speech_end: MediaTime,
    /// End of the last sample that was needed to ask.
    pub proof: MediaTime,
    /// Which hops of the audio are voiced.
    pub voiced: Voiced,
}

impl AskHead {
    /// The same without the first `n_hops`, for a decode of the rest of the audio.
    #[must_use]
    pub fn without(&self, n_hops: usize) -> Self {
        let start = time_after(self.span.start, n_hops).min(self.span.end);
        let mut voiced = Voiced::default();
        let hops = (n_hops..UTTERANCE_HOPS_MAX).filter(|hop_idx| self.voiced.get(*hop_idx));
        hops.for_each(|hop_idx| voiced.set(hop_idx - n_hops));
        Self { span: Span::new(start, self.span.end), voiced, ..*self }
    }

    /// Media time of sample `sample_idx` of the audio, at most its end.
    #[must_use]
    pub fn time_of(&self, sample_idx: usize) -> MediaTime {
        let offset = MediaTime::from_frames(sample_idx as u64, SampleRate::HZ_16000);
        (self.span.start + offset).min(self.span.end)
    }
}

/// A request for recognition. It is lent for the call; copy its audio to keep it.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is asked for.
    pub head: AskHead,
    pub(super) audio: Audio,
    n_hops: usize,
}

impl Ask {
    pub(super) fn new(hops_max: usize) -> Self {
        let head = AskHead {
            utterance: 0,
            attempt: 0,
            purpose: Purpose::Partial,
            span: Span::default(),
            speech_end: MediaTime::ZERO,
            proof: MediaTime::ZERO,
            voiced: Voiced::default(),
        };
        Self { head, audio: Audio::new(hops_max), n_hops: 0 }
    }

    /// The audio, mono at 16 kHz. The speech up to now for a partial, the whole utterance else.
    #[must_use]
    pub fn pcm(&self) -> Vec<f32> {
        let mut pcm = Vec::new();
        self.copy_pcm(&mut pcm);
        pcm
    }

    /// The same into storage that is there already, in place of what is in it.
    pub fn copy_pcm(&self, pcm: &mut Vec<f32>) {
        pcm.clear();
        pcm.resize(self.n_hops * HOP_FRAMES, 0.0);
        self.audio.copy(pcm);
    }

    pub(super) fn append(&mut self, pcm: &[f32; HOP_FRAMES]) {
        self.audio.append(pcm);
    }

    pub(super) fn drop_hops(&mut self, n_hops: usize) {
        self.audio.drop_hops(n_hops);
    }

    pub(super) fn clear(&mut self) {
        self.audio.clear();
    }

    pub(super) fn lend(&mut self, n_hops: usize) {
        self.n_hops = n_hops.min(self.audio.n_hops());
    }
}

/// Media time `n_hops` after `start`.
pub(super) fn time_after(start: MediaTime, n_hops: usize) -> MediaTime {
    start + MediaTime::from_flicks(hop_time().flicks().saturating_mul(n_hops as u64))
}

/// One bit a hop: whether there is speech in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Voiced([u64; VOICED_WORDS]);

impl Voiced {
    /// Marks a hop as voiced; hops past [`UTTERANCE_HOPS_MAX`] are ignored.
    pub fn set(&mut self, hop_idx: usize) {
        if let Some(word) = self.0.get_mut(hop_idx / 64) {
            *word |= 1 << (hop_idx % 64);
        }
    }

    /// Whether a hop is voiced.
    #[must_use]
    pub fn get(&self, hop_idx: usize) -> bool {
        self.0.get(hop_idx / 64).is_some_and(|word| word >> (hop_idx % 64) & 1 == 1)
    }

    /// Voiced hops.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

impl Default for Voiced {
    fn default() -> Self {
        Self([0; VOICED_WORDS])
    }
}

impl std::fmt::Debug for Voiced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Voiced({} hops)", self.count())
    }
}
