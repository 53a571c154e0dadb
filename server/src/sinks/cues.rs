//! From words to cues: what is shown together, for how long, on which lines.
//! Limits follow the BBC subtitle guidelines (37 to 42 characters a line, two lines) and EBU-TT practice.

use engine::event::SpokenWord;
use engine::time::{MediaTime, Span};

/// Longest line, characters.
const LINE_CHARS_MAX: usize = 42;
/// Lines of a cue.
const LINES_MAX: usize = 2;
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
    let mut held: Vec<&SpokenWord> = Vec::new();
    for word in words {
        if must_break(&held, word) {
            push_cue(&mut cues, &mut held, not_before);
        }
        held.push(word);
    }
    push_cue(&mut cues, &mut held, not_before);
    lengthen(&mut cues);
    cues
}

fn must_break(held: &[&SpokenWord], word: &SpokenWord) -> bool {
    let (Some(first), Some(last)) = (held.first(), held.last()) else { return false };
    let n_chars: usize = held.iter().map(|w| w.text.chars().count() + 1).sum();
    let sentence_over = last.text.ends_with(['.', '?', '!']) && n_chars > LINE_CHARS_MAX / 2;
    let texts: Vec<&str> = held.iter().map(|w| w.text.as_str()).chain([word.text.as_str()]).collect();
    sentence_over
        || word.span.start.saturating_sub(last.span.end) >= PAUSE
        || word.span.end.saturating_sub(first.span.start) > CUE_TIME_MAX
        || wrap(&texts).len() > LINES_MAX
}

fn push_cue(cues: &mut Vec<Cue>, held: &mut Vec<&SpokenWord>, not_before: MediaTime) {
    let (Some(first), Some(last)) = (held.first(), held.last()) else { return };
    let earliest = cues.last().map_or(not_before, |cue| cue.span.end);
    let start = first.span.start.max(earliest);
    let texts: Vec<&str> = held.iter().map(|w| w.text.as_str()).collect();
    let end = last.span.end.max(start + MediaTime::from_millis(1));
    cues.push(Cue { span: Span::new(start, end), lines: wrap(&texts) });
    held.clear();
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

/// Greedy lines of at most [`LINE_CHARS_MAX`] characters; a longer word has a line of its own.
fn wrap(words: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE_CHARS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push((*word).to_owned()),
        }
    }
    lines
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
    fn lines_are_short_and_a_cue_has_two() {
        let words: Vec<(u64, &str)> = (0..16).map(|n| (n * 310, "abcdefghi")).collect();
        check(
            &words,
            &[
                "0.000..2.470 abcdefghi abcdefghi abcdefghi abcdefghi|abcdefghi abcdefghi abcdefghi abcdefghi",
                "2.480..4.950 abcdefghi abcdefghi abcdefghi abcdefghi|abcdefghi abcdefghi abcdefghi abcdefghi",
            ],
        );
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
