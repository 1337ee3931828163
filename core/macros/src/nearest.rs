//! The key that was probably meant. The core has a better one, but stands on this crate.

/// The nearest candidate by Levenshtein distance, unless more than half of the word would have to change.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let near = candidates
        .iter()
        .map(|c| (distance(word, c), *c))
        .min_by_key(|(d, _)| *d)?;
    (near.0 * 2 <= word.chars().count().max(2)).then_some(near.1)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_is_recognised_and_a_stranger_is_not() {
        let keys = ["name", "version", "pure", "inline", "uses_block", "crate"];
        assert_eq!(nearest("verison", &keys), Some("version"));
        assert_eq!(nearest("use_block", &keys), Some("uses_block"));
        assert_eq!(nearest("elementwise", &keys), None);
    }
}
