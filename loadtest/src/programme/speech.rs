//! What is said in a clip: words with their times, sentences with theirs, or only the text; and the facts that follow.

use std::fs;
use std::path::Path;

use engine::time::{MediaTime, Span};
use serde::Deserialize;

use super::{Fact, What};
use crate::failure::Failure;
use crate::truth::english::fold;

/// A pause of this length between two words ends a sentence: longer than the closures within words, and than the 0.3 s
/// after which recognisers think that a sentence is over.
const PAUSE: MediaTime = MediaTime::from_millis(500);

/// Text, and where it is in its clip.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Timed {
    pub(super) text: String,
    pub(super) span: Span,
}

/// Says what is said in a clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Speech {
    /// Nothing.
    #[default]
    None,
    /// Word by word.
    Words(Vec<Timed>),
    /// Sentence by sentence: nobody knows when each word is said.
    Sentences(Vec<Timed>),
}

impl Speech {
    /// The words of an alignment as pocketsphinx writes it.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let tried = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| Failure::runtime(&tried, error))?;
        let line = text.lines().next().unwrap_or("");
        let aligned: Aligned = serde_json::from_str(line).map_err(|error| Failure::runtime(&tried, error))?;
        Ok(Self::Words(aligned.words.into_iter().filter_map(AlignedWord::timed).collect()))
    }

    /// The facts of a clip that begins at `start`.
    pub(super) fn facts(&self, start: MediaTime) -> Vec<Fact> {
        let shift = |span: Span| Span::new(start + span.start, start + span.end);
        match self {
            Self::None => Vec::new(),
            Self::Sentences(sentences) => {
                sentences.iter().filter_map(|one| untimed(one, shift(one.span))).collect()
            }
            Self::Words(words) => {
                let is_one = |one: &Timed, next: &Timed| next.span.start < one.span.end + PAUSE;
                words.chunk_by(is_one).flat_map(|sentence| timed(sentence, shift)).collect()
            }
        }
    }
}

/// A sentence of words whose times are not known.
fn untimed(sentence: &Timed, span: Span) -> Option<Fact> {
    let words: Vec<String> =
        fold(sentence.text.split_whitespace()).into_iter().map(|word| word.text).collect();
    (!words.is_empty()).then_some(Fact { what: What::Sentence(words), span, proven_at: span.end })
}

/// The words of a sentence, and the sentence.
fn timed(words: &[Timed], shift: impl Fn(Span) -> Span) -> Vec<Fact> {
    let mut facts = Vec::with_capacity(words.len() + 1);
    for word in fold(words.iter().map(|word| word.text.as_str())) {
        let tokens = words.get(word.from).unwrap_or(&[]);
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { continue };
        let span = shift(Span::new(first.span.start, last.span.end));
        facts.push(Fact { what: What::Word(word.text), span, proven_at: span.end });
    }
    if let (Some(first), Some(last)) = (facts.first(), facts.last()) {
        let span = Span::new(first.span.start, last.span.end);
        facts.push(Fact { what: What::Sentence(Vec::new()), span, proven_at: span.end });
    }
    facts
}

/// One line of what `pocketsphinx -phone_align no align` prints; times in seconds.
#[derive(Debug, Deserialize)]
struct Aligned {
    #[serde(rename = "w")]
    words: Vec<AlignedWord>,
}

#[derive(Debug, Deserialize)]
struct AlignedWord {
    #[serde(rename = "b")]
    start_secs: f64,
    #[serde(rename = "d")]
    secs: f64,
    #[serde(rename = "t")]
    text: String,
}

impl AlignedWord {
    /// `to(3)` is the third way to say `to`; `<sil>` and `[noise]` are no words.
    fn timed(self) -> Option<Timed> {
        let text = self.text.split('(').next().unwrap_or("");
        let at = |secs: f64| MediaTime::from_millis((secs * 1e3).round() as u64);
        let is_word = !text.is_empty() && !text.starts_with(['<', '[']);
        is_word.then(|| Timed {
            text: text.to_owned(),
            span: Span::new(at(self.start_secs), at(self.start_secs + self.secs)),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(speech: &Speech, expected: &[&str]) {
        let text = |fact: &Fact| {
            let what = match &fact.what {
                What::Word(word) => word.clone(),
                What::Sentence(words) => format!("[{}]", words.join(" ")),
                other => panic!("{other:?}"),
            };
            assert_eq!(fact.proven_at, fact.span.end);
            format!("{what} {}..{}", fact.span.start, fact.span.end)
        };
        let facts = speech.facts(MediaTime::from_secs(10));
        assert_eq!(facts.iter().map(text).collect::<Vec<_>>(), expected);
    }

    fn timed(text: &str, start: u64, end: u64) -> Timed {
        let span = Span::new(MediaTime::from_millis(start), MediaTime::from_millis(end));
        Timed { text: text.to_owned(), span }
    }

    #[test]
    fn words_make_sentences_between_pauses() {
        let words = [
            ("Twenty", 0, 300),
            ("five,", 300, 600),
            ("uh", 700, 800),
            ("can't", 900, 1_200),
            ("Go", 1_700, 1_900),
        ];
        let words = words.map(|(text, start, end)| timed(text, start, end)).to_vec();
        let expected = [
            "25 10.000..10.600",
            "can 10.900..11.200",
            "not 10.900..11.200",
            "[] 10.000..11.200",
            "go 11.700..11.900",
            "[] 11.700..11.900",
        ];
        check(&Speech::Words(words), &expected);
    }

    #[test]
    fn sentences_know_their_words_only() {
        let sentences = vec![timed("It's open.", 0, 900), timed("(laughs)", 900, 1_000)];
        check(&Speech::Sentences(sentences), &["[its open] 10.000..10.900"]);
    }

    #[test]
    fn alignments_are_read_without_silences_and_variants() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let word = |text: &str, start: f64| format!(r#"{{"b":{start},"d":0.25,"p":0.9,"t":"{text}"}}"#);
        let words =
            [word("<sil>", 0.0), word("to(3)", 0.29), word("o'clock", 0.54), word("[noise]", 1.0)].join(",");
        fs::write(&path, format!("{{\"b\":0,\"d\":2,\"t\":\"to\",\"w\":[{words}]}}\n{{\"more\":1}}\n"))
            .unwrap();
        let expected = Speech::Words(vec![timed("to", 290, 540), timed("o'clock", 540, 790)]);
        assert_eq!(Speech::read(&path).unwrap(), expected);
        let error = Speech::read(&folder.path().join("b.json")).unwrap_err().to_string();
        assert!(error.contains("b.json: No such file"), "{error}");
    }
}
