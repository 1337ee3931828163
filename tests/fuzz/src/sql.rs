//! Queries as SQL, in both dialects. Nodes are put into one SELECT where SQL allows that, since its clauses are what people write.

use std::fmt::Write as _;

use crate::ops::{Dialect, aggregate, op};
use crate::query::{Agg, Bound, Expr, How, Key, Kind, Rel, Sets, Win};
use crate::value::{Ty, Val, date, decimal, timestamp};

/// The text of a query. `tables` are their names.
pub fn query(rel: &Rel, tables: &[String], dialect: Dialect) -> String {
    let mut writer = Writer {
        dialect,
        tables,
        aliases: 0,
    };
    writer.rel(rel).text()
}

/// A name in double quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A type as SQL calls it.
pub fn type_name(ty: &Ty, dialect: Dialect) -> String {
    let duck = dialect == Dialect::Duck;
    let either = |kvern: &str, other: &str| if duck { other } else { kvern }.to_owned();
    match ty {
        Ty::Bool => "BOOLEAN".into(),
        Ty::I8 => "TINYINT".into(),
        Ty::I16 => "SMALLINT".into(),
        Ty::I32 => "INTEGER".into(),
        Ty::I64 => "BIGINT".into(),
        Ty::U8 => either("TINYINT UNSIGNED", "UTINYINT"),
        Ty::U16 => either("SMALLINT UNSIGNED", "USMALLINT"),
        Ty::U32 => either("INTEGER UNSIGNED", "UINTEGER"),
        Ty::U64 => either("BIGINT UNSIGNED", "UBIGINT"),
        Ty::F32 => "FLOAT".into(),
        Ty::F64 => "DOUBLE".into(),
        Ty::Dec(digits, scale) => format!("DECIMAL({digits}, {scale})"),
        Ty::Text => "VARCHAR".into(),
        Ty::Date => "DATE".into(),
        Ty::Ts => "TIMESTAMP".into(),
        Ty::List(item) => format!("{}[]", type_name(item, dialect)),
        Ty::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, ty)| format!("{name} {}", type_name(ty, dialect)))
                .collect();
            format!("STRUCT({})", fields.join(", "))
        }
    }
}

/// A value with its type.
pub fn literal(value: &Val, ty: &Ty, dialect: Dialect) -> String {
    let cast = |text: &str| format!("CAST('{text}' AS {})", type_name(ty, dialect));
    match (value, ty) {
        (Val::Null, Ty::List(item)) if dialect == Dialect::Kvern => format!(
            "nullif(make_array({0}), make_array({0}))",
            literal(&Val::Null, item, dialect)
        ),
        (Val::Null, Ty::Struct(fields)) if dialect == Dialect::Kvern => {
            let parts: Vec<String> = fields
                .iter()
                .map(|(n, t)| format!("'{n}', {}", literal(&Val::Null, t, dialect)))
                .collect();
            format!(
                "CASE WHEN FALSE THEN named_struct({}) END",
                parts.join(", ")
            )
        }
        (Val::Null, _) => format!("CAST(NULL AS {})", type_name(ty, dialect)),
        (Val::Bool(b), _) => if *b { "TRUE" } else { "FALSE" }.into(),
        (Val::Int(n), _) => cast(&n.to_string()),
        (Val::Float(x), _) => cast(&float(*x)),
        (Val::Dec(n, scale), _) => cast(&decimal(*n, *scale)),
        (Val::Text(t), _) => format!("'{}'", t.replace('\'', "''")),
        (Val::Date(d), _) => format!("DATE '{}'", date(*d)),
        (Val::Ts(t), _) => cast(&timestamp(*t)),
        (Val::List(items), Ty::List(of)) => {
            let all: Vec<String> = items.iter().map(|v| literal(v, of, dialect)).collect();
            match dialect {
                Dialect::Kvern => format!("make_array({})", all.join(", ")),
                Dialect::Duck => {
                    format!("CAST([{}] AS {})", all.join(", "), type_name(ty, dialect))
                }
            }
        }
        (Val::Struct(values), Ty::Struct(fields)) => {
            let all: Vec<String> = values
                .iter()
                .zip(fields)
                .map(|((name, v), (_, t))| {
                    let value = literal(v, t, dialect);
                    match dialect {
                        Dialect::Kvern => format!("'{name}', {value}"),
                        Dialect::Duck => format!("{name} := {value}"),
                    }
                })
                .collect();
            match dialect {
                Dialect::Kvern => format!("named_struct({})", all.join(", ")),
                Dialect::Duck => format!("struct_pack({})", all.join(", ")),
            }
        }
        (v, t) => panic!("{v} is no value of type {t:?}"),
    }
}

/// The shortest text that is this number again.
pub fn float(x: f64) -> String {
    if x.is_nan() {
        "nan".into()
    } else if x.is_infinite() {
        if x > 0.0 { "inf" } else { "-inf" }.into()
    } else {
        format!("{x:?}")
    }
}

/// The clauses of a SELECT, as far as they are filled.
#[derive(Default)]
struct Select {
    distinct: bool,
    items: Vec<String>,
    from: String,
    filter: Vec<String>,
    group: String,
    having: String,
    order: String,
    limit: String,
    /// Not a SELECT but a set operation, which takes no clause but an order.
    whole: Option<String>,
}

impl Select {
    fn text(&self) -> String {
        let mut out = match &self.whole {
            Some(text) => text.clone(),
            None => {
                let distinct = if self.distinct { "DISTINCT " } else { "" };
                let mut out = format!(
                    "SELECT {distinct}{} FROM {}",
                    self.items.join(", "),
                    self.from
                );
                if !self.filter.is_empty() {
                    let _ = write!(out, " WHERE {}", self.filter.join(" AND "));
                }
                out + &self.group + &self.having
            }
        };
        out += &self.order;
        out + &self.limit
    }
}

struct Writer<'a> {
    dialect: Dialect,
    tables: &'a [String],
    aliases: usize,
}

impl Writer<'_> {
    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("q{}", self.aliases)
    }

    /// A SELECT from the input, which shows all its columns.
    fn from(&mut self, input: &Rel) -> Select {
        let inner = self.rel(input).text();
        let alias = self.alias();
        Select {
            items: input.columns().into_iter().map(|c| c.name).collect(),
            from: format!("({inner}) AS {alias}"),
            ..Select::default()
        }
    }

    fn rel(&mut self, rel: &Rel) -> Select {
        match rel {
            Rel::Scan { table, columns } => Select {
                items: columns
                    .iter()
                    .map(|(name, c)| format!("{} AS {}", quoted(name), c.name))
                    .collect(),
                from: self.tables[*table].clone(),
                ..Select::default()
            },
            Rel::Filter(input, condition) => {
                let mut select = match input.as_ref() {
                    Rel::Filter(..) => self.rel(input),
                    _ => self.from(input),
                };
                select.filter.push(self.expr(condition));
                select
            }
            Rel::Project(input, items) => {
                let mut select = self.filtered(input);
                select.items = self.items(items);
                select
            }
            Rel::Group {
                input,
                keys,
                sets,
                aggs,
                having,
            } => {
                let mut select = self.filtered(input);
                select.items = self.items(keys);
                for (name, agg) in aggs {
                    let text = self.agg(agg);
                    select.items.push(format!("{text} AS {name}"));
                }
                select.group = self.group(keys, sets);
                match having {
                    None => select,
                    Some(condition) => {
                        // By the names of what comes out, which HAVING does not know in every dialect.
                        let inner = select.text();
                        let alias = self.alias();
                        Select {
                            items: rel.columns().into_iter().map(|c| c.name).collect(),
                            from: format!("({inner}) AS {alias}"),
                            filter: vec![self.expr(condition)],
                            ..Select::default()
                        }
                    }
                }
            }
            Rel::Window(input, items) => {
                let mut select = self.filtered(input);
                for (name, win) in items {
                    let text = self.win(win);
                    select.items.push(format!("{text} AS {name}"));
                }
                select
            }
            Rel::Join {
                left,
                right,
                how,
                on,
            } => self.join(rel, left, right, *how, on.as_ref()),
            Rel::Set {
                left,
                right,
                op,
                all,
            } => {
                let (a, b) = (self.from(left).text(), self.from(right).text());
                let all = if *all { " ALL" } else { "" };
                Select {
                    whole: Some(format!("{a} {op}{all} {b}")),
                    ..Select::default()
                }
            }
            Rel::Distinct(input) => {
                let mut select = self.from(input);
                select.distinct = true;
                select
            }
            Rel::Sort(input, keys, limit) => {
                let mut select = match input.as_ref() {
                    Rel::Filter(..) | Rel::Project(..) => self.rel(input),
                    _ => self.from(input),
                };
                select.order = format!(" ORDER BY {}", self.keys(keys));
                if let Some((skip, n)) = limit {
                    select.limit = format!(" LIMIT {n}");
                    if *skip > 0 {
                        let _ = write!(select.limit, " OFFSET {skip}");
                    }
                }
                select
            }
            Rel::Unnest(input, list, item) => {
                let mut select = self.from(input);
                select
                    .items
                    .push(format!("unnest({list}) AS {}", item.name));
                select
            }
        }
    }

    /// A SELECT with a WHERE, if the input is a filter.
    fn filtered(&mut self, input: &Rel) -> Select {
        match input {
            Rel::Filter(..) => self.rel(input),
            _ => self.from(input),
        }
    }

    fn items(&mut self, items: &[(String, Expr)]) -> Vec<String> {
        items
            .iter()
            .map(|(name, e)| format!("{} AS {name}", self.expr(e)))
            .collect()
    }

    fn group(&mut self, keys: &[(String, Expr)], sets: &Sets) -> String {
        if keys.is_empty() {
            return String::new();
        }
        let all: Vec<String> = keys.iter().map(|k| self.expr(&k.1)).collect();
        let list = all.join(", ");
        match sets {
            Sets::Plain => format!(" GROUP BY {list}"),
            Sets::Rollup => format!(" GROUP BY ROLLUP ({list})"),
            Sets::Cube => format!(" GROUP BY CUBE ({list})"),
            Sets::Listed(sets) => {
                let sets: Vec<String> = sets
                    .iter()
                    .map(|set| {
                        let keys: Vec<&str> = set.iter().map(|i| all[*i].as_str()).collect();
                        format!("({})", keys.join(", "))
                    })
                    .collect();
                format!(" GROUP BY GROUPING SETS ({})", sets.join(", "))
            }
        }
    }

    fn join(&mut self, rel: &Rel, left: &Rel, right: &Rel, how: How, on: Option<&Expr>) -> Select {
        let (a, b) = (self.rel(left).text(), self.rel(right).text());
        let (x, y) = (self.alias(), self.alias());
        let words = match (how, self.dialect) {
            (How::Inner, _) => "JOIN",
            (How::Left, _) => "LEFT JOIN",
            (How::Right, _) => "RIGHT JOIN",
            (How::Full, _) => "FULL JOIN",
            (How::Cross, _) => "CROSS JOIN",
            (How::Semi, Dialect::Kvern) => "LEFT SEMI JOIN",
            (How::Semi, Dialect::Duck) => "SEMI JOIN",
            (How::Anti, Dialect::Kvern) => "LEFT ANTI JOIN",
            (How::Anti, Dialect::Duck) => "ANTI JOIN",
        };
        let mut from = format!("({a}) AS {x} {words} ({b}) AS {y}");
        if let Some(on) = on {
            let _ = write!(from, " ON {}", self.expr(on));
        }
        Select {
            items: rel.columns().into_iter().map(|c| c.name).collect(),
            from,
            ..Select::default()
        }
    }

    fn keys(&mut self, keys: &[Key]) -> String {
        let keys: Vec<String> = keys
            .iter()
            .map(|k| {
                format!(
                    "{} {} NULLS {}",
                    self.expr(&k.expr),
                    if k.descending { "DESC" } else { "ASC" },
                    if k.nulls_first { "FIRST" } else { "LAST" }
                )
            })
            .collect();
        keys.join(", ")
    }

    fn call(&mut self, agg: &Agg, ignore_nulls: bool) -> String {
        let args: Vec<String> = agg.args.iter().map(|a| self.expr(a)).collect();
        let mut inner = if args.is_empty() && agg.op == "count" {
            "*".to_owned()
        } else {
            args.join(", ")
        };
        if agg.distinct {
            inner = format!("DISTINCT {inner}");
        }
        if !agg.order.is_empty() {
            let _ = write!(inner, " ORDER BY {}", self.keys(&agg.order));
        }
        let name = aggregate(agg.op, self.dialect);
        let mut text = match (ignore_nulls, self.dialect) {
            (true, Dialect::Duck) => format!("{name}({inner} IGNORE NULLS)"),
            (true, Dialect::Kvern) => format!("{name}({inner}) IGNORE NULLS"),
            (false, _) => format!("{name}({inner})"),
        };
        if let Some(condition) = &agg.filter {
            let _ = write!(text, " FILTER (WHERE {})", self.expr(condition));
        }
        text
    }

    /// An aggregate, as the type that the tree says: the two sides give their own.
    fn agg(&mut self, agg: &Agg) -> String {
        let text = self.call(agg, false);
        self.typed(agg, text)
    }

    fn win(&mut self, win: &Win) -> String {
        let mut text = self.call(&win.agg, win.ignore_nulls);
        let mut over = Vec::new();
        if !win.partition.is_empty() {
            let keys: Vec<String> = win.partition.iter().map(|e| self.expr(e)).collect();
            over.push(format!("PARTITION BY {}", keys.join(", ")));
        }
        if !win.order.is_empty() {
            over.push(format!("ORDER BY {}", self.keys(&win.order)));
        }
        if let Some(frame) = &win.frame {
            let (from, to) = match (self.dialect, frame.unit) {
                (Dialect::Duck, "RANGE") => at_the_row(frame.from, frame.to),
                _ => (frame.from, frame.to),
            };
            let (from, to) = (bound(from), bound(to));
            over.push(format!("{} BETWEEN {from} AND {to}", frame.unit));
        }
        let _ = write!(text, " OVER ({})", over.join(" "));
        self.typed(&win.agg, text)
    }

    fn typed(&self, agg: &Agg, text: String) -> String {
        // What later expressions are made of must have the type that the generator believes.
        if agg.ty.is_nested() || matches!(agg.ty, Ty::Text | Ty::Bool | Ty::Date | Ty::Ts) {
            return text;
        }
        format!("CAST({text} AS {})", type_name(&agg.ty, self.dialect))
    }

    fn expr(&mut self, e: &Expr) -> String {
        match &e.kind {
            Kind::Col(name) => name.clone(),
            Kind::Lit(value) => literal(value, &e.ty, self.dialect),
            Kind::Call(name, args) => {
                let args: Vec<String> = args.iter().map(|a| self.expr(a)).collect();
                fill(op(name).text(self.dialect), &args)
            }
            Kind::Cast(of) => {
                let inner = self.expr(of);
                format!("CAST({inner} AS {})", type_name(&e.ty, self.dialect))
            }
            Kind::Case(whens, other) => {
                let mut text = "CASE".to_owned();
                for (when, then) in whens {
                    let (when, then) = (self.expr(when), self.expr(then));
                    let _ = write!(text, " WHEN {when} THEN {then}");
                }
                if let Some(other) = other {
                    let _ = write!(text, " ELSE {}", self.expr(other));
                }
                text + " END"
            }
            Kind::In(of, list, not) => {
                let inner = self.expr(of);
                let list: Vec<String> = list.iter().map(|e| self.expr(e)).collect();
                format!("({inner} {}IN ({}))", negation(*not), list.join(", "))
            }
            Kind::InRows(of, rel, not) => {
                let inner = self.expr(of);
                let rows = self.rel(rel).text();
                format!("({inner} {}IN ({rows}))", negation(*not))
            }
            Kind::Exists(rel, not) => {
                let rows = self.rel(rel).text();
                format!("({}EXISTS ({rows}))", negation(*not))
            }
            Kind::Scalar(rel) => format!("({})", self.rel(rel).text()),
        }
    }
}

fn negation(not: bool) -> &'static str {
    if not { "NOT " } else { "" }
}

/// The bounds of a range, with `0 PRECEDING` and `0 FOLLOWING` said as `CURRENT ROW` where that may be said.
fn at_the_row(from: Bound, to: Bound) -> (Bound, Bound) {
    let zero = |b: Bound| matches!(b, Bound::Preceding(0) | Bound::Following(0));
    let first = zero(from) && matches!(to, Bound::Current | Bound::Following(_) | Bound::End);
    let last = zero(to) && matches!(from, Bound::Current | Bound::Preceding(_) | Bound::Start);
    let at = |yes: bool, b: Bound| if yes { Bound::Current } else { b };
    (at(first, from), at(last, to))
}

fn bound(bound: Bound) -> String {
    match bound {
        Bound::Start => "UNBOUNDED PRECEDING".into(),
        Bound::Preceding(n) => format!("{n} PRECEDING"),
        Bound::Current => "CURRENT ROW".into(),
        Bound::Following(n) => format!("{n} FOLLOWING"),
        Bound::End => "UNBOUNDED FOLLOWING".into(),
    }
}

/// A template with its arguments.
fn fill(template: &str, args: &[String]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out += before;
        let Some((name, after)) = after.split_once('}') else {
            panic!("the template {template:?} has an open brace");
        };
        match name.parse::<usize>() {
            Ok(i) => out += &args[i],
            Err(_) => out += &args.join(", "),
        }
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_take_arguments_that_hold_braces() {
        let args = ["'{0}'".to_owned(), "b".to_owned()];
        assert_eq!(fill("({0} || {1})", &args), "('{0}' || b)");
        assert_eq!(fill("concat({*})", &args), "concat('{0}', b)");
    }

    #[test]
    fn values_are_written_with_their_types() {
        let kvern = |v, t| literal(&v, &t, Dialect::Kvern);
        assert_eq!(
            kvern(Val::Int(-5), Ty::U8),
            "CAST('-5' AS TINYINT UNSIGNED)"
        );
        assert_eq!(kvern(Val::Text("a'b".into()), Ty::Text), "'a''b'");
        let list = Val::List(vec![Val::Int(1), Val::Null]);
        assert_eq!(
            literal(&list, &Ty::List(Box::new(Ty::I64)), Dialect::Duck),
            "CAST([CAST('1' AS BIGINT), CAST(NULL AS BIGINT)] AS BIGINT[])"
        );
    }
}
