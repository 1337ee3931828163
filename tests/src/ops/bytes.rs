//! Operators on blocks of bytes, whose memory counts.

use kvern_core::{OpRef, Pieces, Value};

use super::{BLOCK, PURE, named, operator};
use crate::rng::mix as scramble;

operator!(MakeBytes, "make-bytes", BLOCK, |(n, seed): (u64, u64)| {
    move |_: &mut [Value], ctx: &kvern_core::TaskContext<'_>| {
        let start = seed ^ scramble(ctx.block());
        let bytes: Vec<u8> = (0..n)
            .map(|i| (start.wrapping_add(i.wrapping_mul(31)) >> 3) as u8)
            .collect();
        Ok(Value::new(bytes))
    }
});

operator!(AddBytes, "add-bytes", PURE, |_: ()| {
    |inputs: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        let add = inputs[1..].iter().try_fold(0u64, |a, v| {
            Ok::<u64, kvern_core::Error>(a.wrapping_add(super::numbers::number(v)?))
        })?;
        let bytes = inputs[0].downcast_ref::<Vec<u8>>().ok_or_else(|| {
            kvern_core::Error::bad_input(format!(
                "bytes are expected, got {}",
                inputs[0].describe()
            ))
        })?;
        Ok(Value::new(
            bytes
                .iter()
                .map(|b| b.wrapping_add(add as u8))
                .collect::<Vec<u8>>(),
        ))
    }
});

operator!(SplitBytes, "split-bytes", PURE, |pieces: u32| {
    move |inputs: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        let bytes = inputs[0].downcast_ref::<Vec<u8>>().ok_or_else(|| {
            kvern_core::Error::bad_input(format!(
                "bytes are expected, got {}",
                inputs[0].describe()
            ))
        })?;
        let each = bytes.len().div_ceil(pieces.max(1) as usize).max(1);
        let mut left = bytes.chunks(each);
        let pieces = (0..pieces).map(|_| Value::new(left.next().unwrap_or_default().to_vec()));
        Ok(Pieces(pieces.collect()).into_value())
    }
});

operator!(SumBytes, "sum-bytes", PURE, |_: ()| {
    |inputs: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        Ok(Value::new(super::numbers::fold(7, inputs)?))
    }
});

operator!(LoneInput, "lone-input", PURE, |_: ()| {
    |inputs: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        Ok(Value::new(inputs[0].get_mut::<Vec<u8>>().is_some()))
    }
});

operator!(
    /// Sets memory aside, tells how much, and gives it back.
    HoldBytes, "hold-bytes", PURE,
    |n: u64| move |_: &mut [Value], ctx: &kvern_core::TaskContext<'_>| {
        let held = ctx.reserve(n)?;
        Ok(Value::new(held.bytes()))
    }
);

/// `n` bytes that depend on the seed and the task's block number.
pub fn make_bytes(n: u64, seed: u64) -> OpRef {
    named(&MakeBytes, &(n, seed))
}

/// The first input's bytes, each with the sum of the other inputs added.
pub fn add_bytes() -> OpRef {
    named(&AddBytes, &())
}

/// The splitting half of an exchange: the bytes of its input in so many pieces.
pub fn split_bytes(pieces: u32) -> OpRef {
    named(&SplitBytes, &pieces)
}

/// A hash of all bytes of the inputs.
pub fn sum_bytes() -> OpRef {
    named(&SumBytes, &())
}

/// Whether the task holds its first input (bytes) alone, so that it could change it in place.
pub fn lone_input() -> OpRef {
    named(&LoneInput, &())
}

/// Reserves `n` bytes while it runs.
pub fn hold_bytes(n: u64) -> OpRef {
    named(&HoldBytes, &n)
}
