//! The results of a case as a person reads them.

use std::fmt::Write as _;

use super::row::{Role, Row};
use super::verdict::Verdict;

/// More cores than this in use by others: the figure is not to be quoted.
const DISTURBED: f64 = 0.3;

/// The rows of one case, fastest last, and how they compare.
pub(super) fn case(name: &str, rows: &[Row], verdict: Option<&Verdict>) -> String {
    let mut out = format!("\n{name}\n");
    for row in rows {
        let unit = match &row.units {
            Some((units, unit)) => format!("{} / {unit}", time(row.seconds / units)),
            None => String::new(),
        };
        let rss = row
            .peak_rss_mb
            .map(|rss| format!("{rss:.0} MB"))
            .unwrap_or_default();
        let _ = write!(
            out,
            "  {:20} {:>10}  {unit:>20}  {rss:>8}  {:>3} runs",
            row.who,
            time(row.seconds),
            row.runs
        );
        if let Some((value, unit)) = &row.value {
            let _ = write!(out, "  {value:.3} {unit}");
        }
        if let (Some(target), Some(met)) = (row.target, row.meets_target()) {
            let _ = match met {
                true => write!(out, "  target {target} met"),
                false => write!(out, "  target {target} MISSED"),
            };
        }
        if let Some(foreign) = row.foreign.filter(|foreign| *foreign > DISTURBED) {
            let _ = write!(out, "  (others used {foreign:.1} cores)");
        }
        let _ = writeln!(out, "\n      {}{}", checked(row), row.detail);
    }
    if let Some(verdict) = verdict {
        let named = |what: &str, of: &Option<(String, f64)>| {
            of.as_ref()
                .map(|(who, ratio)| format!("{ratio:.2}x {what} {who}"))
        };
        let words = [
            named("the best peer", &verdict.best_peer),
            named("the best of Dask", &verdict.dask),
            named("the limit", &verdict.limit),
        ];
        let words: Vec<_> = words.into_iter().flatten().collect();
        let unit = match verdict.by_unit && rows.iter().any(|row| row.role == Role::Peer) {
            true => ", by the unit",
            false => "",
        };
        let _ = writeln!(out, "  = {}{unit}", words.join(", "));
    }
    out
}

fn checked(row: &Row) -> String {
    row.check
        .as_ref()
        .map(|check| format!("[{check}] "))
        .unwrap_or_default()
}

/// Three digits and a unit.
fn time(seconds: f64) -> String {
    let (scaled, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s if s >= 1e-6 => (s * 1e6, "us"),
        s => (s * 1e9, "ns"),
    };
    let digits = match scaled {
        s if s >= 99.95 => 0,
        s if s >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::super::verdict;
    use super::*;

    #[test]
    fn times_have_three_digits() {
        for (seconds, text) in [
            (12.34, "12.3 s"),
            (0.2289, "229 ms"),
            (1.7719e-5, "17.7 us"),
            (2.3e-8, "23.0 ns"),
            (9.999e-3, "10.0 ms"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }

    #[test]
    fn a_missed_target_and_a_disturbed_run_are_said() {
        let mut ours = row("kvern", Role::Ours, 0.6, Some(1e6));
        ours.target = Some(0.5);
        ours.foreign = Some(0.9);
        let rows = [ours, row("dask-sync", Role::Peer, 3.0, Some(1e5))];
        let text = case("a1", &rows, verdict::of("a1", &rows).as_ref());
        for part in [
            "target 0.5 MISSED",
            "(others used 0.9 cores)",
            "= 50.00x the best peer dask-sync, 50.00x the best of Dask dask-sync, by the unit",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
