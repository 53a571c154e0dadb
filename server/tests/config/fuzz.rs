//! Thousands of files that somebody, or a bad disk, has changed: each is read, or told what is wrong, within its lines.

use engine::audio::Format;
use operators::Analysis;
use server::config::Config;

use super::bad::cases;

/// Files that are tried; more with `AIRCHECK_SOAK=n`, that many times as many.
const N_FILES: usize = 4_000;

/// What files are made of.
const WORDS: [&str; 36] = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    "\"",
    "'",
    ".",
    ",",
    "#",
    "\n",
    "\r\n",
    "\0",
    "é",
    "\u{feff}",
    "-1",
    "99999999999999999999",
    "1e999",
    "nan",
    "true",
    "null",
    "2026-11-23",
    "[feeds]",
    "[[feeds]]",
    "[[tokens]]",
    "[server]",
    "[profiles.default]",
    "name = \"a\"",
    "source = \"stdin:\"",
    "listen",
    "\"\"\"",
    "0x",
    "\\u",
    "loudness = ",
];

/// Numbers that look random and are the same every time (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n.max(1)
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        let mut at = self.roll(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

fn mutate(text: &mut String, others: &[String], dice: &mut Dice) {
    let (a, b) = (dice.place(text), dice.place(text));
    let (from, to) = (a.min(b), a.max(b));
    match dice.roll(6) {
        0 => text.insert_str(a, WORDS[dice.roll(WORDS.len())]),
        1 => text.replace_range(from..boundary(text, to.min(from + 8)), ""),
        2 => {
            let piece = text[from..to].to_owned();
            text.insert_str(a, &piece);
        }
        3 => {
            let mut lines: Vec<&str> = text.lines().collect();
            let (a, b) = (dice.roll(lines.len()), dice.roll(lines.len()));
            if !lines.is_empty() {
                lines.swap(a, b);
            }
            *text = lines.join("\n");
        }
        4 => text.push_str(&others[dice.roll(others.len())]),
        _ => {
            let end = boundary(text, from + 1);
            text.replace_range(from..end, WORDS[dice.roll(WORDS.len())]);
        }
    }
}

/// The next place between two characters, at `at` or after it.
fn boundary(text: &str, at: usize) -> usize {
    (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

fn check(text: &str) -> bool {
    match Config::parse(text) {
        Ok(config) => {
            for feed in &config.feeds {
                assert!(feed.check(&config).is_empty(), "{:?}\n{text}", feed.check(&config));
                let analysis = config.profile(feed).analysis();
                assert!(Analysis::new(Format::SPEECH, 1_600, &analysis).is_ok(), "{analysis:?}\n{text}");
            }
            true
        }
        Err(errors) => {
            let is_toml = toml::de::DeTable::parse(text).is_ok();
            assert!(!errors.is_empty() && errors.is_sorted(), "{errors:?}\n{text}");
            let lines: Vec<&str> = text.split('\n').collect();
            for error in errors {
                let line = lines.get(error.line - 1);
                let n_chars = line.map(|line| line.chars().count());
                assert!(n_chars.is_some_and(|n| (1..=n + 1).contains(&error.column)), "{error}\n{text}");
                assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error}\n{text}");
                // What has the shape can be read: only what is no TOML at all has no key.
                assert_eq!(error.key.is_empty(), !is_toml, "{error}\n{text}");
            }
            false
        }
    }
}

#[test]
fn whatever_a_file_says_it_is_read_or_told_what_is_wrong_within_it() {
    let reference = Config::reference();
    let example = reference.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let files: Vec<String> = cases().into_iter().map(|case| case.text).chain([example.to_owned()]).collect();
    let times: usize = std::env::var("AIRCHECK_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut dice = Dice(0x0A1C_4EC4);
    let mut n_valid = 0;
    for idx in 0..N_FILES * times {
        // Half of them come from a file that is right.
        let mut text = if idx % 2 == 0 { example.to_owned() } else { files[dice.roll(files.len())].clone() };
        for _ in 0..=dice.roll(3) {
            mutate(&mut text, &files, &mut dice);
        }
        n_valid += usize::from(check(&text));
    }
    assert!(n_valid > N_FILES / 100, "{n_valid} of {N_FILES} were valid: nothing but syntax was tried");
}

#[test]
fn deep_and_long_files_are_refused_without_harm() {
    let dots = "a.".repeat(100_000);
    let long = "x".repeat(1_000_000);
    for text in [
        format!("{dots}b = 1"),
        format!("[{dots}b]"),
        format!("x = {{{dots}b = 1}}"),
        format!("x = {}", "[".repeat(100_000)),
        format!("x = {}", "{a=".repeat(100_000)),
        format!("{long} = 1"),
        format!("state_dir = {long}"),
        "[[feeds]]\n".repeat(50_000),
    ] {
        assert!(!check(&text));
    }
}
