//! What one contestant measured in one case, and several turns of it as one.

use serde_json::{Map, Value, json};

use crate::command::Failure;

/// Who somebody is in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// kvern as it is compared.
    Ours,
    /// kvern in another way: shown only.
    Variant,
    /// kvern of another checkout.
    Before,
    /// What could be reached on this machine.
    Limit,
    Peer,
}

impl Role {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "ours" => Self::Ours,
            "limit" => Self::Limit,
            _ => Self::Variant,
        }
    }
}

/// One line of a result.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) role: Role,
    pub(super) case: String,
    pub(super) who: String,
    pub(super) seconds: f64,
    /// The least and the greatest figure of its turns.
    pub(super) turns: (f64, f64),
    pub(super) runs: u64,
    pub(super) peak_rss_mb: Option<f64>,
    /// How many of what one run did.
    pub(super) units: Option<(f64, String)>,
    /// A figure that is not a time, and of what.
    pub(super) value: Option<(f64, String)>,
    /// What the value, or else the microseconds a unit, should at most be.
    pub(super) target: Option<f64>,
    pub(super) check: Option<String>,
    /// Cores that others used meanwhile.
    pub(super) foreign: Option<f64>,
    pub(super) detail: String,
}

impl Row {
    /// A line of our program or of a script. A line that reports an error is a failure.
    pub(super) fn parse(line: &str, role: Role) -> Result<Self, Failure> {
        let bad = |what: &str| Failure::new(format!("{what} in the result `{line}`"));
        let line: Value = serde_json::from_str(line).map_err(|_| bad("no JSON"))?;
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        if let Some(error) = text("error") {
            return Err(Failure::new(error));
        }
        let named = |figure: &str, name: &str| Some((line[figure].as_f64()?, text(name)?));
        let mut row = Self {
            role,
            case: text("case").ok_or_else(|| bad("no case"))?,
            who: text("who")
                .or_else(|| text("peer"))
                .ok_or_else(|| bad("nobody"))?,
            seconds: line["seconds_median"]
                .as_f64()
                .ok_or_else(|| bad("no seconds"))?,
            runs: line["runs"].as_u64().unwrap_or(1),
            peak_rss_mb: line["peak_rss_mb"].as_f64(),
            units: named("units", "unit"),
            value: named("value", "value_unit"),
            target: line["target"].as_f64(),
            check: match &line["check"] {
                Value::Null => None,
                Value::String(check) => Some(check.clone()),
                other => Some(other.to_string()),
            },
            foreign: line["foreign_cores_during"].as_f64(),
            detail: text("detail").unwrap_or_default(),
            turns: (0.0, 0.0),
        };
        row.turns = (row.figure(), row.figure());
        Ok(row)
    }

    /// Seconds for one unit, or for all where nothing is counted.
    pub(super) fn seconds_a_unit(&self) -> f64 {
        self.units
            .as_ref()
            .map_or(self.seconds, |units| self.seconds / units.0)
    }

    /// The figure that the target is about.
    pub(super) fn figure(&self) -> f64 {
        match &self.value {
            Some(value) => value.0,
            None => self.seconds_a_unit() * 1e6,
        }
    }

    /// Whether the target, if there is one, is met.
    pub(super) fn meets_target(&self) -> Option<bool> {
        self.target.map(|target| self.figure() <= target)
    }

    /// The row as a line of JSON.
    pub(super) fn json(&self) -> Value {
        let mut line = Map::new();
        let mut put = |key: &str, value: Value| {
            line.insert(key.to_owned(), value);
        };
        put("case", json!(self.case));
        put("who", json!(self.who));
        put("seconds_median", json!(self.seconds));
        put("runs", json!(self.runs));
        put("peak_rss_mb", json!(self.peak_rss_mb));
        if let Some((units, unit)) = &self.units {
            put("units", json!(units));
            put("unit", json!(unit));
            put("per_unit_us", json!(self.seconds / units * 1e6));
        }
        if let Some((value, unit)) = &self.value {
            put("value", json!(value));
            put("value_unit", json!(unit));
        }
        if let Some(target) = self.target {
            put("target", json!(target));
            put("target_met", json!(self.meets_target()));
        }
        if let Some(check) = &self.check {
            put("check", json!(check));
        }
        if let Some(foreign) = self.foreign {
            put("foreign_cores_during", json!(foreign));
        }
        put("detail", json!(self.detail));
        Value::Object(line)
    }
}

/// The turns of each contestant as one row: medians of times and values, the highest memory, all runs.
pub(super) fn merged(rows: Vec<Row>) -> Vec<Row> {
    let mut groups: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        match groups
            .iter_mut()
            .find(|group| group[0].case == row.case && group[0].who == row.who)
        {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups.into_iter().filter_map(one).collect()
}

fn one(turns: Vec<Row>) -> Option<Row> {
    let collect = |of: fn(&Row) -> Option<f64>| turns.iter().filter_map(of).collect::<Vec<_>>();
    let seconds = collect(|row| Some(row.seconds));
    let values = collect(|row| row.value.as_ref().map(|value| value.0));
    let foreign = collect(|row| row.foreign);
    let rss = collect(|row| row.peak_rss_mb);
    let least = collect(|row| Some(row.turns.0));
    let greatest = collect(|row| Some(row.turns.1));
    let runs = turns.iter().map(|row| row.runs).sum();
    let mut row = turns.into_iter().next_back()?;
    row.seconds = median(seconds)?;
    row.turns = (
        least.into_iter().reduce(f64::min)?,
        greatest.into_iter().reduce(f64::max)?,
    );
    row.runs = runs;
    row.peak_rss_mb = rss.into_iter().reduce(f64::max);
    row.foreign = median(foreign);
    if let (Some(value), Some(median)) = (&mut row.value, median(values)) {
        value.0 = median;
    }
    Some(row)
}

/// The middle one; of two, the mean.
fn median(mut of: Vec<f64>) -> Option<f64> {
    of.sort_by(f64::total_cmp);
    let (low, high) = (of.len().checked_sub(1)? / 2, of.len() / 2);
    Some((of[low] + of[high]) / 2.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn row(who: &str, role: Role, seconds: f64, units: Option<f64>) -> Row {
        let mut line = json!({"case": "c", "who": who, "seconds_median": seconds, "runs": 5,
            "peak_rss_mb": 10.0, "detail": "d"});
        if let Some(units) = units {
            line["units"] = json!(units);
            line["unit"] = json!("task");
        }
        Row::parse(&line.to_string(), role).unwrap()
    }

    #[test]
    fn turns_become_medians_and_peaks() {
        let mut rows = vec![
            row("a", Role::Ours, 3.0, None),
            row("b", Role::Peer, 9.0, None),
            row("a", Role::Ours, 1.0, None),
            row("a", Role::Ours, 2.5, None),
        ];
        rows[2].peak_rss_mb = Some(99.0);
        let rows = merged(rows);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].seconds, rows[0].runs), (2.5, 15));
        assert_eq!(rows[0].peak_rss_mb, Some(99.0));
        assert_eq!(median(vec![1.0, 2.0]), Some(1.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn lines_of_the_scripts_are_understood() {
        let line = r#"{"case": "b2", "peer": "dask", "seconds_median": 0.5, "runs": 3, "check": true,
            "per_unit_us": 5.0, "units": 100000, "unit": "task", "peak_rss_mb": 200}"#;
        let row = Row::parse(line, Role::Peer).unwrap();
        assert_eq!(
            (row.who.as_str(), row.check.as_deref()),
            ("dask", Some("true"))
        );
        assert!((row.seconds_a_unit() - 5e-6).abs() < 1e-12);
        let failed = r#"{"case": "b2", "peer": "dask", "error": "over 300 s"}"#;
        let sentence = Row::parse(failed, Role::Peer).unwrap_err().to_string();
        assert_eq!(sentence, "over 300 s");
    }

    #[test]
    fn a_target_is_about_the_value_or_the_time_of_a_unit() {
        let mut timed = row("a", Role::Ours, 0.4, Some(1e6));
        assert_eq!(timed.meets_target(), None);
        timed.target = Some(0.5);
        assert_eq!(timed.meets_target(), Some(true));
        timed.value = Some((0.6, "bytes".to_owned()));
        assert_eq!(timed.meets_target(), Some(false));
    }
}
