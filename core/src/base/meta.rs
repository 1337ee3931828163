//! What is known of a layer's result before it runs.

use serde::{Deserialize, Serialize};

/// Kind, element type and shape of what a layer makes, as far as known. Collections give it meaning; core only carries it, shows
/// it and hands it to [`Operator::infer`](crate::Operator::infer).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Meta {
    /// `"array"`, `"frame"`, `"bag"`, …; empty if unknown.
    pub kind: String,
    /// Element type or schema in the collection's own words, such as `"float64"`.
    pub dtype: String,
    /// Lengths along each axis; `None` where unknown until run.
    pub shape: Vec<Option<u64>>,
}

impl Meta {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// An n-d array.
    pub fn array(dtype: impl Into<String>, shape: impl IntoIterator<Item = u64>) -> Self {
        Self {
            kind: "array".into(),
            dtype: dtype.into(),
            shape: shape.into_iter().map(Some).collect(),
        }
    }

    /// `array float64 [100, ?]`; empty if nothing is known.
    pub fn describe(&self) -> String {
        if self.kind.is_empty() {
            return String::new();
        }
        let dims: Vec<String> = self
            .shape
            .iter()
            .map(|d| d.map_or("?".into(), |n| n.to_string()))
            .collect();
        format!("{} {} [{}]", self.kind, self.dtype, dims.join(", "))
    }
}
