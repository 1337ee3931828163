//! Procedural macros of kvern-core, which re-exports them: write `kvern_core::op`, not `kvern_macros::op`.
//!
//! Code map: `arguments.rs` reads what stands in the brackets of `#[op(…)]`, `function.rs` the function below it, `expand.rs` writes
//! the operator, `nearest.rs` guesses what a misspelt key meant; `plugin.rs` is `#[plugin_op]` of kvern-plugin. What the written code calls is `kvern_core::__private`.

mod arguments;
mod expand;
mod function;
mod nearest;
mod plugin;

use proc_macro::TokenStream;

/// Makes an operator of a plain function: named, versioned, known in every binary that links it, and callable lazily.
///
/// ```ignore
/// #[op(name = "demo.scale", version = 1)]
/// fn scale(x: &[f64], #[params] p: &Scale) -> Vec<f64> {
///     x.iter().map(|v| v * p.factor).collect()
/// }
///
/// scale(&[1.0], &Scale { factor: 2.0 });                     // now, as any function
/// let y = scale::delayed(&lazy_x, &Scale { factor: 2.0 });   // later: the same arguments, each a value or a `&Delayed`
/// ```
///
/// How it is used, with examples that run, is told where it is re-exported: in the module `delayed` of kvern-core.
///
/// # Keys
/// | key | default | meaning |
/// | --- | --- | --- |
/// | `name = "namespace.op"` | `"<package>.<function>"` | the name in graphs, in any process |
/// | `version = 1` | 1 | raised when equal inputs would give another result |
/// | `pure` or `pure = false` | true | equal inputs, equal output: equal calls are made once, and may be repeated after a failure |
/// | `inline` | false | so cheap that it is better run again in each reader than kept |
/// | `uses_block` | false | it asks `TaskContext::block` |
/// | `crate = ::kvern::core` | `::kvern_core` | where kvern-core is found |
///
/// # What the function may look like
/// Inputs are taken by reference, since other tasks may hold the same value: `&T`, `&str` (the task before makes a `String`), `&[T]`
/// (a `Vec<T>`), and as the last one `&[&T]` for any number of inputs. At most one is marked `#[params]`: a serde value that belongs to
/// the operator rather than being computed. At most one is a `&TaskContext<'_>`. It returns an owned value or a `Result` of one.
#[proc_macro_attribute]
pub fn op(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::op(arguments.into(), item.into()).into()
}

/// Makes an operator of a plugin of a plain function; `kvern-plugin` re-exports it and says what the function may look like. What the
/// written code calls is `kvern_plugin::__private`.
#[proc_macro_attribute]
pub fn plugin_op(arguments: TokenStream, item: TokenStream) -> TokenStream {
    plugin::plugin_op(arguments.into(), item.into()).into()
}
