//! Watches transcripts for keywords and phrases. Words are compared folded; a term matches whole words only.

use std::collections::HashMap;

use engine::event::{Body, Event, Keyword, KeywordState, Transcript};
use engine::operator::Emit;
use engine::time::Span;
use thiserror::Error;

use crate::fold::fold_words;

/// Most terms of one list.
pub const TERMS_MAX: usize = 10_000;
/// Words of context kept on either side of a match.
pub const CONTEXT_WORDS: usize = 5;

/// A list of terms to watch for.
#[derive(Clone, Debug, Default)]
pub struct KeywordRules {
    rules: Vec<Rule>,
    /// Rules by the first folded word of their term.
    by_first: HashMap<String, Vec<usize>>,
}

#[derive(Clone, Debug)]
struct Rule {
    name: String,
    term: String,
    folded: Vec<String>,
}

/// A line of a keyword list that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeywordError {
    /// Nothing of the term is left without its punctuation.
    #[error("keyword line {line}: `{term}` has no letter or digit")]
    Empty {
        /// Line, from 1.
        line: usize,
        /// The term as written.
        term: String,
    },
    /// Too many terms.
    #[error("keyword line {line}: expected at most {TERMS_MAX} terms")]
    TooMany {
        /// Line, from 1.
        line: usize,
    },
}

impl KeywordRules {
    /// Reads a list: one term a line, `name: term` to name its rule (else the term is the name), `#` and what
    /// follows it is a comment, empty lines are skipped. A term that contains `: ` or `#` cannot be written.
    pub fn parse(list: &str) -> Result<Self, KeywordError> {
        let mut rules = Self::default();
        for (at, line) in list.lines().enumerate() {
            let line_number = at + 1;
            let text = line.trim_start_matches('\u{feff}').split('#').next().unwrap_or("").trim();
            if text.is_empty() {
                continue;
            }
            let (name, term) = text.split_once(": ").unwrap_or((text, text));
            rules.add(line_number, name.trim(), term.trim())?;
        }
        Ok(rules)
    }

    /// Terms in the list.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is nothing to watch for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn add(&mut self, line: usize, name: &str, term: &str) -> Result<(), KeywordError> {
        let mut folded = Vec::new();
        fold_words(term, |word| folded.push(word.to_owned()));
        let Some(first) = folded.first().cloned() else {
            return Err(KeywordError::Empty { line, term: term.to_owned() });
        };
        if self.rules.len() == TERMS_MAX {
            return Err(KeywordError::TooMany { line });
        }
        let is_known = self.rules.iter().any(|rule| rule.name == name && rule.folded == folded);
        if !is_known {
            self.by_first.entry(first).or_default().push(self.rules.len());
            self.rules.push(Rule { name: name.to_owned(), term: term.to_owned(), folded });
        }
        Ok(())
    }

    /// Calls `take` with each match: its rule and the indices of its first and last word in `transcript`.
    fn find(&self, transcript: &Transcript, mut take: impl FnMut(usize, usize, usize)) {
        let mut tokens: Vec<(String, usize)> = Vec::with_capacity(transcript.words.len() + 8);
        for (word_idx, word) in transcript.words.iter().enumerate() {
            fold_words(&word.text, |token| tokens.push((token.to_owned(), word_idx)));
        }
        for (at, (token, first)) in tokens.iter().enumerate() {
            for &rule_idx in self.by_first.get(token).map_or(&[][..], Vec::as_slice) {
                let Some(rule) = self.rules.get(rule_idx) else { continue };
                let Some(said) = tokens.get(at..at + rule.folded.len()) else { continue };
                if said.iter().map(|(token, _)| token).eq(&rule.folded) {
                    take(rule_idx, *first, said.last().map_or(*first, |(_, last)| *last));
                }
            }
        }
    }
}

/// Spots keywords in the transcript events of one feed.
#[derive(Clone, Debug)]
pub struct Keywords {
    rules: KeywordRules,
    utterance: Option<u64>,
    /// How often each rule was announced as provisional in the current utterance.
    announced: HashMap<usize, usize>,
}

impl Keywords {
    /// Watches for `rules`.
    #[must_use]
    pub fn new(rules: KeywordRules) -> Self {
        Self { rules, utterance: None, announced: HashMap::new() }
    }

    /// Looks at an event. Partials give provisional keywords, each occurrence once per utterance; finals give
    /// confirmed ones. Other events give nothing.
    pub fn look(&mut self, event: &Event, out: &mut dyn Emit<Event>) {
        match &event.body {
            Body::Partial(transcript) => self.look_at_partial(event, transcript, out),
            Body::Final(transcript) => self.rules.find(transcript, |rule_idx, first, last| {
                out.emit(&self.keyword(event, transcript, (rule_idx, first, last), KeywordState::Confirmed));
            }),
            _ => {}
        }
    }

    fn look_at_partial(&mut self, event: &Event, transcript: &Transcript, out: &mut dyn Emit<Event>) {
        if self.utterance != Some(transcript.utterance) {
            self.utterance = Some(transcript.utterance);
            self.announced.clear();
        }
        let mut seen: HashMap<usize, usize> = HashMap::new();
        let mut new = Vec::new();
        self.rules.find(transcript, |rule_idx, first, last| {
            let n_seen = seen.entry(rule_idx).or_default();
            *n_seen += 1;
            if *n_seen > self.announced.get(&rule_idx).copied().unwrap_or(0) {
                new.push((rule_idx, first, last));
            }
        });
        for found in new {
            *self.announced.entry(found.0).or_default() += 1;
            out.emit(&self.keyword(event, transcript, found, KeywordState::Provisional));
        }
    }

    fn keyword(
        &self,
        event: &Event,
        transcript: &Transcript,
        (rule_idx, first, last): (usize, usize, usize),
        state: KeywordState,
    ) -> Event {
        let words = &transcript.words;
        let near = first.saturating_sub(CONTEXT_WORDS)..(last + 1 + CONTEXT_WORDS).min(words.len());
        let context: Vec<&str> =
            words.get(near).unwrap_or(&[]).iter().map(|word| word.text.as_str()).collect();
        let start = words.get(first).map_or(event.span.start, |word| word.span.start);
        let end = words.get(last).map_or(event.span.end, |word| word.span.end);
        let (term, rule) = self
            .rules
            .rules
            .get(rule_idx)
            .map_or_else(Default::default, |rule| (rule.term.clone(), rule.name.clone()));
        let span = Span::new(start, end);
        let keyword =
            Keyword { term, rule, utterance: transcript.utterance, state, context: context.join(" ") };
        Event::new(span, event.proof.max(span.end), keyword)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use engine::event::SpokenWord;
    use engine::time::MediaTime;

    const RULES: &str = "\u{feff}# places\nHarbour Bridge\ntraffic: road works   # with a name\n\nDon't\nsafety: BREAK-IN\nsafety: break in\n";

    fn event(utterance: u64, text: &str, is_final: bool) -> Event {
        let secs = |n: usize| MediaTime::from_secs(n as u64);
        let word = |(at, text): (usize, &str)| SpokenWord {
            text: text.to_owned(),
            span: Span::new(secs(at), secs(at + 1)),
            confidence: 1.0,
        };
        let words: Vec<SpokenWord> = text.split_whitespace().enumerate().map(word).collect();
        let span = Span::new(secs(0), secs(words.len()));
        let transcript = Transcript { utterance, text: text.to_owned(), words, ..Transcript::default() };
        let body = if is_final { Body::Final(transcript) } else { Body::Partial(transcript) };
        Event { span, proof: secs(100), body }
    }

    fn label(event: &Event) -> String {
        let Body::Keyword(keyword) = &event.body else { panic!("{event:?}") };
        assert_eq!(event.proof, MediaTime::from_secs(100));
        let state = match keyword.state {
            KeywordState::Provisional => "provisional",
            KeywordState::Confirmed => "confirmed",
        };
        let Span { start, end } = event.span;
        let (rule, term) = (&keyword.rule, &keyword.term);
        format!("{state} {rule}/{term} {}..{} {}", start.as_secs_f64(), end.as_secs_f64(), keyword.context)
    }

    fn check(keywords: &mut Keywords, event: &Event, expected: &[&str]) {
        let mut seen = Vec::new();
        keywords.look(event, &mut |found: &Event| seen.push(label(found)));
        assert_eq!(seen, expected, "{event:?}");
    }

    fn keywords() -> Keywords {
        Keywords::new(KeywordRules::parse(RULES).unwrap())
    }

    #[test]
    fn case_and_punctuation_are_folded_and_words_are_whole() {
        let expected = ["confirmed Harbour Bridge/Harbour Bridge 1..3 the harbour, BRIDGE. Is closed"];
        check(&mut keywords(), &event(1, "the harbour, BRIDGE. Is closed", true), &expected);
        check(&mut keywords(), &event(1, "harbour bridges and unharbour bridge, bridge harbour", true), &[]);
        let expected = ["confirmed Don't/Don't 0..1 Don\u{2019}t do it"];
        check(&mut keywords(), &event(1, "Don\u{2019}t do it", true), &expected);
        let expected = ["confirmed safety/BREAK-IN 1..2 a break-in today"];
        check(&mut keywords(), &event(1, "a break-in today", true), &expected);
        check(&mut keywords(), &event(1, "harbour", true), &[]);
    }

    #[test]
    fn context_is_five_words_on_either_side() {
        let expected = ["confirmed traffic/road works 6..8 2 3 4 5 6 road works 9 10 11 12 13"];
        check(&mut keywords(), &event(1, "1 2 3 4 5 6 road works 9 10 11 12 13 14", true), &expected);
    }

    #[test]
    fn each_occurrence_is_provisional_once_and_then_confirmed() {
        let mut keywords = keywords();
        let first = ["provisional traffic/road works 0..2 road works"];
        check(&mut keywords, &event(1, "road works", false), &first);
        check(&mut keywords, &event(1, "road works and", false), &[]);
        check(&mut keywords, &event(1, "road", false), &[]);
        let second = ["provisional traffic/road works 3..5 road works and road works"];
        check(&mut keywords, &event(1, "road works and road works", false), &second);
        let confirmed = ["confirmed traffic/road works 0..2 Road works, and road."];
        check(&mut keywords, &event(1, "Road works, and road.", true), &confirmed);
        check(&mut keywords, &event(2, "road works", false), &first);
    }

    #[test]
    fn lists_say_what_is_wrong_with_them() {
        assert_eq!(keywords().rules.len(), 4, "terms that fold to the same are one");
        assert!(KeywordRules::parse("# nothing\n\n").unwrap().is_empty());
        let error = KeywordRules::parse("ok\nname: ...").unwrap_err();
        assert_eq!(error.to_string(), "keyword line 2: `...` has no letter or digit");
        let many: String = (0..=TERMS_MAX).map(|n| format!("t{n}\n")).collect();
        assert_eq!(KeywordRules::parse(&many).unwrap_err(), KeywordError::TooMany { line: TERMS_MAX + 1 });
    }
}
