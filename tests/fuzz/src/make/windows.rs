//! Random functions over windows.

use super::rels::FUZZY;
use super::{Maker, Part};
use crate::query::{Agg, Bound, Column, Expr, Facts, Frame, Key, Rel, Win};
use crate::value::{Ty, Val};

impl Maker<'_> {
    pub(super) fn window(&mut self, part: Part) -> Part {
        let columns = part.columns();
        let mut items: Vec<(String, Win)> = Vec::new();
        for _ in 0..self.rng.between(1, 3) {
            let Some(win) = self.function(&columns, part.rows) else {
                continue;
            };
            // Which of several equal rows comes first is open, and each function may see them otherwise: one of these is enough.
            let one_by_one = |w: &Win| w.order.len() == columns.len();
            if !one_by_one(&win) || !items.iter().any(|i| one_by_one(&i.1)) {
                items.push((self.name(), win));
            }
        }
        if items.is_empty() {
            return part;
        }
        Part {
            rel: Rel::Window(Box::new(part.rel), items),
            rows: part.rows,
        }
    }

    fn partition(&mut self, columns: &[Column]) -> Vec<Expr> {
        let open: Vec<Column> = columns
            .iter()
            .filter(|c| !c.facts.fuzzy && !c.ty.is_nested())
            .cloned()
            .collect();
        if open.is_empty() || self.rng.one_in(3) {
            return Vec::new();
        }
        let n = self.rng.between(1, 2);
        (0..n).map(|_| Expr::of(self.rng.pick(&open))).collect()
    }

    fn function(&mut self, columns: &[Column], rows: u64) -> Option<Win> {
        let partition = self.partition(columns);
        match self.rng.below(8) {
            0 => self.ranking(columns, rows, partition),
            1 | 2 => self.navigation(columns, partition),
            3 => self.value(columns, partition),
            _ => self.aggregating(columns, rows, partition),
        }
    }

    /// Where a row stands among its own.
    fn ranking(&mut self, columns: &[Column], rows: u64, partition: Vec<Expr>) -> Option<Win> {
        let names = [
            "rank",
            "dense_rank",
            "percent_rank",
            "cume_dist",
            "row_number",
            "ntile",
        ];
        let op = *self.rng.pick(&names);
        let total = matches!(op, "row_number" | "ntile");
        let order = self.order(columns, total)?;
        let (ty, facts) = match op {
            "percent_rank" | "cume_dist" => (Ty::F64, FUZZY),
            _ => (Ty::I64, Facts::range(0, i128::from(rows))),
        };
        let args = match op {
            "ntile" => vec![self.number(1, 5)],
            _ => Vec::new(),
        };
        Some(plain(op, args, ty, facts, partition, order))
    }

    fn number(&mut self, low: i64, high: i64) -> Expr {
        Expr::lit(Val::Int(self.rng.between(low, high).into()), Ty::I64)
    }

    /// Values of rows before and after.
    fn navigation(&mut self, columns: &[Column], partition: Vec<Expr>) -> Option<Win> {
        let order = self.order(columns, true)?;
        let of = Expr::of(self.rng.pick(columns));
        let op = *self.rng.pick(&["lag", "lead"]);
        let (ty, mut facts) = (of.ty.clone(), of.facts);
        let mut args = vec![of];
        if self.rng.one_in(2) {
            args.push(self.number(0, 3));
            if self.rng.one_in(3) && !ty.is_nested() {
                let other = crate::table::constant(&mut self.rng, &ty);
                args.push(Expr::lit(other, ty.clone()));
                facts.range = None;
                facts.exact = false;
            }
        }
        let mut win = plain(op, args, ty, facts, partition, order);
        win.ignore_nulls = self.rng.one_in(3);
        Some(win)
    }

    /// Values of certain rows of a frame.
    fn value(&mut self, columns: &[Column], partition: Vec<Expr>) -> Option<Win> {
        let order = self.order(columns, true)?;
        let of = Expr::of(self.rng.pick(columns));
        let op = *self.rng.pick(&["first_value", "last_value", "nth_value"]);
        let (ty, facts) = (of.ty.clone(), of.facts);
        let mut args = vec![of];
        if op == "nth_value" {
            args.push(self.number(1, 3));
        }
        let mut win = plain(op, args, ty, facts, partition, order);
        win.ignore_nulls = self.rng.one_in(3);
        win.frame = match self.rng.one_in(2) {
            true => Some(self.frame("ROWS")),
            false => None,
        };
        Some(win)
    }

    /// Aggregates over frames.
    fn aggregating(&mut self, columns: &[Column], rows: u64, partition: Vec<Expr>) -> Option<Win> {
        let agg = self.aggregate(columns, rows, false);
        let (order, frame) = match self.rng.below(6) {
            0 => (Vec::new(), None),
            // Equal rows come together, whatever their order.
            1 => (self.order(columns, false)?, None),
            2 => {
                let frame = self.frame("GROUPS");
                (self.order(columns, false)?, Some(frame))
            }
            3 => {
                let keys: Vec<&Column> = columns
                    .iter()
                    .filter(|c| c.ty == Ty::I64 && small(c.facts))
                    .collect();
                if keys.is_empty() {
                    return None;
                }
                let key = Key {
                    expr: Expr::of(*self.rng.pick(&keys)),
                    descending: self.rng.one_in(2),
                    nulls_first: self.rng.one_in(2),
                };
                (vec![key], Some(self.frame("RANGE")))
            }
            _ => {
                let order = self.order(columns, true)?;
                (order, Some(self.frame("ROWS")))
            }
        };
        Some(Win {
            agg,
            ignore_nulls: false,
            partition,
            order,
            frame,
        })
    }

    fn frame(&mut self, unit: &'static str) -> Frame {
        let n = self.rng.below(4) as u32;
        let m = self.rng.below(4) as u32;
        let (from, to) = *self.rng.pick(&[
            (Bound::Start, Bound::Current),
            (Bound::Start, Bound::End),
            (Bound::Start, Bound::Following(n)),
            (Bound::Start, Bound::Preceding(n)),
            (Bound::Current, Bound::End),
            (Bound::Current, Bound::Current),
            (Bound::Current, Bound::Following(n)),
            (Bound::Preceding(n), Bound::Current),
            (Bound::Preceding(n), Bound::Following(m)),
            (Bound::Preceding(n.max(m)), Bound::Preceding(n.min(m))),
            (Bound::Following(n.min(m)), Bound::Following(n.max(m))),
            (Bound::Preceding(n), Bound::End),
            (Bound::Following(n), Bound::End),
        ]);
        Frame { unit, from, to }
    }
}

fn small(facts: Facts) -> bool {
    facts
        .range
        .is_some_and(|(low, high)| low > -1_000_000 && high < 1_000_000)
}

fn plain(
    op: &'static str,
    args: Vec<Expr>,
    ty: Ty,
    facts: Facts,
    partition: Vec<Expr>,
    order: Vec<Key>,
) -> Win {
    let agg = Agg {
        op,
        args,
        distinct: false,
        filter: None,
        order: Vec::new(),
        ty,
        facts,
    };
    Win {
        agg,
        ignore_nulls: false,
        partition,
        order,
        frame: None,
    }
}
