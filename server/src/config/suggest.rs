//! What may have been meant: the nearest of some words.

/// The word that is the fewest edits away from `found`, if these are few for its length; else one that begins as it does.
pub(super) fn nearest<'a>(found: &str, words: impl IntoIterator<Item = &'a str> + Clone) -> Option<&'a str> {
    edited(found, words.clone()).or_else(|| words.into_iter().find(|word| is_start(found, word)))
}

/// Whether one of them is the beginning of the other, and long enough to be meant.
fn is_start(found: &str, word: &str) -> bool {
    found.len().min(word.len()) >= START_CHARS_MIN && (word.starts_with(found) || found.starts_with(word))
}

/// Shorter beginnings may be of anything.
const START_CHARS_MIN: usize = 4;

fn edited<'a>(found: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found: Vec<char> = found.chars().take(CHARS_MAX + 1).flat_map(char::to_lowercase).collect();
    let close = |word: &'a str| {
        let wanted: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
        let allowed = found.len().max(wanted.len()).div_ceil(3);
        let distance = distance(&found, &wanted);
        (distance <= allowed && distance < wanted.len()).then_some((distance, word))
    };
    if found.len() > CHARS_MAX {
        return None;
    }
    words.into_iter().filter_map(close).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// Longer words are not compared.
const CHARS_MAX: usize = 64;

/// Letters to be put in, left out, changed or swapped with the next one, to get from `a` to `b` (optimal string
/// alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.iter().enumerate() {
        let mut next = vec![row + 1];
        for (at, to) in b.iter().enumerate() {
            let cost = |costs: &[usize], idx: usize| costs.get(idx).copied().unwrap_or(usize::MAX - 1);
            let changed = cost(&last, at) + usize::from(from != to);
            let mut least = changed.min(cost(&last, at + 1) + 1).min(cost(&next, at) + 1);
            let is_swap = row > 0 && at > 0 && a.get(row - 1) == Some(to) && b.get(at - 1) == Some(from);
            if is_swap {
                least = least.min(cost(&before, at - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_meant_if_it_is_near() {
        let words = ["listen", "header_secs", "priority", "profile"];
        for (found, meant) in [
            ("listn", Some("listen")),
            ("lisetn", Some("listen")),
            ("Priority", Some("priority")),
            ("header_seconds", Some("header_secs")),
            ("prfile", Some("profile")),
            ("prio", Some("priority")),
            ("profile_of_news", Some("profile")),
            ("pro", None),
            ("", None),
            ("volume", None),
        ] {
            assert_eq!(nearest(found, words), meant, "{found}");
        }
        assert_eq!(nearest(&"x".repeat(10_000), words), None);
    }

    #[test]
    fn a_swap_is_one_edit() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (a, b, edits) in [("abc", "acb", 1), ("abc", "abc", 0), ("", "abc", 3), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(&chars(a), &chars(b)), edits, "{a} {b}");
        }
    }
}
