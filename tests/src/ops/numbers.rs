//! Operators on numbers: their results depend on every input and on the order of the inputs, so that nothing swapped, lost or
//! doubled goes unnoticed.

use kvern_core::{Error, OpRef, Pieces, Result, Value};

use super::{BLOCK, PURE, named, operator};
use crate::rng::mix as scramble;

/// The number that a value stands for: numbers themselves, of anything else its bytes.
pub(crate) fn number(v: &Value) -> Result<u64> {
    if let Some(n) = v.downcast_ref::<u64>() {
        return Ok(*n);
    }
    if let Some(b) = v.downcast_ref::<Vec<u8>>() {
        return Ok(b
            .iter()
            .fold(b.len() as u64, |h, &x| scramble(h ^ u64::from(x))));
    }
    Err(Error::bad_input(format!(
        "a number or bytes are expected, got {}",
        v.describe()
    )))
}

/// Folds the inputs into one number in their order.
pub(crate) fn fold(seed: u64, inputs: &[Value]) -> Result<u64> {
    let start = scramble(seed ^ inputs.len() as u64);
    inputs
        .iter()
        .try_fold(start, |h, v| Ok(scramble(h.rotate_left(17) ^ number(v)?)))
}

operator!(Constant, "constant", PURE, |n: u64| {
    move |_: &mut [Value], _: &kvern_core::TaskContext<'_>| Ok(Value::new(n))
});

operator!(Block, "block", BLOCK, |_: ()| {
    |_: &mut [Value], ctx: &kvern_core::TaskContext<'_>| Ok(Value::new(ctx.block()))
});

operator!(Mix, "mix", PURE, |seed: u64| {
    move |inputs: &mut [Value], _: &kvern_core::TaskContext<'_>| Ok(Value::new(fold(seed, inputs)?))
});

operator!(MixBlock, "mix-block", BLOCK, |seed: u64| {
    move |inputs: &mut [Value], ctx: &kvern_core::TaskContext<'_>| {
        Ok(Value::new(fold(seed ^ scramble(ctx.block() + 1), inputs)?))
    }
});

operator!(TaskKey, "task-key", BLOCK, |_: ()| {
    |_: &mut [Value], ctx: &kvern_core::TaskContext<'_>| Ok(Value::new(ctx.key().to_string()))
});

operator!(Split, "split", PURE, |pieces: u32| {
    move |inputs: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        let whole = fold(0, inputs)?;
        let pieces = (0..u64::from(pieces)).map(|i| Value::new(scramble(whole ^ i)));
        Ok(Pieces(pieces.collect()).into_value())
    }
});

/// Always `n`; reads nothing.
pub fn constant(n: u64) -> OpRef {
    named(&Constant, &n)
}

/// The task's block number.
pub fn block() -> OpRef {
    named(&Block, &())
}

/// A hash of the inputs in their order.
pub fn mix(seed: u64) -> OpRef {
    named(&Mix, &seed)
}

/// A hash of the task's block number and its inputs in their order.
pub fn mix_block(seed: u64) -> OpRef {
    named(&MixBlock, &seed)
}

/// The task's own key as text.
pub fn task_key() -> OpRef {
    named(&TaskKey, &())
}

/// The splitting half of an exchange: so many numbers as pieces, each of which depends on all inputs. Any operation merges them.
pub fn split(pieces: u32) -> OpRef {
    named(&Split, &pieces)
}
