//! One measured row, as a line of JSON.

use serde_json::{Map, Value, json};

use crate::catalog::Entry;
use crate::machine;
use crate::measure::Timing;

/// What a case found.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Replaces the entry's case name, for cases with several rows.
    pub(crate) case: Option<String>,
    pub(crate) timing: Timing,
    /// Work done in one run, such as `(1e6, "task")`: peers of another size are compared by it.
    pub(crate) units: Option<(f64, &'static str)>,
    /// A figure that is not a time, such as `(120.5, "bytes a task")`.
    pub(crate) value: Option<(f64, &'static str)>,
    /// What is aimed at: the value, or else microseconds a unit, at most.
    pub(crate) target: Option<f64>,
    /// The answer, to compare with others'.
    pub(crate) check: Option<String>,
    pub(crate) detail: String,
    /// Of this process when the row was ready.
    pub(crate) peak_rss_mb: Option<f64>,
}

impl Record {
    pub(crate) fn new(timing: Timing, detail: impl Into<String>) -> Self {
        Self {
            case: None,
            timing,
            units: None,
            value: None,
            target: None,
            check: None,
            detail: detail.into(),
            peak_rss_mb: machine::peak_rss_mb(),
        }
    }

    pub(crate) fn case(mut self, case: impl Into<String>) -> Self {
        self.case = Some(case.into());
        self
    }

    pub(crate) fn units(mut self, units: usize, unit: &'static str) -> Self {
        self.units = Some((units as f64, unit));
        self
    }

    pub(crate) fn value(mut self, value: f64, unit: &'static str) -> Self {
        self.value = Some((value, unit));
        self
    }

    pub(crate) fn target(mut self, at_most: f64) -> Self {
        self.target = Some(at_most);
        self
    }

    pub(crate) fn check(mut self, answer: impl ToString) -> Self {
        self.check = Some(answer.to_string());
        self
    }

    /// The memory of another process, which did the work.
    pub(crate) fn peak(mut self, mb: f64) -> Self {
        self.peak_rss_mb = Some(mb);
        self
    }

    /// The line.
    pub(crate) fn json(&self, entry: &Entry) -> Value {
        let mut line = Map::new();
        let mut put = |key: &str, value: Value| {
            line.insert(key.to_owned(), value);
        };
        let case = self.case.as_deref().unwrap_or(entry.case);
        let median = self.timing.median();
        put("case", json!(case));
        put("who", json!(entry.who));
        put("seconds_median", rounded(median));
        put("seconds_min", rounded(self.timing.at(0.0)));
        put("seconds_max", rounded(self.timing.at(1.0)));
        put("runs", json!(self.timing.seconds.len()));
        put("peak_rss_mb", json!(self.peak_rss_mb.map(f64::round)));
        if let Some((units, unit)) = self.units {
            put("per_unit_us", rounded(median / units * 1e6));
            put("units", json!(units));
            put("unit", json!(unit));
        }
        if let Some((value, unit)) = self.value {
            put("value", rounded(value));
            put("value_unit", json!(unit));
        }
        if let Some(target) = self.target {
            put("target", json!(target));
        }
        if let Some(check) = &self.check {
            put("check", json!(check));
        }
        if let Some(foreign) = self.timing.foreign {
            put(
                "foreign_cores_during",
                json!((foreign * 100.0).round() / 100.0),
            );
        }
        put("detail", json!(self.detail));
        Value::Object(line)
    }
}

/// To a nanosecond, which is more than any clock here can tell.
fn rounded(seconds: f64) -> Value {
    json!((seconds * 1e9).round() / 1e9)
}
