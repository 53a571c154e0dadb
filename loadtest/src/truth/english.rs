//! Word error rate of English text, after the essentials of Whisper's own normaliser: fillers, contractions,
//! numbers, titles, spelling. Not a general tool: both sides go through the same folding.

use std::ops::Range;

/// Sounds that nobody transcribes alike.
const FILLERS: [&str; 8] = ["uh", "um", "hmm", "mm", "mhm", "mmm", "huh", "yknow"];
/// Written forms and what they are compared as.
const SPELLINGS: [(&str, &str); 46] = [
    ("mr", "mister"),
    ("mrs", "missus"),
    ("dr", "doctor"),
    ("st", "saint"),
    ("prof", "professor"),
    ("ok", "okay"),
    ("alright", "all right"),
    ("cannot", "can not"),
    ("gonna", "going to"),
    ("wanna", "want to"),
    ("gotta", "got to"),
    ("lets", "let us"),
    ("colour", "color"),
    ("colours", "colors"),
    ("honour", "honor"),
    ("honours", "honors"),
    ("favour", "favor"),
    ("favourite", "favorite"),
    ("labour", "labor"),
    ("neighbour", "neighbor"),
    ("neighbours", "neighbors"),
    ("neighbourhood", "neighborhood"),
    ("harbour", "harbor"),
    ("humour", "humor"),
    ("rumour", "rumor"),
    ("splendour", "splendor"),
    ("splendours", "splendors"),
    ("behaviour", "behavior"),
    ("endeavour", "endeavor"),
    ("centre", "center"),
    ("centres", "centers"),
    ("theatre", "theater"),
    ("grey", "gray"),
    ("programme", "program"),
    ("programmes", "programs"),
    ("realise", "realize"),
    ("realised", "realized"),
    ("recognise", "recognize"),
    ("recognised", "recognized"),
    ("organise", "organize"),
    ("organised", "organized"),
    ("travelled", "traveled"),
    ("travelling", "traveling"),
    ("defence", "defense"),
    ("storey", "story"),
    ("%", "percent"),
];
const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// The words of `text` as they are compared.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    fold(text.split_whitespace()).into_iter().map(|folded| folded.text).collect()
}

/// A word as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The word, never empty.
    pub text: String,
    /// The tokens that it was made of: "twenty five" is one word of two.
    pub from: Range<usize>,
}

/// The words of text that is cut into tokens, such as words with their times, as they are compared.
#[must_use]
pub fn fold<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Vec<Folded> {
    let mut folded = Vec::new();
    let mut depth = 0;
    for (at, token) in tokens.into_iter().enumerate() {
        let mut words = Vec::new();
        let spaced = without_notes(token, &mut depth).replace('%', " % ");
        for part in spaced.split([' ', '-', '\u{2013}', '\u{2014}', '/']) {
            push_word(part, &mut words);
        }
        folded.extend(words.into_iter().map(|text| Folded { text, from: at..at + 1 }));
    }
    numbers(folded)
}

/// Words wrong against a reference of `n_words`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Substituted, deleted and inserted words.
    pub n_wrong: usize,
    /// Words of the reference.
    pub n_words: usize,
}

impl Errors {
    /// Least edits from `reference` to `said`, both as [`words`] gives them.
    #[must_use]
    pub fn between(reference: &[String], said: &[String]) -> Self {
        let mut row: Vec<usize> = (0..=said.len()).collect();
        for (at, wanted) in reference.iter().enumerate() {
            let mut diagonal = std::mem::replace(&mut row[0], at + 1);
            for (column, word) in said.iter().enumerate() {
                let substituted = diagonal + usize::from(word != wanted);
                diagonal = row[column + 1];
                row[column + 1] = substituted.min(row[column] + 1).min(diagonal + 1);
            }
        }
        Self { n_wrong: row[said.len()], n_words: reference.len() }
    }

    /// Adds those of another text.
    pub fn add(&mut self, other: Self) {
        self.n_wrong += other.n_wrong;
        self.n_words += other.n_words;
    }

    /// Percent.
    #[must_use]
    pub fn rate(self) -> f64 {
        100.0 * self.n_wrong as f64 / self.n_words.max(1) as f64
    }
}

/// Leaves out what stands in brackets of any kind; `depth` of them are open.
fn without_notes(text: &str, depth: &mut usize) -> String {
    let keep = |c: &char| {
        match c {
            '(' | '[' | '<' => *depth += 1,
            ')' | ']' | '>' => {
                *depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        *depth == 0
    };
    text.chars().filter(keep).collect()
}

fn push_word(part: &str, words: &mut Vec<String>) {
    let plain: String = part.replace(['\u{2019}', '\u{2018}'], "'").to_lowercase();
    for piece in contraction(plain.trim_matches(|c: char| !c.is_alphanumeric() && c != '%')) {
        let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, '%' | '.');
        let word: String = piece.chars().filter(is_kept).collect();
        let word = word.trim_matches('.');
        let is_number = word.contains('.') && word.chars().any(|c| c.is_ascii_digit());
        let word = if is_number { word.to_owned() } else { word.replace('.', "") };
        if word.is_empty() || FILLERS.contains(&word.as_str()) {
            continue;
        }
        let spelled = SPELLINGS.iter().find(|(from, _)| *from == word).map_or(word.as_str(), |(_, to)| to);
        let spelled = if is_ordinal(spelled) {
            format!("{}th", &spelled[..spelled.len() - 2])
        } else {
            spelled.to_owned()
        };
        words.extend(spelled.split(' ').map(str::to_owned));
    }
}

/// `21st`, `2nd`, `15th`.
fn is_ordinal(word: &str) -> bool {
    let stem = ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending));
    stem.is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_digit()))
}

fn contraction(word: &str) -> Vec<String> {
    let whole = match word {
        "won't" => Some("will not"),
        "can't" => Some("can not"),
        "let's" => Some("let us"),
        "y'know" => Some("uh"),
        _ => None,
    };
    if let Some(whole) = whole {
        return whole.split(' ').map(str::to_owned).collect();
    }
    let endings = [
        ("n't", "not"),
        ("'re", "are"),
        ("'s", "s"),
        ("'d", "would"),
        ("'ll", "will"),
        ("'ve", "have"),
        ("'m", "am"),
    ];
    for (ending, meaning) in endings {
        if let Some(stem) = word.strip_suffix(ending) {
            return if ending == "'s" {
                vec![format!("{stem}s")]
            } else {
                vec![stem.to_owned(), meaning.to_owned()]
            };
        }
    }
    vec![word.to_owned()]
}

/// Runs of number words become digits; neighbours are joined, as years and digits are read ("nineteen eighty four").
fn numbers(words: Vec<Folded>) -> Vec<Folded> {
    let texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
    let mut out: Vec<Folded> = Vec::new();
    let mut run = Run::default();
    let mut from = 0..0;
    for (at, word) in words.into_iter().enumerate() {
        let next = texts.get(at + 1).map_or("", String::as_str);
        let start = if run.is_empty() { word.from.start } else { from.start };
        let numbers = start..word.from.end;
        if let Some(n) = ordinal(&word.text) {
            run.add(n);
            out.extend(run.finish().map(|digits| Folded { text: format!("{digits}th"), from: numbers }));
        } else if run.take(&word.text, next) {
            from = numbers;
        } else {
            out.extend(run.finish().map(|text| Folded { text, from: from.clone() }));
            out.push(word);
        }
    }
    out.extend(run.finish().map(|text| Folded { text, from }));
    out
}

/// A number that is being read. `parts` are done, `value` grows.
#[derive(Default)]
struct Run {
    digits: String,
    total: u64,
    value: Option<u64>,
}

impl Run {
    const fn is_empty(&self) -> bool {
        self.value.is_none() && self.digits.is_empty()
    }

    fn take(&mut self, word: &str, next: &str) -> bool {
        if let Some(n) = value(word) {
            self.add(n);
        } else if let (Some(value), Some(scale)) = (self.value, scale(word)) {
            if scale == 100 {
                self.value = Some(value.saturating_mul(100));
            } else {
                self.total = self.total.saturating_add(value.saturating_mul(scale));
                self.value = Some(0);
            }
        } else if word.bytes().all(|b| b.is_ascii_digit()) && word.len() < 12 {
            self.close();
            self.digits.push_str(word);
        } else {
            let is_hundreds = self.value.is_some_and(|v| v >= 100 && v % 100 == 0) || self.total > 0;
            return word == "and" && is_hundreds && value(next).is_some();
        }
        true
    }

    fn add(&mut self, n: u64) {
        let fits = match self.value {
            None => true,
            Some(0) => self.total > 0,
            Some(value) => (value % 100 == 0) || (value % 10 == 0 && value % 100 >= 20 && n < 10 && n > 0),
        };
        if !fits {
            self.close();
        }
        self.value = Some(self.value.unwrap_or(0) + n);
    }

    fn close(&mut self) {
        if let Some(value) = self.value.take() {
            self.digits.push_str(&(std::mem::take(&mut self.total) + value).to_string());
        }
    }

    fn finish(&mut self) -> Option<String> {
        self.close();
        Some(std::mem::take(&mut self.digits)).filter(|digits| !digits.is_empty())
    }
}

/// `fifteenth` as `15th`, which is how numbers are often written; the stem joins the number before it.
fn ordinal(word: &str) -> Option<u64> {
    let irregular = [
        ("first", 1),
        ("second", 2),
        ("third", 3),
        ("fifth", 5),
        ("eighth", 8),
        ("ninth", 9),
        ("twelfth", 12),
    ];
    let known = irregular.iter().find(|(name, _)| *name == word).map(|(_, n)| *n);
    let tens = || value(&format!("{}y", word.strip_suffix("ieth")?));
    known.or_else(|| value(word.strip_suffix("th")?)).or_else(tens)
}

fn value(word: &str) -> Option<u64> {
    let unit = UNITS.iter().position(|unit| *unit == word);
    let tens = || TENS.iter().position(|tens| *tens == word).map(|at| 10 * (at + 2));
    unit.or_else(tens).map(|n| n as u64)
}

fn scale(word: &str) -> Option<u64> {
    match word {
        "hundred" => Some(100),
        "thousand" => Some(1_000),
        "million" => Some(1_000_000),
        "billion" => Some(1_000_000_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(words(text).join(" "), expected, "{text}");
    }

    #[test]
    fn spelling_contractions_and_fillers_are_folded() {
        check("Mr. Grey, uh, can\u{2019}t see the [noise] colour!", "mister gray can not see the color");
        check("I'm sure it's John's; we'll see (laughs).", "i am sure its johns we will see");
        check("twenty-five U.S. dollars, 3.5%", "25 us dollars 3.5 percent");
    }

    #[test]
    fn numbers_become_digits() {
        check("about fourteen fifty-five", "about 1455");
        check("nineteen eighty four and two thousand and one", "1984 and 2001");
        check("one hundred and twenty three thousand four hundred", "123400");
        check("five five, 55, twenty and me", "555520 and me");
        check("the fifteenth of the twenty first, 15th of the 21st", "the 15th of the 21th 15th of the 21th");
        check("ten of clubs and zero", "10 of clubs and 0");
    }

    #[test]
    fn folded_words_know_the_tokens_that_they_are_made_of() {
        let tokens =
            ["In", "nineteen", "eighty-four", "[a", "note]", "uh,", "can't", "the", "twenty", "first"];
        let folded = fold(tokens).into_iter().map(|word| (word.text, word.from));
        let expected =
            [("in", 0..1), ("1984", 1..3), ("can", 6..7), ("not", 6..7), ("the", 7..8), ("21th", 8..10)];
        assert_eq!(folded.collect::<Vec<_>>(), expected.map(|(text, from)| (text.to_owned(), from)));
    }

    #[test]
    fn errors_are_least_edits() {
        let check = |reference: &str, said: &str, n_wrong| {
            let errors = Errors::between(&words(reference), &words(said));
            assert_eq!(errors.n_wrong, n_wrong, "{reference} / {said}");
        };
        check("a b c d", "a b c d", 0);
        check("a b c d", "a x c", 2);
        check("a b", "x a b y", 2);
        check("", "a b", 2);
        assert!((Errors { n_wrong: 1, n_words: 8 }.rate() - 12.5).abs() < 1e-12);
    }
}
