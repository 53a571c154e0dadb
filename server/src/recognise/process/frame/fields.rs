//! The fields of a frame's body, one after the other: written, and read without trust.

use std::ops::Range;

use models::{DecodeOptions, Transcription, Word};

use super::FrameError;

/// Bytes of a word: two ranges and a probability.
const WORD_BYTES: usize = 4 * size_of::<u64>() + size_of::<f32>();

/// Appends a text: its length (`u32`) and its bytes.
pub(super) fn put_str(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a transcription, bit for bit.
pub(super) fn put_transcription(transcription: &Transcription, out: &mut Vec<u8>) {
    let Transcription { text, words, language, no_speech_probability, mean_log_probability, .. } =
        transcription;
    put_str(text, out);
    put_str(language, out);
    out.extend_from_slice(&no_speech_probability.to_le_bytes());
    out.extend_from_slice(&mean_log_probability.to_le_bytes());
    out.extend_from_slice(&(transcription.n_tokens as u64).to_le_bytes());
    out.extend_from_slice(&transcription.audio_context.to_le_bytes());
    out.extend_from_slice(&u32::try_from(words.len()).unwrap_or(u32::MAX).to_le_bytes());
    for Word { text, span, probability } in words {
        for position in [text.start, text.end, span.start, span.end] {
            out.extend_from_slice(&(position as u64).to_le_bytes());
        }
        out.extend_from_slice(&probability.to_le_bytes());
    }
}

/// What is left of a body. Each call takes one field off its start; `name` says which one made no sense.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], FrameError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(FrameError::Field(name))?;
        self.0 = rest;
        Ok(*array)
    }

    pub(super) fn u8(&mut self, name: &'static str) -> Result<u8, FrameError> {
        self.array(name).map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self, name: &'static str) -> Result<u32, FrameError> {
        self.array(name).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, name: &'static str) -> Result<u64, FrameError> {
        self.array(name).map(u64::from_le_bytes)
    }

    /// 0 or 1, and nothing else.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, FrameError> {
        match self.u8(name)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(FrameError::Field(name)),
        }
    }

    fn usize(&mut self, name: &'static str) -> Result<usize, FrameError> {
        usize::try_from(self.u64(name)?).map_err(|_| FrameError::Field(name))
    }

    /// A finite number: what is not would end up in events.
    fn f32(&mut self, name: &'static str) -> Result<f32, FrameError> {
        let number = self.array(name).map(f32::from_le_bytes)?;
        if number.is_finite() { Ok(number) } else { Err(FrameError::Field(name)) }
    }

    pub(super) fn str(&mut self, name: &'static str) -> Result<&'a str, FrameError> {
        let n_bytes = self.u32(name)? as usize;
        let (bytes, rest) = self.0.split_at_checked(n_bytes).ok_or(FrameError::Field(name))?;
        self.0 = rest;
        std::str::from_utf8(bytes).map_err(|_| FrameError::Field(name))
    }

    pub(super) fn options(&mut self) -> Result<DecodeOptions, FrameError> {
        let audio_context = Some(self.u32("audio context")?).filter(|context| *context > 0);
        let beam_size = self.u32("beam size")?;
        let language = match self.str("language")? {
            "" => None,
            code => Some(models::whisper::language(code).ok_or(FrameError::Field("language"))?),
        };
        Ok(DecodeOptions { audio_context, language, beam_size })
    }

    /// Everything that is left.
    pub(super) fn rest_as_samples(&mut self) -> Result<Vec<f32>, FrameError> {
        let (samples, rest) = std::mem::take(&mut self.0).as_chunks::<4>();
        if !rest.is_empty() {
            return Err(FrameError::Field("audio"));
        }
        Ok(samples.iter().map(|sample| f32::from_le_bytes(*sample)).collect())
    }

    pub(super) fn transcription(&mut self) -> Result<Transcription, FrameError> {
        let mut transcription = Transcription {
            text: self.str("text")?.to_owned(),
            language: self.str("language")?.to_owned(),
            no_speech_probability: self.f32("no-speech probability")?,
            mean_log_probability: self.f32("mean log probability")?,
            n_tokens: self.usize("token count")?,
            audio_context: self.u32("audio context")?,
            words: Vec::new(),
        };
        let n_words = self.u32("word count")? as usize;
        if n_words.checked_mul(WORD_BYTES) != Some(self.0.len()) {
            return Err(FrameError::Field("word count"));
        }
        transcription.words.reserve_exact(n_words);
        for _ in 0..n_words {
            let text = self.range("text of a word")?;
            // Beyond the text, backwards, or within a character.
            if transcription.text.get(text.clone()).is_none() {
                return Err(FrameError::Field("text of a word"));
            }
            let (span, probability) = (self.range("span of a word")?, self.f32("probability of a word")?);
            transcription.words.push(Word { text, span, probability });
        }
        Ok(transcription)
    }

    fn range(&mut self, name: &'static str) -> Result<Range<usize>, FrameError> {
        let (start, end) = (self.usize(name)?, self.usize(name)?);
        if start <= end { Ok(start..end) } else { Err(FrameError::Field(name)) }
    }
}
