//! A command as words, as a shell would take it apart, but for everything that a shell does: no variables, no patterns,
//! no pipes.

/// Words stand between spaces. Within single quotes everything is as it is; within double quotes, and outside of quotes,
/// a backslash makes the next character one of the word.
pub(super) fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => quoted(&mut chars, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut chars, '"', word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("a backslash at its end")?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(chars: &mut std::str::Chars<'_>, end: char, word: &mut String) -> Result<(), &'static str> {
    const OPEN: &str = "a quote that does not end";
    loop {
        match chars.next().ok_or(OPEN)? {
            c if c == end => return Ok(()),
            '\\' if end == '"' => word.push(chars.next().ok_or(OPEN)?),
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_one_would_type_them() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(
                split(text).as_deref(),
                Ok(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
            );
        };
        check("", &[]);
        check("  a\tb  c ", &["a", "b", "c"]);
        check(
            r#"a 'b "c' "d 'e\"" f\ g h'i'"j" '' "" "#,
            &["a", r#"b "c"#, r#"d 'e""#, "f g", "hij", "", ""],
        );
        check(r"a 'b\c' $HOME *.wav | cat; x>y", &["a", r"b\c", "$HOME", "*.wav", "|", "cat;", "x>y"]);
        check("sh -c 'a | b'", &["sh", "-c", "a | b"]);
        assert!(["'a", "a\"b", "a\\", "\"a\\"].iter().all(|text| split(text).is_err()));
    }
}
