//! `IGNORE NULLS` and `FILTER` of window functions, said in a way that survives. Both are lost when DataFusion writes a plan down
//! (apache/datafusion#17417), and `lead(x, 2) IGNORE NULLS` gives wrong values while its rows stream (55.2). So `IGNORE NULLS` is part of
//! the function here, and a filter is part of its argument.

use std::any::Any;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::function::{
    ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs,
};
use datafusion::logical_expr::{
    Case, Documentation, Expr, LimitEffect, LogicalPlan, PartitionEvaluator, ReversedUDWF,
    Signature, WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_plan::PhysicalExpr;

/// The rule.
#[derive(Debug)]
pub(crate) struct PlainWindows;

impl AnalyzerRule for PlainWindows {
    fn name(&self) -> &'static str {
        "kvern_plain_windows"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let new = expr.transform_up(|e| {
                    Ok(match e {
                        Expr::WindowFunction(w) => said_plainly(w),
                        other => Transformed::no(other),
                    })
                })?;
                Ok(match new.transformed {
                    true => new.update_data(|e| name.restore(e)),
                    false => new,
                })
            })
        })
        .data()
    }
}

/// Aggregates to which a null is as if its row were not there.
const SKIP_NULLS: &[&str] = &[
    "sum",
    "count",
    "avg",
    "min",
    "max",
    "median",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
    "bool_and",
    "bool_or",
    "bit_and",
    "bit_or",
    "bit_xor",
    "corr",
    "covar_samp",
    "covar_pop",
    "string_agg",
    "approx_distinct",
    "approx_median",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
];

fn said_plainly(mut window: Box<WindowFunction>) -> Transformed<Expr> {
    let mut changed = false;
    if let (WindowFunctionDefinition::WindowUDF(function), Some(NullTreatment::IgnoreNulls)) =
        (&window.fun, window.params.null_treatment)
    {
        let function = IgnoreNulls(function.clone());
        window.fun =
            WindowFunctionDefinition::WindowUDF(Arc::new(WindowUDF::new_from_impl(function)));
        window.params.null_treatment = None;
        changed = true;
    }
    if let WindowFunctionDefinition::AggregateUDF(f) = &window.fun
        && SKIP_NULLS.contains(&f.name())
        && let Some(argument) = window.params.args.first_mut()
        && let Some(filter) = window.params.filter.take()
    {
        let value = Box::new(argument.clone());
        *argument = Expr::Case(Case::new(None, vec![(filter, value)], None));
        changed = true;
    }
    match changed {
        true => Transformed::yes(Expr::WindowFunction(window)),
        false => Transformed::no(Expr::WindowFunction(window)),
    }
}

/// A window function to which nulls are not there.
#[derive(Debug, PartialEq, Eq, Hash)]
struct IgnoreNulls(Arc<WindowUDF>);

impl WindowUDFImpl for IgnoreNulls {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn expressions(&self, args: ExpressionArgs<'_>) -> Vec<Arc<dyn PhysicalExpr>> {
        self.0.expressions(args)
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs<'_>,
    ) -> DfResult<Box<dyn PartitionEvaluator>> {
        let reversed = args.is_reversed();
        let ignoring =
            PartitionEvaluatorArgs::new(args.input_exprs(), args.input_fields(), reversed, true);
        let inner = self.0.partition_evaluator_factory(ignoring)?;
        Ok(match self.0.name() {
            "lag" | "lead" => Box::new(Whole(inner)),
            _ => inner,
        })
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> DfResult<FieldRef> {
        self.0.field(args)
    }

    fn sort_options(&self) -> Option<SortOptions> {
        self.0.sort_options()
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        self.0.coerce_types(types)
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        match self.0.reverse_expr() {
            ReversedUDWF::Reversed(other) => {
                ReversedUDWF::Reversed(Arc::new(WindowUDF::new_from_impl(Self(other))))
            }
            same => same,
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.documentation()
    }

    fn limit_effect(&self, _: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        // Any number of rows may be nulls.
        LimitEffect::Unknown
    }
}

/// An evaluator that sees a partition whole: what it does with nulls while rows stream is wrong for `lead`.
#[derive(Debug)]
struct Whole(Box<dyn PartitionEvaluator>);

impl PartitionEvaluator for Whole {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> DfResult<ArrayRef> {
        self.0.evaluate_all(values, rows)
    }
}

/// What of such a function is written down; nothing for any other.
pub(crate) fn encode(function: &WindowUDF, buf: &mut Vec<u8>) -> bool {
    let inner: &dyn Any = function.inner().as_ref();
    let Some(own) = inner.downcast_ref::<IgnoreNulls>() else {
        return false;
    };
    buf.extend_from_slice(own.0.name().as_bytes());
    true
}

/// The function that ignores nulls in one of DataFusion's.
pub(crate) fn decode(name: &str, buf: &[u8]) -> DfResult<Arc<WindowUDF>> {
    let known = crate::plan::base().window_functions();
    let inner = std::str::from_utf8(buf).ok().and_then(|n| known.get(n));
    match inner {
        Some(inner) => Ok(Arc::new(WindowUDF::new_from_impl(IgnoreNulls(
            inner.clone(),
        )))),
        None => Err(DataFusionError::Execution(format!(
            "the window function {name} is not known in this program"
        ))),
    }
}
