//! How a file looks: its length, its first line, its tests; and that the documentation keeps up with the code.

use crate::rust_text::code_only;

/// Longest file, tests included (STYLE.md 2).
const FILE_LINES_MAX: usize = 500;
/// First line of a file that a program writes; its shape is its own.
const GENERATED: &str = "// @generated";

/// What is wrong with the shape of `text`, the Rust file at `path`.
pub(crate) fn offences(path: &str, text: &str) -> Vec<String> {
    if text.starts_with(GENERATED) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let n_lines = text.lines().count();
    if n_lines > FILE_LINES_MAX {
        found.push(format!("{path}: {n_lines} lines, expected at most {FILE_LINES_MAX}: split it"));
    }
    if !text.lines().find(|line| !line.starts_with("#![")).is_some_and(|line| line.starts_with("//! ")) {
        found.push(format!("{path}: expected a first line `//! what it is`"));
    }
    let ignored = |line: &&str| line.contains("#[ignore");
    found.extend(
        code_only(text).lines().filter(ignored).map(|_| format!("{path}: an ignored test tests nothing")),
    );
    found
}

/// Event types (name, budget in ms) without a table row in `document` that starts with the name and holds the budget.
pub(crate) fn undocumented_events(kinds: &[(&str, Option<u128>)], document: &str) -> Vec<String> {
    let row = |name: &str| document.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
    let cell = |budget: Option<u128>| budget.map_or("| - |".to_owned(), |ms| format!("| {ms} ms |"));
    kinds
        .iter()
        .filter(|(name, budget)| !row(name).is_some_and(|row| row.contains(&cell(*budget))))
        .map(|(name, budget)| format!("docs/events.md: no row for {name} with {}", cell(*budget)))
        .collect()
}

#[test]
fn a_file_has_a_first_line_a_limit_and_no_ignored_tests() {
    let long = format!("//! A.\n{}", "\n".repeat(FILE_LINES_MAX));
    assert!(offences("a.rs", &long)[0].contains("501 lines"));
    assert!(offences("a.rs", "fn a() {}\n")[0].contains("first line"));
    assert!(offences("a.rs", "#![allow(dead_code)]\n//! A.\n").is_empty());
    assert!(offences("a.rs", "//! A.\n#[ignore = \"slow\"]\n")[0].contains("ignored"));
    assert!(offences("a.rs", "//! A.\n// no #[ignore] here\n").is_empty());
    assert!(offences("a.rs", &format!("{GENERATED} by b\n{long}")).is_empty());
}

#[test]
fn an_event_without_its_budget_is_named() {
    let document = "| `gap` | audio not analysed | 100 ms |\n| `meter` | 10 Hz | 5 ms |\n";
    let found =
        undocumented_events(&[("gap", Some(100)), ("meter", Some(50)), ("heartbeat", None)], document);
    assert_eq!(found.len(), 2, "{found:?}");
}
