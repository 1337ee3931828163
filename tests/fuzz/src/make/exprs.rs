//! Random expressions of a given type over given columns.

use super::Maker;
use crate::query::{Column, Expr, Facts, Kind};
use crate::table;
use crate::value::{Ty, Val};

/// The greatest whole number that arithmetic may come to.
const MOST: i128 = i64::MAX as i128;
/// The greatest float whose quarters are still exact, with room for sums.
const EXACT: i128 = 1 << 40;

impl Maker<'_> {
    /// An expression of that type. Columns whose last bits are open are in no expression.
    pub(super) fn expr(&mut self, ty: &Ty, columns: &[Column], depth: usize) -> Expr {
        let here: Vec<&Column> = columns
            .iter()
            .filter(|c| c.ty == *ty && !c.facts.fuzzy)
            .collect();
        if depth == 0 || self.rng.one_in(3) {
            if !here.is_empty() && !self.rng.one_in(5) {
                return Expr::of(*self.rng.pick(&here));
            }
            if depth == 0 {
                return self.constant(ty);
            }
        }
        if self.rng.one_in(6) {
            return self.generic(ty, columns, depth);
        }
        match ty {
            Ty::Bool => self.condition(columns, depth),
            Ty::I64 => self.int(columns, depth),
            Ty::F64 => self.float(columns, depth),
            Ty::Text => self.text(columns, depth),
            Ty::Date => self.date(columns, depth),
            Ty::Ts => self.moment(columns, depth),
            Ty::Dec(..) => self.decimal(ty, columns, depth),
            Ty::List(_) => self.list(ty, columns, depth),
            Ty::Struct(fields) => {
                let args = fields.iter().map(|f| self.expr(&f.1, columns, depth - 1));
                let args: Vec<Expr> = args.collect();
                Expr::call("struct", args, ty.clone(), Facts::NONE)
            }
            _ => self.generic(ty, columns, depth),
        }
    }

    /// A type that some column has, or one that expressions can be made of.
    pub(super) fn some_type(&mut self, columns: &[Column]) -> Ty {
        let open: Vec<&Column> = columns.iter().filter(|c| !c.facts.fuzzy).collect();
        if !open.is_empty() && !self.rng.one_in(4) {
            return self.rng.pick(&open).ty.clone();
        }
        self.rng
            .pick(&[
                Ty::Bool,
                Ty::I64,
                Ty::I64,
                Ty::F64,
                Ty::Text,
                Ty::Date,
                Ty::Ts,
                Ty::Dec(15, 3),
            ])
            .clone()
    }

    fn constant(&mut self, ty: &Ty) -> Expr {
        if self.rng.one_in(12) && !ty.is_nested() {
            return Expr::lit(Val::Null, ty.clone());
        }
        Expr::lit(table::constant(&mut self.rng, ty), ty.clone())
    }

    /// What there is for every type.
    fn generic(&mut self, ty: &Ty, columns: &[Column], depth: usize) -> Expr {
        let d = depth - 1;
        match self.rng.below(if ty.is_nested() { 3 } else { 5 }) {
            0 | 1 => self.case(ty, columns, d),
            2 => {
                let args = self.several(ty, columns, d);
                let facts = joined(&args);
                Expr::call("coalesce", args, ty.clone(), facts)
            }
            3 => {
                let args = vec![self.expr(ty, columns, d), self.expr(ty, columns, d)];
                let facts = args[0].facts;
                Expr::call("nullif", args, ty.clone(), facts)
            }
            _ if *ty == Ty::Bool => self.case(ty, columns, d),
            _ => {
                let name = *self.rng.pick(&["greatest", "least"]);
                let args = self.several(ty, columns, d);
                let facts = joined(&args);
                Expr::call(name, args, ty.clone(), facts)
            }
        }
    }

    fn several(&mut self, ty: &Ty, columns: &[Column], depth: usize) -> Vec<Expr> {
        let n = self.rng.between(2, 3);
        (0..n).map(|_| self.expr(ty, columns, depth)).collect()
    }

    fn case(&mut self, ty: &Ty, columns: &[Column], depth: usize) -> Expr {
        let whens: Vec<(Expr, Expr)> = (0..self.rng.between(1, 2))
            .map(|_| {
                let when = self.expr(&Ty::Bool, columns, depth);
                (when, self.expr(ty, columns, depth))
            })
            .collect();
        let other = (!self.rng.one_in(3)).then(|| Box::new(self.expr(ty, columns, depth)));
        let values = whens.iter().map(|w| &w.1).chain(other.as_deref());
        let facts = joined(&values.cloned().collect::<Vec<_>>());
        Expr {
            kind: Kind::Case(whens, other),
            ty: ty.clone(),
            facts,
        }
    }

    fn int(&mut self, columns: &[Column], depth: usize) -> Expr {
        let d = depth - 1;
        let nothing = Facts::NONE;
        match self.rng.below(16) {
            0..=4 => self.arithmetic(columns, d),
            5 => {
                let (a, b) = (self.expr(&Ty::I64, columns, d), self.divisor(columns, d));
                let name = *self.rng.pick(&["div", "%"]);
                // The least number by -1 does not fit.
                let facts = match a.facts.range {
                    Some((low, high)) if low > -MOST => {
                        let most = low.abs().max(high.abs());
                        Facts::range(-most, most)
                    }
                    _ => return a,
                };
                Expr::call(name, vec![a, b], Ty::I64, facts)
            }
            6 => {
                let a = self.expr(&Ty::I64, columns, d);
                let Some((low, high)) = a.facts.range.filter(|r| r.0 >= -MOST) else {
                    return a;
                };
                if self.rng.one_in(2) {
                    return Expr::call("neg", vec![a], Ty::I64, Facts::range(-high, -low));
                }
                let most = low.abs().max(high.abs());
                Expr::call("abs", vec![a], Ty::I64, Facts::range(0, most))
            }
            7 => {
                let name = *self.rng.pick(&["chars", "bytes"]);
                let a = self.expr(&Ty::Text, columns, d);
                Expr::call(name, vec![a], Ty::I64, Facts::range(0, 100_000))
            }
            8 => {
                let args = vec![self.expr(&Ty::Text, columns, d), self.word()];
                Expr::call("strpos", args, Ty::I64, Facts::range(0, 100_000))
            }
            9 | 10 => {
                let names = ["year", "quarter", "month", "week", "day", "dow", "doy"];
                let clock = ["hour", "minute", "second"];
                let ty = self.rng.pick(&[Ty::Date, Ty::Ts]).clone();
                let name = match ty {
                    Ty::Ts if self.rng.one_in(3) => *self.rng.pick(&clock),
                    _ => *self.rng.pick(&names),
                };
                let a = self.expr(&ty, columns, d);
                Expr::call(name, vec![a], Ty::I64, Facts::range(0, 10_000))
            }
            11 => {
                let name = *self.rng.pick(&["&", "|", "xor"]);
                let args = vec![
                    self.expr(&Ty::I64, columns, d),
                    self.expr(&Ty::I64, columns, d),
                ];
                Expr::call(name, args, Ty::I64, nothing)
            }
            12 => {
                // Other whole numbers, and truths.
                let others: Vec<Column> = columns
                    .iter()
                    .filter(|c| {
                        let fits = c.ty.int_range().is_some_and(|r| r.1 <= MOST);
                        (fits || c.ty == Ty::Bool) && c.ty != Ty::I64
                    })
                    .cloned()
                    .collect();
                let of = match others.is_empty() {
                    true => self.expr(&Ty::Bool, columns, d),
                    false => Expr::of(self.rng.pick(&others)),
                };
                let facts = match of.ty {
                    Ty::Bool => Facts::range(0, 1),
                    _ => of.facts,
                };
                cast(of, Ty::I64, facts)
            }
            13 => {
                // A float that fits, cut at its point.
                let floats = columns.iter().filter(|c| c.ty == Ty::F64 && !c.facts.fuzzy);
                let floats: Vec<&Column> = floats.collect();
                if floats.is_empty() {
                    return self.arithmetic(columns, d);
                }
                // A constant is computed when the query is planned, taken or not.
                let x = Expr::of(*self.rng.pick(&floats));
                let number = |n: f64| Expr::lit(Val::Float(n), Ty::F64);
                let fits = vec![x.clone(), number(-1e6), number(1e6)];
                let fits = Expr::call("between", fits, Ty::Bool, Facts::NONE);
                let facts = Facts::range(-1_000_000, 1_000_000);
                let cut = Expr::call("to int", vec![x], Ty::I64, facts);
                Expr {
                    kind: Kind::Case(vec![(fits, cut)], None),
                    ty: Ty::I64,
                    facts,
                }
            }
            _ => self
                .part_of_nested(&Ty::I64, columns, d)
                .unwrap_or_else(|| self.arithmetic(columns, d)),
        }
    }

    fn arithmetic(&mut self, columns: &[Column], d: usize) -> Expr {
        let (a, b) = (
            self.expr(&Ty::I64, columns, d),
            self.expr(&Ty::I64, columns, d),
        );
        let name = *self.rng.pick(&["+", "-", "*"]);
        match arithmetic_range(name, &a, &b).filter(|r| r.0 > -MOST && r.1 < MOST) {
            Some((low, high)) => Expr::call(name, vec![a, b], Ty::I64, Facts::range(low, high)),
            None => a,
        }
    }

    /// A whole number that is not zero, or null.
    fn divisor(&mut self, columns: &[Column], depth: usize) -> Expr {
        if self.rng.one_in(2) {
            let n = *self.rng.pick(&[1, 2, 3, 7, -1, -2, 10]);
            return Expr::lit(Val::Int(n), Ty::I64);
        }
        let zero = Expr::lit(Val::Int(0), Ty::I64);
        let args = vec![self.expr(&Ty::I64, columns, depth), zero];
        Expr::call("nullif", args, Ty::I64, Facts::NONE)
    }

    /// An item of a list, its length, or a field.
    fn part_of_nested(&mut self, ty: &Ty, columns: &[Column], d: usize) -> Option<Expr> {
        let nested: Vec<&Column> = columns.iter().filter(|c| c.ty.is_nested()).collect();
        if nested.is_empty() {
            return None;
        }
        let of = (*self.rng.pick(&nested)).clone();
        let whole = self.expr(&of.ty, columns, d.min(1));
        match &of.ty {
            Ty::List(item) if **item == *ty && self.rng.one_in(2) => {
                let at = Expr::lit(Val::Int(self.rng.between(1, 4).into()), Ty::I64);
                Some(Expr::call("item", vec![whole, at], ty.clone(), Facts::NONE))
            }
            Ty::List(_) if *ty == Ty::I64 => Some(Expr::call(
                "len",
                vec![whole],
                Ty::I64,
                Facts::range(0, 100),
            )),
            Ty::Struct(_) if *ty == Ty::I64 => {
                Some(Expr::call("field x", vec![whole], Ty::I64, Facts::NONE))
            }
            Ty::Struct(_) if *ty == Ty::Text => {
                Some(Expr::call("field y", vec![whole], Ty::Text, Facts::NONE))
            }
            _ => None,
        }
    }

    fn float(&mut self, columns: &[Column], depth: usize) -> Expr {
        let d = depth - 1;
        let one = |me: &mut Self| me.expr(&Ty::F64, columns, d);
        match self.rng.below(12) {
            0..=3 => {
                let (a, b) = (one(self), one(self));
                let name = *self.rng.pick(&["+", "-", "*", "/"]);
                let range = arithmetic_range(name, &a, &b);
                let both = a.facts.exact && b.facts.exact && matches!(name, "+" | "-");
                let facts = match range {
                    Some(range) if both && range.0.abs().max(range.1.abs()) < EXACT => Facts {
                        range: Some(range),
                        exact: true,
                        fuzzy: false,
                    },
                    _ => Facts::NONE,
                };
                Expr::call(name, vec![a, b], Ty::F64, facts)
            }
            4 => {
                let a = one(self);
                let facts = Facts {
                    range: a.facts.range.map(|(low, high)| {
                        let most = low.abs().max(high.abs());
                        (-most, most)
                    }),
                    ..a.facts
                };
                let name = *self.rng.pick(&["neg", "abs"]);
                Expr::call(name, vec![a], Ty::F64, facts)
            }
            5 => {
                let a = one(self);
                let name = *self.rng.pick(&["floor", "ceil", "trunc"]);
                let facts = a.facts;
                Expr::call(name, vec![a], Ty::F64, facts)
            }
            6 => Expr::call("sqrt", vec![one(self)], Ty::F64, Facts::NONE),
            7 | 8 => {
                let a = self.expr(&Ty::I64, columns, d);
                let facts = match a.facts.range {
                    Some(range) if range.0.abs().max(range.1.abs()) < EXACT => Facts {
                        range: Some(range),
                        exact: true,
                        fuzzy: false,
                    },
                    _ => Facts::NONE,
                };
                cast(a, Ty::F64, facts)
            }
            9 => {
                let narrow = columns.iter().find(|c| c.ty == Ty::F32 && !c.facts.fuzzy);
                match narrow {
                    Some(c) => cast(Expr::of(c), Ty::F64, c.facts),
                    None => one(self),
                }
            }
            10 => {
                let decimal = columns.iter().find(|c| matches!(c.ty, Ty::Dec(15, _)));
                match decimal {
                    Some(c) => cast(Expr::of(c), Ty::F64, Facts::NONE),
                    None => one(self),
                }
            }
            _ => self
                .part_of_nested(&Ty::F64, columns, d)
                .unwrap_or_else(|| one(self)),
        }
    }

    fn text(&mut self, columns: &[Column], depth: usize) -> Expr {
        let d = depth - 1;
        let call = |name, args| Expr::call(name, args, Ty::Text, Facts::NONE);
        let a = self.expr(&Ty::Text, columns, d);
        match self.rng.below(14) {
            0 => call("||", vec![a, self.expr(&Ty::Text, columns, d)]),
            1 => call("concat", vec![a, self.expr(&Ty::Text, columns, d)]),
            2 => call(*self.rng.pick(&["upper", "lower"]), vec![a]),
            3 => {
                let (from, n) = (self.count(1, 4), self.count(0, 5));
                match self.rng.one_in(3) {
                    true => call("substr2", vec![a, from]),
                    false => call("substr3", vec![a, from, n]),
                }
            }
            4 => {
                let n = self.count(-3, 4);
                call(*self.rng.pick(&["left", "right"]), vec![a, n])
            }
            5 => call("replace", vec![a, self.word(), self.word()]),
            6 => call(*self.rng.pick(&["trim", "ltrim", "rtrim"]), vec![a]),
            7 => call("btrim", vec![a, self.word()]),
            8 => {
                let n = self.count(0, 6);
                call(*self.rng.pick(&["lpad", "rpad"]), vec![a, n, self.word()])
            }
            9 => call("split_part", vec![a, self.word(), self.count(1, 3)]),
            10 => {
                let whole = self.expr(&Ty::I64, columns, d);
                cast(whole, Ty::Text, Facts::NONE)
            }
            11 => {
                let ty = self.rng.pick(&[Ty::Bool, Ty::Date]).clone();
                let of = self.expr(&ty, columns, d);
                cast(of, Ty::Text, Facts::NONE)
            }
            12 => {
                let args = vec![self.word(), a, self.expr(&Ty::Text, columns, d)];
                call("concat_ws", args)
            }
            _ => self.part_of_nested(&Ty::Text, columns, d).unwrap_or(a),
        }
    }

    fn count(&mut self, low: i64, high: i64) -> Expr {
        Expr::lit(Val::Int(self.rng.between(low, high).into()), Ty::I64)
    }

    pub(super) fn word(&mut self) -> Expr {
        Expr::lit(Val::Text(table::word(&mut self.rng)), Ty::Text)
    }

    fn date(&mut self, columns: &[Column], depth: usize) -> Expr {
        let d = depth - 1;
        let names = [
            "date + 1 day",
            "date - 40 days",
            "date + 1 month",
            "date - 1 year",
        ];
        let trunc = ["trunc year", "trunc month", "trunc week", "trunc quarter"];
        match self.rng.below(4) {
            0 => cast(self.expr(&Ty::Ts, columns, d), Ty::Date, Facts::NONE),
            1 => {
                let ty = self.rng.pick(&[Ty::Date, Ty::Ts]).clone();
                let of = self.expr(&ty, columns, d);
                Expr::call(*self.rng.pick(&trunc), vec![of], Ty::Date, Facts::NONE)
            }
            _ => {
                let of = self.expr(&Ty::Date, columns, d);
                Expr::call(*self.rng.pick(&names), vec![of], Ty::Date, Facts::NONE)
            }
        }
    }

    fn moment(&mut self, columns: &[Column], depth: usize) -> Expr {
        let d = depth - 1;
        let names = [
            "ts + 1 day",
            "ts - 90 minutes",
            "ts + 1 month",
            "trunc day",
            "trunc hour",
            "trunc second",
        ];
        if self.rng.one_in(4) {
            return cast(self.expr(&Ty::Date, columns, d), Ty::Ts, Facts::NONE);
        }
        let of = self.expr(&Ty::Ts, columns, d);
        Expr::call(*self.rng.pick(&names), vec![of], Ty::Ts, Facts::NONE)
    }

    fn decimal(&mut self, ty: &Ty, columns: &[Column], depth: usize) -> Expr {
        let d = depth - 1;
        let Ty::Dec(digits, _) = *ty else {
            return self.constant(ty);
        };
        let most = 10i128.pow(u32::from(digits)) - 1;
        let (a, b) = (self.expr(ty, columns, d), self.expr(ty, columns, d));
        let name = *self.rng.pick(&["+", "-", "neg", "abs"]);
        let range = match name {
            "neg" | "abs" => a.facts.range.map(|(low, high)| {
                let most = low.abs().max(high.abs());
                (-most, most)
            }),
            _ => arithmetic_range(name, &a, &b),
        };
        let Some((low, high)) = range.filter(|r| r.0 >= -most && r.1 <= most) else {
            return a;
        };
        let facts = Facts::range(low, high);
        match name {
            // Sums are wider by a digit on each side, so the type is said.
            "+" | "-" => {
                let sum = Expr::call(name, vec![a, b], ty.clone(), facts);
                cast(sum, ty.clone(), facts)
            }
            _ => Expr::call(name, vec![a], ty.clone(), facts),
        }
    }

    fn list(&mut self, ty: &Ty, columns: &[Column], depth: usize) -> Expr {
        let d = depth - 1;
        let Ty::List(item) = ty else {
            return self.constant(ty);
        };
        match self.rng.below(4) {
            0 | 1 => {
                let n = self.rng.between(1, 3);
                let items: Vec<Expr> = (0..n).map(|_| self.expr(item, columns, d)).collect();
                Expr::call("list", items, ty.clone(), Facts::NONE)
            }
            2 => {
                let args = vec![self.expr(ty, columns, d), self.expr(ty, columns, d)];
                Expr::call("join lists", args, ty.clone(), Facts::NONE)
            }
            _ => {
                let args = vec![self.expr(ty, columns, d), self.expr(item, columns, d)];
                Expr::call("append", args, ty.clone(), Facts::NONE)
            }
        }
    }
}

/// The expression as that type.
pub(super) fn cast(of: Expr, ty: Ty, facts: Facts) -> Expr {
    Expr {
        kind: Kind::Cast(Box::new(of)),
        ty,
        facts,
    }
}

/// Facts that hold for each of some values.
fn joined(of: &[Expr]) -> Facts {
    let mut all = of
        .iter()
        .filter(|e| !matches!(e.kind, Kind::Lit(Val::Null)));
    let Some(first) = all.next() else {
        return Facts::range(0, 0);
    };
    all.fold(first.facts, |a, e| Facts {
        range: a
            .range
            .zip(e.facts.range)
            .map(|(a, b)| (a.0.min(b.0), a.1.max(b.1))),
        exact: a.exact && e.facts.exact,
        fuzzy: a.fuzzy || e.facts.fuzzy,
    })
}

fn arithmetic_range(name: &str, a: &Expr, b: &Expr) -> Option<(i128, i128)> {
    let ((al, ah), (bl, bh)) = a.facts.range.zip(b.facts.range)?;
    Some(match name {
        "+" => (al.checked_add(bl)?, ah.checked_add(bh)?),
        "-" => (al.checked_sub(bh)?, ah.checked_sub(bl)?),
        _ => {
            let ends = [
                al.checked_mul(bl)?,
                al.checked_mul(bh)?,
                ah.checked_mul(bl)?,
                ah.checked_mul(bh)?,
            ];
            (*ends.iter().min()?, *ends.iter().max()?)
        }
    })
}
