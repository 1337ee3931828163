//! What a column is called that nobody has named: as its expression reads, without the tables that its columns come from. `sum(x)` is
//! `sum(x)` in a frame from a file, after a join and in SQL.

use std::collections::{HashMap, HashSet};

use datafusion::common::Column;
use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::own::of_type;

/// The name of an expression.
pub(crate) fn plain(expr: &Expr) -> String {
    let bare = expr.clone().transform(|e| {
        Ok(match e {
            Expr::Column(c) => Transformed::yes(Expr::Column(Column::new_unqualified(c.name))),
            Expr::ScalarFunction(mut f) if &f.func == of_type() => {
                f.args.truncate(1);
                Transformed::yes(f.args.pop().unwrap_or_default())
            }
            other => Transformed::no(other),
        })
    });
    match bare.data() {
        Ok(bare) => bare.schema_name().to_string(),
        Err(_) => expr.schema_name().to_string(),
    }
}

/// The expression under its name, unless it has one.
pub(crate) fn named(expr: Expr) -> Expr {
    match &expr {
        Expr::Column(_) | Expr::Alias(_) | Expr::GroupingSet(_) => expr,
        _ => {
            let name = plain(&expr);
            expr.alias(name)
        }
    }
}

/// A plan of SQL with the same names for the columns that the text does not name. Two that would have one name keep DataFusion's.
pub(crate) fn of_sql(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let Some(exprs) = shown(&plan) else {
        return Ok(plan);
    };
    let schema = plan.schema().clone();
    if exprs.len() != schema.fields().len() {
        return Ok(plan);
    }
    let have: Vec<&String> = schema.fields().iter().map(|f| f.name()).collect();
    let mut wanted: Vec<String> = exprs
        .iter()
        .zip(&have)
        .map(|(expr, have)| match expr {
            Some(e) => plain(e),
            None => (*have).clone(),
        })
        .collect();
    let mut seen: HashMap<&String, usize> = HashMap::new();
    for name in &wanted {
        *seen.entry(name).or_default() += 1;
    }
    let twins: HashSet<String> = seen
        .into_iter()
        .filter(|(_, n)| *n > 1)
        .map(|(name, _)| name.clone())
        .collect();
    for (name, have) in wanted.iter_mut().zip(&have) {
        if twins.contains(name) {
            name.clone_from(have);
        }
    }
    if wanted.iter().zip(&have).all(|(a, b)| a == *b) {
        return Ok(plan);
    }
    let columns: Vec<Expr> = schema
        .iter()
        .zip(wanted)
        .map(|(field, name)| {
            let column = Expr::Column(Column::from(field));
            match field.1.name() == &name {
                true => column,
                false => column.alias(name),
            }
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// Whether two different keys or aggregates of a query have one name, by which DataFusion tells them from each other later.
pub(crate) fn collide(plan: &LogicalPlan) -> bool {
    let mut found = false;
    // The visit cannot fail: nothing in it does.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Aggregate(a) = node {
            let keys = grouping_set_to_exprlist(&a.group_expr).unwrap_or_default();
            let mut known: HashMap<String, &Expr> = HashMap::new();
            for e in keys.into_iter().chain(&a.aggr_expr) {
                let first = known.entry(e.schema_name().to_string()).or_insert(e);
                found |= *first != e;
            }
        }
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    found
}

/// The expressions of a query's columns as they were written; nothing for those that have a name.
fn shown(plan: &LogicalPlan) -> Option<Vec<Option<Expr>>> {
    match plan {
        LogicalPlan::Projection(p) => {
            let below = computed(&p.input);
            let exprs = p.expr.iter().map(|e| match e {
                Expr::Alias(_) => None,
                Expr::Column(c) => match (&c.relation, below.get(&c.name)) {
                    (None, Some(e)) => Some(e.clone()),
                    _ => None,
                },
                other => Some(spelled(other.clone(), &below)),
            });
            Some(exprs.collect())
        }
        LogicalPlan::Sort(s) => shown(&s.input),
        LogicalPlan::Limit(l) => shown(&l.input),
        LogicalPlan::Distinct(datafusion::logical_expr::Distinct::All(input)) => shown(input),
        _ => None,
    }
}

/// The expressions that the nodes right below compute, by the names of their columns.
fn computed(plan: &LogicalPlan) -> HashMap<String, Expr> {
    let mut all = HashMap::new();
    let mut at = plan;
    loop {
        let (exprs, input): (Vec<&Expr>, _) = match at {
            LogicalPlan::Filter(f) => (Vec::new(), &f.input),
            LogicalPlan::Sort(s) => (Vec::new(), &s.input),
            LogicalPlan::Window(w) => (w.window_expr.iter().collect(), &w.input),
            LogicalPlan::Aggregate(a) => {
                (a.group_expr.iter().chain(&a.aggr_expr).collect(), &a.input)
            }
            _ => break,
        };
        for e in exprs {
            if !matches!(e, Expr::Column(_) | Expr::Alias(_)) {
                all.entry(e.schema_name().to_string())
                    .or_insert_with(|| e.clone());
            }
        }
        at = input;
    }
    all
}

/// The expression with what was computed below written out.
fn spelled(expr: Expr, below: &HashMap<String, Expr>) -> Expr {
    let out = expr.clone().transform_up(|e| {
        Ok(match &e {
            Expr::Column(c) if c.relation.is_none() => match below.get(&c.name) {
                Some(written) => Transformed::yes(written.clone()),
                None => Transformed::no(e),
            },
            _ => Transformed::no(e),
        })
    });
    out.data().unwrap_or(expr)
}
