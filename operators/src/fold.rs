//! Words as they are compared: lower case, without punctuation. Not for display.

/// Marks that are written for an apostrophe.
const APOSTROPHES: [char; 7] = ['\'', '\u{2019}', '\u{2018}', '\u{02bc}', '\u{0060}', '\u{00b4}', '\u{ff07}'];

/// Calls `take` with each folded word in `text`: runs of letters and digits (and combining marks) in lower case,
/// with apostrophes left out. `Break-in` gives `break` and `in`, `don’t` gives `dont`, `...` gives nothing.
pub(crate) fn fold_words(text: &str, mut take: impl FnMut(&str)) {
    let mut word = String::new();
    for c in text.chars() {
        if is_letter(c) || is_combining(c) {
            word.extend(c.to_lowercase().filter(|c| !is_combining_dot(*c)));
        } else if !APOSTROPHES.contains(&c) && !word.is_empty() {
            take(&word);
            word.clear();
        }
    }
    if !word.is_empty() {
        take(&word);
    }
}

/// Whether two written words are the same when folded.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = char> {
        text.chars().filter(|c| is_letter(*c)).flat_map(char::to_lowercase)
    }
    letters(a).eq(letters(b))
}

/// `text` without the punctuation that follows its last letter or digit.
pub(crate) fn without_trailing_punctuation(text: &str) -> &str {
    text.trim_end_matches(|c: char| !is_letter(c) && !is_combining(c))
}

/// Letters and digits; one of the apostrophes counts as a letter in Unicode.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() && !APOSTROPHES.contains(&c)
}

fn is_combining(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}')
}

/// Lower case of a Turkish capital I leaves a dot above of its own.
fn is_combining_dot(c: char) -> bool {
    c == '\u{0307}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut seen = Vec::new();
        fold_words(text, |word| seen.push(word.to_owned()));
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn case_punctuation_and_apostrophes_are_folded() {
        check(" The Break-in, at 3.5%...", &["the", "break", "in", "at", "3", "5"]);
        check("Don\u{2019}t don't DON\u{02bc}T", &["dont", "dont", "dont"]);
        check(
            "\u{c9}COLE Stra\u{df}e \u{41d}\u{415}\u{422} \u{130}",
            &["\u{e9}cole", "stra\u{df}e", "\u{43d}\u{435}\u{442}", "i"],
        );
        check("-- \u{2026} \u{266a}", &[]);
    }

    #[test]
    fn words_compare_without_punctuation() {
        assert!(is_same("Bridge,", "bridge.") && is_same("it\u{2019}s", "Its") && is_same("--", "..."));
        assert!(!is_same("bridge", "bridges"));
        assert_eq!(without_trailing_punctuation("\"Bridge?!\""), "\"Bridge");
    }
}
