//! Whether two answers are the same.

use std::cmp::Ordering;

use crate::query::{Kind, Rel};
use crate::value::Val;

/// The rows that came of a query.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, in order.
    pub rows: Vec<Vec<Val>>,
}

/// How far floats may be apart that depend on the order of a sum, or on how a function is computed: relative, and absolute below 1.
const TOLERANCE: f64 = 1e-9;

/// What is different, or nothing. Rows count as often as they come, in any order; where the query ends with an order, its keys must come in
/// the same one.
pub fn difference(query: &Rel, want: &Answer, got: &Answer) -> Option<String> {
    let columns = query.columns();
    let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    for (who, answer) in [("DuckDB", want), ("kvern", got)] {
        if answer.columns != names {
            return Some(format!(
                "the columns of {who} are {:?}, expected were {names:?}",
                answer.columns
            ));
        }
    }
    if want.rows.len() != got.rows.len() {
        return Some(format!(
            "{} rows, expected were {}",
            got.rows.len(),
            want.rows.len()
        ));
    }
    let fuzzy: Vec<bool> = columns.iter().map(|c| c.facts.fuzzy).collect();
    let (mut a, mut b): (Vec<_>, Vec<_>) = (
        want.rows.iter().collect::<Vec<_>>(),
        got.rows.iter().collect::<Vec<_>>(),
    );
    for rows in [&mut a, &mut b] {
        rows.sort_by(|x, y| order(x, y, &fuzzy));
    }
    for (want, got) in a.iter().zip(&b) {
        if let Some(i) = differs(want, got, &fuzzy) {
            return Some(format!(
                "column {}: a row {}, expected was a row {}",
                names[i],
                row(got),
                row(want)
            ));
        }
    }
    keys_in_order(query, &names, want, got)
}

fn keys_in_order(query: &Rel, names: &[&str], want: &Answer, got: &Answer) -> Option<String> {
    let Rel::Sort(_, keys, _) = query else {
        return None;
    };
    let at: Vec<usize> = keys
        .iter()
        .filter_map(|k| match &k.expr.kind {
            Kind::Col(name) => names.iter().position(|n| n == name),
            _ => None,
        })
        .collect();
    for (i, (want, got)) in want.rows.iter().zip(&got.rows).enumerate() {
        let wrong = at.iter().find(|k| want[**k].order(&got[**k]).is_ne());
        if let Some(k) = wrong {
            return Some(format!(
                "row {i} of the order has {} in {}, expected was {}",
                got[*k], names[*k], want[*k]
            ));
        }
    }
    None
}

/// By what is exact first, so that rows whose last bits differ still meet.
fn order(a: &[Val], b: &[Val], fuzzy: &[bool]) -> Ordering {
    let by = |last: bool| {
        a.iter()
            .zip(b)
            .zip(fuzzy)
            .filter(|(_, f)| **f == last)
            .map(|((a, b), _)| a.order(b))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    by(false).then_with(|| by(true))
}

fn differs(want: &[Val], got: &[Val], fuzzy: &[bool]) -> Option<usize> {
    (0..fuzzy.len()).find(|&i| {
        if fuzzy[i] {
            !want[i].near(&got[i], TOLERANCE)
        } else {
            want[i].order(&got[i]).is_ne()
        }
    })
}

/// A row as text.
pub fn row(row: &[Val]) -> String {
    let cells: Vec<String> = row.iter().map(Val::to_string).collect();
    format!("({})", cells.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Column, Expr, Facts, Key};
    use crate::value::Ty;

    fn scan(facts: Facts) -> Rel {
        let column = |name: &str, facts| Column {
            name: name.into(),
            ty: Ty::F64,
            facts,
        };
        let columns = vec![
            ("a".into(), column("c1", Facts::NONE)),
            ("b".into(), column("c2", facts)),
        ];
        Rel::Scan { table: 0, columns }
    }

    fn answer(rows: &[[f64; 2]]) -> Answer {
        Answer {
            columns: vec!["c1".into(), "c2".into()],
            rows: rows
                .iter()
                .map(|r| r.iter().map(|x| Val::Float(*x)).collect())
                .collect(),
        }
    }

    #[test]
    fn rows_are_counted_in_any_order() {
        let q = scan(Facts::NONE);
        let two = answer(&[[1.0, 2.0], [f64::NAN, 0.0]]);
        assert_eq!(
            difference(&q, &two, &answer(&[[f64::NAN, -0.0], [1.0, 2.0]])),
            None
        );
        assert!(difference(&q, &two, &answer(&[[1.0, 2.0], [1.0, 2.0]])).is_some());
        assert!(difference(&q, &two, &answer(&[[1.0, 2.0]])).is_some());
        assert!(difference(&q, &two, &answer(&[[1.0, 2.0 + 1e-14], [f64::NAN, 0.0]])).is_some());
    }

    #[test]
    fn last_bits_count_where_they_are_known() {
        let fuzzy = Facts {
            fuzzy: true,
            ..Facts::NONE
        };
        let (a, b) = (answer(&[[1.0, 2.0]]), answer(&[[1.0, 2.0 + 1e-12]]));
        assert_eq!(difference(&scan(fuzzy), &a, &b), None);
        assert!(difference(&scan(fuzzy), &a, &answer(&[[1.0, 2.1]])).is_some());
        assert!(difference(&scan(Facts::NONE), &a, &b).is_some());
    }

    #[test]
    fn an_order_at_the_end_counts() {
        let input = scan(Facts::NONE);
        let key = Key {
            expr: Expr::of(&input.columns()[0]),
            descending: false,
            nulls_first: false,
        };
        let q = Rel::Sort(Box::new(input), vec![key], None);
        let want = answer(&[[1.0, 2.0], [1.0, 3.0], [2.0, 0.0]]);
        let ties = answer(&[[1.0, 3.0], [1.0, 2.0], [2.0, 0.0]]);
        assert_eq!(difference(&q, &want, &ties), None);
        let wrong = answer(&[[2.0, 0.0], [1.0, 2.0], [1.0, 3.0]]);
        assert!(difference(&q, &want, &wrong).is_some());
    }
}
