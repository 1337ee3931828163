//! Plain functions as named operators: what `#[op]` expands to. The macro writes types and names; the work is here, once.

use std::any::Any;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::error::{Error, ErrorKind, Result};
use crate::operator::{Kernel, OpRef, OpTraits, Operator, TaskContext};
use crate::value::Value;

/// The operator of a function.
pub struct NamedFunction {
    /// [`Operator::name`].
    pub name: &'static str,
    /// [`Operator::version`].
    pub version: u32,
    /// [`Operator::traits`].
    pub traits: OpTraits,
    /// [`Operator::instantiate`].
    pub instantiate: fn(&[u8]) -> Result<Arc<dyn Kernel>>,
}

impl Operator for NamedFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn traits(&self, _params: &[u8]) -> Result<OpTraits> {
        Ok(self.traits)
    }

    fn instantiate(&self, params: &[u8]) -> Result<Arc<dyn Kernel>> {
        (self.instantiate)(params)
    }
}

/// The parameters as bytes, the same in every process as long as serialising them is (so no `HashMap`, whose order is not).
pub fn encode_params<T: Serialize + ?Sized>(operator: &str, params: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(params).map_err(|e| {
        let words = format!("parameters of {operator} cannot be serialised");
        Error::with_source(ErrorKind::BadInput, words, e)
    })
}

/// Reads what [`encode_params`] wrote, all of it: bytes left over are those of another version.
pub fn decode_params<T: DeserializeOwned>(operator: &str, bytes: &[u8]) -> Result<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((params, [])) => Ok(params),
        Ok((_, rest)) => Err(Error::new(
            ErrorKind::Decode,
            format!(
                "the parameters of {operator} are {} bytes, of which the last {} mean nothing: they were written by another version",
                bytes.len(),
                rest.len()
            ),
        )),
        Err(e) => Err(Error::with_source(
            ErrorKind::Decode,
            format!(
                "the parameters of {operator} ({} bytes) cannot be read",
                bytes.len()
            ),
            e,
        )),
    }
}

/// Refuses a wrong number of inputs. `more`: the last parameter takes any number of them.
pub fn check_inputs(operator: &str, got: usize, fixed: usize, more: bool) -> Result<()> {
    if got == fixed || (more && got >= fixed) {
        return Ok(());
    }
    let least = if more { "at least " } else { "" };
    Err(Error::bad_input(format!(
        "{operator} takes {least}{fixed} inputs, got {got}"
    )))
}

/// Input number `n`, which the function calls `name`.
pub fn input<'a, T: Any>(inputs: &'a [Value], n: usize, name: &str) -> Result<&'a T> {
    let value = inputs
        .get(n)
        .ok_or_else(|| Error::bad_input(format!("input {name} (number {n}) is missing")))?;
    value.downcast_ref().ok_or_else(|| {
        Error::bad_input(format!(
            "input {name} (number {n}) must be a {}, got {}",
            std::any::type_name::<T>(),
            value.describe()
        ))
    })
}

/// What a task makes of what its function returned.
pub fn task_value<T: Any + Send + Sync>(value: T) -> Result<Value> {
    Ok(Value::new(value))
}

/// The same for a function that may fail.
pub fn task_result<R: TaskResult>(result: R) -> Result<Value> {
    result.into_value()
}

/// A `Result` that a task's function may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a result that a task can return",
    note = "it must be a `std::result::Result` of an owned `Send + Sync` value and an error that `?` can turn into `Box<dyn Error + Send + Sync>`"
)]
pub trait TaskResult {
    /// What it is when all goes well.
    type Value: Any + Send + Sync;

    /// The value, or the task's error. A kvern error stays what it is (a cancelled run stays cancelled); any other becomes the
    /// source of one.
    fn into_value(self) -> Result<Value>;
}

impl<T, E> TaskResult for Result<T, E>
where
    T: Any + Send + Sync,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Value = T;

    fn into_value(self) -> Result<Value> {
        self.map(Value::new).map_err(|e| task_error(e.into()))
    }
}

pub(crate) fn task_error(e: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match e.downcast::<Error>() {
        Ok(own) => *own,
        Err(other) => Error::with_source(ErrorKind::Task, other.to_string(), other),
    }
}

/// The operator, or one whose every task fails with the reason why there is none: a delayed call cannot fail before it is computed.
pub fn op_or_error(operator: &'static str, op: Result<OpRef>) -> OpRef {
    op.unwrap_or_else(|e| {
        OpRef::local(operator, move |_: &mut [Value], _: &TaskContext<'_>| {
            Err(e.clone())
        })
    })
}
