//! Functions that plans are made of here and in no query: what they are called on the wire, and the smaller ones of them.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::kernels::bitwise::bitwise_xor;
use arrow::datatypes::{
    DataType, Field, FieldRef, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result as DfResult, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::nan;

/// All of them: what stands for each on the wire, and the function. No program need have them among those that it knows by name.
fn all() -> [(&'static [u8], &'static Arc<ScalarUDF>); 7] {
    [
        (b"kvern_one_nan@1", nan::one_nan()),
        (b"kvern_rank@1", rank()),
        (b"kvern_unrank@1", unrank()),
        (b"kvern_open@1", open()),
        (b"kvern_unknown@1", unknown()),
        (b"kvern_xor@1", xor()),
        (b"kvern_of_type@1", of_type()),
    ]
}

/// What stands for a function on the wire, if it is one of these.
pub(crate) fn written(function: &ScalarUDF) -> Option<&'static [u8]> {
    let found = all().into_iter().find(|(_, own)| own.as_ref() == function);
    found.map(|(bytes, _)| bytes)
}

/// The function that these bytes stand for.
pub(crate) fn read(bytes: &[u8]) -> Option<Arc<ScalarUDF>> {
    let found = all().into_iter().find(|(known, _)| *known == bytes);
    found.map(|(_, own)| own.clone())
}

/// A float as a whole number of the same width, in the same order: NaN last.
pub(crate) fn rank() -> &'static Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Own::function(What::Rank));
    &FUNCTION
}

/// The float of such a number.
pub(crate) fn unrank() -> &'static Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Own::function(What::Unrank));
    &FUNCTION
}

/// A value of which nothing is concluded while a query is planned, neither that it is the same in all rows nor what it is equal to.
pub(crate) fn opaque(value: Expr) -> Expr {
    open().call(vec![value, unknown().call(Vec::new())])
}

/// The rows of a physical plan, with nothing concluded of the columns that are chosen.
pub(crate) fn opaque_rows(
    input: Arc<dyn ExecutionPlan>,
    chosen: impl Fn(&Arc<dyn PhysicalExpr>) -> bool,
    options: &Arc<ConfigOptions>,
) -> DfResult<Arc<dyn ExecutionPlan>> {
    let schema = input.schema();
    let mut any = false;
    let columns = schema.fields().iter().enumerate().map(|(i, field)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), i));
        let expr = if chosen(&column) {
            any = true;
            opaque_column(column, field, options)
        } else {
            column
        };
        ProjectionExpr::new(expr, field.name().clone())
    });
    let columns: Vec<_> = columns.collect();
    match any {
        true => Ok(Arc::new(ProjectionExec::try_new(columns, input)?)),
        false => Ok(input),
    }
}

/// [`opaque`] of a column of a physical plan.
fn opaque_column(
    column: Arc<dyn PhysicalExpr>,
    field: &FieldRef,
    options: &Arc<ConfigOptions>,
) -> Arc<dyn PhysicalExpr> {
    let call = |f: &Arc<ScalarUDF>, args, field| -> Arc<dyn PhysicalExpr> {
        let (name, options) = (f.name(), options.clone());
        Arc::new(ScalarFunctionExpr::new(
            name,
            f.clone(),
            args,
            field,
            options,
        ))
    };
    let null = Field::new(unknown().name(), DataType::Boolean, true);
    let null = call(unknown(), Vec::new(), Arc::new(null));
    call(open(), vec![column, null], field.clone())
}

/// A value that is not looked into while a query is planned.
pub(crate) fn apart(value: Expr) -> Expr {
    open().call(vec![value, Expr::default()])
}

/// The `n`th name of a value, which is not known for the same as another one.
pub(crate) fn twin(value: Expr, n: usize) -> Expr {
    open().call(vec![value, lit(n as u64)])
}

/// The first of two arguments.
fn open() -> &'static Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Own::function(What::Open));
    &FUNCTION
}

/// A null of which nothing is known.
fn unknown() -> &'static Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Own::function(What::Unknown));
    &FUNCTION
}

/// `a ^ b` of whole numbers of one type, of which DataFusion simplifies nothing.
pub(crate) fn xor() -> &'static Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Own::function(What::Xor));
    &FUNCTION
}

/// The first of two arguments, which is a cast to the type that the second one names: of a cast by itself DataFusion's names say nothing.
pub(crate) fn of_type() -> &'static Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Own::function(What::OfType));
    &FUNCTION
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Rank,
    Unrank,
    Open,
    Unknown,
    Xor,
    OfType,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Own {
    what: What,
    signature: Signature,
}

impl Own {
    fn function(what: What) -> Arc<ScalarUDF> {
        let signature = match what {
            What::Rank | What::Unrank => Signature::any(1, Volatility::Immutable),
            What::Open | What::Xor | What::OfType => Signature::any(2, Volatility::Immutable),
            // Computed while a query is planned it would be known.
            What::Unknown => Signature::nullary(Volatility::Volatile),
        };
        Arc::new(ScalarUDF::new_from_impl(Self { what, signature }))
    }
}

impl ScalarUDFImpl for Own {
    fn name(&self) -> &str {
        match self.what {
            What::Rank => "kvern_rank",
            What::Unrank => "kvern_unrank",
            What::Open => "kvern_open",
            What::Unknown => "kvern_unknown",
            What::Xor => "kvern_xor",
            What::OfType => "kvern_of_type",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        let first = types.first().cloned().unwrap_or(DataType::Null);
        Ok(match (self.what, first) {
            (What::Rank, DataType::Float64) => DataType::Int64,
            (What::Rank, DataType::Float32) => DataType::Int32,
            (What::Rank, DataType::Float16) => DataType::Int16,
            (What::Unrank, DataType::Int64) => DataType::Float64,
            (What::Unrank, DataType::Int32) => DataType::Float32,
            (What::Unrank, DataType::Int16) => DataType::Float16,
            (What::Unknown, _) => DataType::Boolean,
            (_, other) => other,
        })
    }

    fn is_strict(&self) -> bool {
        self.what == What::Xor
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        if let (What::Xor, [a, b]) = (self.what, args.args.as_slice()) {
            return xored(a, b);
        }
        let Some(argument) = args.args.into_iter().next() else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None)));
        };
        if matches!(self.what, What::Open | What::Unknown | What::OfType) {
            return Ok(argument);
        }
        Ok(match argument {
            ColumnarValue::Array(array) => ColumnarValue::Array(turned(&array)),
            ColumnarValue::Scalar(value) => {
                let one = turned(&value.to_array()?);
                ColumnarValue::Scalar(ScalarValue::try_from_array(&one, 0)?)
            }
        })
    }
}

/// Null where either is.
fn xored(a: &ColumnarValue, b: &ColumnarValue) -> DfResult<ColumnarValue> {
    let one = matches!((a, b), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
    let arrays = ColumnarValue::values_to_arrays(&[a.clone(), b.clone()])?;
    let (a, b) = (&arrays[0], &arrays[1]);
    macro_rules! of {
        ($($t:ty),*) => {$(
            if let (Some(a), Some(b)) = (a.as_primitive_opt::<$t>(), b.as_primitive_opt::<$t>()) {
                let new: ArrayRef = Arc::new(bitwise_xor(a, b)?);
                return Ok(match one {
                    true => ColumnarValue::Scalar(ScalarValue::try_from_array(&new, 0)?),
                    false => ColumnarValue::Array(new),
                });
            }
        )*};
    }
    of!(
        Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type
    );
    internal_err!(
        "kvern_xor of {} and {}: whole numbers of one type were planned",
        a.data_type(),
        b.data_type()
    )
}

/// Floats as numbers in their order, such numbers as floats. Of a negative number all bits but the sign are turned over, which is its own
/// inverse.
fn turned(array: &ArrayRef) -> ArrayRef {
    macro_rules! of {
        ($float:ty, $int:ty, $native:ty) => {{
            let turn = |bits: $native| {
                bits ^ (((bits >> (<$native>::BITS - 1)) as $native) & <$native>::MAX)
            };
            if let Some(floats) = array.as_primitive_opt::<$float>() {
                let new: PrimitiveArray<$int> = floats.unary(|v| turn(v.to_bits() as $native));
                return Arc::new(new);
            }
            if let Some(ints) = array.as_primitive_opt::<$int>() {
                let new: PrimitiveArray<$float> =
                    ints.unary(|v| {
                        <$float as arrow::datatypes::ArrowPrimitiveType>::Native::from_bits(
                            turn(v) as _
                        )
                    });
                return Arc::new(new);
            }
        }};
    }
    of!(Float64Type, Int64Type, i64);
    of!(Float32Type, Int32Type, i32);
    of!(Float16Type, Int16Type, i16);
    array.clone()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float32Array, Float64Array, Int64Array};

    use super::*;

    #[test]
    fn numbers_are_in_the_order_of_their_floats_and_give_them_back() {
        let floats = vec![
            f64::NEG_INFINITY,
            f64::MIN,
            -1.0,
            -5e-324,
            0.0,
            5e-324,
            1.0,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
        ];
        let array: ArrayRef = Arc::new(Float64Array::from(floats.clone()));
        let ranks = turned(&array);
        let ranks: &Int64Array = ranks.as_primitive();
        assert!(ranks.values().is_sorted(), "{ranks:?}");
        let back = turned(&(Arc::new(ranks.clone()) as ArrayRef));
        let back: &Float64Array = back.as_primitive();
        let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(back.values()), bits(&floats));
        let narrow: ArrayRef = Arc::new(Float32Array::from(vec![-2.5f32, f32::NAN, 0.5]));
        let again = turned(&turned(&narrow));
        assert_eq!(again.data_type(), &DataType::Float32);
        let again: &Float32Array = again.as_primitive();
        assert_eq!(again.value(0), -2.5);
    }

    #[test]
    fn every_function_is_found_by_its_bytes() {
        for (bytes, function) in all() {
            assert_eq!(written(function), Some(bytes));
            assert_eq!(read(bytes).as_ref(), Some(function));
        }
        assert!(read(b"").is_none());
    }
}
