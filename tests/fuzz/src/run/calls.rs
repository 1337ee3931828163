//! Queries as calls of frames, as far as they can be said so.

use kvern::Result;
use kvern::frame::functions as f;
use kvern::frame::{Expr, ExprFunctionExt, Frame, JoinHow, SortExpr, cast, col, concat, lit, when};
use kvern_fuzz::query::{self, Agg, How, Key, Kind, Rel, Sets};
use kvern_fuzz::sql::float;
use kvern_fuzz::table::TextForm;
use kvern_fuzz::value::{Ty, Val, date, decimal, timestamp};

use super::batches::data_type;

/// The frame of a query over these tables. `None`: it has something that is not said here.
pub(crate) fn frame(rel: &Rel, tables: &[Frame]) -> Option<Result<Frame>> {
    let of = |rel: &Rel| frame(rel, tables);
    /// The frame of an input, or the error that there was.
    macro_rules! input {
        ($rel:expr) => {
            match of($rel)? {
                Ok(frame) => frame,
                Err(e) => return Some(Err(e)),
            }
        };
    }
    Some(match rel {
        Rel::Scan { table, columns } => {
            let named = columns.iter().map(|(name, c)| col(name).alias(&c.name));
            tables[*table].select(named.collect::<Vec<_>>())
        }
        Rel::Filter(rows, condition) => {
            let condition = expr(condition)?;
            input!(rows).filter(condition)
        }
        Rel::Project(rows, items) => {
            let items = named(items)?;
            input!(rows).select(items)
        }
        Rel::Distinct(rows) => input!(rows).distinct(),
        Rel::Sort(rows, keys, limit) => {
            let keys = keys.iter().map(key).collect::<Option<Vec<_>>>()?;
            let sorted = input!(rows).sort(keys);
            match limit {
                None => sorted,
                Some((skip, n)) => sorted.and_then(|s| s.slice(*skip as usize, *n as usize)),
            }
        }
        Rel::Group {
            input: rows,
            keys,
            sets: Sets::Plain,
            aggs,
            having,
        } => {
            let by = named(keys)?;
            let computed = aggs.iter().map(|(name, a)| Some(agg(a)?.alias(name)));
            let computed = computed.collect::<Option<Vec<_>>>()?;
            // The types that later parts count on.
            let typed = aggs
                .iter()
                .map(|(name, a)| cast_to(col(name), &a.ty).alias(name));
            let names = keys.iter().map(|k| col(&k.0));
            let columns: Vec<Expr> = names.chain(typed).collect();
            let having = match having {
                None => None,
                Some(condition) => Some(expr(condition)?),
            };
            let rows = input!(rows);
            let grouped = match by.is_empty() {
                true => rows.agg(computed),
                false => rows.groupby(by).agg(computed),
            };
            let out = grouped.and_then(|g| g.select(columns));
            match having {
                None => out,
                Some(condition) => out.and_then(|o| o.filter(condition)),
            }
        }
        Rel::Set {
            left,
            right,
            op: "UNION",
            all,
        } => {
            // Frames are put together by name.
            let names = left.columns().into_iter().zip(right.columns());
            let renamed = names.map(|(a, b)| col(b.name).alias(a.name));
            let other = input!(right).select(renamed.collect::<Vec<_>>());
            let first = input!(left);
            let both = other.and_then(|other| concat(&[first, other]));
            match all {
                true => both,
                false => both.and_then(|b| b.distinct()),
            }
        }
        Rel::Join {
            left,
            right,
            how,
            on,
        } => {
            let keys = match on {
                None => Vec::new(),
                Some(on) => equal(on, &left.columns(), &right.columns())?,
            };
            let out: Vec<String> = rel.columns().into_iter().map(|c| c.name).collect();
            join(&input!(left), &input!(right), *how, &keys, &out)
        }
        _ => return None,
    })
}

/// By copies of the keys, since a key comes once out of a join, and SQL's columns are those of both sides.
fn join(
    left: &Frame,
    right: &Frame,
    how: How,
    keys: &[(String, String)],
    out: &[String],
) -> Result<Frame> {
    let how = match how {
        How::Inner => JoinHow::Inner,
        How::Left => JoinHow::Left,
        How::Right => JoinHow::Right,
        How::Full => JoinHow::Full,
        How::Semi => JoinHow::Semi,
        How::Anti => JoinHow::Anti,
        How::Cross => return left.join(right, [""; 0], JoinHow::Cross),
    };
    let (mut left, mut right) = (left.clone(), right.clone());
    let mut on = Vec::new();
    for (i, (a, b)) in keys.iter().enumerate() {
        let names = (format!("left key {i}"), format!("right key {i}"));
        left = left.with_column(&names.0, col(a))?;
        right = right.with_column(&names.1, col(b))?;
        on.push(names);
    }
    let on: Vec<(&str, &str)> = on.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    left.join(&right, on, how)?.select(out.to_vec())
}

/// The pairs of columns that a condition says are equal, if that is all it says.
fn equal(
    on: &query::Expr,
    left: &[query::Column],
    right: &[query::Column],
) -> Option<Vec<(String, String)>> {
    match &on.kind {
        Kind::Call("and", args) => {
            let mut all = equal(&args[0], left, right)?;
            all.extend(equal(&args[1], left, right)?);
            Some(all)
        }
        Kind::Call("=", args) => {
            let (Kind::Col(a), Kind::Col(b)) = (&args[0].kind, &args[1].kind) else {
                return None;
            };
            let here =
                |columns: &[query::Column], name: &str| columns.iter().any(|c| c.name == name);
            (here(left, a) && here(right, b)).then(|| vec![(a.clone(), b.clone())])
        }
        _ => None,
    }
}

fn named(items: &[(String, query::Expr)]) -> Option<Vec<Expr>> {
    let items = items.iter().map(|(name, e)| Some(expr(e)?.alias(name)));
    items.collect()
}

fn key(key: &Key) -> Option<SortExpr> {
    Some(expr(&key.expr)?.sort(!key.descending, key.nulls_first))
}

fn agg(agg: &Agg) -> Option<Expr> {
    let args = agg.args.iter().map(expr).collect::<Option<Vec<_>>>()?;
    let mut args = args.into_iter();
    let mut one = || args.next();
    let bare = match agg.op {
        "count" => f::count(one().unwrap_or_else(|| lit(1i64))),
        "sum" => f::sum(one()?),
        "avg" => f::avg(one()?),
        "min" => f::min(one()?),
        "max" => f::max(one()?),
        "bool_and" => f::bool_and(one()?),
        "bool_or" => f::bool_or(one()?),
        "bit_and" => f::bit_and(one()?),
        "bit_or" => f::bit_or(one()?),
        "bit_xor" => f::bit_xor(one()?),
        "stddev" => f::stddev(one()?),
        "stddev_pop" => f::stddev_pop(one()?),
        "var" => f::var_sample(one()?),
        "var_pop" => f::var_pop(one()?),
        _ => return None,
    };
    if agg.filter.is_none() && !agg.distinct {
        return Some(bare);
    }
    let filtered = match &agg.filter {
        Some(condition) => bare.filter(expr(condition)?),
        None => return bare.distinct().build().ok(),
    };
    match agg.distinct {
        true => filtered.distinct().build().ok(),
        false => filtered.build().ok(),
    }
}

fn cast_to(of: Expr, ty: &Ty) -> Expr {
    match ty {
        Ty::Text | Ty::List(_) | Ty::Struct(_) => of,
        ty => cast(of, data_type(ty, TextForm::Utf8)),
    }
}

fn literal(value: &Val, ty: &Ty) -> Option<Expr> {
    let text = match value {
        Val::Null if ty.is_nested() => return None,
        Val::Null => {
            let never = when(lit(false), lit("")).end().ok()?;
            return Some(cast(never, data_type(ty, TextForm::Utf8)));
        }
        Val::Bool(b) => return Some(lit(*b)),
        Val::Text(t) => return Some(lit(t.as_str())),
        Val::Int(n) if *ty == Ty::I64 => return Some(lit(i64::try_from(*n).ok()?)),
        Val::Float(x) if *ty == Ty::F64 => return Some(lit(*x)),
        Val::Int(n) => n.to_string(),
        Val::Float(x) => float(*x),
        Val::Dec(n, scale) => decimal(*n, *scale),
        Val::Date(d) => date(*d),
        Val::Ts(t) => timestamp(*t),
        Val::List(_) | Val::Struct(_) | Val::Other(_) => return None,
    };
    Some(cast(lit(text), data_type(ty, TextForm::Utf8)))
}

fn expr(e: &query::Expr) -> Option<Expr> {
    Some(match &e.kind {
        Kind::Col(name) => col(name),
        Kind::Lit(value) => literal(value, &e.ty)?,
        Kind::Cast(of) => cast(expr(of)?, data_type(&e.ty, TextForm::Utf8)),
        Kind::Case(whens, other) => {
            let mut whens = whens.iter();
            let (first, then) = whens.next()?;
            let mut case = when(expr(first)?, expr(then)?);
            for (condition, then) in whens {
                case = case.when(expr(condition)?, expr(then)?);
            }
            match other {
                Some(other) => case.otherwise(expr(other)?).ok()?,
                None => case.end().ok()?,
            }
        }
        Kind::In(of, list, not) => {
            let list = list.iter().map(expr).collect::<Option<Vec<_>>>()?;
            expr(of)?.in_list(list, *not)
        }
        Kind::Call(name, args) => {
            let args = args.iter().map(expr).collect::<Option<Vec<_>>>()?;
            call(name, args)?
        }
        Kind::InRows(..) | Kind::Exists(..) | Kind::Scalar(_) => return None,
    })
}

fn call(name: &str, args: Vec<Expr>) -> Option<Expr> {
    let all = args.clone();
    let mut args = args.into_iter();
    let mut next = || args.next();
    let a = next()?;
    let mut b = || next();
    Some(match name {
        "+" => a + b()?,
        "-" => a - b()?,
        "*" => a * b()?,
        "/" => a / (b()? + lit(0.0)),
        "div" => a / b()?,
        "%" => a % b()?,
        "neg" => -a,
        "abs" => f::abs(a),
        "=" => a.eq(b()?),
        "<>" => a.not_eq(b()?),
        "<" => a.lt(b()?),
        "<=" => a.lt_eq(b()?),
        ">" => a.gt(b()?),
        ">=" => a.gt_eq(b()?),
        "between" => a.between(b()?, b()?),
        "not between" => a.not_between(b()?, b()?),
        "and" => a.and(b()?),
        "or" => a.or(b()?),
        "not" => !a,
        "is null" => a.is_null(),
        "is not null" => a.is_not_null(),
        "is true" => a.is_true(),
        "is not true" => a.is_not_true(),
        "is false" => a.is_false(),
        "is not false" => a.is_not_false(),
        "is unknown" => a.is_unknown(),
        "coalesce" => f::coalesce(all),
        "nullif" => f::nullif(a, b()?),
        "greatest" => f::greatest(all),
        "least" => f::least(all),
        "floor" => f::floor(a),
        "ceil" => f::ceil(a),
        "trunc" => f::trunc(vec![a]),
        "sqrt" => f::sqrt(f::abs(a)),
        "isnan" => f::isnan(a),
        "concat" => f::concat(all),
        "upper" => f::upper(a),
        "lower" => f::lower(a),
        "left" => f::left(a, b()?),
        "right" => f::right(a, b()?),
        "replace" => f::replace(a, b()?, b()?),
        "starts" => f::starts_with(a, b()?),
        "ends" => f::ends_with(a, b()?),
        "contains" => f::contains(a, b()?),
        "like" => a.like(b()?),
        "not like" => a.not_like(b()?),
        "ilike" => a.ilike(b()?),
        "lpad" => f::lpad(all),
        "rpad" => f::rpad(all),
        "split_part" => f::split_part(a, b()?, b()?),
        "year" | "quarter" | "month" | "week" | "day" | "dow" | "doy" | "hour" | "minute"
        | "second" => cast_to(f::date_part(lit(name), a), &Ty::I64),
        "trunc day" => cast_to(f::date_trunc(lit("day"), a), &Ty::Ts),
        "trunc hour" => cast_to(f::date_trunc(lit("hour"), a), &Ty::Ts),
        "trunc month" => cast_to(f::date_trunc(lit("month"), a), &Ty::Date),
        _ => return None,
    })
}
