//! LocalAgreement-2: what two decodes of a growing utterance agree on is stable and is never taken back by a later
//! partial (Liu et al., Low-Latency Sequence-to-Sequence Speech Recognition, Interspeech 2020).

use engine::event::SpokenWord;
use engine::time::MediaTime;

use crate::fold::{is_same, without_trailing_punctuation};

/// How far from its place the last stable word is looked for in a new decode, words.
const ANCHOR_REACH: usize = 3;

/// The words of a growing utterance as they are shown. The first [`Self::n_stable`] stay.
#[derive(Clone, Debug, Default)]
pub(super) struct Agreement {
    words: Vec<SpokenWord>,
    n_stable: usize,
}

impl Agreement {
    /// Takes the next decode of the utterance, of its audio from `start` on. What was said before stays: no later one
    /// hears it again.
    pub(super) fn update(&mut self, heard: &[SpokenWord], start: MediaTime) {
        let n_before = self.words.partition_point(|word| middle(word) < start.flicks());
        self.n_stable = self.n_stable.max(n_before);
        let rest = heard.get(self.resume(heard, n_before)..).unwrap_or(&[]);
        let shown = self.words.get(self.n_stable..).unwrap_or(&[]);
        let n_agreed = rest.iter().zip(shown).take_while(|(a, b)| is_same(&a.text, &b.text)).count();
        self.words.truncate(self.n_stable);
        self.words.extend_from_slice(rest);
        self.n_stable += n_agreed;
    }

    /// Where `heard` goes on after the stable words, of which it does not have the first `n_before`. Mends the punctuation
    /// of the last stable one on the way.
    fn resume(&mut self, heard: &[SpokenWord], n_before: usize) -> usize {
        let Some(last) = self.n_stable.checked_sub(1).and_then(|at| self.words.get_mut(at)) else { return 0 };
        let n_again = self.n_stable - n_before;
        // It was cut at a pause: at most the word beside it is heard once more.
        let reach = if n_again == 0 { 1 } else { ANCHOR_REACH };
        let places = (0..=reach).flat_map(|d| [n_again.checked_add(d), n_again.checked_sub(d)]);
        let is_anchor = |end: &usize| {
            end.checked_sub(1)
                .and_then(|at| heard.get(at))
                .is_some_and(|word| is_same(&word.text, &last.text))
        };
        let Some(end) = places.flatten().find(is_anchor) else {
            if n_again == 0 {
                return 0;
            }
            return heard.partition_point(|word| middle(word) < last.span.end.flicks());
        };
        if let Some(word) = heard.get(end - 1) {
            let is_core_kept =
                without_trailing_punctuation(&word.text) == without_trailing_punctuation(&last.text);
            if is_core_kept {
                last.text.clone_from(&word.text);
            }
        }
        end
    }

    /// The words to show.
    pub(super) fn words(&self) -> &[SpokenWord] {
        &self.words
    }

    /// The words to show, joined, and how many bytes of that stay: up to the punctuation after the last stable word.
    pub(super) fn text(&self) -> (String, usize) {
        let mut text = String::new();
        let mut stable_bytes = 0;
        for (at, word) in self.words.iter().enumerate() {
            if at > 0 {
                text.push(' ');
            }
            if at + 1 == self.n_stable {
                stable_bytes = text.len() + without_trailing_punctuation(&word.text).len();
            }
            text.push_str(&word.text);
        }
        (text, stable_bytes)
    }
}

fn middle(word: &SpokenWord) -> u64 {
    u64::midpoint(word.span.start.flicks(), word.span.end.flicks())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::time::Span;

    /// Words of half a second each.
    fn words(text: &str) -> Vec<SpokenWord> {
        let half = |n: usize| MediaTime::from_millis(500 * n as u64);
        let word = |(at, text): (usize, &str)| SpokenWord {
            text: text.to_owned(),
            span: Span::new(half(at), half(at + 1)),
            confidence: 1.0,
        };
        text.split_whitespace().enumerate().map(word).collect()
    }

    /// Decodes, each with what is shown after it: stable `|` rest.
    fn check(decodes: &[(&str, &str)]) {
        let mut agreement = Agreement::default();
        let mut stable = String::new();
        for (heard, expected) in decodes {
            agreement.update(&words(heard), MediaTime::ZERO);
            let (text, stable_bytes) = agreement.text();
            assert_eq!(
                format!("{}|{}", &text[..stable_bytes], &text[stable_bytes..]),
                *expected,
                "after {heard}"
            );
            assert!(text[..stable_bytes].starts_with(&stable), "{stable} was taken back");
            stable = text[..stable_bytes].to_owned();
        }
    }

    #[test]
    fn what_two_decodes_agree_on_is_stable() {
        check(&[
            ("the bitch", "|the bitch"),
            ("the bridge is", "the| bridge is"),
            ("the bridge is closed", "the bridge is| closed"),
            ("the bridge is near today", "the bridge is| near today"),
            ("the bridge was near today", "the bridge is near today|"),
        ]);
    }

    #[test]
    fn punctuation_after_the_last_stable_word_stays_open() {
        check(&[
            ("hello.", "|hello."),
            ("Hello, world.", "Hello|, world."),
            ("Hello, world. And", "Hello, world|. And"),
            ("Hello, world and", "Hello, world and|"),
            ("hello world and then", "Hello, world and| then"),
        ]);
    }

    #[test]
    fn a_decode_that_disagrees_early_goes_on_at_the_anchor_or_in_time() {
        check(&[("a b c", "|a b c"), ("a b c d", "a b c| d"), ("so a b c d e", "a b c d| e")]);
        check(&[("a b", "|a b"), ("a b", "a b|"), ("x y z", "a b| z"), ("", "a b|"), ("q", "a b|")]);
    }

    #[test]
    fn without_an_anchor_it_goes_on_in_time() {
        let mut agreement = Agreement::default();
        agreement.update(&words("a b"), MediaTime::ZERO);
        agreement.update(&words("a b"), MediaTime::ZERO);
        // Four words of 250 ms where there were two: the last two are said after the stable ones.
        let mut fast = words("p q r s t");
        for (at, word) in fast.iter_mut().enumerate() {
            let quarter = |n: usize| MediaTime::from_millis(250 * n as u64);
            word.span = Span::new(quarter(at), quarter(at + 1));
        }
        agreement.update(&fast, MediaTime::ZERO);
        assert_eq!(agreement.text().0, "a b t");
    }

    /// Words of half a second each, from half second `n` on.
    fn words_from(n: usize, text: &str) -> Vec<SpokenWord> {
        let padding = "x ".repeat(n);
        words(&(padding + text)).split_off(n)
    }

    #[test]
    fn what_lies_before_the_audio_that_was_decoded_stays() {
        let mut agreement = Agreement::default();
        agreement.update(&words("a b c d"), MediaTime::ZERO);
        let cut = MediaTime::from_millis(1_000);
        agreement.update(&words_from(2, "c e f"), cut);
        assert_eq!(agreement.text(), ("a b c e f".to_owned(), "a b c".len()));
        agreement.update(&words_from(2, "b c e g"), cut);
        assert_eq!(agreement.text(), ("a b c e g".to_owned(), "a b c e".len()), "b is not said twice");
        agreement.update(&words_from(5, "g h"), MediaTime::from_millis(2_500));
        assert_eq!(agreement.text(), ("a b c e g h".to_owned(), "a b c e g".len()));
    }

    #[test]
    fn nothing_stable_is_ever_taken_back() {
        let vocabulary = ["one", "two,", "two.", "Two", "three", "--", "four!"];
        let mut seed = 1_u64;
        let mut random = |n: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % n
        };
        for _ in 0..200 {
            let mut agreement = Agreement::default();
            let mut stable = String::new();
            for _ in 0..12 {
                let n_words = random(6);
                let heard: Vec<&str> = (0..n_words).map(|_| vocabulary[random(vocabulary.len())]).collect();
                agreement.update(&words(&heard.join(" ")), MediaTime::ZERO);
                let (text, stable_bytes) = agreement.text();
                assert!(text[..stable_bytes].starts_with(&stable), "{stable:?} became {text:?}");
                stable = text[..stable_bytes].to_owned();
            }
        }
    }
}
