//! The name that was probably meant.

/// Longer words are not typos of a name.
const LONGEST: usize = 128;

/// The candidate nearest to `word`, if one is near enough to have been meant.
///
/// Nearness is the number of characters to insert, remove, change or swap with their neighbour (the restricted
/// Damerau–Levenshtein distance, or "optimal string alignment"); case, and `_` against `-`, count for nothing. A third
/// of the longer word's characters may differ. Of equally near candidates the first is taken.
///
/// ```
/// use kvern_core::text::nearest;
///
/// assert_eq!(nearest("thraeds", ["sync", "threads"]), Some("threads"));
/// assert_eq!(nearest("kubernetes", ["sync", "threads"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = folded(word);
    if word.len() > LONGEST {
        return None;
    }
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        let name = folded(candidate);
        let longer = word.len().max(name.len());
        // A difference in length alone is already that many insertions: most candidates end here.
        let allowed = best.map_or(longer.div_ceil(3), |(distance, _)| {
            distance.saturating_sub(1)
        });
        if name.len() > LONGEST || longer - word.len().min(name.len()) > allowed {
            continue;
        }
        let distance = distance(&word, &name);
        let related = distance < longer && distance <= longer.div_ceil(3);
        if related && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn folded(word: &str) -> Vec<char> {
    word.chars()
        .take(LONGEST + 1)
        .map(|c| {
            if c == '_' {
                '-'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

/// Optimal string alignment, with the last three rows of the table.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = vec![0; b.len() + 1];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last[b.len()]
}
