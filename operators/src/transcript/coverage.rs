//! Speech that no word covers: finds it, and puts words that were found there in their place.

use std::ops::Range;

use models::{SAMPLE_RATE_HZ, Transcription, Word};

use crate::fold::is_same;
use crate::hop::HOP_FRAMES;
use crate::utterances::Voiced;

/// Recognisers stretch a word over a pause; of a longer one only this much counts as covered, samples (1.5 s).
const WORD_SAMPLES_MAX: usize = SAMPLE_RATE_HZ as usize * 3 / 2;

/// What counts as a hole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct HoleLimits {
    /// Least voiced audio in it, samples.
    pub(super) n_samples: usize,
    /// Words a second in the rest of the audio; with more, the recogniser's word times are wrong, not its words.
    pub(super) words_per_second: f64,
}

/// The stretch between words with the most voiced audio, if that is a hole.
pub(super) fn worst_hole(
    heard: &Transcription,
    voiced: &Voiced,
    n_samples: usize,
    limits: HoleLimits,
) -> Option<Range<usize>> {
    let mut covered_to = 0;
    let mut worst: (usize, Range<usize>) = (0, 0..0);
    let word_end = |word: &Word| word.span.end.min(word.span.start + WORD_SAMPLES_MAX);
    let spans = heard.words.iter().map(|word| (word.span.start, word_end(word)));
    for (start, end) in spans.chain([(n_samples, n_samples)]) {
        let hole = covered_to..start.min(n_samples);
        let n_voiced = voiced_samples(voiced, &hole);
        if n_voiced > worst.0 {
            worst = (n_voiced, hole);
        }
        covered_to = covered_to.max(end);
    }
    let rest = voiced_samples(voiced, &(0..n_samples)).saturating_sub(worst.0) as f64;
    let is_crowded = heard.words.len() as f64 * f64::from(SAMPLE_RATE_HZ) > limits.words_per_second * rest;
    (worst.0 >= limits.n_samples && !is_crowded).then_some(worst.1)
}

fn voiced_samples(voiced: &Voiced, hole: &Range<usize>) -> usize {
    let hops = hole.start.div_ceil(HOP_FRAMES)..hole.end / HOP_FRAMES;
    hops.filter(|hop_idx| voiced.get(*hop_idx)).count() * HOP_FRAMES
}

/// Puts the words of `found`, which was heard from sample `offset` on, among those of `heard`, without those at
/// either edge that its neighbours say already. Returns `false`, and changes nothing, when most of it is said
/// already: then the words were there and their times were wrong.
pub(super) fn splice(heard: &mut Transcription, found: &Transcription, offset: usize) -> bool {
    if is_said(heard, found) {
        return false;
    }
    let text = std::mem::take(&mut heard.text);
    let words = std::mem::take(&mut heard.words);
    let (before, after) = words.split_at(words.partition_point(|word| word.span.start < offset));
    let word_text = |word: &Word| text.get(word.text.clone()).unwrap_or("");
    let new: Vec<&str> = (0..found.words.len()).map(|at| found.word_text(at)).collect();
    let texts = |words: &[Word]| words.iter().map(word_text).collect::<Vec<_>>();
    let first = overlap(&texts(before), &new);
    let last = new.len() - overlap(new.get(first..).unwrap_or(&[]), &texts(after));
    for word in before {
        heard.push_word(word_text(word), word.span.clone(), word.probability);
    }
    for (word, text) in found.words.iter().zip(&new).take(last).skip(first) {
        heard.push_word(text, word.span.start + offset..word.span.end + offset, word.probability);
    }
    for word in after {
        heard.push_word(word_text(word), word.span.clone(), word.probability);
    }
    true
}

/// Most words that end `left` and begin `right`.
fn overlap(left: &[&str], right: &[&str]) -> usize {
    let is_overlap = |n: &usize| {
        let end = left.get(left.len() - n..).unwrap_or(&[]);
        end.iter().zip(right).all(|(a, b)| is_same(a, b))
    };
    (1..=left.len().min(right.len())).rev().find(is_overlap).unwrap_or(0)
}

/// Whether more than half of the word pairs of `found` occur in `heard`.
fn is_said(heard: &Transcription, found: &Transcription) -> bool {
    let pair = |t: &Transcription, at: usize| (t.word_text(at).to_owned(), t.word_text(at + 1).to_owned());
    let pairs = |t: &Transcription| (1..t.words.len()).map(|at| pair(t, at - 1)).collect::<Vec<_>>();
    let known = pairs(heard);
    let new = pairs(found);
    let is_known = |pair: &&(String, String)| {
        known.iter().any(|old| is_same(&old.0, &pair.0) && is_same(&old.1, &pair.1))
    };
    2 * new.iter().filter(is_known).count() > new.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: usize = SAMPLE_RATE_HZ as usize;
    const LIMITS: HoleLimits = HoleLimits { n_samples: 3 * SECOND, words_per_second: 4.0 };

    /// Words as (text, start s, end s).
    fn heard(words: &[(&str, f64, f64)]) -> Transcription {
        let mut heard = Transcription::default();
        let samples = |secs: f64| (secs * SECOND as f64) as usize;
        for (text, start, end) in words {
            heard.push_word(text, samples(*start)..samples(*end), 0.5);
        }
        heard
    }

    fn voiced(secs: Range<usize>) -> Voiced {
        let mut voiced = Voiced::default();
        (secs.start * 100..secs.end * 100).for_each(|hop_idx| voiced.set(hop_idx));
        voiced
    }

    #[test]
    fn a_hole_is_voiced_audio_between_words_and_at_the_edges() {
        let check = |words: &[(&str, f64, f64)], secs, expected: Option<Range<usize>>| {
            let hole = worst_hole(&heard(words), &voiced(secs), 10 * SECOND, LIMITS);
            assert_eq!(hole, expected.map(|r| r.start * SECOND..r.end * SECOND), "{words:?}");
        };
        let edges = [("a", 0.0, 1.0), ("b", 4.0, 5.0), ("c", 8.0, 10.0)];
        check(&edges, 0..10, Some(1..4));
        check(&edges, 0..3, None);
        check(&[("a", 4.0, 5.0)], 0..9, Some(0..4));
        check(&[("a", 0.0, 1.0)], 0..10, Some(1..10));
        check(&[("stretched", 0.5, 9.5)], 0..10, Some(2..10));
    }

    #[test]
    fn where_the_rest_is_crowded_the_word_times_are_wrong() {
        let is_hole = |n: usize| {
            let third = |at: usize| 3.0 * at as f64 / n as f64;
            let words: Vec<(&str, f64, f64)> = (0..n).map(|at| ("word", third(at), third(at + 1))).collect();
            worst_hole(&heard(&words), &voiced(0..10), 10 * SECOND, LIMITS).is_some()
        };
        // Words in the first 3 s of 10: 12 are 4 a second.
        assert!(is_hole(11) && !is_hole(13));
    }

    #[test]
    fn found_words_land_in_their_place_once() {
        let mut all = heard(&[("zero", 0.0, 0.5), ("one", 0.5, 1.0), ("five.", 8.0, 9.0)]);
        let found = [
            ("Zero", 0.0, 0.1),
            ("One,", 0.1, 0.2),
            ("two", 1.0, 2.0),
            ("three", 2.0, 3.0),
            ("Five", 6.0, 7.0),
        ];
        assert!(splice(&mut all, &heard(&found), SECOND));
        assert_eq!(all.text, "zero one two three five.");
        let starts: Vec<usize> = all.words.iter().map(|word| word.span.start / SECOND).collect();
        assert_eq!(starts, [0, 0, 2, 3, 8]);
    }

    #[test]
    fn what_is_said_already_is_not_said_again() {
        let words = [("all", 0.0, 1.0), ("of", 1.0, 2.0), ("these", 2.0, 3.0), ("forms.", 3.0, 4.0)];
        let mut all = heard(&words);
        assert!(!splice(
            &mut all,
            &heard(&[("of", 0.0, 1.0), ("these", 1.0, 2.0), ("Forms", 2.0, 3.0)]),
            6 * SECOND
        ));
        assert_eq!(all, heard(&words));
        assert!(splice(
            &mut all,
            &heard(&[("of", 0.0, 1.0), ("these", 1.0, 2.0), ("things", 2.0, 3.0)]),
            6 * SECOND
        ));
    }
}
