//! Words that are said for good while their utterance goes on, and where what is heard of it later goes on after them. A
//! long utterance is not cut for it: it is recognised as a whole, and only the words that are new are said. No messages.

use engine::event::{SpokenWord, Transcript};
use engine::time::MediaTime;

/// From the end of the first word that is not said for good to the end of the newest: more is too long to wait for the end
/// of the utterance. With the step of partials and their recognition it stays below the 4 s that are promised.
const PATIENCE: MediaTime = MediaTime::from_millis(2_000);

/// See the module.
#[derive(Debug)]
pub(super) struct Early {
    /// How long an utterance is at least if it is cut: what lies later may belong to the next one.
    whole: MediaTime,
    utterance: Option<u64>,
    /// Of this utterance, as they were said.
    said: Vec<SpokenWord>,
}

impl Early {
    /// For utterances that are cut after `whole` at the earliest.
    pub(super) const fn new(whole: MediaTime) -> Self {
        Self { whole, utterance: None, said: Vec::new() }
    }

    /// What of a partial can be said for good, and has to be now. It counts as said.
    pub(super) fn take(&mut self, partial: &Transcript) -> Vec<SpokenWord> {
        if self.utterance != Some(partial.utterance) {
            self.utterance = Some(partial.utterance);
            self.said.clear();
        }
        let rest = self.rest(partial);
        let Some((first, newest)) = rest.first().zip(rest.last()) else { return Vec::new() };
        if newest.span.end < first.span.end + PATIENCE {
            return Vec::new();
        }
        // An utterance is numbered by the position of its first sample, ms.
        let whole_until = MediaTime::from_millis(partial.utterance) + self.whole;
        let n_stable = n_stable(partial).saturating_sub(partial.words.len() - rest.len());
        let words = rest.iter().take(n_stable).take_while(|word| word.span.end <= whole_until);
        let words: Vec<SpokenWord> = words.cloned().collect();
        self.said.extend_from_slice(&words);
        words
    }

    /// The words of `transcript` that were not said for good.
    pub(super) fn rest<'a>(&self, transcript: &'a Transcript) -> &'a [SpokenWord] {
        let said = if self.utterance == Some(transcript.utterance) { &*self.said } else { &[] };
        transcript.words.get(resume(said, &transcript.words)..).unwrap_or(&[])
    }
}

/// Words that no later partial changes.
fn n_stable(partial: &Transcript) -> usize {
    let stable = partial.text.get(..partial.stable_bytes).unwrap_or("");
    let mut n_bytes = 0;
    let ends = partial.words.iter().map(|word| {
        n_bytes += word.text.len() + 1;
        // The blank before it and the punctuation after it may still change.
        n_bytes - 1 - (word.text.len() - word.text.trim_end_matches(is_mark).len())
    });
    ends.take_while(|end| *end <= stable.len()).count()
}

/// How many of the words `heard` are about what the words `said` are about: those at the beginning that are like them in the
/// fewest edits, and among equals those that end where they do.
fn resume(said: &[SpokenWord], heard: &[SpokenWord]) -> usize {
    let Some(last) = said.last() else { return 0 };
    // Edits between the words said so far and the first so many heard (Wagner and Fischer, 1974).
    let mut edits: Vec<usize> = (0..=heard.len()).collect();
    for (n_before, word) in said.iter().enumerate() {
        let mut corner = n_before;
        let mut left = n_before + 1;
        for (at, edits) in edits.iter_mut().enumerate() {
            let above = *edits;
            if let Some(other) = at.checked_sub(1).and_then(|at| heard.get(at)) {
                let both = corner + usize::from(!is_same(&word.text, &other.text));
                left = both.min(above + 1).min(left + 1);
            }
            corner = above;
            *edits = left;
        }
    }
    let end =
        |n: usize| n.checked_sub(1).and_then(|at| heard.get(at)).map_or(0, |word| word.span.end.flicks());
    let costs = edits.into_iter().enumerate();
    let best = costs.min_by_key(|&(n, edits)| (edits, end(n).abs_diff(last.span.end.flicks())));
    best.map_or(0, |(n, _)| n)
}

fn is_same(one: &str, other: &str) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = char> {
        text.chars().filter(|c| !is_mark(*c)).flat_map(char::to_lowercase)
    }
    letters(one).eq(letters(other))
}

fn is_mark(c: char) -> bool {
    !c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use engine::time::Span;

    use super::*;

    /// Words of half a second each from second 1 on, of which `stable` stays.
    fn transcript(stable: &str, rest: &str) -> Transcript {
        let half = |n: usize| MediaTime::from_millis(1_000 + 500 * n as u64);
        let text = [stable, rest].join(" ").trim().to_owned();
        let word = |(at, text): (usize, &str)| SpokenWord {
            text: text.to_owned(),
            span: Span::new(half(at), half(at + 1)),
            confidence: 1.0,
        };
        let words = text.split_whitespace().enumerate().map(word).collect();
        let stable_bytes = stable.trim_end_matches(is_mark).len();
        Transcript { utterance: 1_000, text, stable_bytes, words, ..Transcript::default() }
    }

    fn text(words: &[SpokenWord]) -> String {
        words.iter().map(|word| &*word.text).collect::<Vec<_>>().join(" ")
    }

    /// Partials (stable, rest), each with what is said for good because of it; then the final with what is left of it.
    fn check(partials: &[(&str, &str, &str)], last: (&str, &str)) {
        let mut early = Early::new(MediaTime::from_secs(5));
        for (stable, rest, expected) in partials {
            assert_eq!(text(&early.take(&transcript(stable, rest))), *expected, "{stable}|{rest}");
        }
        assert_eq!(text(early.rest(&transcript(last.0, ""))), last.1);
    }

    #[test]
    fn a_short_utterance_waits_for_its_end() {
        check(&[("a b", "c", ""), ("a b c", "d", "")], ("a b c d", "a b c d"));
    }

    #[test]
    fn what_is_stable_is_said_once_the_first_word_has_waited() {
        check(
            &[
                ("", "a b c d e", ""),
                ("a b c", "d e", "a b c"),
                ("a b c d", "e f", ""),
                ("a b c, d e.", "f g h i", "d e."),
            ],
            ("A, b c d e f x h i", "f x h i"),
        );
    }

    #[test]
    fn what_a_cut_may_leave_to_the_next_utterance_waits() {
        check(&[("a b c d e f g h i j k l", "m", "a b c d e f g h i j")], ("a b c d e f g h i", ""));
    }

    #[test]
    fn the_final_goes_on_after_what_was_said_however_it_heard_that() {
        let said: &[(&str, &str, &str)] = &[("in for mation is", "all we", "in for mation is")];
        check(said, ("in for mation is all we have", "all we have"));
        check(said, ("information is all we have", "all we have"));
        check(said, ("in for me is all we have", "all we have"));
        check(said, ("so in formation was all we have", "all we have"));
        check(said, ("in", ""));
        check(said, ("", ""));
        let again: &[(&str, &str, &str)] = &[("no no no", "no no no", "no no no")];
        check(again, ("no no no no no no", "no no no"));
    }

    #[test]
    fn each_utterance_begins_anew() {
        let mut early = Early::new(MediaTime::from_secs(9));
        assert_eq!(text(&early.take(&transcript("a b c d e", "f"))), "a b c d e");
        let next = Transcript { utterance: 9_000, ..transcript("a b", "") };
        assert_eq!(text(early.rest(&next)), "a b");
        assert!(early.take(&next).is_empty());
        assert_eq!(text(early.rest(&transcript("a b c d e f", ""))), "a b c d e f");
    }
}
