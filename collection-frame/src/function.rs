//! Functions of columns that operators compute: of plugins, or of anybody whose operators take and give Arrow arrays.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use kvern_core::operator::{OpBody, Operators, TaskHost};
use kvern_core::{
    Error, ErrorKind, Graph, Kernel, Key, Layer, Meta, OpRef, Operator, Registry, Result, Root,
    TaskContext, TaskGraph, TaskList, Value,
};
use serde::{Deserialize, Serialize};

use crate::columns::Columns;
use crate::plan::own;

/// A function of columns, with its parameters: for [`Frame::with_column`](crate::Frame::with_column) and the like, and for
/// [`sql_with`](crate::sql_with).
///
/// A column whose type the operator does not take is cast to one that it takes and that holds all of its values, if there is one: the kinds of
/// text to each other, Int32 to Int64, a dictionary to its values. Anything else is for a [`cast`](crate::cast).
///
/// It is computed batch by batch. The operator is given an `ArrayRef` for each argument, all of one length, and gives an `ArrayRef` of that
/// length. What it is told of a task is little: cancelling is seen between batches, and what it sets aside or logs is not counted or kept.
#[derive(Clone)]
pub struct Function(Arc<ScalarUDF>);

impl Function {
    /// The operator of a reference, under a name by which SQL calls it.
    ///
    /// ```
    /// # use kvern_core::Registry;
    /// # use kvern_frame::Function;
    /// # fn celsius(registry: &Registry) -> kvern_core::Result<()> {
    /// use kvern_core::{OpRef, OpTraits};
    /// // An operator of a plugin, by its name and version. (`kvern::plugins::op_ref` checks its parameters, too.)
    /// let op = OpRef::named("sample.celsius", 1, OpTraits::default(), b"null".to_vec());
    /// let celsius = Function::new("celsius", registry, &op)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`], [`ErrorKind::NotPortable`] for what is not a named operator, and what the operator says of its
    /// parameters.
    pub fn new(name: &str, registry: &Registry, op: &OpRef) -> Result<Self> {
        let own = OpFunction::new(name, registry, op)?;
        let key = (own.name.clone(), op.key());
        let made = Arc::new(ScalarUDF::new_from_impl(own));
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, f| f.strong_count() > 0);
        // Expressions hold copies of the function, and all of them this.
        known.insert(key, Arc::downgrade(made.inner()));
        Ok(Self(made))
    }

    /// The function of these columns, by name or expression.
    ///
    /// ```
    /// # use kvern_frame::{Frame, Function, col};
    /// # fn warm(weather: &Frame, celsius: &Function) -> kvern_core::Result<Frame> {
    /// weather.with_column("c", celsius.call(col("f")))
    /// # }
    /// ```
    pub fn call(&self, columns: impl Columns) -> Expr {
        self.0.call(columns.exprs())
    }

    pub(crate) fn udf(&self) -> &ScalarUDF {
        &self.0
    }
}

/// The functions of this process that somebody holds: a plan is read again when it is cut, which is before a session says which operators
/// there are.
static KNOWN: Mutex<BTreeMap<(String, Key), Weak<dyn ScalarUDFImpl>>> = Mutex::new(BTreeMap::new());

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.0.name())
    }
}

struct OpFunction {
    name: String,
    op: OpRef,
    params: Vec<u8>,
    operator: Arc<dyn Operator>,
    kernel: Arc<dyn Kernel>,
    signature: Signature,
    /// One task of the operator, whose context it is given.
    task: TaskGraph,
}

/// What of it crosses a wire.
#[derive(Serialize, Deserialize)]
struct Wire {
    name: String,
    op: OpRef,
}

impl OpFunction {
    fn new(name: &str, operators: &dyn Operators, op: &OpRef) -> Result<Self> {
        let OpBody::Named(params) = op.body() else {
            return Err(Error::new(
                ErrorKind::NotPortable,
                format!(
                    "{} is not a named operator; a function of columns is one",
                    op.label()
                ),
            ));
        };
        let mut list = TaskList::new();
        let index = list.op(op.clone());
        let task = list.task(index, []);
        let layer = Layer::new(list.into_kind([task]), Vec::new());
        let volatility = match op.traits().pure {
            true => Volatility::Immutable,
            false => Volatility::Volatile,
        };
        Ok(Self {
            name: name.to_owned(),
            params: params.clone(),
            operator: operators.operator(op.name(), Some(op.version()))?.clone(),
            kernel: operators.resolve(op)?,
            signature: Signature::user_defined(volatility),
            task: TaskGraph::expand(&Graph::new(&[Root::all(&layer)]))?,
            op: op.clone(),
        })
    }

    fn infer(&self, types: &[DataType]) -> Result<DataType> {
        let metas: Vec<Meta> = types
            .iter()
            .map(|t| Meta {
                kind: "arrow".into(),
                dtype: t.to_string(),
                shape: vec![None],
            })
            .collect();
        let out = self.operator.infer(&self.params, &metas)?;
        let known = Some(&out).filter(|m| m.kind == "arrow" && !m.dtype.is_empty());
        let Some(known) = known else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{} does not say which Arrow type it gives for {types:?}, so no column can be computed with it",
                    self.op.label()
                ),
            ));
        };
        known.dtype.parse().map_err(|e| {
            let words = format!(
                "{} gives {:?}, which is no Arrow type",
                self.op.label(),
                known.dtype
            );
            Error::with_source(ErrorKind::BadInput, words, e)
        })
    }

    fn run(&self, arrays: Vec<ArrayRef>, rows: usize) -> Result<ArrayRef> {
        let mut inputs: Vec<Value> = arrays
            .into_iter()
            .map(|a| Value::with_bytes(a, 0))
            .collect();
        let out = self
            .kernel
            .run(&mut inputs, &TaskContext::new(&Quiet, &self.task, 0))?;
        let array = out.downcast_ref::<ArrayRef>().ok_or_else(|| {
            Error::bad_input(format!(
                "{} gave {} where an Arrow array is needed",
                self.op.label(),
                out.describe()
            ))
        })?;
        if array.len() != rows {
            return Err(Error::bad_input(format!(
                "{} gave {} values for {rows} rows",
                self.op.label(),
                array.len()
            )));
        }
        Ok(array.clone())
    }
}

/// A column's function is no task of a scheduler.
struct Quiet;

impl TaskHost for Quiet {
    fn is_cancelled(&self) -> bool {
        false
    }

    fn reserve(&self, _: u64) -> Result<()> {
        Ok(())
    }

    fn unreserve(&self, _: u64) {}

    fn log(&self, _: Key, _: &str, _: &str) {}
}

impl fmt::Debug for OpFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpFunction({} = {})", self.name, self.op.label())
    }
}

impl PartialEq for OpFunction {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op.key()) == (&other.name, other.op.key())
    }
}

impl Eq for OpFunction {}

impl Hash for OpFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.op.key().words().hash(state);
    }
}

fn to_df(e: Error) -> DataFusionError {
    DataFusionError::External(Box::new(e))
}

impl ScalarUDFImpl for OpFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The types that the operator takes: those that come, or what they can be made into without a loss. A column of text has one type in a
    /// CSV file and another in a Parquet file, and a literal is an Int32 or an Int64 by chance.
    fn coerce_types(&self, types: &[DataType]) -> datafusion::common::Result<Vec<DataType>> {
        let taken = |types: &Vec<DataType>| self.infer(types).is_ok();
        // If there are none, what the operator says of those that come is told when its type is asked for.
        Ok(alternatives(types)
            .find(taken)
            .unwrap_or_else(|| types.to_vec()))
    }

    fn return_type(&self, types: &[DataType]) -> datafusion::common::Result<DataType> {
        self.infer(types).map_err(to_df)
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> datafusion::common::Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays = args
            .args
            .into_iter()
            .map(|a| a.into_array(rows))
            .collect::<datafusion::common::Result<Vec<_>>>()?;
        let out = self.run(arrays, rows).map_err(to_df)?;
        if out.data_type() != args.return_field.data_type() {
            return plan_err!(
                "{} gave {} where {} was announced",
                self.op.label(),
                out.data_type(),
                args.return_field.data_type()
            );
        }
        Ok(ColumnarValue::Array(out))
    }
}

/// So many lists of types are tried.
const TRIED: usize = 1_000;

/// The types, and then what they can be made into, the nearest first.
fn alternatives(types: &[DataType]) -> impl Iterator<Item = Vec<DataType>> {
    let of: Vec<Vec<DataType>> = types.iter().map(wider).collect();
    let all = of.iter().map(Vec::len).fold(1, usize::saturating_mul);
    (0..all.min(TRIED)).map(move |mut n| {
        let one = |of: &Vec<DataType>| {
            let chosen = of[n % of.len()].clone();
            n /= of.len();
            chosen
        };
        of.iter().map(one).collect()
    })
}

/// A type, and those that hold all of its values.
fn wider(dtype: &DataType) -> Vec<DataType> {
    use DataType::{
        Binary, BinaryView, Boolean, Dictionary, Float32, Float64, Int8, Int16, Int32, Int64,
        LargeBinary, LargeUtf8, Null, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    let more: &[DataType] = match dtype {
        Utf8 | Utf8View | LargeUtf8 => &[Utf8, Utf8View, LargeUtf8],
        Binary | BinaryView | LargeBinary => &[Binary, BinaryView, LargeBinary],
        Int8 => &[Int16, Int32, Int64, Float32, Float64],
        Int16 => &[Int32, Int64, Float32, Float64],
        Int32 => &[Int64, Float64],
        UInt8 => &[
            UInt16, Int16, UInt32, Int32, UInt64, Int64, Float32, Float64,
        ],
        UInt16 => &[UInt32, Int32, UInt64, Int64, Float32, Float64],
        UInt32 => &[UInt64, Int64, Float64],
        Float32 => &[Float64],
        Null => &[Utf8, Int64, Float64, Boolean],
        _ => &[],
    };
    let values = match dtype {
        Dictionary(_, values) => wider(values),
        _ => Vec::new(),
    };
    let more = more.iter().filter(|other| *other != dtype).cloned();
    std::iter::once(dtype.clone())
        .chain(more)
        .chain(values)
        .collect()
}

/// A function of ours as bytes; nothing for one of DataFusion's own.
pub(crate) fn encode(udf: &ScalarUDF, buf: &mut Vec<u8>) -> datafusion::common::Result<()> {
    if let Some(bytes) = own::written(udf) {
        buf.extend_from_slice(bytes);
        return Ok(());
    }
    let inner: &dyn std::any::Any = udf.inner().as_ref();
    let Some(own) = inner.downcast_ref::<OpFunction>() else {
        return Ok(());
    };
    let wire = Wire {
        name: own.name.clone(),
        op: own.op.clone(),
    };
    let bytes = postcard::to_allocvec(&wire).map_err(|e| {
        let words = format!("the function {} cannot be written", own.name);
        to_df(Error::with_source(ErrorKind::NotPortable, words, e))
    })?;
    buf.extend_from_slice(&bytes);
    Ok(())
}

/// Whether the function is an operator's.
pub(crate) fn is_operator(udf: &ScalarUDF) -> bool {
    let inner: &dyn std::any::Any = udf.inner().as_ref();
    inner.is::<OpFunction>() || own::written(udf).is_some()
}

/// Whether another program that has these operators linked computes the same by this function.
pub(crate) fn check_portable(udf: &ScalarUDF, linked: &dyn Operators) -> Result<()> {
    let inner: &dyn std::any::Any = udf.inner().as_ref();
    if let Some(own) = inner.downcast_ref::<OpFunction>() {
        let found = linked.operator(own.op.name(), Some(own.op.version()));
        return found.map(|_| ()).map_err(|e| {
            let words = format!(
                "the function {} computes the operator {}, which this session knows and a program by itself does not (an operator of a \
                 plugin?): link it into the programs that are to run it, or compute the frame on threads://",
                own.name,
                own.op.label()
            );
            Error::with_source(ErrorKind::NotPortable, words, e)
        });
    }
    if own::written(udf).is_some() {
        return Ok(());
    }
    let known = crate::plan::base().scalar_functions().get(udf.name());
    match known {
        Some(known) if known.as_ref() == udf => Ok(()),
        _ => Err(by_name_only(udf.name())),
    }
}

/// The error about a function that would be another one, or none, where its name arrives.
pub(crate) fn by_name_only(name: &str) -> Error {
    Error::new(
        ErrorKind::NotPortable,
        format!(
            "the function {name} is known in this process only, and of a function nothing but its name travels: make it an operator \
             (kvern_frame::Function) that is linked into the programs that are to run it, or compute the frame on threads://"
        ),
    )
}

/// Reads what [`encode`] wrote, and finds the operator.
pub(crate) fn decode(
    name: &str,
    bytes: &[u8],
    operators: Option<&dyn Operators>,
) -> datafusion::common::Result<Arc<ScalarUDF>> {
    if let Some(own) = own::read(bytes) {
        return Ok(own);
    }
    if bytes.is_empty() {
        let words = format!("the function {name} is not known in this program");
        return Err(to_df(Error::new(ErrorKind::NotRegistered, words)));
    }
    let wire: Wire = postcard::from_bytes(bytes).map_err(|e| {
        let words = format!("the function {name} ({} bytes) cannot be read", bytes.len());
        to_df(Error::with_source(ErrorKind::Decode, words, e))
    })?;
    let found = match operators {
        Some(operators) => OpFunction::new(&wire.name, operators, &wire.op),
        None => Err(Error::new(
            ErrorKind::NotRegistered,
            format!("the function {name} is not known in this process"),
        )),
    };
    match found {
        Ok(own) => Ok(Arc::new(ScalarUDF::new_from_impl(own))),
        Err(e) => {
            let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
            let known = known
                .get(&(wire.name, wire.op.key()))
                .and_then(Weak::upgrade);
            known
                .map(|inner| Arc::new(ScalarUDF::new_from_shared_impl(inner)))
                .ok_or_else(|| to_df(e))
        }
    }
}
