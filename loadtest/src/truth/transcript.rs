//! The words said beside the words heard: when each was shown and said for good, and which were wrong. Sees the words
//! of one feed in the order of their messages, and forgets what it has judged.

use std::collections::VecDeque;
use std::time::Instant;

use engine::time::{MediaTime, Span};

use super::align::{Ends, Place, REACH, Step, Token, align, span};
use super::english::fold;
use super::observed::Words;
use super::parts::{News, Parts, WORDS_MAX, latest};
use super::rounds::Expected;
use super::spans::Spans;
use super::verdict::{Terms, Verdict};
use crate::measure::Figure;
use crate::programme::What;

/// Words that are looked at beyond the last that is judged, so that those at the seam find their partners: twice the
/// reach of the alignment.
pub(super) const AHEAD: MediaTime = MediaTime::from_secs(4);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// By `proven_at`.
    said: VecDeque<Said>,
    /// Whole sentences, by `proven_at`.
    sentences: VecDeque<Sentence>,
    /// Words said for good, by part and in the order of each.
    heard: Vec<Heard>,
    parts: Parts,
    /// What finals are about.
    covered: Spans,
    /// End of the last word that a final without times was about: what it says next is later.
    cursor: MediaTime,
    /// What is judged.
    settled: MediaTime,
    /// End of the last word judged.
    reached: MediaTime,
}

#[derive(Debug)]
struct Said {
    text: String,
    place: Place,
    span: Span,
    proven_at: MediaTime,
    is_whole: bool,
    /// What it was heard as so far, and when first.
    shown: Vec<(String, Instant)>,
}

#[derive(Debug)]
struct Sentence {
    span: Span,
    proven_at: MediaTime,
    is_whole: bool,
}

#[derive(Debug)]
struct Heard {
    text: String,
    place: Place,
    at: Instant,
    /// Start and number of its part.
    part: (MediaTime, u64),
}

impl Transcript {
    /// A fact of the feed; those about words, in order.
    pub(super) fn expect(&mut self, fact: &Expected) {
        let (span, proven_at, is_whole) = (fact.span, fact.proven_at, fact.is_whole);
        let said = |text: &String, place| Said {
            text: text.clone(),
            place,
            span,
            proven_at,
            is_whole,
            shown: Vec::new(),
        };
        match fact.what {
            What::Word(text) => self.said.push_back(said(text, Place::At(span))),
            What::Sentence(words) => {
                self.sentences.push_back(Sentence { span, proven_at, is_whole });
                self.said.extend(words.iter().map(|text| said(text, Place::Within(span))));
            }
            What::Opens(_) | What::Closes(_) => {}
        }
    }

    /// From `from` on something else was said than expected so far. What the cut divides ends there.
    pub(super) fn cut(&mut self, from: MediaTime) {
        self.said.retain(|word| word.span.start < from);
        self.sentences.retain(|sentence| sentence.span.start < from);
        for word in self.said.iter_mut().filter(|word| word.proven_at > from) {
            (word.span, word.proven_at, word.is_whole) = (Span::new(word.span.start, from), from, false);
            word.place = match word.place {
                Place::At(_) => Place::At(word.span),
                Place::Within(_) | Place::Before(_) => Place::Within(word.span),
            };
        }
        for sentence in self.sentences.iter_mut().filter(|sentence| sentence.proven_at > from) {
            let span = Span::new(sentence.span.start, from);
            *sentence = Sentence { span, proven_at: from, is_whole: false };
        }
    }

    /// An interim.
    pub(super) fn interim(&mut self, words: &Words, at: Instant, terms: &Terms, verdict: &mut Verdict) {
        let told = terms.media(at);
        let news = self.parts.hear(words, false, told, self.cursor);
        if told >= terms.from {
            verdict.score.words.n_shown += news.n_new;
            verdict.score.words.n_retracted += news.n_gone;
        }
        let heard = heard(words, at, told, &news);
        let _about = self.show(&heard, at, Span::new(news.after, told), terms);
    }

    /// A final.
    pub(super) fn definite(&mut self, words: &Words, at: Instant, terms: &Terms, verdict: &mut Verdict) {
        let told = terms.media(at);
        let news = self.parts.hear(words, true, told, self.cursor);
        if told >= terms.from {
            verdict.score.words.n_retracted += news.n_gone;
        }
        if news.was_final {
            verdict.counts(Figure::Final).n_duplicate += 1;
        }
        if words.words.is_empty() || (news.was_final && news.is_same) {
            return;
        }
        let heard = heard(words, at, told, &news);
        let about = self.show(&heard, at, Span::new(news.after, told), terms);
        let stated = stated(words);
        if stated.is_none() {
            self.cursor = about.map_or(self.cursor, |about| self.cursor.max(about.end));
        }
        if let Some(about) = stated.or(about) {
            self.covered.insert(about);
            if !news.was_final
                && about.end > terms.from
                && !terms.legs.is_torn(Span::new(about.end, about.end))
            {
                verdict.told(terms, Figure::Final, about.end, at);
                verdict.counts(Figure::Final).n_early += u64::from(terms.is_early(at, about.end));
            }
        }
        self.keep(heard, words.part);
    }

    /// Puts the words of a final in their place; those that come after their time was judged are left out.
    fn keep(&mut self, words: Vec<Heard>, part: u64) {
        self.heard.retain(|word| word.part.1 != part);
        let Some(key) = words.first().map(|word| word.part) else { return };
        let at = self.heard.partition_point(|word| word.part < key);
        let settled = self.settled;
        let is_in_time = |word: &Heard| !matches!(word.place, Place::At(span) if span.end <= settled);
        self.heard.splice(at..at, words.into_iter().filter(is_in_time));
    }

    /// Notes what each word said was heard as; says what the message is about. Without times it is somewhere in `part`.
    fn show(&mut self, heard: &[Heard], at: Instant, part: Span, terms: &Terms) -> Option<Span> {
        let spans = || heard.iter().filter_map(|word| span(word.place));
        let (from, to) = match (spans().map(|span| span.start).min(), spans().map(|span| span.end).max()) {
            (Some(start), Some(end)) => (start.saturating_sub(REACH), end + REACH),
            _ => (part.start, part.end),
        };
        let first = self.said.partition_point(|word| word.proven_at <= from);
        let last = self.said.partition_point(|word| word.span.start <= to).max(first);
        let said: Vec<Token> = self.said.range(first..last).map(|word| word.token(terms)).collect();
        let tokens: Vec<Token> = heard.iter().map(Heard::token).collect();
        let mut about: Option<Span> = None;
        for step in align(&said, &tokens, Ends::Within) {
            let Step::Both(i, j) = step else { continue };
            let (Some(word), Some(other)) = (self.said.get_mut(first + i), heard.get(j)) else { continue };
            about = Some(about.map_or(word.span, |about| Span::new(about.start, word.span.end)));
            if !word.shown.iter().any(|(text, _)| *text == other.text) {
                word.shown.push((other.text.clone(), at));
            }
        }
        about
    }

    /// Judges the words and sentences that are proven by `until`.
    pub(super) fn settle(&mut self, until: MediaTime, terms: &Terms, gaps: &Spans, verdict: &mut Verdict) {
        let ahead = until + AHEAD;
        let n_said = self.said.partition_point(|word| word.proven_at <= ahead);
        let is_near = |word: &&Heard| span(word.place).is_none() || word.part.0 <= ahead;
        let n_heard = self.heard.iter().take_while(is_near).count().min(2 * n_said + WORDS_MAX);
        let steps = self.steps(n_said, n_heard, Ends::Open, terms);
        self.book(&steps, until, terms, gaps, verdict);
        self.settled = self.settled.max(until);
        self.sentences(until, terms, gaps, verdict);
        self.parts.forget(until);
        self.covered.forget(until.saturating_sub(REACH));
    }

    /// Judges the rest; the audio ended at `end`. Words that the end cuts off may have been heard or not.
    pub(super) fn finish(&mut self, end: MediaTime, terms: &Terms, gaps: &Spans, verdict: &mut Verdict) {
        self.said.retain(|word| word.span.start < end);
        for word in &mut self.said {
            word.is_whole &= word.proven_at <= end;
        }
        let steps = self.steps(self.said.len(), self.heard.len(), Ends::Whole, terms);
        self.book(&steps, MediaTime::MAX, terms, gaps, verdict);
        self.sentences(end, terms, gaps, verdict);
    }

    fn steps(&self, n_said: usize, n_heard: usize, ends: Ends, terms: &Terms) -> Vec<Step> {
        let said: Vec<Token> = self.said.iter().take(n_said).map(|word| word.token(terms)).collect();
        let heard: Vec<Token> = self.heard.iter().take(n_heard).map(Heard::token).collect();
        align(&said, &heard, ends)
    }

    /// Counts the steps up to the first word that is not proven by `until`, and forgets their words. A word that was
    /// only heard is counted once its time or a later step is.
    fn book(&mut self, steps: &[Step], until: MediaTime, terms: &Terms, gaps: &Spans, verdict: &mut Verdict) {
        let (mut n_said, mut n_heard, mut n_seen) = (0, 0, 0);
        for step in steps {
            let (said, heard) = match *step {
                Step::Both(i, j) => (self.said.get(i), self.heard.get(j)),
                Step::Said(i) => (self.said.get(i), None),
                Step::Heard(j) => (None, self.heard.get(j)),
            };
            n_seen += usize::from(heard.is_some());
            match (said, heard) {
                (Some(said), _) if said.proven_at > until => break,
                (Some(said), heard) => {
                    n_said += 1;
                    self.reached = said.span.end;
                    said.book(heard, terms, gaps, verdict);
                }
                (None, Some(heard)) if heard.is_over(until) => {}
                (None, _) => continue,
            }
            let added = self.heard.get(n_heard..n_seen).unwrap_or(&[]);
            let n_added = added.len() - usize::from(said.is_some() && heard.is_some());
            let is_counted = |word: &&Heard| terms.expects(word.lies(self.reached));
            verdict.score.words.n_inserted += added.iter().take(n_added).filter(is_counted).count() as u64;
            n_heard = n_seen;
        }
        self.said.drain(..n_said);
        self.heard.drain(..n_heard);
    }

    /// A sentence that no final is about, and no gap, has a final that never came. A neighbour's final may reach into
    /// it: half of it counts as about it.
    fn sentences(&mut self, until: MediaTime, terms: &Terms, gaps: &Spans, verdict: &mut Verdict) {
        while let Some(sentence) = self.sentences.pop_front_if(|sentence| sentence.proven_at <= until) {
            let covered = self.covered.within(sentence.span);
            let is_told = covered + covered >= sentence.span.duration();
            let is_expected = sentence.is_whole && terms.expects(sentence.span);
            if is_expected && !is_told && !gaps.overlaps(sentence.span) {
                verdict.never(terms, Figure::Final, sentence.proven_at);
            }
        }
    }
}

impl Said {
    fn token(&self, terms: &Terms) -> Token<'_> {
        Token { text: &self.text, place: self.place, is_free: !self.is_expected(terms) }
    }

    fn is_expected(&self, terms: &Terms) -> bool {
        self.is_whole && terms.expects(self.span)
    }

    /// Counts it, and what it was heard as. What a gap tells of is no latency that never ends: the promise was
    /// withdrawn, loudly.
    fn book(&self, heard: Option<&Heard>, terms: &Terms, gaps: &Spans, verdict: &mut Verdict) {
        if !self.is_expected(terms) {
            return;
        }
        let is_timed = matches!(self.place, Place::At(_));
        let is_in_gap = gaps.overlaps(self.span);
        let words = &mut verdict.score.words;
        words.n_said += 1;
        words.n_substituted += u64::from(heard.is_some_and(|heard| heard.text != self.text));
        words.n_deleted += u64::from(heard.is_none());
        words.n_in_gaps += u64::from(heard.is_none() && is_in_gap);
        if !is_timed {
            return;
        }
        let text = heard.map_or(&self.text, |heard| &heard.text);
        let shown = self.shown.iter().filter(|(shown, _)| shown == text).map(|(_, at)| *at);
        match shown.chain(heard.map(|heard| heard.at)).min() {
            Some(at) => {
                verdict.told(terms, Figure::WordFirstSeen, self.proven_at, at);
                let is_early = terms.is_early(at, self.span.start);
                verdict.counts(Figure::WordFirstSeen).n_early += u64::from(is_early);
            }
            None if is_in_gap => {}
            None => verdict.never(terms, Figure::WordFirstSeen, self.proven_at),
        }
        match heard {
            Some(heard) => verdict.told(terms, Figure::WordFinal, self.proven_at, heard.at),
            None if is_in_gap => {}
            None => verdict.never(terms, Figure::WordFinal, self.proven_at),
        }
    }
}

impl Heard {
    fn token(&self) -> Token<'_> {
        Token { text: &self.text, place: self.place, is_free: false }
    }

    /// Where it lies, if what was said up to `reached` is not it.
    fn lies(&self, reached: MediaTime) -> Span {
        match self.place {
            Place::At(span) | Place::Within(span) => span,
            Place::Before(told) => Span::new(reached, told),
        }
    }

    /// Whether it lies before `until`, as far as anybody knows.
    fn is_over(&self, until: MediaTime) -> bool {
        span(self.place).map_or(MediaTime::MAX, |span| span.end) <= until
    }
}

/// The words of a message as they are compared, with where they are.
fn heard(words: &Words, at: Instant, told: MediaTime, news: &News) -> Vec<Heard> {
    let tokens = latest(&words.words);
    let folded = fold(tokens.iter().map(|word| word.text.as_str()));
    let place = |from: std::ops::Range<usize>| {
        let spans = tokens.get(from).unwrap_or(&[]).iter().filter_map(|word| word.span);
        let span = spans.reduce(|one, other| Span::new(one.start.min(other.start), one.end.max(other.end)));
        match (span, words.span) {
            (Some(span), _) => Place::At(span),
            (None, Some(part)) => Place::Within(part),
            (None, None) => Place::Before(told),
        }
    };
    let part = (news.since, words.part);
    folded.into_iter().map(|word| Heard { text: word.text, place: place(word.from), at, part }).collect()
}

/// What a message says that it is about: to the end of its last word, if that has times.
fn stated(words: &Words) -> Option<Span> {
    let first = words.words.iter().find_map(|word| word.span);
    let last = words.words.iter().rev().find_map(|word| word.span);
    first.zip(last).map(|(first, last)| Span::new(first.start, last.end)).or(words.span)
}
