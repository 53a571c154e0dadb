//! Groups Whisper's tokens into words, with what they tell of the words' times. Knows no model.

use super::align::Clue;
use crate::Transcription;

/// One token of a decode.
#[derive(Clone, Debug)]
pub(super) enum Token<'a> {
    /// A piece of text.
    Text {
        /// Its bytes; a character may be split over tokens.
        bytes: &'a [u8],
        /// 0..=1.
        probability: f32,
        /// Frame at which the model thinks that it starts, and how sure it is.
        start: Option<(usize, f32)>,
    },
    /// A timestamp, in frames.
    Mark(usize),
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

/// A start is taken for known when the model gives it more than this.
const PROBABILITY_MIN: f32 = 0.01;

/// Collects tokens into the words of a [`Transcription`]; reused, so that its storage is.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The word that is open.
    bytes: Vec<u8>,
    clue: Clue,
    probability_sum: f32,
    n_tokens: usize,
    /// The last timestamp since the last word.
    mark: Option<usize>,
    /// One for each word that was finished.
    clues: Vec<Clue>,
}

impl Words {
    /// Forgets the words of the decode before.
    pub(super) fn clear(&mut self) {
        self.close();
        self.mark = None;
        self.clues.clear();
    }

    /// What is known of each word of the transcription.
    pub(super) fn clues(&self) -> &[Clue] {
        &self.clues
    }

    /// Takes the next token. Words get the span `0..0`.
    pub(super) fn push(&mut self, token: &Token<'_>, spacing: Spacing, out: &mut Transcription) {
        let (bytes, probability, start) = match token {
            Token::Mark(frame) => return self.push_mark(*frame, spacing, out),
            Token::Text { bytes, probability, start } => (bytes, probability, start),
        };
        let starts_word = match spacing {
            Spacing::Spaces => bytes.starts_with(b" "),
            Spacing::Characters => std::str::from_utf8(&self.bytes).is_ok(),
        };
        if starts_word {
            self.finish(spacing, out);
        }
        if self.n_tokens == 0 {
            self.clue.start = start.filter(|(_, p)| *p > PROBABILITY_MIN);
            self.clue.start_mark = self.mark.take();
        }
        self.bytes.extend_from_slice(bytes);
        self.probability_sum += probability;
        self.n_tokens += 1;
    }

    fn push_mark(&mut self, frame: usize, spacing: Spacing, out: &mut Transcription) {
        if self.n_tokens > 0 {
            self.clue.end_mark = Some(frame);
            self.finish(spacing, out);
        }
        // The first timestamp is 0 by habit and says nothing
        self.mark = Some(frame).filter(|frame| *frame > 0);
    }

    /// Ends the word that is open, if it has text.
    pub(super) fn finish(&mut self, spacing: Spacing, out: &mut Transcription) {
        // A cut in the middle of a character leaves bytes that are no text: dropped
        let text: String = self.bytes.utf8_chunks().map(|c| c.valid()).collect();
        let text = text.trim();
        if !text.is_empty() {
            let probability = self.probability_sum / self.n_tokens as f32;
            match spacing {
                Spacing::Spaces => out.push_word(text, 0..0, probability),
                Spacing::Characters => out.join_word(text, 0..0, probability),
            }
            self.clue.length = spoken_length(text);
            self.clues.push(self.clue.clone());
        }
        self.close();
    }

    fn close(&mut self) {
        self.bytes.clear();
        self.clue = Clue::default();
        self.probability_sum = 0.0;
        self.n_tokens = 0;
    }
}

/// Letters, a digit for three, and one for the word itself: how long a word takes to say.
fn spoken_length(text: &str) -> f32 {
    let weight = |c: char| if c.is_numeric() { 3 } else { usize::from(c.is_alphabetic()) };
    (text.chars().map(weight).sum::<usize>().max(1) + 1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Token<'_> {
        Token::Text { bytes, probability: 0.5, start: None }
    }

    fn words(spacing: Spacing, tokens: &[Token<'_>]) -> (Transcription, Vec<Clue>) {
        let mut out = Transcription::default();
        let mut words = Words::default();
        tokens.iter().for_each(|token| words.push(token, spacing, &mut out));
        words.finish(spacing, &mut out);
        (out, words.clues)
    }

    fn check(spacing: Spacing, tokens: &[&[u8]], expected_text: &str, expected: &[&str]) {
        let tokens: Vec<_> = tokens.iter().map(|bytes| text(bytes)).collect();
        let (out, clues) = words(spacing, &tokens);
        assert_eq!(out.text, expected_text);
        let listed: Vec<_> = (0..out.words.len()).map(|i| out.word_text(i)).collect();
        assert_eq!(listed, expected);
        assert_eq!(clues.len(), expected.len());
    }

    #[test]
    fn a_word_is_its_tokens_and_keeps_its_punctuation() {
        check(
            Spacing::Spaces,
            &[b" It", b" fool", b"ish", b"ness."],
            "It foolishness.",
            &["It", "foolishness."],
        );
    }

    #[test]
    fn a_character_split_over_tokens_is_whole_again() {
        check(Spacing::Spaces, &[b" na\xc3", b"\xafve"], "naïve", &["naïve"]);
    }

    #[test]
    fn half_a_character_at_a_cut_is_dropped() {
        check(Spacing::Spaces, &[b" caf\xc3"], "caf", &["caf"]);
        check(Spacing::Spaces, &[b" \xf0\x9f"], "", &[]);
    }

    #[test]
    fn a_lone_space_belongs_to_the_word_after_it() {
        check(Spacing::Spaces, &[b" ", b"a", b" "], "a", &["a"]);
    }

    #[test]
    fn languages_without_spaces_are_split_by_character() {
        let tokens = ["今日".as_bytes(), b"\xe3\x81", b"\xaf"];
        check(Spacing::of("ja"), &tokens, "今日は", &["今日", "は"]);
    }

    #[test]
    fn a_word_has_the_mean_probability_of_its_tokens() {
        let tokens = [(" a", 0.25), ("b", 0.75), (" c", 1.0)];
        let token = |(text, probability): (&'static str, f32)| Token::Text {
            bytes: text.as_bytes(),
            probability,
            start: None,
        };
        let (out, _) = words(Spacing::Spaces, &tokens.map(token));
        assert_eq!(out.words.iter().map(|w| w.probability).collect::<Vec<_>>(), [0.5, 1.0]);
    }

    #[test]
    fn timestamps_and_sure_starts_are_clues() {
        let sure = Token::Text { bytes: b" two", probability: 1.0, start: Some((7, 0.5)) };
        let unsure = Token::Text { bytes: b" 42", probability: 1.0, start: Some((9, 0.005)) };
        let tokens =
            [Token::Mark(0), text(b" one"), sure, Token::Mark(20), Token::Mark(25), unsure, Token::Mark(40)];
        let (_, clues) = words(Spacing::Spaces, &tokens);
        let expected = [
            Clue { length: 4.0, ..Clue::default() },
            Clue { length: 4.0, start: Some((7, 0.5)), end_mark: Some(20), ..Clue::default() },
            Clue { length: 7.0, start_mark: Some(25), end_mark: Some(40), ..Clue::default() },
        ];
        assert_eq!(clues, expected);
    }
}
