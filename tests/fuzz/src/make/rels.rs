//! Random relations: scans, and what is made of them.

use super::{Maker, Part};
use crate::query::{Agg, Column, Expr, Facts, How, Key, Kind, Rel, Sets};
use crate::value::{Ty, Val};

/// Rows that a part of a query may have at most: sums stay exact, and nothing takes long.
const ROWS: u64 = 4000;

impl Maker<'_> {
    /// The whole query.
    pub(super) fn query(&mut self) -> Rel {
        let depth = self.rng.between(1, 3) as usize;
        let part = self.relation(depth);
        if self.rng.one_in(3) {
            return self.sort(part).rel;
        }
        part.rel
    }

    pub(super) fn relation(&mut self, depth: usize) -> Part {
        let mut part = match self.rng.below(8) {
            0 | 1 if depth > 1 => self.join(depth - 1),
            2 if depth > 1 => self.set(depth - 1),
            _ => self.scan(),
        };
        for _ in 0..self.rng.between(0, depth as i64) {
            part = self.step(part, depth);
        }
        part
    }

    fn scan(&mut self) -> Part {
        let table = self.rng.below(self.tables.len());
        let of = &self.tables[table];
        let mut columns = Vec::new();
        let wanted = match self.rng.one_in(2) {
            true => of.columns.clone(),
            false => self.rng.some(&of.columns),
        };
        for c in wanted {
            let named = Column {
                name: self.name(),
                ..c.clone()
            };
            columns.push((c.name, named));
        }
        Part {
            rel: Rel::Scan { table, columns },
            rows: of.rows.len() as u64,
        }
    }

    fn step(&mut self, part: Part, depth: usize) -> Part {
        match self.rng.below(13) {
            0..=3 => self.filtered(part),
            4 | 5 => self.project(part),
            6 | 7 => self.group(part),
            8 | 9 => self.window(part),
            10 => self.distinct(part),
            11 if depth > 1 => self.sort(part),
            12 => self.unnest(part),
            _ => self.filtered(part),
        }
    }

    fn filtered(&mut self, part: Part) -> Part {
        let condition = self.filter(&part.columns());
        Part {
            rel: Rel::Filter(Box::new(part.rel), condition),
            rows: part.rows,
        }
    }

    fn project(&mut self, part: Part) -> Part {
        let columns = part.columns();
        let mut items = Vec::new();
        for _ in 0..self.rng.between(1, 5) {
            let name = self.name();
            let expr = match self.rng.below(9) {
                // Whatever its last bits are.
                0..=2 => Expr::of(self.rng.pick(&columns)),
                3 => self.transcendental(&columns),
                _ => {
                    let ty = self.some_type(&columns);
                    let depth = self.rng.between(1, 3) as usize;
                    self.expr(&ty, &columns, depth)
                }
            };
            items.push((name, expr));
        }
        Part {
            rel: Rel::Project(Box::new(part.rel), items),
            rows: part.rows,
        }
    }

    /// Functions that no standard rounds.
    fn transcendental(&mut self, columns: &[Column]) -> Expr {
        let name = *self.rng.pick(&["exp", "ln", "sin", "cbrt", "atan2"]);
        let n = if name == "atan2" { 2 } else { 1 };
        let args = (0..n).map(|_| self.expr(&Ty::F64, columns, 2)).collect();
        Expr::call(name, args, Ty::F64, FUZZY)
    }

    fn distinct(&mut self, part: Part) -> Part {
        if part.columns().iter().any(|c| c.facts.fuzzy) {
            return part;
        }
        Part {
            rel: Rel::Distinct(Box::new(part.rel)),
            rows: part.rows,
        }
    }

    fn unnest(&mut self, part: Part) -> Part {
        let lists = part.columns();
        let mut lists = lists.iter().filter(|c| matches!(c.ty, Ty::List(_)));
        let Some((list, Ty::List(item))) = lists.next().map(|c| (c, &c.ty)) else {
            return self.filtered(part);
        };
        let item = Column {
            name: self.name(),
            ty: item.as_ref().clone(),
            facts: Facts::NONE,
        };
        let rows = part.rows * 8;
        if rows > ROWS {
            return part;
        }
        Part {
            rel: Rel::Unnest(Box::new(part.rel), list.name.clone(), item),
            rows,
        }
    }

    /// Keys of an order: all columns in some order if `total`, else some of them. `None` if a column cannot be put in order.
    pub(super) fn order(&mut self, columns: &[Column], total: bool) -> Option<Vec<Key>> {
        let mut open: Vec<Column> = columns
            .iter()
            .filter(|c| !c.facts.fuzzy && !c.ty.is_nested())
            .cloned()
            .collect();
        if open.is_empty() || (total && open.len() < columns.len()) {
            return None;
        }
        for i in (1..open.len()).rev() {
            let j = self.rng.below(i + 1);
            open.swap(i, j);
        }
        if !total {
            let keep = self.rng.between(1, 2) as usize;
            open.truncate(keep);
        }
        Some(
            open.iter()
                .map(|c| Key {
                    expr: Expr::of(c),
                    descending: self.rng.one_in(2),
                    nulls_first: self.rng.one_in(2),
                })
                .collect(),
        )
    }

    fn sort(&mut self, part: Part) -> Part {
        let columns = part.columns();
        let limited = !self.rng.one_in(3);
        let limit = limited.then(|| {
            let skip = match self.rng.one_in(3) {
                true => self.rng.below(6) as u64,
                false => 0,
            };
            (skip, self.rng.below(12) as u64)
        });
        // The first rows are known only in an order that leaves no two rows apart.
        match self.order(&columns, limited) {
            Some(keys) => Part {
                rel: Rel::Sort(Box::new(part.rel), keys, limit),
                rows: part.rows,
            },
            None => part,
        }
    }

    fn join(&mut self, depth: usize) -> Part {
        let (a, b) = (self.relation(depth), self.relation(depth));
        let how = *self.rng.pick(&[
            How::Inner,
            How::Inner,
            How::Left,
            How::Left,
            How::Right,
            How::Full,
            How::Full,
            How::Semi,
            How::Anti,
            How::Cross,
        ]);
        if a.rows.saturating_mul(b.rows) > ROWS {
            return a;
        }
        let rows = match how {
            How::Semi | How::Anti => a.rows,
            _ => (a.rows * b.rows).max(a.rows + b.rows),
        };
        let on = (how != How::Cross).then(|| self.join_condition(&a.columns(), &b.columns()));
        Part {
            rel: Rel::Join {
                left: Box::new(a.rel),
                right: Box::new(b.rel),
                how,
                on,
            },
            rows,
        }
    }

    fn join_condition(&mut self, left: &[Column], right: &[Column]) -> Expr {
        let pairs: Vec<(&Column, &Column)> = left
            .iter()
            .flat_map(|a| right.iter().map(move |b| (a, b)))
            .filter(|(a, b)| a.ty == b.ty && !a.ty.is_nested() && !a.facts.fuzzy && !b.facts.fuzzy)
            .collect();
        let both: Vec<Column> = left.iter().chain(right).cloned().collect();
        let mut parts = Vec::new();
        if !pairs.is_empty() && !self.rng.one_in(8) {
            for _ in 0..self.rng.between(1, 2) {
                let (a, b) = *self.rng.pick(&pairs);
                let name = *self
                    .rng
                    .pick(&["=", "=", "=", "=", "not distinct", "<", ">="]);
                let args = vec![Expr::of(a), Expr::of(b)];
                parts.push(Expr::call(name, args, Ty::Bool, Facts::NONE));
            }
        }
        if parts.is_empty() || self.rng.one_in(3) {
            let subqueries = std::mem::take(&mut self.subqueries);
            parts.push(self.condition(&both, 2));
            self.subqueries = subqueries;
        }
        let mut parts = parts.into_iter();
        let first = parts.next().expect("there is at least one");
        parts.fold(first, |a, b| {
            Expr::call("and", vec![a, b], Ty::Bool, Facts::NONE)
        })
    }

    /// Two relations with columns of the same types.
    fn set(&mut self, depth: usize) -> Part {
        let (a, b) = (self.relation(depth), self.relation(depth));
        let (left, right) = (a.columns(), b.columns());
        let mut items = (Vec::new(), Vec::new());
        for c in left.iter().filter(|c| !c.facts.fuzzy) {
            let same = right.iter().filter(|d| d.ty == c.ty && !d.facts.fuzzy);
            let same: Vec<&Column> = same.collect();
            if same.is_empty() || items.0.len() == 3 {
                continue;
            }
            let partner = *self.rng.pick(&same);
            let (x, y) = (self.name(), self.name());
            let facts = Facts {
                range: c
                    .facts
                    .range
                    .zip(partner.facts.range)
                    .map(|(a, b)| (a.0.min(b.0), a.1.max(b.1))),
                exact: c.facts.exact && partner.facts.exact,
                fuzzy: false,
            };
            items.0.push((
                x,
                Expr {
                    facts,
                    ..Expr::of(c)
                },
            ));
            items.1.push((y, Expr::of(partner)));
        }
        if items.0.is_empty() {
            return a;
        }
        let op = *self.rng.pick(&["UNION", "UNION", "INTERSECT", "EXCEPT"]);
        let rows = a.rows + b.rows;
        let rel = Rel::Set {
            left: Box::new(Rel::Project(Box::new(a.rel), items.0)),
            right: Box::new(Rel::Project(Box::new(b.rel), items.1)),
            op,
            all: self.rng.one_in(2),
        };
        Part { rel, rows }
    }

    fn group(&mut self, part: Part) -> Part {
        let columns = part.columns();
        let open: Vec<Column> = columns
            .iter()
            .filter(|c| !c.facts.fuzzy && !c.ty.is_nested())
            .cloned()
            .collect();
        let mut keys = Vec::new();
        if !self.rng.one_in(5) {
            for _ in 0..self.rng.between(1, 3) {
                let name = self.name();
                let key = match open.is_empty() || self.rng.one_in(3) {
                    true => {
                        let ty = self.some_type(&open);
                        self.expr(&ty, &open, 2)
                    }
                    false => Expr::of(self.rng.pick(&open)),
                };
                // A constant in GROUP BY is the number of a column, and a key that comes twice is refused where groups are listed.
                let again = keys.iter().any(|k: &(String, Expr)| same_text(&k.1, &key));
                if !matches!(key.kind, Kind::Lit(_)) && !again {
                    keys.push((name, key));
                }
            }
        }
        let sets = match self.rng.below(8) {
            0 => Sets::Rollup,
            1 => Sets::Cube,
            2 if !keys.is_empty() => {
                let all: Vec<usize> = (0..keys.len()).collect();
                let mut sets: Vec<Vec<usize>> = vec![all.clone()];
                for _ in 0..self.rng.between(1, 2) {
                    sets.push(match self.rng.one_in(3) {
                        true => Vec::new(),
                        false => self.rng.some(&all),
                    });
                }
                Sets::Listed(sets)
            }
            _ => Sets::Plain,
        };
        let mut aggs = Vec::new();
        for _ in 0..self.rng.between(1, 4) {
            let agg = self.aggregate(&columns, part.rows, true);
            aggs.push((self.name(), agg));
        }
        if sets != Sets::Plain && !keys.is_empty() && self.rng.one_in(3) {
            // Which keys are summed over.
            let key = self.rng.pick(&keys).1.clone();
            let agg = Agg {
                op: "grouping",
                args: vec![key],
                distinct: false,
                filter: None,
                order: Vec::new(),
                ty: Ty::I64,
                facts: Facts::range(0, 1),
            };
            aggs.push((self.name(), agg));
        }
        // Rows of several sets; one row where there is no key.
        let rows = match sets {
            Sets::Plain => part.rows.max(1),
            _ => (part.rows * 8).max(1),
        };
        let mut rel = Rel::Group {
            input: Box::new(part.rel),
            keys,
            sets,
            aggs,
            having: None,
        };
        let out = rel.columns();
        if self.rng.one_in(4) && out.iter().any(|c| !c.facts.fuzzy) {
            let condition = self.condition(&out, 2);
            if let Rel::Group { having, .. } = &mut rel {
                *having = Some(condition);
            }
        }
        Part { rel, rows }
    }

    /// An aggregate over rows of these columns. `grouped`: not over a window, which takes neither DISTINCT nor an order within.
    pub(super) fn aggregate(&mut self, columns: &[Column], rows: u64, grouped: bool) -> Agg {
        let mut agg = self.bare_aggregate(columns, rows, grouped);
        if self.rng.one_in(5) && !columns.is_empty() {
            let subqueries = std::mem::take(&mut self.subqueries);
            agg.filter = Some(self.condition(columns, 2));
            self.subqueries = subqueries;
        }
        agg
    }

    fn bare_aggregate(&mut self, columns: &[Column], rows: u64, grouped: bool) -> Agg {
        let plain = |op, args, ty, facts| Agg {
            op,
            args,
            distinct: false,
            filter: None,
            order: Vec::new(),
            ty,
            facts,
        };
        let count = Facts::range(0, i128::from(rows));
        let distinct = grouped && self.rng.one_in(4);
        match self.rng.below(14) {
            0 | 1 => plain("count", Vec::new(), Ty::I64, count),
            2 | 3 => {
                let ty = self.some_type(columns);
                let of = self.argument(&ty, columns);
                Agg {
                    distinct: distinct && !ty.is_nested(),
                    ..plain("count", vec![of], Ty::I64, count)
                }
            }
            4..=6 => {
                let of = self.summand(columns, rows);
                let (ty, facts) = sum_of(&of, rows);
                // A sum of different values is one of fewer.
                Agg {
                    distinct: distinct && !of.ty.is_float(),
                    ..plain("sum", vec![of], ty, facts)
                }
            }
            7 => {
                let of = self.summand(columns, rows);
                let of = match of.ty {
                    Ty::Dec(..) => super::exprs::cast(of, Ty::F64, Facts::NONE),
                    _ => of,
                };
                plain("avg", vec![of], Ty::F64, FUZZY)
            }
            8..=10 => {
                let ty = self.some_type(columns);
                let ty = if ty.is_nested() { Ty::Text } else { ty };
                let of = self.argument(&ty, columns);
                let facts = of.facts;
                let name = *self.rng.pick(&["min", "max"]);
                plain(name, vec![of], ty, facts)
            }
            11 => {
                let of = self.argument(&Ty::Bool, columns);
                let name = *self.rng.pick(&["bool_and", "bool_or"]);
                plain(name, vec![of], Ty::Bool, Facts::NONE)
            }
            12 if grouped => {
                let of = self.argument(&Ty::I64, columns);
                let name = *self.rng.pick(&["bit_and", "bit_or", "bit_xor"]);
                plain(name, vec![of], Ty::I64, Facts::NONE)
            }
            13 if grouped => match self.ordered(columns) {
                Some(agg) => agg,
                None => plain("count", Vec::new(), Ty::I64, count),
            },
            _ => plain("count", Vec::new(), Ty::I64, count),
        }
    }

    /// Aggregates that depend on an order, or whose last bits do.
    fn ordered(&mut self, columns: &[Column]) -> Option<Agg> {
        let mut agg = Agg {
            op: "stddev",
            args: Vec::new(),
            distinct: false,
            filter: None,
            order: Vec::new(),
            ty: Ty::F64,
            facts: FUZZY,
        };
        match self.rng.below(4) {
            0 => {
                let of = self.small_float(columns);
                let names = ["stddev", "stddev_pop", "var", "var_pop", "median"];
                agg.op = *self.rng.pick(&names);
                agg.args = vec![match agg.op {
                    "stddev_pop" | "var_pop" => finite(of),
                    _ => of,
                }];
            }
            1 => {
                // The order is that of the values themselves: equal ones are alike.
                let of = self.varying(&Ty::Text, columns)?;
                agg.op = "string_agg";
                agg.order = vec![self.key(of.clone())];
                agg.args = vec![of, self.word()];
                agg.ty = Ty::Text;
                agg.facts = Facts::NONE;
            }
            2 => {
                let ty = self.flat(columns);
                let of = self.varying(&ty, columns)?;
                agg.op = "array_agg";
                agg.order = vec![self.key(of.clone())];
                agg.args = vec![of];
                agg.ty = Ty::List(Box::new(ty));
                agg.facts = Facts::NONE;
            }
            _ => {
                let order = self.order(columns, true)?;
                let of = Expr::of(self.rng.pick(columns));
                agg.op = *self.rng.pick(&["first", "last"]);
                agg.ty = of.ty.clone();
                agg.facts = of.facts;
                agg.args = vec![of];
                agg.order = order;
            }
        }
        Some(agg)
    }

    /// An expression that is no constant: DuckDB orders by none.
    fn varying(&mut self, ty: &Ty, columns: &[Column]) -> Option<Expr> {
        let of = self.argument(ty, columns);
        (!matches!(of.kind, Kind::Lit(_))).then_some(of)
    }

    fn key(&mut self, expr: Expr) -> Key {
        Key {
            expr,
            descending: self.rng.one_in(2),
            nulls_first: self.rng.one_in(2),
        }
    }

    fn flat(&mut self, columns: &[Column]) -> Ty {
        let ty = self.some_type(columns);
        if ty.is_nested() { Ty::I64 } else { ty }
    }

    fn argument(&mut self, ty: &Ty, columns: &[Column]) -> Expr {
        let depth = *self.rng.pick(&[0, 0, 1, 2]);
        self.expr(ty, columns, depth)
    }

    /// A number whose sum over so many rows is exact: a whole number, a decimal or quarters.
    fn summand(&mut self, columns: &[Column], rows: u64) -> Expr {
        let ty = self
            .rng
            .pick(&[Ty::I64, Ty::I64, Ty::F64, Ty::Dec(9, 2), Ty::Dec(15, 3)]);
        let ty = ty.clone();
        let of = self.argument(&ty, columns);
        let rows = i128::from(rows.max(1));
        let most = if ty.is_float() {
            1 << 49
        } else {
            i128::from(i64::MAX)
        };
        let fits = of
            .facts
            .range
            .is_some_and(|(low, high)| (low.abs().max(high.abs())).saturating_mul(rows) < most);
        if fits && (!ty.is_float() || of.facts.exact) {
            return of;
        }
        // Truths can always be counted.
        let truth = self.argument(&Ty::Bool, columns);
        super::exprs::cast(truth, Ty::I64, Facts::range(0, 1))
    }

    fn small_float(&mut self, columns: &[Column]) -> Expr {
        let of = self.argument(&Ty::F64, columns);
        if of.facts.exact {
            return of;
        }
        let whole = self.summand(columns, 1 << 20);
        super::exprs::cast(whole, Ty::F64, Facts::NONE)
    }
}

/// A float, or null in place of an infinity or a NaN: of one infinity alone DuckDB's variance is 0.
fn finite(of: Expr) -> Expr {
    let number = |x: f64| Expr::lit(Val::Float(x), Ty::F64);
    let ends = vec![of.clone(), number(f64::MIN), number(f64::MAX)];
    let fits = Expr::call("between", ends, Ty::Bool, Facts::NONE);
    let (ty, facts) = (of.ty.clone(), of.facts);
    let kind = Kind::Case(vec![(fits, of)], None);
    Expr { kind, ty, facts }
}

/// Whether two expressions are written alike.
fn same_text(a: &Expr, b: &Expr) -> bool {
    format!("{:?}", a.kind) == format!("{:?}", b.kind)
}

/// The type and the range of a sum over so many rows.
pub(super) fn sum_of(of: &Expr, rows: u64) -> (Ty, Facts) {
    let rows = i128::from(rows.max(1));
    let range = of.facts.range.map(|(low, high)| {
        (
            low.min(0).saturating_mul(rows),
            high.max(0).saturating_mul(rows),
        )
    });
    let facts = Facts { range, ..of.facts };
    match &of.ty {
        Ty::Dec(_, scale) => (Ty::Dec(38, *scale), facts),
        Ty::F64 => (Ty::F64, facts),
        _ => (Ty::I64, facts),
    }
}

/// A float whose last bits depend on an order that nobody knows.
pub(super) const FUZZY: Facts = Facts {
    range: None,
    exact: false,
    fuzzy: true,
};
