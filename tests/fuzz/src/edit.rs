//! Small changes of queries, and whether what comes of them makes sense.

use crate::query::{Agg, Column, Expr, How, Key, Kind, Rel, Sets, Win};
use crate::value::{Ty, Val};

/// Calls `f` for every relation of a query, subqueries included.
pub(crate) fn visit(rel: &Rel, f: &mut dyn FnMut(&Rel)) {
    f(rel);
    rel.inputs().into_iter().for_each(|input| visit(input, f));
    for e in expressions(rel) {
        visit_expr(e, f);
    }
}

fn visit_expr(e: &Expr, f: &mut dyn FnMut(&Rel)) {
    match &e.kind {
        Kind::InRows(_, rel, _) | Kind::Exists(rel, _) | Kind::Scalar(rel) => visit(rel, f),
        _ => {}
    }
    parts(e).into_iter().for_each(|part| visit_expr(part, f));
}

/// Calls `f` for an expression and all in it, subqueries apart.
pub(crate) fn visit_parts(e: &Expr, f: &mut dyn FnMut(&Expr)) {
    f(e);
    parts(e).into_iter().for_each(|part| visit_parts(part, f));
}

/// The expressions that an expression is made of.
fn parts(e: &Expr) -> Vec<&Expr> {
    match &e.kind {
        Kind::Col(_) | Kind::Lit(_) | Kind::Exists(..) | Kind::Scalar(_) => vec![],
        Kind::Call(_, args) => args.iter().collect(),
        Kind::Cast(of) | Kind::InRows(of, ..) => vec![of],
        Kind::Case(whens, other) => {
            let whens = whens.iter().flat_map(|(when, then)| [when, then]);
            whens.chain(other.as_deref()).collect()
        }
        Kind::In(of, list, _) => std::iter::once(of.as_ref()).chain(list).collect(),
    }
}

fn agg_expressions(agg: &Agg) -> impl Iterator<Item = &Expr> {
    let keys = agg.order.iter().map(|k| &k.expr);
    agg.args.iter().chain(&agg.filter).chain(keys)
}

/// The expressions of a relation, those of its inputs apart.
fn expressions(rel: &Rel) -> Vec<&Expr> {
    match rel {
        Rel::Scan { .. } | Rel::Set { .. } | Rel::Distinct(_) | Rel::Unnest(..) => vec![],
        Rel::Filter(_, e) => vec![e],
        Rel::Project(_, items) => items.iter().map(|i| &i.1).collect(),
        Rel::Group { keys, aggs, .. } => {
            let aggs = aggs.iter().flat_map(|a| agg_expressions(&a.1));
            keys.iter().map(|k| &k.1).chain(aggs).collect()
        }
        Rel::Window(_, items) => items
            .iter()
            .flat_map(|(_, w)| {
                let keys = w.order.iter().map(|k| &k.expr);
                agg_expressions(&w.agg).chain(&w.partition).chain(keys)
            })
            .collect(),
        Rel::Join { on, .. } => on.iter().collect(),
        Rel::Sort(_, keys, _) => keys.iter().map(|k| &k.expr).collect(),
    }
}

/// Whether every column is there, with its type, where it is read. `outer` are the columns of a query around this one.
pub(crate) fn makes_sense(rel: &Rel, outer: &[Column]) -> bool {
    if rel.columns().is_empty() || !rel.inputs().into_iter().all(|i| makes_sense(i, outer)) {
        return false;
    }
    let mut scope: Vec<Column> = outer.to_vec();
    rel.inputs().iter().for_each(|i| scope.extend(i.columns()));
    let own = match rel {
        Rel::Set { left, right, .. } => {
            let types = |r: &Rel| r.columns().into_iter().map(|c| c.ty).collect::<Vec<_>>();
            types(left) == types(right)
        }
        Rel::Group {
            aggs, keys, having, ..
        } => {
            let out = rel.columns();
            !(aggs.is_empty() && keys.is_empty()) && having.iter().all(|e| known(e, &out))
        }
        Rel::Window(_, items) => !items.is_empty(),
        Rel::Unnest(_, list, item) => scope
            .iter()
            .any(|c| c.name == *list && c.ty == Ty::List(Box::new(item.ty.clone()))),
        _ => true,
    };
    own && expressions(rel).into_iter().all(|e| known(e, &scope))
}

fn known(e: &Expr, scope: &[Column]) -> bool {
    let own = match &e.kind {
        Kind::Col(name) => scope.iter().any(|c| c.name == *name && c.ty == e.ty),
        Kind::InRows(of, rel, _) => {
            let columns = rel.columns();
            columns.len() == 1 && columns[0].ty == of.ty && makes_sense(rel, scope)
        }
        Kind::Exists(rel, _) => makes_sense(rel, scope),
        Kind::Scalar(rel) => {
            let one = matches!(rel.as_ref(), Rel::Group { keys, .. } if keys.is_empty());
            one && rel.columns().len() == 1 && makes_sense(rel, scope)
        }
        _ => true,
    };
    own && parts(e).into_iter().all(|part| known(part, scope))
}

/// The queries that are one step smaller, boldest steps first. Not all of them make sense.
pub(crate) fn smaller(rel: &Rel) -> Vec<Rel> {
    // A part of the query is the boldest step.
    let mut out: Vec<Rel> = rel.inputs().into_iter().cloned().collect();
    out.extend(variants(rel));
    for column in names(rel) {
        out.push(without(rel, &column));
    }
    out
}

/// All names given in a query.
fn names(rel: &Rel) -> Vec<String> {
    let mut out = Vec::new();
    visit(rel, &mut |r| {
        out.extend(r.columns().into_iter().map(|c| c.name));
    });
    out.sort();
    out.dedup();
    out
}

/// The query without the column of that name, and without keys of orders that are this column.
fn without(rel: &Rel, name: &str) -> Rel {
    let is = |e: &Expr| matches!(&e.kind, Kind::Col(n) if n == name);
    let keys =
        |keys: &[Key]| -> Vec<Key> { keys.iter().filter(|k| !is(&k.expr)).cloned().collect() };
    let mut new = inputs_mapped(rel, &mut |input| without(input, name));
    match &mut new {
        Rel::Scan { columns, .. } => columns.retain(|c| c.1.name != name),
        Rel::Project(_, items) => items.retain(|i| i.0 != name && !is(&i.1)),
        Rel::Group {
            keys: by,
            aggs,
            sets,
            ..
        } => {
            let before = by.len();
            by.retain(|k| k.0 != name && !is(&k.1));
            if by.len() < before && matches!(sets, Sets::Listed(_)) {
                *sets = Sets::Plain;
            }
            aggs.retain(|a| a.0 != name);
            for (_, agg) in aggs {
                agg.order = keys(&agg.order);
            }
        }
        Rel::Window(_, items) => {
            items.retain(|i| i.0 != name);
            for (_, win) in items {
                win.order = keys(&win.order);
                win.partition.retain(|e| !is(e));
            }
        }
        Rel::Sort(_, by, _) => *by = keys(by),
        _ => {}
    }
    match new {
        // Orders and windows of nothing.
        Rel::Sort(input, by, _) if by.is_empty() => *input,
        Rel::Window(input, items) if items.is_empty() => *input,
        new => new,
    }
}

fn inputs_mapped(rel: &Rel, f: &mut dyn FnMut(&Rel) -> Rel) -> Rel {
    let mut new = rel.clone();
    match &mut new {
        Rel::Scan { .. } => {}
        Rel::Filter(input, _)
        | Rel::Distinct(input)
        | Rel::Sort(input, ..)
        | Rel::Project(input, _)
        | Rel::Group { input, .. }
        | Rel::Window(input, _)
        | Rel::Unnest(input, ..) => **input = f(input),
        Rel::Join { left, right, .. } | Rel::Set { left, right, .. } => {
            **left = f(left);
            **right = f(right);
        }
    }
    new
}

/// Queries with one thing changed.
fn variants(rel: &Rel) -> Vec<Rel> {
    let mut out = own_variants(rel);
    // What an input can become, or an input of an input in its place.
    for (at, input) in rel.inputs().into_iter().enumerate() {
        let deeper = input.inputs().into_iter().cloned();
        for new in deeper.chain(variants(input)) {
            let mut here = 0;
            out.push(inputs_mapped(rel, &mut |old| {
                here += 1;
                if here - 1 == at {
                    new.clone()
                } else {
                    old.clone()
                }
            }));
        }
    }
    out
}

fn own_variants(rel: &Rel) -> Vec<Rel> {
    let mut out = Vec::new();
    match rel {
        Rel::Scan { .. } | Rel::Distinct(_) | Rel::Unnest(..) => {}
        Rel::Filter(input, e) => {
            out.extend(exprs(e).into_iter().map(|e| Rel::Filter(input.clone(), e)));
        }
        Rel::Project(input, items) => {
            for (i, (name, e)) in items.iter().enumerate() {
                for new in exprs(e) {
                    let mut items = items.clone();
                    items[i] = (name.clone(), new);
                    out.push(Rel::Project(input.clone(), items));
                }
            }
        }
        Rel::Group {
            input,
            keys,
            sets,
            aggs,
            having,
        } => {
            let with = |keys: &Vec<(String, Expr)>,
                        sets: &Sets,
                        aggs: &Vec<(String, Agg)>,
                        having: Option<Expr>| Rel::Group {
                input: input.clone(),
                keys: keys.clone(),
                sets: sets.clone(),
                aggs: aggs.clone(),
                having,
            };
            if let Some(e) = having {
                out.push(with(keys, sets, aggs, None));
                out.extend(
                    exprs(e)
                        .into_iter()
                        .map(|e| with(keys, sets, aggs, Some(e))),
                );
            }
            let grouping = aggs.iter().any(|a| a.1.op == "grouping");
            if *sets != Sets::Plain && !grouping {
                out.push(with(keys, &Sets::Plain, aggs, having.clone()));
            }
            if let Sets::Listed(sets) = sets
                && sets.len() > 1
            {
                for i in 0..sets.len() {
                    let mut fewer = sets.clone();
                    fewer.remove(i);
                    out.push(with(keys, &Sets::Listed(fewer), aggs, having.clone()));
                }
            }
            for (i, (name, e)) in keys.iter().enumerate() {
                for new in exprs(e) {
                    if !matches!(new.kind, Kind::Lit(_)) && !grouping {
                        let mut keys = keys.clone();
                        keys[i] = (name.clone(), new);
                        out.push(with(&keys, sets, aggs, having.clone()));
                    }
                }
            }
            for (i, (name, agg)) in aggs.iter().enumerate() {
                for new in agg_variants(agg) {
                    let mut aggs = aggs.clone();
                    aggs[i] = (name.clone(), new);
                    out.push(with(keys, sets, &aggs, having.clone()));
                }
            }
        }
        Rel::Window(input, items) => {
            for (i, (name, win)) in items.iter().enumerate() {
                for new in win_variants(win) {
                    let mut items = items.clone();
                    items[i] = (name.clone(), new);
                    out.push(Rel::Window(input.clone(), items));
                }
            }
        }
        Rel::Join {
            left,
            right,
            how,
            on: Some(on),
        } => {
            let with = |how, on| Rel::Join {
                left: left.clone(),
                right: right.clone(),
                how,
                on: Some(on),
            };
            if *how != How::Inner {
                out.push(with(How::Inner, on.clone()));
            }
            out.extend(exprs(on).into_iter().map(|e| with(*how, e)));
        }
        Rel::Join { .. } => {}
        Rel::Set {
            left,
            right,
            op,
            all,
        } => {
            if !*all {
                out.push(Rel::Set {
                    left: left.clone(),
                    right: right.clone(),
                    op,
                    all: true,
                });
            }
        }
        Rel::Sort(input, keys, Some((skip, _))) if *skip > 0 => {
            out.push(Rel::Sort(input.clone(), keys.clone(), Some((0, 1))));
            out.push(Rel::Sort(input.clone(), keys.clone(), None));
        }
        Rel::Sort(input, keys, Some(_)) => {
            out.push(Rel::Sort(input.clone(), keys.clone(), None));
        }
        Rel::Sort(..) => {}
    }
    out
}

fn agg_variants(agg: &Agg) -> Vec<Agg> {
    let mut out = Vec::new();
    if let Some(e) = &agg.filter {
        for filter in std::iter::once(None).chain(exprs(e).into_iter().map(Some)) {
            out.push(Agg {
                filter,
                ..agg.clone()
            });
        }
    }
    if agg.distinct {
        out.push(Agg {
            distinct: false,
            ..agg.clone()
        });
    }
    for (i, e) in agg.args.iter().enumerate() {
        // An order of its own is by the argument, so that equal ones are alike.
        if agg.order.is_empty() && agg.op != "grouping" {
            for new in exprs(e) {
                let mut args = agg.args.clone();
                args[i] = new;
                out.push(Agg {
                    args,
                    ..agg.clone()
                });
            }
        }
    }
    out
}

fn win_variants(win: &Win) -> Vec<Win> {
    let mut out: Vec<Win> = agg_variants(&win.agg)
        .into_iter()
        .map(|agg| Win { agg, ..win.clone() })
        .collect();
    for i in 0..win.partition.len() {
        let mut partition = win.partition.clone();
        partition.remove(i);
        out.push(Win {
            partition,
            ..win.clone()
        });
    }
    if win.ignore_nulls {
        out.push(Win {
            ignore_nulls: false,
            ..win.clone()
        });
    }
    for i in 0..win.order.len() {
        if win.order[i].descending || win.order[i].nulls_first {
            let mut order = win.order.clone();
            order[i].descending = false;
            order[i].nulls_first = false;
            out.push(Win {
                order,
                ..win.clone()
            });
        }
    }
    out
}

/// Expressions of the same type that are one step smaller. Ranges stay as they were: what is smaller does not overflow either.
fn exprs(e: &Expr) -> Vec<Expr> {
    let mut out = Vec::new();
    if matches!(e.kind, Kind::Col(_) | Kind::Lit(_)) {
        return out;
    }
    out.extend(parts(e).into_iter().filter(|p| p.ty == e.ty).cloned());
    if e.ty == Ty::Bool {
        for b in [true, false] {
            out.push(Expr::lit(Val::Bool(b), Ty::Bool));
        }
    } else if !e.ty.is_nested() {
        out.push(Expr::lit(Val::Null, e.ty.clone()));
    }
    if let Kind::In(of, list, not) = &e.kind
        && list.len() > 1
    {
        for i in 0..list.len() {
            let mut fewer = list.clone();
            fewer.remove(i);
            out.push(with(e, Kind::In(of.clone(), fewer, *not)));
        }
    }
    for (at, part) in parts(e).into_iter().enumerate() {
        for new in exprs(part) {
            out.push(with(e, part_replaced(&e.kind, at, new)));
        }
    }
    match &e.kind {
        Kind::InRows(of, rel, not) => {
            let rels = smaller(rel).into_iter();
            out.extend(rels.map(|r| with(e, Kind::InRows(of.clone(), Box::new(r), *not))));
        }
        Kind::Exists(rel, not) => {
            let rels = smaller(rel).into_iter();
            out.extend(rels.map(|r| with(e, Kind::Exists(Box::new(r), *not))));
        }
        Kind::Scalar(rel) => {
            let rels = smaller(rel).into_iter();
            out.extend(rels.map(|r| with(e, Kind::Scalar(Box::new(r)))));
        }
        _ => {}
    }
    out
}

fn with(e: &Expr, kind: Kind) -> Expr {
    Expr { kind, ..e.clone() }
}

/// The same with another part at that place of [`parts`].
fn part_replaced(kind: &Kind, at: usize, new: Expr) -> Kind {
    let mut kind = kind.clone();
    let place: Option<&mut Expr> = match &mut kind {
        Kind::Call(_, args) => args.get_mut(at),
        Kind::Cast(of) | Kind::InRows(of, ..) => Some(of),
        Kind::Case(whens, other) => match whens.get_mut(at / 2) {
            Some(pair) if at.is_multiple_of(2) => Some(&mut pair.0),
            Some(pair) => Some(&mut pair.1),
            None => other.as_deref_mut(),
        },
        Kind::In(of, list, _) => match at {
            0 => Some(of),
            _ => list.get_mut(at - 1),
        },
        _ => None,
    };
    if let Some(place) = place {
        *place = new;
    }
    kind
}
