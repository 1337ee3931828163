//! Operators whose parameters have a type: declared once, by that type.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::error::{Error, Result};
use crate::base::meta::Meta;
use crate::operator::function::{decode_params, encode_params};
use crate::operator::{Kernel, OpRef, OpTraits, Operator, TaskContext};
use crate::value::Value;

/// The parameters of an operator, and with them the operator: its name, what it checks, and what its tasks do.
/// [`typed_operator!`](crate::typed_operator) registers it, [`TypedOperator::op`] refers to it.
///
/// ```
/// use kvern_core::{OpTraits, Result, TaskContext, TypedOperator, Value, typed_operator};
/// use serde::{Deserialize, Serialize};
///
/// /// Adds a number, or the number of the block.
/// #[derive(Serialize, Deserialize)]
/// struct Add {
///     by: Option<u64>,
/// }
///
/// impl TypedOperator for Add {
///     const NAME: &'static str = "demo.add";
///     const INPUTS: Option<usize> = Some(1);
///
///     // What may be assumed depends on the parameters.
///     fn traits(&self) -> OpTraits {
///         OpTraits { uses_block: self.by.is_none(), ..OpTraits::default() }
///     }
///
///     fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
///         let n = inputs[0].downcast_ref::<u64>().copied().unwrap_or(0);
///         Ok(Value::new(n + self.by.unwrap_or(ctx.block())))
///     }
/// }
///
/// typed_operator!(Add);
///
/// assert!(Add { by: None }.op()?.traits().uses_block);
/// assert!(!Add { by: Some(1) }.op()?.traits().uses_block);
/// # Ok::<(), kvern_core::Error>(())
/// ```
pub trait TypedOperator: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `namespace.op`.
    const NAME: &'static str;

    /// [`Operator::version`].
    const VERSION: u32 = 1;

    /// How many inputs a task has; `None`: any number. [`TypedOperator::run`] is never called with another number.
    const INPUTS: Option<usize> = None;

    /// What optimisers and schedulers may assume with these parameters.
    fn traits(&self) -> OpTraits {
        OpTraits::default()
    }

    /// Refuses parameters that make no sense: they may come from another process.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) naming the parameter and what is allowed.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// [`Operator::infer`].
    ///
    /// # Errors
    /// When the operator could not take such inputs.
    fn infer(&self, _inputs: &[Meta]) -> Result<Meta> {
        Ok(Meta::unknown())
    }

    /// Runs one task ([`Kernel::run`]).
    ///
    /// # Errors
    /// As [`Kernel::run`].
    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value>;

    /// The operator with these parameters, as a graph holds it.
    ///
    /// # Errors
    /// If the parameters cannot be serialised.
    fn op(&self) -> Result<OpRef> {
        let params = encode_params(Self::NAME, self)?;
        Ok(OpRef::named(
            Self::NAME,
            Self::VERSION,
            self.traits(),
            params,
        ))
    }
}

/// A [`TypedOperator`] as an [`Operator`], whatever its parameters: what a registry holds.
pub struct Typed<T>(PhantomData<fn() -> T>);

impl<T> Typed<T> {
    /// The operator of these parameters.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for Typed<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: TypedOperator> Typed<T> {
    fn params(bytes: &[u8]) -> Result<T> {
        let params: T = decode_params(T::NAME, bytes)?;
        params.check()?;
        Ok(params)
    }
}

impl<T: TypedOperator> Operator for Typed<T> {
    fn name(&self) -> &str {
        T::NAME
    }

    fn version(&self) -> u32 {
        T::VERSION
    }

    fn traits(&self, params: &[u8]) -> Result<OpTraits> {
        Ok(Self::params(params)?.traits())
    }

    fn instantiate(&self, params: &[u8]) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(Running(Self::params(params)?)))
    }

    fn infer(&self, params: &[u8], inputs: &[Meta]) -> Result<Meta> {
        check_number::<T>(inputs.len())?;
        Self::params(params)?.infer(inputs)
    }
}

/// Parameters as the code that runs with them.
struct Running<T>(T);

impl<T: TypedOperator> Kernel for Running<T> {
    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        check_number::<T>(inputs.len())?;
        self.0.run(inputs, ctx)
    }
}

fn check_number<T: TypedOperator>(got: usize) -> Result<()> {
    match T::INPUTS {
        Some(n) if n != got => Err(wrong_number(T::NAME, n, got)),
        _ => Ok(()),
    }
}

#[cold]
fn wrong_number(name: &str, takes: usize, got: usize) -> Error {
    let plural = if takes == 1 { "" } else { "s" };
    Error::bad_input(format!("{name} takes {takes} input{plural}, got {got}"))
}

/// Registers the operators of these parameters, of this crate: `typed_operator!(Add)`, `typed_operator!(Add, Subtract)`.
#[macro_export]
macro_rules! typed_operator {
    ($($params:ty),+ $(,)?) => {
        $($crate::register_operator!($crate::operator::Typed::<$params>::new());)+
    };
}
