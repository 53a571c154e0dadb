//! What may have been meant: the nearest of some words.

/// The word that is the fewest edits away from `found`, if these are few for its length (a third of it).
pub(super) fn nearest<'a>(found: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if found.len() > CHARS_MAX {
        return None;
    }
    let found = found.to_lowercase();
    let near = |word: &'a str| {
        let distance = distance(&found, word);
        let allowed = found.chars().count().max(word.chars().count()).div_ceil(3);
        (distance <= allowed && distance < word.chars().count()).then_some((distance, word))
    };
    words.into_iter().filter_map(near).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// Longer words are not compared.
const CHARS_MAX: usize = 64;

/// Letters to be put in, left out or changed to get from `a` to `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (idx, from) in a.chars().enumerate() {
        let mut diagonal = idx;
        let mut left = idx + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            *cell = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            (diagonal, left) = (above, *cell);
        }
        if let Some(first) = row.first_mut() {
            *first = idx + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_meant_if_it_is_near() {
        let words = ["length", "warm_up", "grace", "recovery"];
        for (found, meant) in [
            ("lenght", Some("length")),
            ("warmup", Some("warm_up")),
            ("Grace", Some("grace")),
            ("recover", Some("recovery")),
            ("volume", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, words), meant, "{found}");
        }
        assert_eq!(nearest(&"x".repeat(1_000), words), None);
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("abc", "")), (3, 3, 3));
    }
}
