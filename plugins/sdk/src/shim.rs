//! The functions behind a table: pointers of the host on one side, a [`PluginOperator`] on the other.

use std::ffi::c_void;

use kvern_plugin_abi as abi;
use kvern_plugin_abi::{Bytes, OpVTable, Status, status};

use crate::context::Ctx;
use crate::error::{Error, Result};
use crate::input::Inputs;
use crate::operator::PluginOperator;
use crate::panics::guard;

/// The table of an operator; its signature is kept for ever.
pub fn table<O: PluginOperator>() -> OpVTable {
    OpVTable {
        size: size_of::<OpVTable>() as u32,
        op_version: O::VERSION,
        name: Bytes::text(O::NAME),
        signature: Bytes::text(Box::leak(O::signature().into_boxed_str())),
        flags: O::FLAGS,
        instantiate: instantiate::<O>,
        drop_state: drop_state::<O>,
        execute: execute::<O>,
        infer: Some(infer::<O>),
    }
}

/// Parameters that were not given are those of an empty object.
fn params<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let read = match serde_json::from_slice(bytes) {
        Err(_) if bytes == b"null" => serde_json::from_slice(b"{}"),
        other => other,
    };
    read.map_err(|e| Error::bad_input(format!("parameters: {e}")))
}

unsafe extern "C" fn instantiate<O: PluginOperator>(
    bytes: Bytes,
    ctx: *const abi::Ctx,
    state: *mut *mut c_void,
) -> Status {
    // SAFETY: the host's context, for this call.
    let ctx = unsafe { Ctx::new(ctx) };
    guard(&ctx, || {
        // SAFETY: bytes of the host, for this call.
        let read: O::Params = params(unsafe { bytes.as_slice() })?;
        // SAFETY: room for a pointer.
        unsafe { state.write(Box::into_raw(Box::new(read)).cast()) };
        Ok(())
    })
}

unsafe extern "C" fn drop_state<O: PluginOperator>(state: *mut c_void) {
    if !state.is_null() {
        // No panic crosses.
        let _ = std::panic::catch_unwind(|| {
            // SAFETY: `instantiate` made it of such a box; dropped once.
            drop(unsafe { Box::from_raw(state.cast::<O::Params>()) });
        });
    }
}

unsafe extern "C" fn execute<O: PluginOperator>(
    state: *const c_void,
    inputs: *const abi::Value,
    n: usize,
    ctx: *const abi::Ctx,
    outputs: *mut abi::Value,
    cap: usize,
    n_out: *mut usize,
) -> Status {
    // SAFETY: the host's context, for this call.
    let ctx = unsafe { Ctx::new(ctx) };
    guard(&ctx, || {
        if cap == 0 {
            return Err(Error::bad_input(
                "it gives 1 output, and there is room for none",
            ));
        }
        // SAFETY: `instantiate` made the state; the inputs are the host's, for this call.
        let (params, inputs) = unsafe { (&*state.cast::<O::Params>(), Inputs::new(inputs, n)) };
        let out = O::run(params, inputs, &ctx)?;
        // SAFETY: room for one output and a number.
        unsafe {
            outputs.write(out);
            n_out.write(1);
        }
        Ok(())
    })
}

unsafe extern "C" fn infer<O: PluginOperator>(
    state: *const c_void,
    inputs: *const abi::Meta,
    n: usize,
    ctx: *const abi::Ctx,
    output: *mut abi::Meta,
) -> Status {
    // SAFETY: the host's context, for this call.
    let ctx = unsafe { Ctx::new(ctx) };
    guard(&ctx, || {
        let metas = if n == 0 {
            &[]
        } else {
            // SAFETY: `n` of the host, for this call. A host whose `Meta` is longer is of another major.
            unsafe { std::slice::from_raw_parts(inputs, n) }
        };
        // SAFETY: `instantiate` made the state.
        let params = unsafe { &*state.cast::<O::Params>() };
        let known = O::infer(params, metas)?;
        // SAFETY: room for one.
        unsafe { output.write(known) };
        Ok(())
    })
}

/// Answers of functions that have no context to tell an error to.
pub(crate) fn quietly(f: impl FnOnce() -> Status + std::panic::UnwindSafe) -> Status {
    std::panic::catch_unwind(f).unwrap_or(status::PANIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_back_to_the_bit() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let numbers = std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            f64::from_bits(seed)
        });
        let mut numbers: Vec<f64> = numbers.filter(|x| x.is_finite()).take(100_000).collect();
        numbers.extend([0.9999999999999999, 117.63331139400017]);
        // As the host writes them.
        let json = serde_json::to_vec(&numbers).unwrap();
        let read: Vec<f64> = params(&json).unwrap();
        let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
        assert!(read.len() == numbers.len() && read.iter().zip(&numbers).all(same));
    }
}
