//! Which fields mean null.

/// What pandas takes for missing (`pandas._libs.parsers.STR_NA_VALUES`), besides the empty field.
pub(super) const USUAL: &[&str] = &[
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
    "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// The fields that mean null, by their first byte: most values are none at a look.
#[derive(Debug, Clone)]
pub(super) struct Nulls {
    by_first: Vec<Vec<String>>,
}

impl Nulls {
    pub(super) fn new(words: &[String]) -> Self {
        let mut by_first = vec![Vec::new(); 256];
        for word in words {
            if let Some(&first) = word.as_bytes().first() {
                by_first[usize::from(first)].push(word.clone());
            }
        }
        Self { by_first }
    }

    #[inline]
    pub(super) fn has(&self, field: &str) -> bool {
        match field.as_bytes().first() {
            None => true,
            Some(&first) => {
                let words = &self.by_first[usize::from(first)];
                !words.is_empty() && words.iter().any(|w| w == field)
            }
        }
    }
}
