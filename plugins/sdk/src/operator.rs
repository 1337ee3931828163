//! What `#[plugin_op]` writes for a function.

use kvern_plugin_abi as abi;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};

use crate::context::Ctx;
use crate::error::Result;
use crate::input::Inputs;

/// An operator of a plugin. Written by [`crate::plugin_op`]; by hand where a function is not enough: where the shape of the result is known
/// and is not that of the first input, or where the number of inputs differs from call to call. Such a one is registered by
/// [`register_operator!`](crate::register_operator).
///
/// ```
/// use kvern_plugin::input::{Inputs, read};
/// use kvern_plugin::prelude::*;
/// use kvern_plugin::{IntoOutput, NoParams, PluginOperator, abi};
///
/// /// The sum of each row: the last axis is left out.
/// struct RowSums;
///
/// impl PluginOperator for RowSums {
///     const NAME: &'static str = "sample.row_sums";
///     const VERSION: u32 = 1;
///     const FLAGS: u64 = abi::op::flags::DETERMINISTIC;
///     type Params = NoParams;
///
///     fn signature() -> String {
///         r#"{"inputs": [{"name": "x", "takes": "tensor float64"}], "output": "tensor float64"}"#.into()
///     }
///
///     fn run(_: &NoParams, inputs: Inputs<'_>, _: &Ctx<'_>) -> Result<abi::Value> {
///         inputs.expect(1)?;
///         let x: TensorView<'_, f64> = read(&inputs, 0, "x")?;
///         let Some((&last, rest)) = x.shape().split_last() else {
///             return Err(Error::bad_input("x has no axis"));
///         };
///         let all = x.to_vec();
///         // A row without elements has the sum 0, and `chunks` wants at least one.
///         let rows: i64 = rest.iter().product();
///         let sums = match last {
///             0 => vec![0.0; rows as usize],
///             n => all.chunks(n as usize).map(|row| row.iter().sum()).collect(),
///         };
///         Tensor::from_vec(rest, sums)?.into_output()
///     }
///
///     fn infer(_: &NoParams, inputs: &[abi::Meta]) -> Result<abi::Meta> {
///         let [x] = inputs else {
///             return Err(Error::bad_input(format!("1 input is taken, got {}", inputs.len())));
///         };
///         // The shape is that of the input, so far as it is read.
///         Ok(abi::Meta { ndim: x.ndim.saturating_sub(1), nbytes: -1, ..*x })
///     }
/// }
///
/// kvern_plugin::register_operator!(RowSums);
/// # fn main() {}
/// ```
pub trait PluginOperator: 'static {
    /// `plugin.op`.
    const NAME: &'static str;
    /// Raised when equal inputs would give another result.
    const VERSION: u32;
    /// Bits of `kvern_plugin_abi::op::flags`.
    const FLAGS: u64;
    /// What is read from JSON once; [`NoParams`] if there are none.
    type Params: DeserializeOwned + Send + Sync + 'static;

    /// What it takes and gives, as JSON.
    fn signature() -> String;

    /// One call.
    ///
    /// # Errors
    /// Whatever keeps it from making a value.
    fn run(params: &Self::Params, inputs: Inputs<'_>, ctx: &Ctx<'_>) -> Result<abi::Value>;

    /// What would come out for such inputs. The pointers in it are those of an input, or live for ever.
    ///
    /// # Errors
    /// If it would not take such inputs.
    fn infer(params: &Self::Params, inputs: &[abi::Meta]) -> Result<abi::Meta>;
}

/// What [`register_operator!`](crate::register_operator) asks of an operator, at compile time.
#[doc(hidden)]
pub const fn check_declaration<O: PluginOperator>() {
    assert!(O::VERSION > 0, "versions of operators begin at 1");
    let name = O::NAME.as_bytes();
    let mut dot = 0;
    let mut i = 0;
    while i < name.len() {
        let c = name[i];
        if c == b'.' && dot == 0 {
            dot = i;
        }
        assert!(
            c.is_ascii_alphanumeric() || c == b'.' || c == b'_' || c == b'-',
            "an operator's name is \"plugin.op\", of letters, digits, `_`, `-` and `.` between parts"
        );
        i += 1;
    }
    assert!(
        dot > 0 && dot + 1 < name.len() && name[name.len() - 1] != b'.',
        "an operator's name is \"plugin.op\": the plugin's name, a dot, its own"
    );
}

/// Registers an operator that was written by hand ([`PluginOperator`]) with the library that it is in, as [`macro@crate::plugin_op`]
/// does for a function. A wrong name or version does not compile:
///
/// ```compile_fail
/// # use kvern_plugin::{abi, input::Inputs, prelude::*, NoParams, PluginOperator};
/// struct Nameless;
/// impl PluginOperator for Nameless {
///     const NAME: &'static str = "nameless"; // no dot
///     # const VERSION: u32 = 1;
///     # const FLAGS: u64 = 0;
///     # type Params = NoParams;
///     # fn signature() -> String { String::new() }
///     # fn run(_: &NoParams, _: Inputs<'_>, _: &Ctx<'_>) -> Result<abi::Value> { Ok(abi::Value::EMPTY) }
///     # fn infer(_: &NoParams, _: &[abi::Meta]) -> Result<abi::Meta> { Ok(abi::Meta::UNKNOWN) }
/// }
/// kvern_plugin::register_operator!(Nameless);
/// ```
#[cfg(not(feature = "linked"))]
#[macro_export]
macro_rules! register_operator {
    ($Operator:ty) => {
        const _: () = $crate::__private::check_declaration::<$Operator>();
        $crate::__private::inventory::submit! {
            $crate::__private::OpEntry {
                table: $crate::__private::table::<$Operator>,
            }
        }
    };
}

/// Registers an operator with the program that links its crate.
#[cfg(feature = "linked")]
#[macro_export]
macro_rules! register_operator {
    ($Operator:ty) => {
        const _: () = $crate::__private::check_declaration::<$Operator>();
        $crate::__private::inventory::submit! {
            $crate::__private::kvern_core::OperatorEntry {
                make: || $crate::__private::operator::<$Operator>(),
                source: ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::env!("CARGO_PKG_VERSION")),
            }
        }
    };
}

/// Of an operator without parameters: nothing, or an empty object.
#[derive(Debug, Clone, Copy)]
pub struct NoParams;

impl<'de> serde::Deserialize<'de> for NoParams {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct Nothing;
        impl<'de> Visitor<'de> for Nothing {
            type Value = NoParams;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("no parameters")
            }

            fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<NoParams, E> {
                Ok(NoParams)
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<NoParams, A::Error> {
                match map.next_entry::<String, IgnoredAny>()? {
                    None => Ok(NoParams),
                    Some((name, _)) => Err(serde::de::Error::custom(format_args!(
                        "it takes no parameters, got `{name}`"
                    ))),
                }
            }
        }
        d.deserialize_any(Nothing)
    }
}
