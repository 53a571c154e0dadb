//! Groups Whisper's byte-pair tokens into words. Knows no model: tokens come in, words go out.

use std::ops::Range;

use crate::Transcription;

/// One text token of a decode, its times in samples.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    /// Its bytes; a character may be split over tokens.
    pub(super) bytes: &'a [u8],
    pub(super) span: Range<usize>,
    pub(super) probability: f32,
}

/// Where a word ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    /// Before a token that starts with a space.
    Spaces,
    /// After every complete character: languages written without spaces.
    Characters,
}

impl Spacing {
    /// Spacing of a language by its Whisper code.
    pub(super) fn of(language: &str) -> Self {
        match language {
            "zh" | "ja" | "th" | "lo" | "my" | "yue" => Self::Characters,
            _ => Self::Spaces,
        }
    }
}

/// Collects tokens into the words of a [`Transcription`]; reused, so that its storage is.
#[derive(Debug, Default)]
pub(super) struct Words {
    bytes: Vec<u8>,
    span: Range<usize>,
    probability_sum: f32,
    n_tokens: usize,
}

impl Words {
    /// Takes the next token.
    pub(super) fn push(&mut self, token: &Token<'_>, spacing: Spacing, out: &mut Transcription) {
        let starts_word = match spacing {
            Spacing::Spaces => token.bytes.starts_with(b" "),
            Spacing::Characters => std::str::from_utf8(&self.bytes).is_ok(),
        };
        if starts_word {
            self.finish(spacing, out);
        }
        if self.n_tokens == 0 {
            self.span.start = token.span.start;
        }
        self.bytes.extend_from_slice(token.bytes);
        self.span.end = token.span.end;
        self.probability_sum += token.probability;
        self.n_tokens += 1;
    }

    /// Ends the word that is open, if it has text.
    pub(super) fn finish(&mut self, spacing: Spacing, out: &mut Transcription) {
        // A cut in the middle of a character leaves bytes that are no text: dropped
        let text: String = self.bytes.utf8_chunks().map(|c| c.valid()).collect();
        let text = text.trim();
        if !text.is_empty() {
            let probability = self.probability_sum / self.n_tokens as f32;
            match spacing {
                Spacing::Spaces => out.push_word(text, self.span.clone(), probability),
                Spacing::Characters => out.join_word(text, self.span.clone(), probability),
            }
        }
        self.bytes.clear();
        self.probability_sum = 0.0;
        self.n_tokens = 0;
    }
}

/// Makes the spans of `out` monotone, and lays them inside `0..n_samples`.
pub(super) fn order_spans(out: &mut Transcription, n_samples: usize) {
    let (mut start_min, mut end_min) = (0, 0);
    for word in &mut out.words {
        let start = word.span.start.clamp(start_min, n_samples);
        let end = word.span.end.clamp(start.max(end_min), n_samples);
        word.span = start..end;
        (start_min, end_min) = (start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(spacing: Spacing, tokens: &[(&[u8], Range<usize>, f32)]) -> Transcription {
        let mut out = Transcription::default();
        let mut words = Words::default();
        for (bytes, span, probability) in tokens {
            let token = Token { bytes, span: span.clone(), probability: *probability };
            words.push(&token, spacing, &mut out);
        }
        words.finish(spacing, &mut out);
        out
    }

    fn listed(out: &Transcription) -> Vec<(&str, Range<usize>)> {
        out.words.iter().enumerate().map(|(i, w)| (out.word_text(i), w.span.clone())).collect()
    }

    #[test]
    fn a_word_is_its_tokens_and_keeps_its_punctuation() {
        let out = words(
            Spacing::Spaces,
            &[
                (b" It", 0..10, 0.5),
                (b" fool", 10..20, 0.25),
                (b"ish", 20..30, 0.75),
                (b"ness.", 30..40, 0.5),
            ],
        );
        assert_eq!(out.text, "It foolishness.");
        assert_eq!(listed(&out), [("It", 0..10), ("foolishness.", 10..40)]);
        assert_eq!(out.words[1].probability, 0.5);
    }

    #[test]
    fn a_character_split_over_tokens_is_whole_again() {
        let out = words(Spacing::Spaces, &[(b" na\xc3", 0..10, 1.0), (b"\xafve", 10..20, 1.0)]);
        assert_eq!(listed(&out), [("naïve", 0..20)]);
    }

    #[test]
    fn half_a_character_at_a_cut_is_dropped() {
        let out = words(Spacing::Spaces, &[(b" caf\xc3", 0..10, 1.0)]);
        assert_eq!(out.text, "caf");
        assert_eq!(words(Spacing::Spaces, &[(b" \xf0\x9f", 0..10, 1.0)]), Transcription::default());
    }

    #[test]
    fn a_lone_space_belongs_to_the_word_after_it() {
        let out = words(Spacing::Spaces, &[(b" ", 0..5, 1.0), (b"a", 5..9, 1.0), (b" ", 9..9, 1.0)]);
        assert_eq!(listed(&out), [("a", 0..9)]);
    }

    #[test]
    fn languages_without_spaces_are_split_by_character() {
        let out = words(
            Spacing::of("ja"),
            &[("今日".as_bytes(), 0..10, 1.0), (b"\xe3\x81", 10..12, 1.0), (b"\xaf", 12..14, 1.0)],
        );
        assert_eq!(out.text, "今日は");
        assert_eq!(listed(&out), [("今日", 0..10), ("は", 10..14)]);
    }

    #[test]
    fn spans_are_ordered_and_inside_the_slice() {
        let mut out = words(
            Spacing::Spaces,
            &[(b" a", 0..60, 1.0), (b" b", 40..50, 1.0), (b" c", 30..120, 1.0), (b" d", 130..140, 1.0)],
        );
        order_spans(&mut out, 100);
        assert_eq!(listed(&out), [("a", 0..60), ("b", 40..60), ("c", 40..100), ("d", 100..100)]);
    }
}
