//! What macros of this crate expand to. Not an interface: may change in any version.

pub use inventory;
pub use kvern_plugin_abi as abi;
pub use kvern_plugin_root::export_root;

pub use crate::export::{FLAGS, OpEntry, decl, init, query};
pub use crate::host::About;
pub use crate::input::{Inputs, read};
pub use crate::operator::{NoParams, check_declaration};
pub use crate::shim::table;

#[cfg(feature = "linked")]
pub use crate::linked::operator;
#[cfg(feature = "linked")]
pub use kvern_core;

use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::input::FromInput;
use crate::output::IntoOutput;

/// `{"inputs": [{"name": …, "takes": …}], "output": …}`.
pub fn signature(inputs: &[(&str, String)], output: &str, about: &str) -> String {
    let inputs: Vec<_> = inputs
        .iter()
        .map(|(name, takes)| serde_json::json!({"name": name, "takes": takes}))
        .collect();
    serde_json::json!({"inputs": inputs, "output": output, "about": about}).to_string()
}

/// What an input of that type is called.
pub fn takes<'a, T: FromInput<'a>>() -> String {
    T::describe()
}

/// What a function may return: a value, which is [`IntoOutput`], or a `Result` of one.
pub trait Returned {
    /// The value's type.
    type Output: IntoOutput;

    /// The value for the host.
    fn finish(self) -> Result<abi::Value>;
}

/// A plain value.
pub struct Plain<T>(pub T);

impl<T: IntoOutput> Returned for Plain<T> {
    type Output = T;

    fn finish(self) -> Result<abi::Value> {
        self.0.into_output()
    }
}

impl<T: IntoOutput, E: Into<Error>> Returned for Result<T, E> {
    type Output = T;

    fn finish(self) -> Result<abi::Value> {
        self.map_err(Into::into)?.into_output()
    }
}

/// What the result is called.
pub fn gives<R: Returned>() -> String {
    R::Output::describe()
}

/// Checks one input before anything runs.
pub fn check<'a, T: FromInput<'a>>(metas: &[abi::Meta], n: usize, name: &str) -> Result<()> {
    match metas.get(n) {
        Some(meta) => T::check(meta).map_err(|e| e.at(format_args!("input {name}"))),
        None => Ok(()),
    }
}

/// Refuses another number of inputs.
pub fn expect(got: usize, wanted: usize) -> Result<()> {
    crate::input::expect(got, wanted)
}

/// What is known of the result.
pub fn infer<R: Returned>(metas: &[abi::Meta], elementwise: bool) -> abi::Meta {
    let like = if elementwise { metas.first() } else { None };
    R::Output::meta(like)
}

/// Where a doc comment's lines become one.
pub fn joined(lines: &[&str]) -> String {
    let mut all = String::new();
    for line in lines {
        let space = if all.is_empty() { "" } else { " " };
        let _ = write!(all, "{space}{}", line.trim());
    }
    all
}
