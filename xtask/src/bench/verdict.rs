//! How far ahead or behind: the ratios of one case.

use serde_json::{Value, json};

use super::row::{Role, Row};

/// Our time against the best peer's and against the limit's.
#[derive(Debug, PartialEq)]
pub(super) struct Verdict {
    case: String,
    /// Who, and their seconds divided by ours.
    pub(super) best_peer: Option<(String, f64)>,
    pub(super) dask: Option<(String, f64)>,
    pub(super) limit: Option<(String, f64)>,
    /// What the limit is.
    limit_detail: Option<String>,
    /// Whether contestants did work of different sizes and were compared by the unit.
    pub(super) by_unit: bool,
}

impl Verdict {
    /// As a line of JSON.
    pub(super) fn json(&self) -> Value {
        let who = |of: &Option<(String, f64)>| of.as_ref().map(|found| found.0.clone());
        let ratio = |of: &Option<(String, f64)>| of.as_ref().map(|found| found.1);
        json!({
            "case": self.case,
            "ratio_to_best_peer": ratio(&self.best_peer),
            "best_peer": who(&self.best_peer),
            "limit": who(&self.limit),
            "ratio_to_limit": ratio(&self.limit),
            "limit_detail": self.limit_detail,
            "ratio_to_dask": ratio(&self.dask),
            "compared_by": if self.by_unit { "seconds a unit" } else { "seconds" },
        })
    }
}

/// The ratios; `None` where there is nobody to compare with.
pub(super) fn of(case: &str, rows: &[Row]) -> Option<Verdict> {
    let ours = rows.iter().find(|row| row.role == Role::Ours)?;
    // A megabyte and a gigabyte cannot be compared, and no more can a task and nothing.
    let unit = |row: &Row| row.units.as_ref().map(|units| units.1.clone());
    let by_unit = unit(ours).is_some() && rows.iter().all(|row| unit(row) == unit(ours));
    let time = |row: &Row| {
        if by_unit {
            row.seconds_a_unit()
        } else {
            row.seconds
        }
    };
    let best = |is: &dyn Fn(&Row) -> bool| {
        let found = rows.iter().filter(|row| is(row));
        let best = found.min_by(|a, b| time(a).total_cmp(&time(b)))?;
        Some((best.who.clone(), time(best) / time(ours)))
    };
    let verdict = Verdict {
        case: case.to_owned(),
        best_peer: best(&|row| row.role == Role::Peer),
        dask: best(&|row| row.role == Role::Peer && row.who.starts_with("dask")),
        limit: best(&|row| row.role == Role::Limit),
        limit_detail: rows
            .iter()
            .find(|row| row.role == Role::Limit)
            .map(|row| row.detail.clone()),
        by_unit,
    };
    (verdict.best_peer.is_some() || verdict.limit.is_some()).then_some(verdict)
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::*;

    #[test]
    fn peers_of_another_size_are_compared_by_the_unit() {
        let rows = [
            row("kvern", Role::Ours, 0.5, Some(1e6)),
            row("kvern-sync", Role::Variant, 0.1, Some(1e6)),
            row("rayon", Role::Limit, 0.25, Some(1e6)),
            row("dask-threaded", Role::Peer, 9.0, Some(1e5)),
            row("dask-sync", Role::Peer, 5.0, Some(1e5)),
            row("pool", Role::Peer, 1.0, Some(1e5)),
        ];
        let verdict = of("c", &rows).unwrap();
        let (who, ratio) = verdict.best_peer.clone().unwrap();
        assert_eq!(who, "pool");
        assert!((ratio - 20.0).abs() < 1e-9);
        let (who, ratio) = verdict.dask.clone().unwrap();
        assert_eq!(who, "dask-sync");
        assert!((ratio - 100.0).abs() < 1e-9);
        assert_eq!(verdict.limit, Some(("rayon".to_owned(), 0.5)));
        assert_eq!(verdict.json()["compared_by"], "seconds a unit");
    }

    #[test]
    fn whole_times_are_compared_where_somebody_counts_nothing() {
        let rows = [
            row("kvern", Role::Ours, 0.5, Some(1e6)),
            row("numpy", Role::Peer, 1.0, None),
        ];
        let verdict = of("c", &rows).unwrap();
        assert_eq!(verdict.best_peer, Some(("numpy".to_owned(), 2.0)));
        assert_eq!(verdict.limit, None);
    }

    #[test]
    fn units_of_other_names_are_not_compared() {
        let mut rows = [
            row("kvern", Role::Ours, 0.5, Some(750.0)),
            row("dask", Role::Peer, 1.0, Some(0.75)),
        ];
        assert_eq!(of("c", &rows).unwrap().best_peer.unwrap().1, 2000.0);
        rows[1].units = Some((0.75, "GB".to_owned()));
        let verdict = of("c", &rows).unwrap();
        assert_eq!(verdict.best_peer, Some(("dask".to_owned(), 2.0)));
        assert_eq!(verdict.json()["compared_by"], "seconds");
    }

    #[test]
    fn alone_there_is_nothing_to_compare() {
        assert_eq!(of("c", &[row("kvern", Role::Ours, 0.5, None)]), None);
        assert_eq!(of("c", &[row("numpy", Role::Peer, 0.5, None)]), None);
    }
}
