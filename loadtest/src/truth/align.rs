//! Alignment of words said and words heard: least edits among those that time allows. The same for the same input.

use engine::time::{MediaTime, Span};

/// How far the stated time of a heard word may lie from the word that was said. Recognisers' word times are off by
/// half a second in one of eight words (measured with Whisper), by more where words are spread over a segment.
pub const REACH: MediaTime = MediaTime::from_secs(2);
/// Cost of one edit. Smaller costs only choose among alignments of equally many edits.
const EDIT: u64 = 1 << 32;
/// Cost of leaving out a word of which nothing is expected: more than that of hearing it anywhere in reach, so that what was
/// heard of it finds its place.
const FREE: u64 = 1 << 16;
/// Cost of a word that is not to be counted at an end: the least that makes an earlier place the better one.
const ASIDE: u64 = 1;

/// Where a word is, media time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// Here.
    At(Span),
    /// Somewhere in here.
    Within(Span),
    /// Nobody knows; what begins later was not said yet when it was told.
    Before(MediaTime),
}

/// A word to be aligned.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// As it is compared.
    pub text: &'a str,
    /// Where.
    pub place: Place,
    /// Neither missed nor misheard: nothing is expected of it. For words said.
    pub is_free: bool,
}

/// What the two sequences are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// All of both.
    Whole,
    /// What was heard may go on after the last word said; what lies before that (by more than [`REACH`]) does not.
    Open,
    /// What was heard is about a part of what was said.
    Within,
}

/// One step of an alignment, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A word said, and what it was heard as.
    Both(usize, usize),
    /// A word said that was not heard.
    Said(usize),
    /// A word heard that was not said.
    Heard(usize),
}

/// Aligns. Time and memory grow with the product of the two lengths: the caller bounds them.
#[must_use]
pub fn align(said: &[Token], heard: &[Token], ends: Ends) -> Vec<Step> {
    let width = heard.len() + 1;
    let last = said.last().and_then(|word| span(word.place));
    let mut choices = Vec::with_capacity((said.len() + 1) * width);
    let mut above: Vec<u64> = Vec::new();
    for i in 0..=said.len() {
        let word = i.checked_sub(1).and_then(|at| said.get(at));
        let mut row: Vec<u64> = Vec::with_capacity(width);
        for j in 0..width {
            let both = word.zip(j.checked_sub(1).and_then(|at| heard.get(at)));
            // Left out before what was heard, or after it: the earlier place is the better one.
            let aside = if j == 0 { ASIDE } else { 0 };
            let aside = (ends == Ends::Within && (j == 0 || j + 1 == width)).then_some(aside);
            let costs = [
                both.and_then(|(word, other)| Some(pair(word, other)? + above.get(j - 1)?)),
                word.and_then(|word| Some(deletion(word, aside) + above.get(j)?)),
                j.checked_sub(1).and_then(|at| {
                    let goes_on = ends == Ends::Open && i == said.len() && goes_on(heard.get(at)?, last);
                    Some(if goes_on { ASIDE } else { EDIT } + row.get(at)?)
                }),
            ];
            let known = costs.into_iter().zip(0_u8..).filter_map(|(cost, choice)| Some((cost?, choice)));
            let (cost, choice) = known.min().unwrap_or((0, 0));
            row.push(cost);
            choices.push(choice);
        }
        above = row;
    }
    steps(&choices, said.len(), heard.len())
}

/// The way that was chosen, from its end to its start, turned round.
fn steps(choices: &[u8], n_said: usize, n_heard: usize) -> Vec<Step> {
    let mut steps = Vec::with_capacity(n_said.max(n_heard));
    let (mut i, mut j) = (n_said, n_heard);
    while i > 0 || j > 0 {
        match choices.get(i * (n_heard + 1) + j) {
            Some(0) if i > 0 && j > 0 => {
                (i, j) = (i - 1, j - 1);
                steps.push(Step::Both(i, j));
            }
            Some(1) if i > 0 => {
                i -= 1;
                steps.push(Step::Said(i));
            }
            _ => {
                j = j.saturating_sub(1);
                steps.push(Step::Heard(j));
            }
        }
    }
    steps.reverse();
    steps
}

/// Cost of hearing `said` as `heard`; `None` where time does not allow it.
fn pair(said: &Token, heard: &Token) -> Option<u64> {
    let edits = if said.text == heard.text || said.is_free { 0 } else { EDIT };
    Some(edits + distance(said.place, heard.place)?)
}

fn deletion(said: &Token, aside: Option<u64>) -> u64 {
    aside.unwrap_or(if said.is_free { FREE } else { EDIT })
}

/// Whether `heard` may be of a word behind the last one said.
fn goes_on(heard: &Token, last: Option<Span>) -> bool {
    span(heard.place).zip(last).is_none_or(|(heard, last)| heard.end + REACH >= last.start)
}

/// Where it is, as far as that is known.
pub(super) const fn span(place: Place) -> Option<Span> {
    match place {
        Place::At(span) | Place::Within(span) => Some(span),
        Place::Before(_) => None,
    }
}

/// Milliseconds between two places; `None`: too far.
fn distance(said: Place, heard: Place) -> Option<u64> {
    let (Place::At(one) | Place::Within(one)) = said else { return Some(0) };
    let other = match heard {
        Place::Before(told) => return (one.start <= told).then_some(0),
        Place::At(other) | Place::Within(other) => other,
    };
    let apart = one.start.saturating_sub(other.end).max(other.start.saturating_sub(one.end));
    let middles = |span: Span| span.start.as_millis().midpoint(span.end.as_millis());
    let is_exact = matches!((said, heard), (Place::At(_), Place::At(_)));
    let millis = if is_exact { middles(one).abs_diff(middles(other)) } else { apart.as_millis() };
    (apart <= REACH).then_some(millis)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ms(start: u64, end: u64) -> Span {
        Span::new(MediaTime::from_millis(start), MediaTime::from_millis(end))
    }

    /// Words `text@ms` (200 ms long), `text@ms~ms` (somewhere in there), `text<ms` (told then), `?` in front: free.
    fn tokens(text: &str) -> Vec<Token<'_>> {
        let token = |token| {
            let bare = str::trim_start_matches(token, '?');
            let (text, place) = bare.split_at(bare.find(['@', '<']).unwrap());
            let number = |text: &str| text.parse::<u64>().unwrap();
            let place = match place.split_at(1) {
                ("<", told) => Place::Before(MediaTime::from_millis(number(told))),
                (_, at) => match at.split_once('~') {
                    Some((start, end)) => Place::Within(ms(number(start), number(end))),
                    None => Place::At(ms(number(at), number(at) + 200)),
                },
            };
            Token { text, place, is_free: bare != token }
        };
        text.split_whitespace().map(token).collect()
    }

    /// Steps as `a` (heard), `a/b` (heard as b), `-a` (missed), `+b` (added).
    fn check(said: &str, heard: &str, ends: Ends, expected: &str) {
        let (said, heard) = (tokens(said), tokens(heard));
        let steps = align(&said, &heard, ends).into_iter().map(|step| match step {
            Step::Both(i, j) if said[i].text == heard[j].text => said[i].text.to_owned(),
            Step::Both(i, j) => format!("{}/{}", said[i].text, heard[j].text),
            Step::Said(i) => format!("-{}", said[i].text),
            Step::Heard(j) => format!("+{}", heard[j].text),
        });
        assert_eq!(steps.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn edits_are_least() {
        check("a@0 b@200 c@400", "a@0 b@200 c@400", Ends::Whole, "a b c");
        check("a@0 b@200 c@400", "a@0 x@200 c@400", Ends::Whole, "a b/x c");
        check("a@0 b@200 c@400", "a@0 c@400 d@600", Ends::Whole, "a -b c +d");
        check("", "a@0", Ends::Whole, "+a");
        check("a@0", "", Ends::Whole, "-a");
    }

    #[test]
    fn a_word_far_away_is_another_one() {
        check("a@0", "a@2150", Ends::Whole, "a");
        check("a@0", "a@2201", Ends::Whole, "+a -a");
        check("a@5000", "a@2799", Ends::Whole, "+a -a");
        check("the@0 cat@400 the@1500", "the@1450", Ends::Whole, "-the -cat the");
        check("the@0 cat@400 the@1500", "the@100", Ends::Whole, "the -cat -the");
    }

    #[test]
    fn without_times_order_and_arrival_bound_it() {
        check("a@0 b@200 a@400", "a<300", Ends::Whole, "a -b -a");
        check("a@0 b@5000", "b<4000", Ends::Whole, "a/b -b");
        check("a@0~5000 b@0~5000", "a@6900 b@7100", Ends::Whole, "a +b -b");
        check("a@0 b@9000", "a@0~4000 b@0~9000", Ends::Whole, "a b");
    }

    #[test]
    fn what_is_heard_may_go_on() {
        check("a@0 b@200", "a@0 b@200 c@400 b@600", Ends::Open, "a b +c +b");
        check(
            "a@0 b@200 c@400",
            "a<9000 x<9000 c<9000 d<9000 a<9000 b<9000 c<9000",
            Ends::Open,
            "a b/x c +d +a +b +c",
        );
    }

    #[test]
    fn what_is_heard_may_be_a_part() {
        check("a@0 b@200 c@400 d@600", "c@400 d@600", Ends::Within, "-a -b c d");
        check("a@0 b@200 a@400 b@600", "a<9000 b<9000", Ends::Within, "a b -a -b");
        check("a@0 b@200 c@400 d@600", "b<9000 d<9000", Ends::Within, "-a b -c d");
    }

    #[test]
    fn free_words_cost_nothing() {
        check("?wood@0 a@200", "would@0", Ends::Whole, "wood/would -a");
        check("?wood@0 a@200 ?b@400", "would@0 a@200", Ends::Whole, "wood/would a -b");
    }
}
