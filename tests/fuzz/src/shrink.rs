//! Makes a failing case smaller while it still fails.

use crate::edit;
use crate::make::Case;
use crate::query::Rel;
use crate::table::{Source, Table, TextForm};

/// Tries at most, each of which computes a query twice.
const TRIES: usize = 600;

/// The least case found that still fails, one step after the other. `fails` is asked of cases that make sense only.
pub fn shrink(case: &Case, fails: &mut dyn FnMut(&Case) -> bool) -> Case {
    let mut best = case.clone();
    let mut tries = 0;
    // Where the last step was found: what lies before it has just been tried.
    let mut from = 0;
    loop {
        let steps = steps(&best);
        let n = steps.len();
        let found = (0..n).map(|i| (from + i) % n).find(|&i| {
            if tries >= TRIES || !edit::makes_sense(&steps[i].query, &[]) {
                return false;
            }
            tries += 1;
            fails(&steps[i])
        });
        match found {
            Some(i) if tries < TRIES => {
                best = steps[i].clone();
                from = i;
            }
            Some(i) => return steps[i].clone(),
            None => return best,
        }
    }
}

/// All cases that are one step smaller.
fn steps(case: &Case) -> Vec<Case> {
    let with_query = |query: Rel| Case {
        query,
        ..case.clone()
    };
    let mut out = Vec::new();
    out.extend(without_unread(case));
    for (i, table) in case.tables.iter().enumerate() {
        for table in smaller_tables(table) {
            let mut tables = case.tables.clone();
            tables[i] = table;
            out.push(Case {
                tables,
                ..case.clone()
            });
        }
    }
    for partitions in 1..case.partitions {
        out.push(Case {
            partitions,
            ..case.clone()
        });
    }
    out.extend(edit::smaller(&case.query).into_iter().map(with_query));
    out
}

/// Fewer rows, a plainer source, fewer parts.
fn smaller_tables(table: &Table) -> Vec<Table> {
    let mut out = Vec::new();
    let n = table.rows.len();
    let mut piece = n.div_ceil(2);
    while piece > 0 {
        for from in (0..n).step_by(piece) {
            let mut rows = table.rows.clone();
            rows.drain(from..(from + piece).min(n));
            out.push(table.with_rows(rows));
        }
        piece /= 2;
    }
    if table.source != Source::Memory(TextForm::Utf8) {
        out.push(Table {
            source: Source::Memory(TextForm::Utf8),
            ..table.clone()
        });
    }
    if table.cuts.len() > 1 {
        out.push(Table {
            cuts: vec![n],
            ..table.clone()
        });
        let mut cuts = table.cuts.clone();
        let last = cuts.pop().unwrap_or_default();
        if let Some(end) = cuts.last_mut() {
            *end += last;
        }
        out.push(Table {
            cuts,
            ..table.clone()
        });
    }
    out
}

/// The tables with no column that nobody reads.
fn without_unread(case: &Case) -> Option<Case> {
    let mut read = vec![Vec::new(); case.tables.len()];
    edit::visit(&case.query, &mut |rel| {
        if let Rel::Scan { table, columns } = rel {
            read[*table].extend(columns.iter().map(|c| c.0.clone()));
        }
    });
    let mut changed = false;
    let mut tables = case.tables.clone();
    for (table, read) in tables.iter_mut().zip(read) {
        let mut keep: Vec<bool> = table
            .columns
            .iter()
            .map(|c| read.contains(&c.name))
            .collect();
        if !keep.contains(&true)
            && let Some(first) = keep.first_mut()
        {
            *first = true;
        }
        changed |= keep.contains(&false);
        let kept = |i: &usize| keep[*i];
        table.columns = (0..keep.len())
            .filter(kept)
            .map(|i| table.columns[i].clone())
            .collect();
        for row in &mut table.rows {
            *row = (0..keep.len())
                .filter(kept)
                .map(|i| row[i].clone())
                .collect();
        }
    }
    changed.then(|| Case {
        tables,
        ..case.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Dialect;
    use crate::sql;

    /// A case fails here if its query divides and its first table has a row.
    #[test]
    fn what_does_not_matter_goes() {
        let divides = |c: &Case| {
            sql::query(&c.query, &c.names(), Dialect::Duck).contains(" // ")
                && c.tables.iter().any(|t| !t.rows.is_empty())
        };
        let mut met = 0;
        for seed in 0..400 {
            let case = Case::new(seed);
            if !divides(&case) {
                continue;
            }
            met += 1;
            let small = shrink(&case, &mut |c| divides(c));
            assert!(divides(&small), "seed {seed}");
            let rows: usize = small.tables.iter().map(|t| t.rows.len()).sum();
            let text = sql::query(&small.query, &small.names(), Dialect::Duck);
            assert!(
                rows <= 2 && text.len() < 800,
                "seed {seed}: {rows} rows, {text}"
            );
        }
        // So many of them say it, as the grammar is: enough to mean something.
        assert!(met >= 3, "{met}");
    }
}
