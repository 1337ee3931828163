//! How many bad records were left out, and the first few of them in words.

use serde::{Deserialize, Serialize};

/// So many examples are kept.
const EXAMPLES: usize = 5;

/// Records that were left out because they could not be read, where a reader was told to skip them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    records: u64,
    examples: Vec<String>,
}

impl Skipped {
    /// How many.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-records-{}.jsonl", std::process::id()));
    /// use kvern_bag::{OnBad, TextOptions, read_json_with};
    /// std::fs::write(&path, "1\nnone\n")?;
    /// let numbers = read_json_with::<i64>(&path, &TextOptions::new(), OnBad::Skip)?;
    /// let (_, skipped) = numbers.with_skipped().reference()?;
    /// assert_eq!(skipped.records(), 1);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The first few in the order of the bag: file, line and what was wrong.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-examples-{}.jsonl", std::process::id()));
    /// use kvern_bag::{OnBad, TextOptions, read_json_with};
    /// std::fs::write(&path, "1\nnone\n")?;
    /// let numbers = read_json_with::<i64>(&path, &TextOptions::new(), OnBad::Skip)?;
    /// let (_, skipped) = numbers.with_skipped().reference()?;
    /// assert!(skipped.examples()[0].contains(".jsonl:2"), "{skipped}");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn examples(&self) -> &[String] {
        &self.examples
    }

    pub(crate) fn count(&mut self, why: impl FnOnce() -> String) {
        self.records += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(why());
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.records += other.records;
        let room = EXAMPLES - self.examples.len().min(EXAMPLES);
        self.examples
            .extend(other.examples.iter().take(room).cloned());
    }
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} records skipped", self.records)?;
        for e in &self.examples {
            write!(f, "\n  {e}")?;
        }
        match self.records - self.examples.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n  … {more} more"),
        }
    }
}
