//! Files that are wrong, with all that has to be said of them: `bad/*.txt`, each case `==== what it is`, the file, `----`, and
//! the errors, one a line.

use std::path::Path;

use server::config::Config;

/// A file that is wrong.
pub(crate) struct Case {
    title: String,
    pub(crate) text: String,
    expected: String,
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/bad");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| in_file(&std::fs::read_to_string(file).unwrap())).collect()
}

fn in_file(text: &str) -> Vec<Case> {
    let case = |case: &str| {
        let (title, rest) = case.split_once('\n').unwrap();
        let (text, expected) = rest.split_once("----\n").unwrap();
        Case { title: title.to_owned(), text: text.to_owned(), expected: expected.to_owned() }
    };
    text.split("==== ").filter(|text| !text.is_empty()).map(case).collect()
}

#[test]
fn all_that_is_wrong_is_told_with_its_line_and_what_was_meant() {
    let cases = cases();
    assert!(cases.len() >= 100, "{} cases", cases.len());
    let differs = |case: &&Case| told(&case.text) != case.expected;
    let wrong: Vec<String> = cases
        .iter()
        .filter(differs)
        .map(|case| format!("==== {}\n{}told:\n{}", case.title, case.text, told(&case.text)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn told(text: &str) -> String {
    let errors = Config::parse(text).err().unwrap_or_default();
    errors.iter().map(|error| format!("{error}\n")).collect()
}
