//! Cache-sized registers: aligned memory for one tile of elements of any type, kept by the thread between calls.

use std::cell::Cell;
use std::mem::MaybeUninit;

use super::any_slice::{AnyRoom, AnySlice};
use super::dtype::{DType, with_dtype};
use super::kernel::{Args, Kernel};

/// Elements of a tile: a handful of `f64` registers of this size stay in the first two levels of cache.
pub(crate) const TILE: usize = 512;

/// A tile of the widest element.
#[repr(align(64))]
struct Words([MaybeUninit<u64>; TILE]);

/// Memory for a tile.
pub(crate) struct Register {
    words: Box<Words>,
    /// So many elements of `dtype` have been written last, and lie at the beginning.
    dtype: DType,
    len: usize,
}

thread_local! {
    static KEPT: Cell<Vec<Register>> = const { Cell::new(Vec::new()) };
}

/// Registers of this thread, which are given back when they are dropped, so that a small chunk does not pay for them.
pub(crate) struct Registers(Vec<Register>);

impl Registers {
    /// At least `count` registers.
    pub(crate) fn take(count: usize) -> Self {
        let mut all = KEPT.take();
        while all.len() < count {
            all.push(Register::new());
        }
        Self(all)
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        KEPT.set(std::mem::take(&mut self.0));
    }
}

impl Registers {
    #[inline]
    pub(crate) fn get(&self, i: usize) -> &Register {
        &self.0[i]
    }

    pub(crate) fn get_mut(&mut self, i: usize) -> &mut Register {
        &mut self.0[i]
    }

    /// One of them, to write, and the others, to read.
    #[inline]
    pub(crate) fn split(&mut self, i: usize) -> (&mut Register, Others<'_>) {
        let (before, rest) = self.0.split_at_mut(i);
        let (one, after) = rest.split_at_mut(1);
        (&mut one[0], Others { before, after })
    }
}

/// All registers but one.
#[derive(Clone, Copy)]
pub(crate) struct Others<'a> {
    before: &'a [Register],
    after: &'a [Register],
}

impl<'a> Others<'a> {
    #[inline]
    pub(crate) fn get(self, i: usize) -> &'a Register {
        match i.checked_sub(self.before.len()) {
            None => &self.before[i],
            Some(behind) => &self.after[behind - 1],
        }
    }
}

impl Register {
    pub(crate) fn new() -> Self {
        Self {
            words: Box::new(Words([MaybeUninit::uninit(); TILE])),
            dtype: DType::U64,
            len: 0,
        }
    }

    /// Memory for `len` elements, which the register does not hold before [`hold`](Self::hold) says so.
    ///
    /// # Panics
    /// When a tile has not so many.
    #[inline]
    pub(crate) fn room(&mut self, dtype: DType, len: usize) -> AnyRoom<'_> {
        self.len = 0;
        AnyRoom::in_words(&mut self.words.0, dtype, len)
    }

    /// Says that the register holds elements.
    ///
    /// # Safety
    /// The first `len` elements of `dtype` have been written since there was memory for them.
    #[inline]
    pub(crate) unsafe fn hold(&mut self, dtype: DType, len: usize) {
        (self.dtype, self.len) = (dtype, len);
    }

    /// What it holds.
    #[inline]
    pub(crate) fn read(&self) -> AnySlice<'_> {
        // SAFETY: so many elements of the type have been written.
        unsafe { AnySlice::in_words(&self.words.0, self.dtype, self.len) }
    }

    /// Computes `len` elements of `dtype`.
    #[inline]
    pub(crate) fn compute(
        &mut self,
        kernel: Kernel,
        operands: [AnySlice<'_>; 3],
        dtype: DType,
        len: usize,
    ) {
        let [a, b, c] = operands;
        let out = self.room(dtype, len);
        kernel.call(Args { a, b, c, out });
        // SAFETY: a kernel writes all of its result.
        unsafe { self.hold(dtype, len) };
    }

    /// Makes it hold nothing, of a type.
    pub(crate) fn clear(&mut self, dtype: DType) {
        (self.dtype, self.len) = (dtype, 0);
    }

    /// Takes up `n` more elements: `from[first]` and those that follow it at distances of `stride`.
    ///
    /// # Panics
    /// When they are of another type, or not all inside `from`, or more than a tile.
    pub(crate) fn extend(&mut self, from: AnySlice<'_>, first: usize, stride: isize, n: usize) {
        let (dtype, held) = (self.dtype, self.len);
        with_dtype!(dtype, T => {
            let room = self.room(dtype, held + n).get::<T>();
            pick(from.get::<T>(), first, stride, &mut room[held..]);
        });
        // SAFETY: those that were held are still there, and `pick` has written those behind them.
        unsafe { self.hold(dtype, held + n) };
    }
}

/// Writes `from[first]` and those that follow it at distances of `stride` to all of `out`.
fn pick<T: Copy>(from: &[T], first: usize, stride: isize, out: &mut [MaybeUninit<T>]) {
    let n = out.len();
    match stride {
        _ if n == 0 => {}
        0 => out.fill(MaybeUninit::new(from[first])),
        1 => {
            out.write_copy_of_slice(&from[first..first + n]);
        }
        _ => {
            let last = first as isize + (n - 1) as isize * stride;
            assert!(first < from.len() && last >= 0 && (last as usize) < from.len());
            for (i, to) in out.iter_mut().enumerate() {
                let at = (first as isize + i as isize * stride) as usize;
                // SAFETY: it lies between the first one and the last, which are both inside.
                to.write(unsafe { *from.get_unchecked(at) });
            }
        }
    }
}
