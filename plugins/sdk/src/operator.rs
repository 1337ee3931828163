//! What `#[plugin_op]` writes for a function.

use kvern_plugin_abi as abi;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};

use crate::context::Ctx;
use crate::error::Result;
use crate::input::Inputs;

/// An operator of a plugin. Written by [`crate::plugin_op`]; by hand where a function is not enough.
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
