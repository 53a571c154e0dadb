//! Removes what a recogniser writes that nobody said: `(upbeat music)`, `[BLANK_AUDIO]`, `♪`, `>>`.

use models::Transcription;

use crate::fold::without_trailing_punctuation;

/// Words that an annotation left open at the end may have; more than that is a parenthesis that somebody spoke.
const OPEN_WORDS_MAX: usize = 6;

/// Removes annotations from `heard`: words in round or square brackets, between notes or between asterisks, and
/// words without a letter or digit.
pub(super) fn remove_annotations(heard: &mut Transcription) {
    let n_words = heard.words.len();
    let is_kept = |at: usize| !without_trailing_punctuation(heard.word_text(at)).is_empty();
    let mut kept: Vec<bool> = (0..n_words).map(is_kept).collect();
    let mut at = 0;
    while at < n_words {
        let end = closing(opening(heard.word_text(at))).and_then(|close| annotation_end(heard, at, close));
        if let Some(end) = end {
            kept[at..end].fill(false);
        }
        at = end.unwrap_or(at + 1);
    }
    if kept.contains(&false) {
        keep(heard, &kept);
    }
}

fn opening(word: &str) -> Option<char> {
    word.trim_start_matches(['"', '-', '>', '\u{201c}', '\u{2018}']).chars().next()
}

fn closing(opening: Option<char>) -> Option<char> {
    match opening? {
        '(' => Some(')'),
        '\u{ff08}' => Some('\u{ff09}'),
        '[' => Some(']'),
        '\u{3010}' => Some('\u{3011}'),
        '{' => Some('}'),
        mark @ ('*' | '\u{266a}' | '\u{266b}') => Some(mark),
        _ => None,
    }
}

/// One past the last word of the annotation that opens at word `start`; `None` when it is none.
fn annotation_end(heard: &Transcription, start: usize, close: char) -> Option<usize> {
    let n_words = heard.words.len();
    for at in start..n_words {
        let word = heard.word_text(at);
        // A lone `♪` or `*` opens and does not close.
        let inside = if at == start { opening_removed(word) } else { word };
        if inside.contains(close) {
            return Some(at + 1);
        }
    }
    let is_song = matches!(close, '\u{266a}' | '\u{266b}');
    (is_song || n_words - start <= OPEN_WORDS_MAX).then_some(n_words)
}

fn opening_removed(word: &str) -> &str {
    let mut chars = word.trim_start_matches(['"', '-', '>', '\u{201c}', '\u{2018}']).chars();
    chars.next();
    chars.as_str()
}

fn keep(heard: &mut Transcription, kept: &[bool]) {
    let text = std::mem::take(&mut heard.text);
    let words = std::mem::take(&mut heard.words);
    for (word, _) in words.into_iter().zip(kept).filter(|(_, kept)| **kept) {
        heard.push_word(text.get(word.text).unwrap_or(""), word.span, word.probability);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut heard = Transcription::default();
        for (at, word) in text.split_whitespace().enumerate() {
            heard.push_word(word, at..at + 1, 0.5);
        }
        remove_annotations(&mut heard);
        assert_eq!(heard.text, expected, "{text}");
        let words: Vec<&str> = (0..heard.words.len()).map(|at| heard.word_text(at)).collect();
        assert_eq!(words.join(" "), expected);
        assert!(
            heard
                .words
                .iter()
                .all(|w| text.split_whitespace().nth(w.span.start) == heard.text.get(w.text.clone()))
        );
    }

    #[test]
    fn annotations_are_removed() {
        check("(upbeat music)", "");
        check("[BLANK_AUDIO]", "");
        check("*sigh* Well, (audience laughing) good evening. [Music]", "Well, good evening.");
        check("\u{266a} la la la \u{266a} And now the news", "And now the news");
        check("\u{266a} la la la la la la la la la", "");
        check("And now (upbeat music", "And now");
        check(">> Good evening -- all ...", "Good evening all");
        check("* * Hello", "Hello");
    }

    #[test]
    fn speech_stays() {
        check("we (that is, all of us who were there", "we (that is, all of us who were there");
        check("It's 5:30 p.m. at O'Hare.", "It's 5:30 p.m. at O'Hare.");
    }
}
