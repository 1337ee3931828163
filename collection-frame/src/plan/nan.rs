//! One NaN and one zero. A processor makes a NaN with a sign of its own (0/0 is a negative one on x86), files hold either, and DataFusion
//! compares floats by all their bits: two NaNs would be two groups, first and last in an order, and smallest and largest at once. What is
//! compared, grouped, joined or sorted by is therefore the value with one NaN, which is above all numbers, and one zero.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, PrimitiveArray, StructArray,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, FieldRef, Float16Type, Float32Type, Float64Type,
};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, Sort, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, when,
};
use datafusion::optimizer::AnalyzerRule;

use super::correlated;
use crate::compare::compares;

pub(crate) const NAME: &str = "kvern_one_nan";

/// The function that makes one NaN of all, and one zero of both.
pub(crate) fn one_nan() -> &'static Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(ScalarUDF::new_from_impl(OneNan {
            signature: Signature::any(1, Volatility::Immutable),
        }))
    });
    &FUNCTION
}

/// Whether a function is that one.
pub(crate) fn is_one_nan(function: &ScalarUDF) -> bool {
    function.name() == NAME
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OneNan {
    signature: Signature,
}

impl ScalarUDFImpl for OneNan {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        let null = args.arg_fields.iter().any(|f| f.is_nullable());
        let kinds: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        Ok(Arc::new(Field::new(NAME, self.return_type(&kinds)?, null)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let Some(argument) = args.args.into_iter().next() else {
            return datafusion::common::internal_err!("{NAME} takes one argument");
        };
        Ok(match argument {
            ColumnarValue::Array(array) => ColumnarValue::Array(made_one(array)),
            ColumnarValue::Scalar(value) => {
                let one = made_one(value.to_array()?);
                ColumnarValue::Scalar(ScalarValue::try_from_array(&one, 0)?)
            }
        })
    }
}

/// The array with one NaN and one zero; the same one if it has no others.
fn made_one(array: ArrayRef) -> ArrayRef {
    macro_rules! of {
        ($t:ty, $bits:ty, $inf:expr, $nan:expr) => {
            changed::<$t>(
                &array,
                |v| {
                    let bits = v.to_bits();
                    const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                    // A negative zero, or a NaN that is not the one.
                    (bits == SIGN) | (((bits & !SIGN) > $inf) & (bits != $nan))
                },
                |v| match v.is_nan() {
                    true => <$t as ArrowPrimitiveType>::Native::from_bits($nan),
                    false => <$t as ArrowPrimitiveType>::Native::from_bits(0),
                },
            )
        };
    }
    let new = match array.data_type() {
        DataType::Float64 => of!(
            Float64Type,
            u64,
            0x7ff0_0000_0000_0000,
            0x7ff8_0000_0000_0000
        ),
        DataType::Float32 => of!(Float32Type, u32, 0x7f80_0000, 0x7fc0_0000),
        DataType::Float16 => of!(Float16Type, u16, 0x7c00, 0x7e00),
        DataType::List(field) => in_lists::<i32>(&array, field),
        DataType::LargeList(field) => in_lists::<i64>(&array, field),
        DataType::Struct(_) => in_fields(&array),
        _ => None,
    };
    new.unwrap_or(array)
}

/// The lists with one NaN and one zero in them; `None` if they have no others.
fn in_lists<O: OffsetSizeTrait>(array: &ArrayRef, field: &FieldRef) -> Option<ArrayRef> {
    let lists: &GenericListArray<O> = array.as_list_opt()?;
    let values = made_one(lists.values().clone());
    (!Arc::ptr_eq(&values, lists.values())).then(|| {
        let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
        Arc::new(GenericListArray::new(field.clone(), offsets, values, nulls)) as ArrayRef
    })
}

/// The structs with one NaN and one zero in them; `None` if they have no others.
fn in_fields(array: &ArrayRef) -> Option<ArrayRef> {
    let (fields, columns, nulls) = array.as_struct_opt()?.clone().into_parts();
    let new: Vec<ArrayRef> = columns.iter().cloned().map(made_one).collect();
    let changed = new.iter().zip(&columns).any(|(a, b)| !Arc::ptr_eq(a, b));
    changed.then(|| Arc::new(StructArray::new(fields, new, nulls)) as ArrayRef)
}

/// Whether values of a type are floats, or lists or structs of some, which are made one before they are compared.
fn has_floats(t: &DataType) -> bool {
    match t {
        DataType::List(f) | DataType::LargeList(f) => has_floats(f.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| has_floats(f.data_type())),
        other => other.is_floating(),
    }
}

/// The array with those values replaced that are to be; `None` if there are none, which is the rule and is found out in one pass without
/// a branch.
fn changed<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    wrong: impl Fn(T::Native) -> bool,
    right: impl Fn(T::Native) -> T::Native,
) -> Option<ArrayRef> {
    let array: &PrimitiveArray<T> = array.as_primitive_opt()?;
    let any = array.values().iter().fold(false, |any, &v| any | wrong(v));
    any.then(|| {
        let new: PrimitiveArray<T> = array.unary(|v| if wrong(v) { right(v) } else { v });
        Arc::new(new) as ArrayRef
    })
}

/// The rule that applies it to whatever is compared.
#[derive(Debug)]
pub(crate) struct OneNanRule;

impl AnalyzerRule for OneNanRule {
    fn name(&self) -> &'static str {
        "kvern_one_nan"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.transform_up_with_subqueries(node).data()
    }
}

fn node(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    if matches!(
        &plan,
        LogicalPlan::EmptyRelation(_) | LogicalPlan::TableScan(_)
    ) {
        return Ok(Transformed::no(plan));
    }
    let schema = merge_schema(&plan.inputs());
    // Expressions of this plan that are compared as a whole.
    let keys = match &plan {
        LogicalPlan::Aggregate(a) => a.group_expr.len(),
        LogicalPlan::Sort(_) | LogicalPlan::Join(_) => usize::MAX,
        _ => 0,
    };
    let filtered = match &plan {
        LogicalPlan::Join(j) => 2 * j.on.len(),
        _ => usize::MAX,
    };
    let names = NamePreserver::new(&plan);
    let mut at = 0;
    let new = plan.map_expressions(|expr| {
        let is_key = at < keys && at < filtered;
        at += 1;
        // A set of keys has no name to give back, but each key has: see the rule of groups.
        if matches!(expr, Expr::GroupingSet(_)) {
            return Ok(Transformed::no(expr));
        }
        let name = names.save(&expr);
        let mut new = expr.transform_up(|e| compared(e, &schema))?;
        if is_key {
            new = new.transform_data(|e| Ok(Transformed::yes(key(e, &schema))))?;
        }
        Ok(match new.transformed {
            true => new.update_data(|e| name.restore(e)),
            false => new,
        })
    })?;
    let new = new.transform_data(distinct)?;
    match new.transformed {
        true => new.map_data(LogicalPlan::recompute_schema),
        false => Ok(new),
    }
}

/// Rows that are distinct by their columns are so by what they are made one of beforehand.
fn distinct(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let new = made_one_before(input, &|_| true)?;
            Ok(new.update_data(|input| LogicalPlan::Distinct(Distinct::All(input))))
        }
        LogicalPlan::Distinct(Distinct::On(mut on)) => {
            let keys: HashSet<Column> = named_in(&on.on_expr);
            let new = made_one_before(on.input.clone(), &|c| keys.contains(c))?;
            on.input = new.data;
            let plan = LogicalPlan::Distinct(Distinct::On(on));
            Ok(Transformed::new(plan, new.transformed, new.tnr))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The columns in some expressions.
fn named_in(exprs: &[Expr]) -> HashSet<Column> {
    exprs.iter().flat_map(Expr::column_refs).cloned().collect()
}

/// A plan with some of its floats made one, under their names.
fn made_one_before(
    plan: Arc<LogicalPlan>,
    these: &dyn Fn(&Column) -> bool,
) -> DfResult<Transformed<Arc<LogicalPlan>>> {
    let schema = plan.schema().clone();
    let mut changed = false;
    let columns = schema.iter().map(|(qualifier, field)| {
        let column = Column::from((qualifier, field));
        if !has_floats(field.data_type()) || !these(&column) {
            return Expr::Column(column);
        }
        changed = true;
        let one = one_nan().call(vec![Expr::Column(column)]);
        one.alias_qualified(qualifier.cloned(), field.name())
    });
    let columns: Vec<Expr> = columns.collect();
    if !changed {
        return Ok(Transformed::no(plan));
    }
    let one = LogicalPlanBuilder::from(plan.as_ref().clone()).project(columns)?;
    Ok(Transformed::yes(Arc::new(one.build()?)))
}

/// Aggregates for which equality or order of their arguments counts.
const ORDERED: &[&str] = &[
    "min",
    "max",
    "median",
    "percentile_cont",
    "quantile_cont",
    "approx_percentile_cont",
    "approx_percentile_cont_with_weight",
    "approx_median",
    "approx_distinct",
];

/// The expression with what it compares made one.
pub(crate) fn compared(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let of = |e: Box<Expr>| -> Box<Expr> { Box::new(key(*e, schema)) };
    let new = match expr {
        Expr::BinaryExpr(mut b) if compares(b.op) => {
            b.left = of(b.left);
            b.right = of(b.right);
            Expr::BinaryExpr(b)
        }
        Expr::Between(mut b) => {
            b.expr = of(b.expr);
            b.low = of(b.low);
            b.high = of(b.high);
            Expr::Between(b)
        }
        Expr::InList(mut l) => {
            l.expr = of(l.expr);
            l.list = l.list.into_iter().map(|e| key(e, schema)).collect();
            Expr::InList(l)
        }
        Expr::InSubquery(mut s) => {
            s.expr = of(s.expr);
            s.subquery.subquery = one_column(s.subquery.subquery)?;
            Expr::InSubquery(s)
        }
        Expr::ScalarSubquery(s) => {
            return Ok(correlated::by_columns(s)?.update_data(Expr::ScalarSubquery));
        }
        Expr::Case(mut c) if c.expr.is_some() => {
            c.expr = c.expr.map(&of);
            c.when_then_expr = c
                .when_then_expr
                .into_iter()
                .map(|(w, t)| (of(w), t))
                .collect();
            Expr::Case(c)
        }
        Expr::ScalarFunction(f) if f.func.name() == "nullif" && f.args.len() == 2 => {
            return nullif(f, schema);
        }
        Expr::ScalarFunction(mut f) if COMPARING.contains(&f.func.name()) => {
            f.args = f.args.into_iter().map(|e| key(e, schema)).collect();
            Expr::ScalarFunction(f)
        }
        Expr::AggregateFunction(a) => Expr::AggregateFunction(aggregate(a, schema)),
        Expr::WindowFunction(w) => Expr::WindowFunction(window(w, schema)),
        other => return Ok(Transformed::no(other)),
    };
    // Whether anything is new is seen by the plan's schema only, which is computed again at little cost.
    Ok(Transformed::yes(new))
}

/// Functions that compare their arguments, or what is in them.
const COMPARING: &[&str] = &[
    "greatest",
    "least",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_max",
    "array_min",
    "array_position",
    "array_positions",
    "array_sort",
];

/// `nullif(a, b)` of floats compares them, and gives the first as it is.
fn nullif(f: ScalarFunction, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let float = |e: &Expr| e.get_type(schema).is_ok_and(|t| t.is_floating());
    if !f.args.iter().all(float) {
        return Ok(Transformed::no(Expr::ScalarFunction(f)));
    }
    let (a, b) = (f.args[0].clone(), f.args[1].clone());
    let other = key(a.clone(), schema).not_eq(key(b.clone(), schema));
    // True, or unknown because one is null.
    let case = when(other.is_not_false(), a).end()?;
    Ok(Transformed::yes(case))
}

fn aggregate(mut a: AggregateFunction, schema: &DFSchema) -> AggregateFunction {
    if a.params.distinct || ORDERED.contains(&a.func.name()) {
        a.params.args = a.params.args.into_iter().map(|e| key(e, schema)).collect();
    }
    a.params.order_by = sorted(a.params.order_by, schema);
    a
}

fn window(mut w: Box<WindowFunction>, schema: &DFSchema) -> Box<WindowFunction> {
    let name = w.fun.name().to_owned();
    let p = &mut w.params;
    if p.distinct || ORDERED.contains(&name.as_str()) {
        p.args = std::mem::take(&mut p.args)
            .into_iter()
            .map(|e| key(e, schema))
            .collect();
    }
    p.partition_by = std::mem::take(&mut p.partition_by)
        .into_iter()
        .map(|e| key(e, schema))
        .collect();
    p.order_by = sorted(std::mem::take(&mut p.order_by), schema);
    w
}

fn sorted(by: Vec<Sort>, schema: &DFSchema) -> Vec<Sort> {
    by.into_iter()
        .map(|s| Sort {
            expr: key(s.expr, schema),
            ..s
        })
        .collect()
}

/// The only column of a subquery as it is compared.
fn one_column(plan: Arc<LogicalPlan>) -> DfResult<Arc<LogicalPlan>> {
    let schema = plan.schema().clone();
    let Some((qualifier, field)) = schema.iter().next() else {
        return Ok(plan);
    };
    if !has_floats(field.data_type()) {
        return Ok(plan);
    }
    let column = Expr::Column(Column::from((qualifier, field)));
    // By a name of its own: DataFusion takes the column for one of the join that it makes of this under OR, a second time.
    let one = one_nan().call(vec![column]).alias("kvern_in");
    let plan = LogicalPlanBuilder::from(plan.as_ref().clone()).project([one])?;
    Ok(Arc::new(plan.build()?))
}

/// A float, a list or a struct of some, as it is compared; anything else as it is.
pub(crate) fn key(expr: Expr, schema: &DFSchema) -> Expr {
    match &expr {
        Expr::Literal(value, _) if is_one(value) => return expr,
        Expr::ScalarFunction(f) if is_one_nan(&f.func) => return expr,
        Expr::Alias(_) => return aliased(expr, schema),
        // Its keys are what is compared: see the rule of groups.
        Expr::GroupingSet(_) => return expr,
        _ => {}
    }
    match expr.get_type(schema) {
        Ok(t) if has_floats(&t) => one_nan().call(vec![expr]),
        _ => expr,
    }
}

fn aliased(expr: Expr, schema: &DFSchema) -> Expr {
    match expr {
        Expr::Alias(mut a) => {
            a.expr = Box::new(key(*a.expr, schema));
            Expr::Alias(a)
        }
        other => other,
    }
}

/// Whether a literal needs nothing done.
fn is_one(value: &ScalarValue) -> bool {
    let fits = |v: f64| !(v.is_nan() || v == 0.0 && v.is_sign_negative());
    match value {
        ScalarValue::Float64(Some(v)) => fits(*v),
        ScalarValue::Float32(Some(v)) => fits(f64::from(*v)),
        ScalarValue::Float16(Some(v)) => fits(v.to_f64()),
        other => !has_floats(&other.data_type()),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float16Array, Float32Array, Float64Array};

    use super::*;

    #[test]
    fn all_nans_become_one_and_both_zeros() {
        let odd = f64::from_bits(0xfff8_0000_0000_0001);
        let have: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(-f64::NAN),
            Some(odd),
            Some(-0.0),
            None,
            Some(f64::NEG_INFINITY),
            Some(-5e-324),
        ]));
        let new = made_one(have);
        let new: &Float64Array = new.as_primitive();
        let bits: Vec<Option<u64>> = new.iter().map(|v| v.map(f64::to_bits)).collect();
        let nan = Some(f64::NAN.to_bits());
        let rest = [
            Some(0),
            None,
            Some(f64::NEG_INFINITY.to_bits()),
            Some((-5e-324f64).to_bits()),
        ];
        assert_eq!(bits[..2], [nan, nan]);
        assert_eq!(bits[2..], rest);
        let f: ArrayRef = Arc::new(Float32Array::from(vec![-f32::NAN, -0.0, 1.0]));
        let new = made_one(f);
        let new: &Float32Array = new.as_primitive();
        assert_eq!(new.value(0).to_bits(), f32::NAN.to_bits());
        assert_eq!(
            new.values()[1..]
                .iter()
                .map(|v| v.to_bits())
                .collect::<Vec<_>>(),
            [0, 1f32.to_bits()]
        );
        let half = |v: f32| <Float16Type as ArrowPrimitiveType>::Native::from_f32(v);
        let f: ArrayRef = Arc::new(Float16Array::from(vec![half(-f32::NAN), half(-0.0)]));
        let new = made_one(f);
        let new: &Float16Array = new.as_primitive();
        assert_eq!(
            (new.value(0).to_bits(), new.value(1).to_bits()),
            (0x7e00, 0)
        );
        // Nothing is copied where nothing is to be done.
        let clean: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 0.0, 1.0]));
        assert!(Arc::ptr_eq(&made_one(clean.clone()), &clean));
    }
}
