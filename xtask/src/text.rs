//! Sentences about names: the nearest known one, and lists.

/// "unknown KIND `NAME`: did you mean `…`? There are: …".
pub(crate) fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = known.collect();
    let hint = match nearest(name, &all) {
        Some(near) => format!(": did you mean `{near}`?"),
        None => ".".to_owned(),
    };
    format!(
        "unknown {kind} `{name}`{hint} There are: {}",
        all.join(", ")
    )
}

/// The known name that this one begins, or that takes the fewest edits, if that is few enough to be
/// a slip of the hand.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let begun = |candidate: &&&str| name.len() > 1 && candidate.starts_with(name);
    if let Some(candidate) = known.iter().find(begun) {
        return Some(candidate);
    }
    let slip = 1 + name.chars().count() / 3;
    known
        .iter()
        .map(|candidate| (edits(name, candidate), *candidate))
        .min()
        .filter(|(distance, _)| *distance <= slip)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, by one row of the dynamic programme.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_counts_insertions_deletions_and_replacements() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits("core", "core"), 0);
    }

    #[test]
    fn the_beginning_of_a_name_is_enough_for_a_hint() {
        assert_eq!(nearest("lay", &["tidy", "layers"]), Some("layers"));
        assert_eq!(nearest("tset", &["tidy", "test"]), Some("test"));
    }

    #[test]
    fn a_far_name_gets_no_hint_but_the_list() {
        let sentence = unknown("part", "zzzzzz", ["core", "array"].into_iter());
        assert_eq!(sentence, "unknown part `zzzzzz`. There are: core, array");
    }
}
