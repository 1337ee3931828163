//! Random conditions, with subqueries where there may be some.

use super::Maker;
use crate::query::{Agg, Column, Expr, Facts, Kind, Rel, Sets};
use crate::table;
use crate::value::{Ty, Val};

impl Maker<'_> {
    pub(super) fn condition(&mut self, columns: &[Column], depth: usize) -> Expr {
        let d = depth - 1;
        let call = |name, args| Expr::call(name, args, Ty::Bool, Facts::NONE);
        match self.rng.below(16) {
            0..=4 => self.comparison(columns, d),
            5 | 6 => {
                let name = *self.rng.pick(&["and", "or"]);
                let args = vec![
                    self.expr(&Ty::Bool, columns, d),
                    self.expr(&Ty::Bool, columns, d),
                ];
                call(name, args)
            }
            7 => call("not", vec![self.expr(&Ty::Bool, columns, d)]),
            8 => {
                let ty = self.some_type(columns);
                let name = *self.rng.pick(&["is null", "is not null"]);
                call(name, vec![self.expr(&ty, columns, d)])
            }
            9 => {
                let names = [
                    "is true",
                    "is not true",
                    "is false",
                    "is not false",
                    "is unknown",
                ];
                call(
                    *self.rng.pick(&names),
                    vec![self.expr(&Ty::Bool, columns, d)],
                )
            }
            10 | 11 => {
                let ty = self.flat_type(columns);
                let of = self.expr(&ty, columns, d);
                let n = self.rng.between(1, 4);
                let list = (0..n).map(|_| match self.rng.one_in(5) {
                    true => self.expr(&ty, columns, d),
                    false => self.fixed(&ty),
                });
                let list = list.collect();
                let not = self.rng.one_in(3);
                kind(Kind::In(Box::new(of), list, not))
            }
            12 => {
                let ty = self.flat_type(columns);
                let name = *self.rng.pick(&["between", "between", "not between"]);
                let args = (0..3).map(|_| self.expr(&ty, columns, d)).collect();
                call(name, args)
            }
            13 => {
                let names = ["like", "not like", "ilike"];
                let pattern = self.pattern();
                let args = vec![self.expr(&Ty::Text, columns, d), pattern];
                call(*self.rng.pick(&names), args)
            }
            14 => {
                let names = ["starts", "ends", "contains"];
                let args = vec![self.expr(&Ty::Text, columns, d), self.word()];
                call(*self.rng.pick(&names), args)
            }
            _ => {
                if let Some(list) = columns.iter().find(|c| matches!(c.ty, Ty::List(_)))
                    && let Ty::List(item) = &list.ty
                {
                    let args = vec![Expr::of(list), self.fixed(item)];
                    return call("has", args);
                }
                call("isnan", vec![self.expr(&Ty::F64, columns, d)])
            }
        }
    }

    fn fixed(&mut self, ty: &Ty) -> Expr {
        Expr::lit(table::constant(&mut self.rng, ty), ty.clone())
    }

    /// A type of values that have an order.
    fn flat_type(&mut self, columns: &[Column]) -> Ty {
        let ty = self.some_type(columns);
        if ty.is_nested() { Ty::I64 } else { ty }
    }

    fn comparison(&mut self, columns: &[Column], d: usize) -> Expr {
        let ty = self.flat_type(columns);
        let names = ["=", "<>", "<", "<=", ">", ">=", "distinct", "not distinct"];
        let name = *self.rng.pick(&names);
        let a = self.expr(&ty, columns, d);
        // Two types that meet.
        if ty == Ty::I64 && self.rng.one_in(3) {
            let others: Vec<Column> = columns
                .iter()
                .filter(|c| {
                    let number = c.ty.is_int() || c.ty.is_float() || matches!(c.ty, Ty::Dec(..));
                    // A whole number beside a float is a float, which takes 53 bits of it.
                    let small = |f: Facts| f.range.is_some_and(|r| r.0.abs().max(r.1) < 1 << 50);
                    let fits = !c.ty.is_float() || small(a.facts);
                    number && c.ty != ty && !c.facts.fuzzy && fits && !matches!(c.ty, Ty::F32)
                })
                .cloned()
                .collect();
            if !others.is_empty() {
                let b = Expr::of(self.rng.pick(&others));
                return Expr::call(name, vec![a, b], Ty::Bool, Facts::NONE);
            }
        }
        let b = match self.rng.one_in(2) {
            true => self.fixed(&ty),
            false => self.expr(&ty, columns, d),
        };
        Expr::call(name, vec![a, b], Ty::Bool, Facts::NONE)
    }

    fn pattern(&mut self) -> Expr {
        let mut text = String::new();
        for _ in 0..self.rng.between(1, 3) {
            match self.rng.below(4) {
                0 => text.push('%'),
                1 => text.push('_'),
                _ => text += *self.rng.pick(&["a", "b", "A", "é", "z", "ab", "🦀"]),
            }
        }
        Expr::lit(Val::Text(text), Ty::Text)
    }

    /// What a filter asks: conditions, and now and then rows of another query.
    pub(super) fn filter(&mut self, columns: &[Column]) -> Expr {
        let depth = self.rng.between(1, 3) as usize;
        if self.subqueries == 0 || !self.rng.one_in(5) {
            return self.condition(columns, depth);
        }
        self.subqueries -= 1;
        let asked = self.subquery(columns);
        if self.rng.one_in(3) {
            let name = *self.rng.pick(&["and", "and", "or"]);
            let other = self.condition(columns, depth);
            return Expr::call(name, vec![asked, other], Ty::Bool, Facts::NONE);
        }
        asked
    }

    fn subquery(&mut self, columns: &[Column]) -> Expr {
        let part = self.relation(1);
        let inner = part.columns();
        let not = self.rng.one_in(2);
        // A pair of columns that can be equal, outside and inside.
        let pairs: Vec<(Column, Column)> = columns
            .iter()
            .flat_map(|a| inner.iter().map(move |b| (a.clone(), b.clone())))
            .filter(|(a, b)| a.ty == b.ty && !a.ty.is_nested() && !a.facts.fuzzy && !b.facts.fuzzy)
            .collect();
        if pairs.is_empty() {
            return kind(Kind::Exists(Box::new(part.rel), not));
        }
        let (outside, inside) = self.rng.pick(&pairs).clone();
        let correlated = |me: &mut Self, rel: Rel| {
            let (a, b) = me.rng.pick(&pairs).clone();
            let name = *me.rng.pick(&["=", "=", "=", "<", "<>"]);
            let same = Expr::call(
                name,
                vec![Expr::of(&b), Expr::of(&a)],
                Ty::Bool,
                Facts::NONE,
            );
            Rel::Filter(Box::new(rel), same)
        };
        let only = |rel: Rel, c: &Column, name: String| {
            Rel::Project(Box::new(rel), vec![(name, Expr::of(c))])
        };
        match self.rng.below(6) {
            0 | 1 => {
                let name = self.name();
                let rel = match self.rng.one_in(4) {
                    true => correlated(self, part.rel),
                    false => part.rel,
                };
                let rows = Box::new(only(rel, &inside, name));
                kind(Kind::InRows(Box::new(Expr::of(&outside)), rows, not))
            }
            2 | 3 => {
                let rel = correlated(self, part.rel);
                kind(Kind::Exists(Box::new(rel), not))
            }
            _ => {
                // One row: an aggregate of all.
                let rel = match self.rng.one_in(2) {
                    true => correlated(self, part.rel),
                    false => part.rel,
                };
                let name = self.name();
                let op = *self.rng.pick(&["min", "max"]);
                let agg = Agg {
                    op,
                    args: vec![Expr::of(&inside)],
                    distinct: false,
                    filter: None,
                    order: Vec::new(),
                    ty: inside.ty.clone(),
                    facts: inside.facts,
                };
                let group = Rel::Group {
                    input: Box::new(rel),
                    keys: Vec::new(),
                    sets: Sets::Plain,
                    aggs: vec![(name, agg)],
                    having: None,
                };
                let scalar = Expr {
                    kind: Kind::Scalar(Box::new(group)),
                    ty: inside.ty.clone(),
                    facts: inside.facts,
                };
                let name = *self.rng.pick(&["=", "<>", "<", ">="]);
                let args = vec![Expr::of(&outside), scalar];
                Expr::call(name, args, Ty::Bool, Facts::NONE)
            }
        }
    }
}

fn kind(kind: Kind) -> Expr {
    Expr {
        kind,
        ty: Ty::Bool,
        facts: Facts::NONE,
    }
}
