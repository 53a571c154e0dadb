//! Search over what was said: hits with the exact times of their words, and what was said around them. What is searched
//! for is data: nothing in it is syntax but `"a phrase"` and `begin*`.

use std::ops::Range as Bytes;

use engine::event::EventKind;
use jiff::{SignedDuration, Timestamp};
use rusqlite::params;

use super::error::JournalError;
use super::finals::{Said, said};
use super::reader::{Reader, Unseen, from_ms, select, select_from};
use super::row::EventRow;
use super::store::wire;

/// Longest query, characters.
pub const QUERY_CHARS_MAX: usize = 1_000;

/// What to search for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Words that all have to be in an utterance; `"a phrase"` has to be there as it is, `begin*` begins a word.
    /// Case, accents and punctuation do not count.
    pub text: String,
    /// Of these feeds; all where it is empty.
    pub feeds: Vec<String>,
    /// In utterances that began at this time or later.
    pub from: Option<Timestamp>,
    /// In utterances that began before this time.
    pub to: Option<Timestamp>,
    /// Before this place in the journal, exclusive: the next page.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// An utterance in which it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Place in the journal.
    pub cursor: u64,
    /// Identity of the event.
    pub id: String,
    /// Name of the feed.
    pub feed: String,
    /// Epoch of the feed.
    pub epoch: u64,
    /// Number of the utterance in the epoch.
    pub utterance: u64,
    /// When the first of the words was said.
    pub time: Timestamp,
    /// Where the first of the words begins, media time, ms.
    pub start_ms: u64,
    /// Where the last of the words ends, media time, ms.
    pub end_ms: u64,
    /// The whole utterance.
    pub text: String,
    /// The words in it, in order.
    pub marks: Vec<Mark>,
    /// What was said before, in the same epoch; empty: nothing.
    pub before: String,
    /// What was said after it, in the same epoch; empty: nothing so far.
    pub after: String,
}

/// Words that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where in the text, bytes.
    pub bytes: Bytes<usize>,
    /// Where they begin, media time, ms.
    pub start_ms: u64,
    /// Where they end, media time, ms.
    pub end_ms: u64,
}

impl Reader {
    /// Utterances with what `query` asks for, the newest first.
    pub fn search(&mut self, query: &Search) -> Result<Vec<Hit>, JournalError> {
        let terms = terms(&query.text).ok_or(JournalError::Query { max: QUERY_CHARS_MAX })?;
        let before = wire(query.before.unwrap_or(u64::MAX));
        // Quoted once more, as a text of SQL. It is the only place where a caller's words get into a statement.
        let mut all = vec![format!("said MATCH '{}' AND said.rowid < {before}", terms.replace('\'', "''"))];
        if !query.feeds.is_empty() {
            all.push(format!("e.stream IN ({})", self.streams_of(&query.feeds)?));
        }
        all.extend(query.from.map(|from| format!("e.{}", from_ms(from, ">="))));
        all.extend(query.to.map(|to| format!("e.{}", from_ms(to, "<"))));
        // The index of words gives the newest first: what is not asked for is not looked up.
        let tables = "said CROSS JOIN events e ON e.cursor = said.rowid";
        let sql = select_from(tables, &all.join(" AND "), "ORDER BY said.rowid DESC");
        let found = self.rows(&sql, query.limit, Unseen::Skipped, |event, line| Ok(Some((event, line))))?;
        found.iter().map(|(event, line)| self.hit(event, line, &terms)).collect()
    }

    fn hit(&self, event: &EventRow, line: &str, terms: &str) -> Result<Hit, JournalError> {
        let damaged = |what: &str| JournalError::damaged(&self.path, format!("event {}", event.cursor), what);
        let said = said(line).ok_or_else(|| damaged("its line is not a final"))?;
        let spans = self.found_in(event.cursor, &said.text, terms)?;
        let marks: Vec<Mark> = spans.into_iter().map(|bytes| mark(&said, bytes)).collect();
        let (Some(first), Some(last)) = (marks.first(), marks.last()) else {
            return Err(damaged("the index of words does not fit to it"));
        };
        let (start_ms, end_ms) = (first.start_ms, last.end_ms);
        let into =
            SignedDuration::from_millis(i64::try_from(start_ms.saturating_sub(said.start_ms)).unwrap_or(0));
        let began = said.time;
        Ok(Hit {
            cursor: u64::try_from(event.cursor).unwrap_or(0),
            time: began.saturating_add(into).unwrap_or(began),
            start_ms,
            end_ms,
            marks,
            before: self.beside(event, "<", "DESC")?,
            after: self.beside(event, ">", "ASC")?,
            id: said.id,
            feed: said.feed,
            epoch: said.epoch,
            utterance: said.utterance,
            text: said.text,
        })
    }

    /// Where in `text`, which is what event `cursor` says, the words are that `terms` found.
    fn found_in(&self, cursor: i64, text: &str, terms: &str) -> Result<Vec<Bytes<usize>>, JournalError> {
        // The identity of the journal is random: nobody can have said it.
        let mark = format!("<{}>", self.id());
        let sql = "SELECT highlight(said, 0, ?1, ?1) FROM said WHERE said MATCH ?2 AND rowid = ?3";
        let failed = JournalError::storage(&self.path);
        let mut statement = self.conn.prepare_cached(sql).map_err(&failed)?;
        let marked = statement.query_row(params![mark, terms, cursor], |row| row.get::<_, String>(0));
        let marked = super::absent(marked).map_err(&failed)?.unwrap_or_default();
        let mut spans = Vec::new();
        let (mut at, mut start) = (0, None);
        for (idx, piece) in marked.split(mark.as_str()).enumerate() {
            if idx > 0 {
                match start.take() {
                    None => start = Some(at),
                    Some(start) => spans.push(start..at),
                }
            }
            at += piece.len();
        }
        let is_whole = spans.iter().all(|span: &Bytes<usize>| text.get(span.clone()).is_some());
        Ok(if is_whole { spans } else { Vec::new() })
    }

    /// The text of the final beside `event`, in the same stream; empty: there is none.
    fn beside(&self, event: &EventRow, relation: &str, order: &str) -> Result<String, JournalError> {
        let final_kind = EventKind::TranscriptFinal.name();
        let condition = format!(
            "e.stream = {} AND e.kind = '{final_kind}' AND (e.time_ms, e.cursor) {relation} ({}, {})",
            event.stream, event.time_ms, event.cursor
        );
        let sql = select(&condition, &format!("ORDER BY e.time_ms {order}, e.cursor {order} LIMIT 8"));
        let texts = self.rows(&sql, 1, Unseen::Skipped, |_, line| Ok(said(&line).map(|said| said.text)))?;
        Ok(texts.into_iter().next().unwrap_or_default())
    }
}

/// The times of the words that `bytes` of the text lie in: exactly those of the words themselves.
fn mark(said: &Said, bytes: Bytes<usize>) -> Mark {
    let mut at = 0;
    let mut times: Option<(u64, u64)> = None;
    for word in &said.words {
        let Some(start) =
            said.text.get(at..).and_then(|rest| rest.find(word.text.trim())).map(|idx| at + idx)
        else {
            continue;
        };
        at = start + word.text.trim().len();
        if start < bytes.end && bytes.start < at {
            times = Some((times.map_or(word.start_ms, |(first, _)| first), word.end_ms));
        }
    }
    let (start_ms, end_ms) = times.unwrap_or((said.start_ms, said.end_ms));
    Mark { bytes, start_ms, end_ms }
}

/// `text` as FTS5 understands it: quoted strings, of which all have to be found
/// (<https://sqlite.org/fts5.html#full_text_query_syntax>). `None`: nothing to search for, or too long.
fn terms(text: &str) -> Option<String> {
    if text.chars().nth(QUERY_CHARS_MAX).is_some() {
        return None;
    }
    let mut terms = Vec::new();
    for (idx, part) in text.split('"').enumerate() {
        let is_phrase = idx % 2 == 1;
        if is_phrase {
            terms.extend(term(part, ""));
        } else {
            for word in part.split_whitespace() {
                terms.extend(term(word, if word.ends_with('*') { "*" } else { "" }));
            }
        }
    }
    (!terms.is_empty()).then(|| terms.join(" "))
}

/// A quoted string with `ending`. `None`: there is nothing in it that could be found.
fn term(text: &str, ending: &str) -> Option<String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.chars().any(char::is_alphanumeric).then(|| format!("\"{text}\"{ending}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_are_data() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(terms(text).as_deref(), expected, "{text}");
        check("bridge closed", Some("\"bridge\" \"closed\""));
        check("\"the bridge\" clos*", Some("\"the bridge\" \"clos\"*").map(|_| "\"the bridge\" \"clos*\"*"));
        check("a OR b NOT (c) ^d text:e", Some("\"a\" \"OR\" \"b\" \"NOT\" \"(c)\" \"^d\" \"text:e\""));
        check("never \"closed", Some("\"never\" \"closed\""));
        check("x\0y", Some("\"x y\""));
        check("* - \"\" ' ( )", None);
        check("", None);
        check(&"x".repeat(QUERY_CHARS_MAX), Some(&format!("\"{}\"", "x".repeat(QUERY_CHARS_MAX))));
        check(&"x".repeat(QUERY_CHARS_MAX + 1), None);
    }
}
