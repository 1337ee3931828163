//! The names of a CSV file's columns: what its first line says, each a name of its own.

use std::collections::{HashMap, HashSet};

/// Names for the columns whose header says that: one that is empty is `column_N`, one that was there before is `name_1`, `name_2`, …
pub(super) fn of_header(header: Vec<String>) -> Vec<String> {
    let all: HashSet<String> = header.iter().cloned().collect();
    let mut used = HashSet::with_capacity(header.len());
    // How often a name came, so that many equal ones need no search.
    let mut came: HashMap<String, usize> = HashMap::new();
    let mut names = Vec::with_capacity(header.len());
    for (i, name) in header.into_iter().enumerate() {
        let wanted = if name.trim().is_empty() {
            numbered(i)
        } else {
            name
        };
        let mut given = wanted.clone();
        if used.contains(&given) {
            let n = came.entry(wanted.clone()).or_insert(0);
            loop {
                *n += 1;
                given = format!("{wanted}_{n}");
                if !used.contains(&given) && !all.contains(&given) {
                    break;
                }
            }
        }
        used.insert(given.clone());
        names.push(given);
    }
    names
}

/// The names of so many columns that no line names.
pub(super) fn without_header(count: usize) -> Vec<String> {
    (0..count).map(numbered).collect()
}

fn numbered(i: usize) -> String {
    format!("column_{}", i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_has_a_name_of_its_own() {
        let names = |header: &[&str]| of_header(header.iter().map(|&s| s.to_owned()).collect());
        assert_eq!(names(&["a", "a", "b"]), ["a", "a_1", "b"]);
        assert_eq!(
            names(&["a", "b", "", ""]),
            ["a", "b", "column_3", "column_4"]
        );
        assert_eq!(names(&["a", "a", "a_1", "a"]), ["a", "a_2", "a_1", "a_3"]);
        assert_eq!(
            names(&["column_2", "", "x"]),
            ["column_2", "column_2_1", "x"]
        );
        assert_eq!(names(&["", "column_1"]), ["column_1", "column_1_1"]);
        let many = vec!["x".to_owned(); 20_000];
        let named = of_header(many);
        assert_eq!(named[19_999], "x_19999");
        assert_eq!(named.iter().collect::<HashSet<_>>().len(), 20_000);
    }
}
