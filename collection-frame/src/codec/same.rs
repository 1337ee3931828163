//! Whether a plan that was written down and read again is the plan that it was, down to the last expression. DataFusion's form of a plan
//! has no place for some of what a plan can say (`FILTER` of a window function, apache/datafusion#17417), and whoever reads it computes
//! something else without an error.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::expressions::{CastExpr, Column};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, displayable};

/// What is different, if anything.
pub(super) fn plans(
    read: &Arc<dyn ExecutionPlan>,
    plan: &Arc<dyn ExecutionPlan>,
) -> Result<(), String> {
    let (a, b) = (read.children(), plan.children());
    if read.name() != plan.name() || a.len() != b.len() {
        return Err(format!(
            "{} becomes {} on the way",
            plan.name(),
            read.name()
        ));
    }
    let (have, want) = (said(read), said(plan));
    if have != want && letters(&have) != letters(&want) {
        return Err(format!(
            "{} loses something on the way: {}",
            plan.name(),
            difference(&have, &want)
        ));
    }
    if !same_columns(&read.schema(), &plan.schema()) {
        return Err(format!("the columns of {} change on the way", plan.name()));
    }
    let counts = [read, plan].map(|p| p.output_partitioning().partition_count());
    if counts[0] != counts[1] {
        return Err(format!(
            "the partitions of {} change on the way",
            plan.name()
        ));
    }
    let union = plan.downcast_ref::<UnionExec>().is_some()
        || plan.downcast_ref::<InterleaveExec>().is_some();
    a.into_iter()
        .zip(b)
        .try_for_each(|(x, y)| plans(if union { unlabelled(x, y) } else { x }, y))
}

/// A union that is read again puts a projection over inputs whose columns are called or may be null otherwise than its own, though one is
/// there, since the written form of a cast does not say that. It passes each column on, and computes nothing.
fn unlabelled<'a>(
    read: &'a Arc<dyn ExecutionPlan>,
    plan: &Arc<dyn ExecutionPlan>,
) -> &'a Arc<dyn ExecutionPlan> {
    let Some(labels) = read.downcast_ref::<ProjectionExec>() else {
        return read;
    };
    let input = labels.input();
    let columns = input.schema();
    let passes = |(i, e): (usize, &ProjectionExpr)| {
        let cast = e.expr.downcast_ref::<CastExpr>();
        let inner = match cast {
            Some(c) if c.cast_type() == columns.field(i).data_type() => c.expr(),
            _ => &e.expr,
        };
        inner
            .downcast_ref::<Column>()
            .is_some_and(|c| c.index() == i)
    };
    let all = labels.expr().len() == columns.fields().len();
    match all
        && projections(read) > projections(plan)
        && labels.expr().iter().enumerate().all(passes)
    {
        true => input,
        false => read,
    }
}

/// How many projections lie on top of each other.
fn projections(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let below = plan
        .downcast_ref::<ProjectionExec>()
        .map(ProjectionExec::input);
    below.map_or(0, |below| 1 + projections(below))
}

/// Names and types. Whether a cast may give nulls is found out anew, and may be known better then.
fn same_columns(a: &Schema, b: &Schema) -> bool {
    let pairs = || a.fields().iter().zip(b.fields());
    a.fields().len() == b.fields().len()
        && pairs().all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
}

/// All that a node says of itself and its expressions, without its inputs.
fn said(plan: &Arc<dyn ExecutionPlan>) -> String {
    let mut out = displayable(plan.as_ref()).one_line().to_string();
    // Writing to a string cannot fail, and neither does a visit that only looks.
    let _ = plan.apply_expressions(&mut |e| {
        let _ = write!(out, "\n{e:?}");
        Ok(TreeNodeRecursion::Continue)
    });
    if let Some(a) = plan.downcast_ref::<AggregateExec>() {
        let _ = write!(
            out,
            "\n{:?} {:?} {:?} {:?}",
            a.group_expr(),
            a.aggr_expr(),
            a.filter_expr(),
            a.limit_options()
        );
    } else if let Some(w) = plan.downcast_ref::<WindowAggExec>() {
        let _ = write!(out, "\n{:?}", w.window_expr());
    } else if let Some(w) = plan.downcast_ref::<BoundedWindowAggExec>() {
        let _ = write!(out, "\n{:?} {:?}", w.window_expr(), w.input_order_mode);
    } else if let Some(j) = plan.downcast_ref::<HashJoinExec>() {
        let _ = write!(
            out,
            "\n{:?} {:?} {:?} {:?} {}",
            j.on(),
            j.filter(),
            j.partition_mode(),
            j.null_equality(),
            j.null_aware
        );
    }
    telling(&out)
}

/// Without what an aggregate notes of the rows that it was planned over, without whether they may be null, and without the name of a column that a cast makes: they change
/// nothing of what is computed.
fn telling(text: &str) -> String {
    let text = unnamed(text);
    const FLAG: &str = "is_input_pre_ordered: ";
    const SCHEMA: &str = "schema: Schema {";
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(SCHEMA) {
        out.push_str(&rest[..at]);
        rest = block_end(&rest[at + SCHEMA.len()..]);
    }
    out.push_str(rest);
    // Whether a frame needs no row to come is found out anew, by its ends; and so is whether a cast may give nulls.
    out.replace("is_causal: true", "is_causal: false")
        .replace(", nullable: true", "")
        .replace(&format!("{FLAG}true"), "")
        .replace(&format!("{FLAG}false"), "")
}

/// Without the names of what casts make, and whether their metadata was given or comes of that.
fn unnamed(text: &str) -> String {
    const CAST: &str = "target_field: Field { name: \"";
    let mut parts = text.split(CAST);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(CAST);
        // A quote in a name is written with a backslash before it.
        let mut escaped = false;
        let end = part.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        out.push_str(&part[end.unwrap_or(0)..]);
    }
    out.replace("explicit_target: true", "explicit_target: false")
}

/// What follows the brace that closes one that is open.
fn block_end(text: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[i + 1..];
        }
    }
    ""
}

/// The letters, sorted: maps of metadata are told in any order.
fn letters(text: &str) -> Vec<u8> {
    let mut all = text.as_bytes().to_vec();
    all.sort_unstable();
    all
}

/// Where two texts part, with what comes before.
fn difference(have: &str, want: &str) -> String {
    const SHOWN: usize = 90;
    let (have, want): (Vec<char>, Vec<char>) = (have.chars().collect(), want.chars().collect());
    let at = have.iter().zip(&want).take_while(|(a, b)| a == b).count();
    let from = at.saturating_sub(SHOWN / 2);
    let part = |text: &[char]| -> String {
        let end = (at + SHOWN / 2).min(text.len());
        text.get(from..end).unwrap_or_default().iter().collect()
    };
    format!("{:?} becomes {:?}", part(&want), part(&have))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_may_lose_the_names_of_what_they_make_and_nothing_else() {
        let cast = |name: &str, of: &str| {
            format!(
                "CastExpr {{ expr: {of}, target_field: Field {{ name: {name:?}, data_type: Int64 }} }} + 1"
            )
        };
        let same = |a: String, b: String| unnamed(&a) == unnamed(&b);
        assert!(same(cast("c\\\"1", "x"), cast("", "x")));
        assert!(!same(cast("c", "x"), cast("", "y")));
        assert_eq!(unnamed("no cast"), "no cast");
    }
}
