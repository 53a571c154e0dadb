//! Recognises a decoder that repeats itself: too many words a second, or the same words again and again.

use models::{SAMPLE_RATE_HZ, Transcription};

use crate::error::{BuildError, check_range};
use crate::fold::is_same;

/// Longest repeated phrase that is looked for, words.
const PHRASE_WORDS_MAX: usize = 12;

/// What counts as a loop.
#[derive(Clone, Debug, PartialEq)]
pub struct LoopLimits {
    /// More words a second than this are a loop, 3 ..= 20. Default 6.5 (docs/adr/0003; fast speech has 5).
    pub words_per_second: f64,
    /// The rate is judged from this many words on, 1 ..= 100. Default 8: fewer say little.
    pub rate_words: usize,
    /// A single word this often in a row is a loop, 3 ..= 100. Default 6: people do say "no, no, no".
    pub single_repeats: usize,
    /// A phrase of two words or more this often in a row is a loop, 2 ..= 100. Default 4; a phrase of more than
    /// four words needs one time less.
    pub phrase_repeats: usize,
}

impl Default for LoopLimits {
    fn default() -> Self {
        Self { words_per_second: 6.5, rate_words: 8, single_repeats: 6, phrase_repeats: 4 }
    }
}

impl LoopLimits {
    pub(super) fn check(&self) -> Result<(), BuildError> {
        check_range("loop words_per_second", self.words_per_second, 3.0..=20.0, "3 to 20")?;
        check_range("loop rate_words", self.rate_words as f64, 1.0..=100.0, "1 to 100")?;
        check_range("loop single_repeats", self.single_repeats as f64, 3.0..=100.0, "3 to 100")?;
        check_range("loop phrase_repeats", self.phrase_repeats as f64, 2.0..=100.0, "2 to 100")
    }
}

/// Whether `heard` in `n_samples` of audio is a loop.
pub(super) fn is_loop(heard: &Transcription, n_samples: usize, limits: &LoopLimits) -> bool {
    let n_words = heard.words.len();
    let secs = n_samples as f64 / f64::from(SAMPLE_RATE_HZ);
    (n_words >= limits.rate_words && n_words as f64 > limits.words_per_second * secs)
        || is_repeated(heard, limits)
}

/// Whether a phrase is repeated too often, be it within a word: `old-s-s-y-y-y-y-y-y-y-y`.
fn is_repeated(heard: &Transcription, limits: &LoopLimits) -> bool {
    let parts = (0..heard.words.len()).flat_map(|at| heard.word_text(at).split('-'));
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    (1..=PHRASE_WORDS_MAX).any(|n| repeats(&parts, n) >= needed(n, limits))
}

fn needed(phrase_words: usize, limits: &LoopLimits) -> usize {
    match phrase_words {
        1 => limits.single_repeats,
        2..=4 => limits.phrase_repeats,
        _ => limits.phrase_repeats.saturating_sub(1).max(2),
    }
}

/// Most times in a row that any phrase of `n` words occurs.
fn repeats(words: &[&str], n: usize) -> usize {
    let (mut run, mut longest) = (0, 0);
    for (earlier, word) in words.iter().zip(words.iter().skip(n)) {
        run = if is_same(earlier, word) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest / n + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, secs: usize, expected: bool) {
        let mut heard = Transcription::default();
        for word in text.split_whitespace() {
            heard.push_word(word, 0..1, 1.0);
        }
        assert_eq!(is_loop(&heard, secs * 16_000, &LoopLimits::default()), expected, "{text} in {secs} s");
    }

    #[test]
    fn more_words_a_second_than_anyone_speaks_are_a_loop() {
        check("a b c d e f g h i j k l m", 2, false);
        check("a b c d e f g h i j k l m n", 2, true);
        check("a b c d e f g", 1, false);
    }

    #[test]
    fn repeated_phrases_are_a_loop_and_emphasis_is_not() {
        check("No, no, no, no, no!", 10, false);
        check("and no no no no no no then", 10, true);
        check("I know, I know, I know", 10, false);
        check("so I know, I know, i know. I KNOW", 10, true);
        check("He was not an old-s-s-y-y-y-y-y-y-y-y-y-y-y-y man.", 4, true);
        check("a well-to-do, cold-hearted T-t-t-thing", 4, false);
        check("it was the best of times it was the worst of times", 10, false);
        check("by the end of the day by the end of the day", 10, false);
        check("by the end of the day by the end of the day by the end of the day", 10, true);
    }
}
