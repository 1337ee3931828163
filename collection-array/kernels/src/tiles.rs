//! Runs a program on one tile of elements at a time, with every intermediate in a few cache-sized registers.

use std::cell::Cell;

use super::arith;
use super::chunk::AnyChunk;
use super::error::KernelError;
use super::level::{Args, Kernel, Level};
use super::program::{Program, StepKind};
use super::space::{Rows, Space};
use crate::dtype::{DType, Scalar, each_variant};

/// Elements of a tile: a handful of `f64` registers of this size stay in the first two levels of cache.
pub(crate) const TILE: usize = 512;
/// Bytes between the registers: a tile of the widest element.
const SLOT: usize = TILE * 8;
const ALIGN: usize = 64;

/// Where an input lies and how the space walks it.
#[derive(Clone, Copy)]
struct Source {
    ptr: *const u8,
    size: usize,
    walk: Walk,
    /// Which operand of the space it is.
    operand: usize,
    /// The step that loads it.
    step: usize,
    /// Its own register, for when it cannot be read in place.
    slot: *mut u8,
    /// What the register holds, so that a tile that repeats is not gathered again.
    held: Option<(isize, usize)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Walk {
    Flat,
    Row,
    General,
}

struct Bound {
    kernel: Kernel,
    operands: [usize; 3],
    step: usize,
}

/// Scratch memory of a thread, kept between calls so that a small chunk does not pay for an allocation.
struct Scratch {
    buffer: Vec<u8>,
}

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Scratch {
    fn take(slots: usize) -> Self {
        let mut buffer = SCRATCH.take();
        let need = slots * SLOT + ALIGN;
        if buffer.capacity() < need {
            buffer = Vec::with_capacity(need);
        }
        Self { buffer }
    }

    fn slot(&mut self, i: usize) -> *mut u8 {
        let base = self.buffer.as_mut_ptr();
        let offset = base.align_offset(ALIGN) + i * SLOT;
        debug_assert!(offset + SLOT <= self.buffer.capacity());
        // SAFETY: `take` reserved ALIGN bytes for alignment and SLOT for every slot.
        unsafe { base.add(offset) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        SCRATCH.set(std::mem::take(&mut self.buffer));
    }
}

/// A program bound to its inputs and a space: yields any tile of results.
pub(crate) struct Tiles<'a> {
    space: &'a Space,
    sources: Vec<Source>,
    bound: Vec<Bound>,
    /// Where the result of each step lies for the current tile.
    at: Vec<*const u8>,
    output: usize,
    /// The register of the result when the caller gives no place for it.
    out_slot: *mut u8,
    computed: bool,
    itemsize: usize,
    _scratch: Scratch,
    _inputs: std::marker::PhantomData<&'a [AnyChunk]>,
}

fn data(chunk: &AnyChunk) -> *const u8 {
    each_variant!(AnyChunk, chunk, a => a.as_ptr().cast())
}

impl<'a> Tiles<'a> {
    /// Binds `program` to `inputs`, input `i` being operand `i` of `space`.
    pub(crate) fn new(
        program: &Program,
        inputs: &'a [AnyChunk],
        space: &'a Space,
        level: Level,
    ) -> Result<Self, KernelError> {
        let steps = program.steps();
        let output = program.output().index();
        let uniform: Vec<bool> = {
            let mut u: Vec<bool> = Vec::with_capacity(steps.len());
            for s in steps {
                let is = match s.kind {
                    StepKind::Load(k) => space.is_uniform(k as usize),
                    StepKind::Const(_) => true,
                    kind => kind.operands().all(|r| u[r.index()]),
                };
                u.push(is);
            }
            u
        };
        let mut last_use = vec![0; steps.len()];
        for (i, s) in steps.iter().enumerate() {
            for r in s.kind.operands() {
                last_use[r.index()] = i;
            }
        }
        last_use[output] = usize::MAX;

        // Registers: one for every load and uniform value for good, the others until their last reader.
        let mut slots = 0;
        let mut free: Vec<usize> = Vec::new();
        let mut slot_of = vec![usize::MAX; steps.len()];
        for (i, s) in steps.iter().enumerate() {
            let fixed = uniform[i] || matches!(s.kind, StepKind::Load(_));
            let in_place =
                !uniform[i] && matches!(s.kind, StepKind::Load(k) if space.is_flat(k as usize));
            if in_place {
                continue;
            }
            slot_of[i] = if fixed {
                slots += 1;
                slots - 1
            } else {
                free.pop().unwrap_or_else(|| {
                    slots += 1;
                    slots - 1
                })
            };
            // Freed after the result has its place: a kernel must not write over what it reads.
            for r in s.kind.operands() {
                let r = r.index();
                let temporary = !uniform[r] && !matches!(steps[r].kind, StepKind::Load(_));
                if temporary && last_use[r] == i {
                    free.push(slot_of[r]);
                    last_use[r] = usize::MAX;
                }
            }
        }

        let mut scratch = Scratch::take(slots);
        let mut this = Self {
            space,
            sources: Vec::with_capacity(program.inputs().len()),
            bound: Vec::with_capacity(steps.len()),
            at: vec![std::ptr::NonNull::dangling().as_ptr(); steps.len()],
            output,
            out_slot: std::ptr::null_mut(),
            computed: !uniform[output] && !matches!(steps[output].kind, StepKind::Load(_)),
            itemsize: program.dtype().itemsize(),
            _scratch: Scratch { buffer: Vec::new() },
            _inputs: std::marker::PhantomData,
        };
        let tile = TILE.min(space.len());
        for (i, s) in steps.iter().enumerate() {
            let slot = match slot_of[i] {
                usize::MAX => std::ptr::NonNull::dangling().as_ptr(),
                n => scratch.slot(n),
            };
            this.at[i] = slot;
            let args = |ops: [usize; 3], at: &[*const u8]| Args {
                a: at[ops[0]],
                b: at[ops[1]],
                c: at[ops[2]],
                out: slot,
                n: tile,
            };
            let (kernel, operands) = match s.kind {
                StepKind::Load(k) => {
                    let k = k as usize;
                    let ptr = data(&inputs[k]);
                    let size = s.dtype.itemsize();
                    if uniform[i] {
                        // SAFETY: the space has an element, so the input has one, and the register has room for the tile.
                        unsafe { fill(ptr, slot, size, tile) };
                        continue;
                    }
                    let walk = if space.is_flat(k) {
                        Walk::Flat
                    } else if space.is_row(k) {
                        Walk::Row
                    } else {
                        Walk::General
                    };
                    this.sources.push(Source {
                        ptr,
                        size,
                        walk,
                        operand: k,
                        step: i,
                        slot,
                        held: None,
                    });
                    continue;
                }
                StepKind::Const(value) => {
                    // SAFETY: the register has room for the tile, and the scalar is of the step's dtype.
                    unsafe { fill_scalar(value, slot, tile) };
                    continue;
                }
                StepKind::Unary(op, a) => {
                    let d = steps[a.index()].dtype;
                    (
                        arith::unary(op, d, level).ok_or_else(|| no_kernel(op.to_string(), d))?,
                        [a.index(); 3],
                    )
                }
                StepKind::Binary(op, a, b) => {
                    let d = steps[a.index()].dtype;
                    let kernel =
                        arith::binary(op, d, level).ok_or_else(|| no_kernel(op.to_string(), d))?;
                    (kernel, [a.index(), b.index(), a.index()])
                }
                StepKind::Where(c, a, b) => (
                    arith::select(s.dtype, level),
                    [c.index(), a.index(), b.index()],
                ),
                StepKind::Cast(a) => (
                    arith::cast(steps[a.index()].dtype, s.dtype, level),
                    [a.index(); 3],
                ),
            };
            if uniform[i] {
                // SAFETY: operands of a uniform step are uniform, so their registers hold a whole tile already.
                unsafe { kernel(args(operands, &this.at)) };
            } else {
                this.bound.push(Bound {
                    kernel,
                    operands,
                    step: i,
                });
            }
        }
        this.out_slot = this.at[output].cast_mut();
        this._scratch = scratch;
        Ok(this)
    }

    /// True when the result is computed (into a given place) rather than an input or a constant as it is.
    pub(crate) fn is_computed(&self) -> bool {
        self.computed
    }

    /// Bytes of one result.
    pub(crate) fn itemsize(&self) -> usize {
        self.itemsize
    }

    /// True when a tile that [`tile`](Self::tile) returned lies in a register that the next tile may overwrite.
    pub(crate) fn is_transient(&self, tile: *const u8) -> bool {
        self.sources.iter().any(|s| std::ptr::eq(s.slot, tile))
    }

    /// Computes elements `start .. start + len` in walking order and returns where they lie: at `out` when it is given
    /// and [`is_computed`](Self::is_computed) holds. What it returns is valid until the next call.
    ///
    /// # Safety
    /// `len <= TILE`, `start + len <= space.len()`, and `out`, if any, is valid for writes of `len` results, aligned, and
    /// overlaps no input that the last step reads.
    pub(crate) unsafe fn tile(
        &mut self,
        start: usize,
        len: usize,
        out: Option<*mut u8>,
    ) -> *const u8 {
        debug_assert!(len <= TILE && start + len <= self.space.len());
        let inner = self.space.inner();
        for source in &mut self.sources {
            let at = match source.walk {
                // SAFETY: the input has an element at every position of the space, and `start` is one.
                Walk::Flat => unsafe { source.ptr.add(start * source.size) },
                // SAFETY: as above, for every element of the tile.
                _ => unsafe { gather(source, self.space, start, len, inner) },
            };
            self.at[source.step] = at;
        }
        let result = match out {
            Some(p) if self.computed => p,
            _ => self.out_slot,
        };
        if self.computed {
            self.at[self.output] = result;
        }
        // The next tile is asked for a part before each step: the hardware's own streams do not reach across the work on a
        // tile, and more requests at once than the core can have open would only be waited for.
        let next = len.min(self.space.len() - start - len);
        let share = next.div_ceil(self.bound.len().max(1));
        for (i, b) in self.bound.iter().enumerate() {
            for source in &self.sources {
                if source.walk == Walk::Flat {
                    let from = (start + len + i * share) * source.size;
                    prefetch(
                        source.ptr.wrapping_add(from),
                        share.min(next.saturating_sub(i * share)) * source.size,
                    );
                }
            }
            let [x, y, z] = b.operands;
            let args = Args {
                a: self.at[x],
                b: self.at[y],
                c: self.at[z],
                out: self.at[b.step].cast_mut(),
                n: len,
            };
            // SAFETY: every operand is a register or an input tile of at least `len` elements of the dtype that the kernel
            // was chosen for, and `new` gave the result a register that none of its operands has.
            unsafe { (b.kernel)(args) };
        }
        self.at[self.output]
    }
}

/// Asks for memory that will be read soon.
#[inline(always)]
fn prefetch(at: *const u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..bytes).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch may name any address; these lie inside an input. SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(line).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, bytes);
}

fn no_kernel(op: String, dtype: DType) -> KernelError {
    KernelError::Program {
        why: format!("{op} on {dtype} is not a step that the builder makes"),
    }
}

/// # Safety
/// `dst` has room for `n` elements of the scalar's type.
unsafe fn fill_scalar(value: Scalar, dst: *mut u8, n: usize) {
    // SAFETY: the caller promises the room; the local value is one element.
    each_variant!(Scalar, value, v => unsafe { fill((&raw const v).cast(), dst, size_of_val(&v), n) });
}

/// # Safety
/// `src` is one element of `size` bytes and `dst` has room for `n` of them; both are aligned for that size.
unsafe fn fill(src: *const u8, dst: *mut u8, size: usize, n: usize) {
    /// # Safety
    /// As the outer function's, for elements of `T`.
    unsafe fn go<T: Copy>(src: *const u8, dst: *mut u8, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let value = src.cast::<T>().read();
            std::slice::from_raw_parts_mut(dst.cast::<std::mem::MaybeUninit<T>>(), n)
                .fill(std::mem::MaybeUninit::new(value));
        }
    }
    // SAFETY: the caller's promise; an integer of the same size copies the same bytes.
    unsafe {
        match size {
            1 => go::<u8>(src, dst, n),
            2 => go::<u16>(src, dst, n),
            4 => go::<u32>(src, dst, n),
            _ => go::<u64>(src, dst, n),
        }
    }
}

/// # Safety
/// `n` elements of `size` bytes with `stride` are valid at `src`, and `dst` has room for them.
unsafe fn strided(src: *const u8, stride: isize, dst: *mut u8, size: usize, n: usize) {
    /// # Safety
    /// As the outer function's, for elements of `T`.
    unsafe fn go<T: Copy>(src: *const u8, stride: isize, dst: *mut u8, n: usize) {
        let (src, dst) = (src.cast::<T>(), dst.cast::<T>());
        for i in 0..n {
            // SAFETY: the caller's promise.
            unsafe { *dst.add(i) = *src.offset(i as isize * stride) };
        }
    }
    // SAFETY: the caller's promise; an integer of the same size copies the same bytes.
    unsafe {
        match (stride, size) {
            (1, _) => std::ptr::copy_nonoverlapping(src, dst, n * size),
            (0, _) => fill(src, dst, size, n),
            (_, 1) => go::<u8>(src, stride, dst, n),
            (_, 2) => go::<u16>(src, stride, dst, n),
            (_, 4) => go::<u32>(src, stride, dst, n),
            _ => go::<u64>(src, stride, dst, n),
        }
    }
}

/// Makes a tile of a strided or broadcast input available, in place where it lies without gaps.
///
/// # Safety
/// The input is valid at every position `start .. start + len` of the space.
unsafe fn gather(
    source: &mut Source,
    space: &Space,
    start: usize,
    len: usize,
    inner: usize,
) -> *const u8 {
    let (row, col) = (start / inner, start % inner);
    let stride = space.inner_stride(source.operand);
    let size = source.size;
    if col + len <= inner {
        let offset = match source.walk {
            Walk::Row => 0,
            _ => space.row_offset(source.operand, row),
        };
        let first = offset + col as isize * stride;
        // SAFETY: the position is inside the space.
        let at = unsafe { source.ptr.offset(first * size as isize) };
        if stride == 1 {
            return at;
        }
        let key = (first, len);
        if source.held.is_none_or(|(f, l)| f != first || l < len) {
            // SAFETY: as above for the whole run; the register holds a tile.
            unsafe { strided(at, stride, source.slot, size, len) };
            source.held = Some(key);
        }
        return source.slot;
    }
    // Several rows. A row that repeats makes the same tile wherever it starts at the same column.
    let key = (col as isize, len);
    if source.walk == Walk::Row && source.held.is_some_and(|(c, l)| c == key.0 && l >= len) {
        return source.slot;
    }
    let mut rows = Rows::new(space, source.operand, row);
    let (mut done, mut col) = (0, col);
    while done < len {
        let n = (inner - col).min(len - done);
        let first = rows.offset() + col as isize * stride;
        // SAFETY: the positions are inside the space, and `done + n <= len` elements fit the register.
        unsafe {
            strided(
                source.ptr.offset(first * size as isize),
                stride,
                source.slot.add(done * size),
                size,
                n,
            );
        }
        done += n;
        col = 0;
        if done < len {
            rows.advance();
        }
    }
    source.held = (source.walk == Walk::Row).then_some(key);
    source.slot
}
