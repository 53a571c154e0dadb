//! Speech that no word covers: finds it, and puts words that were found there in their place.

use std::ops::Range;

use models::{SAMPLE_RATE_HZ, Transcription};

use crate::fold::is_same;
use crate::hop::HOP_FRAMES;
use crate::utterances::Voiced;

/// Recognisers stretch a word over a pause; of a longer one only this much counts as covered, samples (1.5 s).
const WORD_SAMPLES_MAX: usize = SAMPLE_RATE_HZ as usize * 3 / 2;

/// The stretch between words with the most voiced audio, if that is at least `limit` samples.
pub(super) fn worst_hole(
    heard: &Transcription,
    voiced: &Voiced,
    n_samples: usize,
    limit: usize,
) -> Option<Range<usize>> {
    let mut covered_to = 0;
    let mut worst: (usize, Range<usize>) = (0, 0..0);
    let ends = heard
        .words
        .iter()
        .map(|word| (word.span.start, word.span.end.min(word.span.start + WORD_SAMPLES_MAX)));
    for (start, end) in ends.chain([(n_samples, n_samples)]) {
        let hole = covered_to..start.min(n_samples);
        let n_voiced = voiced_samples(voiced, &hole);
        if n_voiced > worst.0 {
            worst = (n_voiced, hole);
        }
        covered_to = covered_to.max(end);
    }
    (worst.0 >= limit).then_some(worst.1)
}

fn voiced_samples(voiced: &Voiced, hole: &Range<usize>) -> usize {
    let hops = hole.start.div_ceil(HOP_FRAMES)..hole.end / HOP_FRAMES;
    hops.filter(|hop_idx| voiced.get(*hop_idx)).count() * HOP_FRAMES
}

/// Puts the words of `found`, which was heard from sample `offset` on, among those of `heard`. A word at either edge
/// that its neighbour says already is left out.
pub(super) fn splice(heard: &mut Transcription, found: &Transcription, offset: usize) {
    let text = std::mem::take(&mut heard.text);
    let words = std::mem::take(&mut heard.words);
    let word_text = |range: &Range<usize>| text.get(range.clone()).unwrap_or("");
    let at = words.partition_point(|word| word.span.start < offset);
    for word in &words[..at] {
        heard.push_word(word_text(&word.text), word.span.clone(), word.probability);
    }
    let before = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", |word| word_text(&word.text));
    let after = words.get(at).map_or("", |word| word_text(&word.text));
    let last = found.words.len().saturating_sub(1);
    for (idx, word) in found.words.iter().enumerate() {
        let new = found.word_text(idx);
        let is_said = (idx == 0 && is_same(new, before)) || (idx == last && is_same(new, after));
        if !is_said {
            heard.push_word(new, word.span.start + offset..word.span.end + offset, word.probability);
        }
    }
    for word in &words[at..] {
        heard.push_word(word_text(&word.text), word.span.clone(), word.probability);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: usize = SAMPLE_RATE_HZ as usize;

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
            let hole = worst_hole(&heard(words), &voiced(secs), 10 * SECOND, 3 * SECOND);
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
    fn found_words_land_in_their_place_once() {
        let mut all = heard(&[("one", 0.0, 1.0), ("five.", 8.0, 9.0)]);
        let found = heard(&[("One,", 0.0, 0.2), ("two", 1.0, 2.0), ("three", 2.0, 3.0), ("Five", 6.0, 7.0)]);
        splice(&mut all, &found, SECOND);
        assert_eq!(all.text, "one two three five.");
        let starts: Vec<usize> = all.words.iter().map(|word| word.span.start / SECOND).collect();
        assert_eq!(starts, [0, 2, 3, 8]);
    }
}
