//! The parts of a transcript as a viewer sees them: what each message of a part adds, and what it takes back.

use std::collections::BTreeMap;

use engine::time::MediaTime;

use super::align::{Ends, Place, Step, Token, align};
use super::observed::{Heard, Words};

/// Most words of one message that are looked at, from its end: a server that says everything again in each message costs
/// no more than this.
pub(super) const WORDS_MAX: usize = 256;

/// Every part that may still be spoken of.
#[derive(Debug, Default)]
pub(super) struct Parts(BTreeMap<u64, Part>);

#[derive(Debug)]
struct Part {
    words: Vec<String>,
    is_final: bool,
    since: MediaTime,
    after: MediaTime,
    last: MediaTime,
}

/// What a message is to its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct News {
    /// Words that the message before did not have.
    pub(super) n_new: u64,
    /// Words of an interim before that are no longer there.
    pub(super) n_gone: u64,
    /// It was said for good before.
    pub(super) was_final: bool,
    /// What it says is what was said before.
    pub(super) is_same: bool,
    /// Where the part begins: puts parts into order.
    pub(super) since: MediaTime,
    /// End of what was said for good when the part was first heard of.
    pub(super) after: MediaTime,
}

impl Parts {
    /// A message that was here at `told`, when words up to `after` were said for good.
    pub(super) fn hear(&mut self, said: &Words, is_final: bool, told: MediaTime, after: MediaTime) -> News {
        let begins = said.words.first().and_then(|word| word.span).or(said.span).map(|span| span.start);
        let part = self.0.entry(said.part).or_insert_with(|| Part {
            words: Vec::new(),
            is_final: false,
            since: begins.unwrap_or(told),
            after,
            last: told,
        });
        let words: Vec<String> = latest(&said.words).iter().filter_map(|word| plain(&word.text)).collect();
        let n_kept = n_kept(&part.words, &words);
        let n_left_out = said.words.len().saturating_sub(WORDS_MAX);
        let news = News {
            n_new: (words.len() - n_kept) as u64,
            n_gone: if part.is_final {
                0
            } else {
                (part.words.len() - n_kept).saturating_sub(n_left_out) as u64
            },
            was_final: part.is_final,
            is_same: words == part.words,
            since: begins.unwrap_or(part.since),
            after: part.after,
        };
        let is_final = is_final || part.is_final;
        *part = Part { words, is_final, since: news.since, after: news.after, last: told };
        news
    }

    /// Forgets the parts that nothing was heard of since `before`.
    pub(super) fn forget(&mut self, before: MediaTime) {
        self.0.retain(|_, part| part.last >= before);
    }
}

/// The words that are looked at.
pub(super) fn latest(words: &[Heard]) -> &[Heard] {
    words.get(words.len().saturating_sub(WORDS_MAX)..).unwrap_or(&[])
}

/// As a viewer tells words apart: without case and punctuation.
fn plain(word: &str) -> Option<String> {
    let plain: String = word.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    Some(plain).filter(|plain| !plain.is_empty())
}

/// Words of `old` that are still there.
fn n_kept(old: &[String], new: &[String]) -> usize {
    let n_alike = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let rest = |words: &[String]| -> Vec<String> { words.iter().skip(n_alike).cloned().collect() };
    let (old, new) = (rest(old), rest(new));
    let steps = align(&tokens(&old), &tokens(&new), Ends::Whole);
    let is_kept = |step: &&Step| matches!(step, Step::Both(i, j) if old.get(*i) == new.get(*j));
    n_alike + steps.iter().filter(is_kept).count()
}

/// Words that may stand for each other wherever they are.
fn tokens(words: &[String]) -> Vec<Token<'_>> {
    let place = Place::Before(MediaTime::MAX);
    words.iter().map(|text| Token { text, place, is_free: false }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of part 1, finals end with a full stop; expected: new, gone.
    fn check(messages: &[&str], expected: &[(u64, u64)]) {
        let mut parts = Parts::default();
        let news = messages.iter().map(|text| {
            let word = |text: &str| Heard { text: text.to_owned(), span: None };
            let said = Words { part: 1, span: None, words: text.split_whitespace().map(word).collect() };
            let news = parts.hear(&said, text.ends_with('.'), MediaTime::ZERO, MediaTime::ZERO);
            (news.n_new, news.n_gone)
        });
        assert_eq!(news.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_taken_back_is_counted_once() {
        check(
            &["the", "the bridge", "the bridge is", "The bridge is open."],
            &[(1, 0), (1, 0), (1, 0), (1, 0)],
        );
        check(&["the fridge", "the bridge is", "bridge is."], &[(2, 0), (2, 1), (0, 1)]);
        check(&["a b c", ""], &[(3, 0), (0, 3)]);
        check(&["a b.", "a c."], &[(2, 0), (1, 0)]);
        let long: Vec<String> = (0..=WORDS_MAX).map(|n| n.to_string()).collect();
        check(&[&long[..WORDS_MAX].join(" "), &long.join(" ")], &[(WORDS_MAX as u64, 0), (1, 0)]);
    }

    #[test]
    fn parts_are_forgotten() {
        let mut parts = Parts::default();
        let said = Words { part: 1, span: None, words: Vec::new() };
        let _news = parts.hear(&said, true, MediaTime::from_secs(1), MediaTime::ZERO);
        parts.forget(MediaTime::from_secs(1));
        assert!(parts.hear(&said, true, MediaTime::from_secs(2), MediaTime::ZERO).was_final);
        parts.forget(MediaTime::from_secs(3));
        assert!(!parts.hear(&said, true, MediaTime::from_secs(4), MediaTime::ZERO).was_final);
    }
}
