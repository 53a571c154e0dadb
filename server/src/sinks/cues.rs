//! From words to cues: what is shown together, for how long, on which lines.
//! Limits follow the BBC subtitle guidelines (37 to 42 characters a line, two lines) and EBU-TT practice.

use engine::event::SpokenWord;
use engine::time::{MediaTime, Span};

/// A break after punctuation may make the parts this much more uneven, characters.
const PUNCTUATION_CHARS: usize = 16;
/// Longest time a cue stays.
const CUE_TIME_MAX: MediaTime = MediaTime::from_millis(7_000);
/// A pause between words that ends a cue.
const PAUSE: MediaTime = MediaTime::from_millis(1_000);

/// How text is laid out in cues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Longest line, characters. A word that is longer stands alone.
    pub line_chars: usize,
    /// Lines of a cue, 1 or 2.
    pub lines: usize,
    /// Shortest time a cue stays, if the next one leaves room.
    pub cue_min: MediaTime,
    /// Characters that are read in a second: a cue stays as long as that takes, if the next one leaves room.
    pub chars_per_sec: u64,
}

impl Default for Layout {
    fn default() -> Self {
        Self { line_chars: 42, lines: 2, cue_min: MediaTime::from_millis(1_000), chars_per_sec: 17 }
    }
}

impl Layout {
    /// Short phrases that last exactly as long as they were said.
    pub(crate) const PHRASES: Self =
        Self { line_chars: 42, lines: 1, cue_min: MediaTime::ZERO, chars_per_sec: u64::MAX };
}

/// Text and when it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cue {
    /// When.
    pub(crate) span: Span,
    /// Where its last word ends.
    pub(crate) said_until: MediaTime,
    /// One or two lines.
    pub(crate) lines: Vec<String>,
}

impl Cue {
    /// How long it takes to be read.
    pub(crate) fn reading_time(&self, layout: &Layout) -> MediaTime {
        let n_chars: usize = self.lines.iter().map(|line| line.chars().count()).sum();
        let millis = (n_chars as u64).saturating_mul(1_000) / layout.chars_per_sec.max(1);
        MediaTime::from_millis(millis).max(layout.cue_min).min(CUE_TIME_MAX)
    }
}

/// Cuts the words of one final into cues; none begins before `not_before`, where the last cue ended.
pub(crate) fn cut(words: &[SpokenWord], not_before: MediaTime, layout: &Layout) -> Vec<Cue> {
    let mut cues: Vec<Cue> = Vec::new();
    let mut rest = words;
    while !rest.is_empty() {
        let (stretch, later) = rest.split_at(stretch_end(rest, layout));
        push_cues(&mut cues, stretch, not_before, layout);
        rest = later;
    }
    lengthen(&mut cues, layout);
    cues
}

/// How many words come before a pause, or the end of a sentence that is worth a cue.
fn stretch_end(words: &[SpokenWord], layout: &Layout) -> usize {
    let mut n_chars = 0;
    let ends = |pair: &[SpokenWord]| {
        let [word, next] = pair else { return false };
        n_chars += word.text.chars().count() + 1;
        let is_sentence_over = word.text.ends_with(['.', '?', '!']) && n_chars > layout.line_chars / 2;
        is_sentence_over || next.span.start.saturating_sub(word.span.end) >= PAUSE
    };
    words.windows(2).position(ends).map_or(words.len(), |at| at + 1)
}

/// One cue, or halves until each fits.
fn push_cues(cues: &mut Vec<Cue>, words: &[SpokenWord], not_before: MediaTime, layout: &Layout) {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return };
    let is_long = last.span.end.saturating_sub(first.span.start) > CUE_TIME_MAX;
    let lines = wrap(words, layout).filter(|_| !is_long || words.len() == 1);
    let Some(lines) = lines else {
        let (left, right) = words.split_at(best_break(words, |_, _| true).unwrap_or(1));
        push_cues(cues, left, not_before, layout);
        push_cues(cues, right, not_before, layout);
        return;
    };
    let earliest = cues.last().map_or(not_before, |cue| cue.span.end);
    let start = first.span.start.max(earliest);
    let end = last.span.end.max(start + MediaTime::from_millis(1));
    cues.push(Cue { span: Span::new(start, end), said_until: end, lines });
}

/// Cues stay until they can be read where the next one leaves room. Nobody knows what follows the last one: it stays for the
/// shortest time only, so that the next one is not late.
fn lengthen(cues: &mut [Cue], layout: &Layout) {
    for idx in 0..cues.len() {
        let next = cues.get(idx + 1).map(|next| next.span.start);
        if let Some(cue) = cues.get_mut(idx) {
            let stay = if next.is_some() { cue.reading_time(layout) } else { layout.cue_min };
            cue.span.end = cue.span.end.max((cue.span.start + stay).min(next.unwrap_or(MediaTime::MAX)));
        }
    }
}

/// One line, or two of about the same length. `None`: they do not fit; a word alone always does.
fn wrap(words: &[SpokenWord], layout: &Layout) -> Option<Vec<String>> {
    let line = |words: &[SpokenWord]| words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ");
    let max = layout.line_chars;
    if words.len() == 1 || n_chars(words) <= max {
        return Some(vec![line(words)]);
    }
    if layout.lines < 2 {
        return None;
    }
    let (first, second) = words.split_at(best_break(words, |a, b| a <= max && b <= max)?);
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
        let seen: Vec<String> = cut(&words, MediaTime::ZERO, &Layout::default())
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
                "0.000..2.480 abcdefghi abcdefghi abcdefghi abcdefghi|abcdefghi abcdefghi abcdefghi abcdefghi",
                "2.480..4.950 abcdefghi abcdefghi abcdefghi abcdefghi|abcdefghi abcdefghi abcdefghi abcdefghi",
            ],
        );
        check(
            &words[..9],
            &[
                "0.000..1.240 abcdefghi abcdefghi abcdefghi abcdefghi",
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
    fn a_cue_stays_until_it_can_be_read_where_the_next_one_leaves_room() {
        let words: Vec<SpokenWord> = ["twentyfourcharactershere.", "And", "more."]
            .iter()
            .zip([0, 1_600, 2_000])
            .map(|(text, start)| SpokenWord {
                text: (*text).into(),
                span: Span::new(MediaTime::from_millis(start), MediaTime::from_millis(start + 300)),
                confidence: 1.0,
            })
            .collect();
        let ends = |layout: &Layout| {
            let cues = cut(&words, MediaTime::ZERO, layout);
            cues.iter().map(|cue| cue.span.end.as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(ends(&Layout::default()), [1_470, 2_600], "25 characters at 17 a second");
        let slow = Layout { chars_per_sec: 10, ..Layout::default() };
        assert_eq!(ends(&slow), [1_600, 2_600], "the next one begins");
        assert_eq!(ends(&Layout::PHRASES), [300, 2_300], "as it was said");
    }

    #[test]
    fn one_line_means_one() {
        let words: Vec<SpokenWord> = (0..10)
            .map(|n| SpokenWord {
                text: "abcdefghi".into(),
                span: Span::new(MediaTime::from_millis(n * 310), MediaTime::from_millis(n * 310 + 300)),
                confidence: 1.0,
            })
            .collect();
        let cues = cut(&words, MediaTime::ZERO, &Layout::PHRASES);
        assert!(
            cues.iter().all(|cue| cue.lines.len() == 1 && cue.lines[0].chars().count() <= 42),
            "{cues:?}"
        );
        assert_eq!(cues.iter().map(|cue| cue.lines[0].split(' ').count()).sum::<usize>(), 10);
    }

    #[test]
    fn a_cue_begins_where_the_last_one_ended_even_if_its_words_began_before() {
        let word = SpokenWord {
            text: "One.".into(),
            span: Span::new(MediaTime::ZERO, MediaTime::from_millis(700)),
            confidence: 1.0,
        };
        let cues = cut(&[word], MediaTime::from_millis(500), &Layout::default());
        assert_eq!(cues[0].span, Span::new(MediaTime::from_millis(500), MediaTime::from_millis(1_500)));
    }
}
