//! Rust source reduced to what a rule looks at: no comments, no literals, no test modules, `use` groups unfolded.
//! A scanner of characters, not a parser: it need only be right about code that rustfmt accepts.

/// `source` with comments, strings and characters blanked, newlines kept, so that lines and braces still count.
pub(crate) fn code_only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let blanked = blank_len(rest, out.chars().next_back());
        if blanked == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..blanked].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[blanked..];
        }
    }
    out
}

/// Bytes of the comment or literal that `rest` starts with; 0 if it starts with code.
fn blank_len(rest: &str, before: Option<char>) -> usize {
    let until =
        |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until(2, "*/");
    }
    if rest.starts_with('"') {
        return quoted_len(rest, '"');
    }
    if rest.starts_with('\'') {
        return char_len(rest);
    }
    let after_name = before.is_some_and(is_name);
    let hashes = rest.strip_prefix('r').map_or(0, |r| r.len() - r.trim_start_matches('#').len());
    let is_raw = !after_name && rest.starts_with('r') && rest[1 + hashes..].starts_with('"');
    if is_raw { until(2 + hashes, &format!("\"{}", "#".repeat(hashes))) } else { 0 }
}

/// Bytes of a literal in `quote`s, with its escapes.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of a character literal; 0 for a lifetime.
fn char_len(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (_, Some('\'')) => quoted_len(rest, '\''),
        _ => 0,
    }
}

/// `code` with every item under `#[cfg(test)]` blanked.
pub(crate) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let len = MARK.len() + item_len(&rest[at + MARK.len()..]);
        out.extend(rest[at..at + len].chars().filter(|c| *c == '\n'));
        rest = &rest[at + len..];
    }
    out + rest
}

/// Bytes of the first item of `code`: up to its semicolon or the brace that closes it.
fn item_len(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Line number (from 1) and text of each line of `code`, and of each `use` group again with its full paths.
pub(crate) fn lines_unfolded(code: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = code.lines().enumerate().map(|(i, l)| (i + 1, l.into())).collect();
    let mut line = 1;
    for statement in code.split_inclusive([';', '}']) {
        let body = statement.trim_start();
        let starts_at = line + statement[..statement.len() - body.len()].matches('\n').count();
        if let Some(tree) = group_of(body, code, statement) {
            let mut paths = Vec::new();
            unfold("", tree, &mut paths);
            lines.extend(paths.into_iter().map(|path| (starts_at, path)));
        }
        line += statement.matches('\n').count();
    }
    lines
}

/// The tree of the `use` statement that `statement`, a slice of `code`, begins with; `None` if it has no group.
fn group_of<'a>(body: &'a str, code: &'a str, statement: &'a str) -> Option<&'a str> {
    let body = body.strip_prefix("pub ").unwrap_or(body);
    body.strip_prefix("use ").filter(|tree| tree.contains('{'))?;
    let start = statement.as_ptr() as usize - code.as_ptr() as usize;
    let whole = &code[start..];
    let at = whole.find("use ")? + 4;
    Some(whole[at..].split(';').next().unwrap_or_default())
}

/// Pushes each full path of the `use` tree `tree` under `prefix`.
fn unfold(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    match tree.split_once('{') {
        None => paths.push(format!("{prefix}{tree}")),
        Some((head, group)) => {
            let group = group.trim_end().strip_suffix('}').unwrap_or(group);
            for branch in branches(group) {
                unfold(&format!("{prefix}{}", head.trim()), branch, paths);
            }
        }
    }
}

/// The branches of a `use` group, cut at its outermost commas.
fn branches(group: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let cut = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    group.split(cut).filter(|branch| !branch.trim().is_empty()).collect()
}

/// Whether `line` holds `word` with no letter, digit or underscore before or after it.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn comments_and_literals_are_blanked_and_lines_kept() {
    let source =
        "a // std::fs\n/* std::fs\n*/ b \"std::fs \\\" {\" r#\"x\" {\"# '{' '\\'' <'a> c::d\nfor\"{\"";
    let code = code_only(source);
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "<'a>", "c::d", "for"]);
    assert_eq!(code.matches('\n').count(), source.matches('\n').count());
}

#[test]
fn test_items_are_blanked() {
    let code =
        "fn a() { b {} }\n#[cfg(test)]\nmod tests { fn c() { d } }\nfn e() {}\n#[cfg(test)]\nmod f;\ng";
    assert_eq!(without_tests(code).replace('\n', " "), "fn a() { b {} }   fn e() {}   g");
}

#[test]
fn a_use_group_is_unfolded() {
    let code = "mod a;\nuse std::{\n    fs::{self, File}, io,\n};\nuse std::time::Instant;\n";
    let paths: Vec<_> = lines_unfolded(code).into_iter().skip(code.lines().count()).collect();
    let expected = [(2, "std::fs::self"), (2, "std::fs::File"), (2, "std::io")];
    assert_eq!(paths, expected.map(|(line, path)| (line, path.to_owned())));
}

#[test]
fn a_word_has_borders() {
    assert!(has_word("let f = std::fs::File::open(p)", "std::fs"));
    assert!(!has_word("std::fsx", "std::fs") && !has_word("my_unbounded()", "unbounded"));
}
