//! From words to cues: what is shown together, for how long, on which lines.
//! Limits follow the BBC subtitle guidelines (37 to 42 characters a line, two lines) and EBU-TT practice.

use engine::event::SpokenWord;
use engine::time::{MediaTime, Span};

/// Longest line, characters.
const LINE_CHARS_MAX: usize = 42;
/// A break after punctuation may make the parts this much more uneven, characters.
const PUNCTUATION_CHARS: usize = 16;
/// Longest time a cue stays.
const CUE_TIME_MAX: MediaTime = MediaTime::from_millis(7_000);
/// Shortest time a cue stays, if the next one leaves room.
const CUE_TIME_MIN: MediaTime = MediaTime::from_millis(1_000);
/// A pause between words that ends a cue.
const PAUSE: MediaTime = MediaTime::from_millis(1_000);

/// Text and when it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    /// When.
    pub(super) span: Span,
    /// One or two lines.
    pub(super) lines: Vec<String>,
}

/// Cuts the words of one final into cues; none begins before `not_before`, where the last cue ended.
pub(super) fn cut(words: &[SpokenWord], not_before: MediaTime) -> Vec<Cue> {
    let mut cues: Vec<Cue> = Vec::new();
    let mut rest = words;
    while !rest.is_empty() {
        let (stretch, later) = rest.split_at(stretch_end(rest));
        push_cues(&mut cues, stretch, not_before);
        rest = later;
    }
    lengthen(&mut cues);
    cues
}

/// How many words come before a pause, or the end of a sentence that is worth a cue.
fn stretch_end(words: &[SpokenWord]) -> usize {
    let mut n_chars = 0;
    let ends = |pair: &[SpokenWord]| {
        let [word, next] = pair else { return false };
        n_chars += word.text.chars().count() + 1;
        let is_sentence_over = word.text.ends_with(['.', '?', '!']) && n_chars > LINE_CHARS_MAX / 2;
        is_sentence_over || next.span.start.saturating_sub(word.span.end) >= PAUSE
    };
    words.windows(2).position(ends).map_or(words.len(), |at| at + 1)
}

/// One cue, or halves until each fits.
fn push_cues(cues: &mut Vec<Cue>, words: &[SpokenWord], not_before: MediaTime) {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return };
    let is_long = last.span.end.saturating_sub(first.span.start) > CUE_TIME_MAX;
    let lines = wrap(words).filter(|_| !is_long || words.len() == 1);
    let Some(lines) = lines else {
        let (left, right) = words.split_at(best_break(words, |_, _| true).unwrap_or(1));
        push_cues(cues, left, not_before);
        push_cues(cues, right, not_before);
        return;
    };
    let earliest = cues.last().map_or(not_before, |cue| cue.span.end);
    let start = first.span.start.max(earliest);
    let end = last.span.end.max(start + MediaTime::from_millis(1));
    cues.push(Cue { span: Span::new(start, end), lines });
}

/// Short cues stay longer where the next one leaves room.
fn lengthen(cues: &mut [Cue]) {
    for idx in 0..cues.len() {
        let room = cues.get(idx + 1).map_or(MediaTime::MAX, |next| next.span.start);
        if let Some(cue) = cues.get_mut(idx) {
            cue.span.end = cue.span.end.max((cue.span.start + CUE_TIME_MIN).min(room));
        }
    }
}

/// One line, or two of about the same length. `None`: they do not fit; a word alone always does.
fn wrap(words: &[SpokenWord]) -> Option<Vec<String>> {
    let line = |words: &[SpokenWord]| words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ");
    if words.len() == 1 || n_chars(words) <= LINE_CHARS_MAX {
        return Some(vec![line(words)]);
    }
    let (first, second) =
        words.split_at(best_break(words, |a, b| a <= LINE_CHARS_MAX && b <= LINE_CHARS_MAX)?);
    Some(vec![line(first), line(second)])
}

/// Before which word to break, so that both parts are about as long; rather after punctuation. `may(first, second)`
/// says which lengths are possible.
fn best_break(words: &[SpokenWord], may: impl Fn(usize, usize) -> bool) -> Option<usize> {
    let cost = |at: usize| {
        let (first, second) = words.split_at(at);
        let (a, b) = (n_chars(first), n_chars(second));
        let is_pause = first.last().is_some_and(|word| word.text.ends_with([',', ';', ':', '.', '?', '!']));
        may(a, b).then(|| a.abs_diff(b) + if is_pause { 0 } else { PUNCTUATION_CHARS })
    };
    (1..words.len()).filter_map(|at| Some((cost(at)?, at))).min().map(|(_, at)| at)
}

/// Of the words with a space between each.
fn n_chars(words: &[SpokenWord]) -> usize {
    words.iter().map(|word| word.text.chars().count() + 1).sum::<usize>().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of 300 ms at the given starts (ms); expected cues as `start..end text|text`.
    fn check(words: &[(u64, &str)], expected: &[&str]) {
        let words: Vec<SpokenWord> = words
            .iter()
            .map(|&(start, text)| SpokenWord {
                text: text.into(),
                span: Span::new(MediaTime::from_millis(start), MediaTime::from_millis(start + 300)),
                confidence: 1.0,
            })
            .collect();
        let seen: Vec<String> = cut(&words, MediaTime::ZERO)
            .iter()
            .map(|c| format!("{}..{} {}", c.span.start, c.span.end, c.lines.join("|")))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_pause_ends_a_cue_and_a_short_cue_stays_a_second() {
        check(
            &[(0, "Hello"), (350, "there."), (3_000, "Bye.")],
            &["0.000..1.000 Hello there.", "3.000..4.000 Bye."],
        );
    }

    #[test]
    fn lines_are_short_and_a_cue_has_two_of_about_the_same_length() {
        let words: Vec<(u64, &str)> = (0..16).map(|n| (n * 310, "abcdefghi")).collect();
        check(
            &words,
            &[
                "0.000..2.470 abcdefghi abcdefghi abcdefghi abcdefghi|abcdefghi abcdefghi abcdefghi abcdefghi",
                "2.480..4.950 abcdefghi abcdefghi abcdefghi abcdefghi|abcdefghi abcdefghi abcdefghi abcdefghi",
            ],
        );
        check(
            &words[..9],
            &[
                "0.000..1.230 abcdefghi abcdefghi abcdefghi abcdefghi",
                "1.240..2.780 abcdefghi abcdefghi|abcdefghi abcdefghi abcdefghi",
            ],
        );
    }

    #[test]
    fn a_line_ends_rather_after_punctuation() {
        let text = "It was the best of times, it was the worst of times";
        let words: Vec<(u64, &str)> =
            text.split(' ').enumerate().map(|(at, word)| (at as u64 * 310, word)).collect();
        check(&words, &["0.000..3.710 It was the best of times,|it was the worst of times"]);
    }

    #[test]
    fn a_word_too_long_for_a_line_stands_alone() {
        let long = "a".repeat(50);
        check(&[(0, &long)], &[&format!("0.000..1.000 {long}")]);
        check(&[(0, &long), (310, "b")], &[&format!("0.000..0.310 {long}"), "0.310..1.310 b"]);
    }

    #[test]
    fn a_cue_stays_seven_seconds_at_most() {
        let words: Vec<(u64, &str)> = (0..10).map(|n| (n * 900, "so")).collect();
        check(&words, &["0.000..3.900 so so so so so", "4.500..8.400 so so so so so"]);
    }

    #[test]
    fn a_cue_begins_where_the_last_one_ended_even_if_its_words_began_before() {
        let word = SpokenWord {
            text: "One.".into(),
            span: Span::new(MediaTime::ZERO, MediaTime::from_millis(700)),
            confidence: 1.0,
        };
        let cues = cut(&[word], MediaTime::from_millis(500));
        assert_eq!(cues[0].span, Span::new(MediaTime::from_millis(500), MediaTime::from_millis(1_500)));
    }
}
