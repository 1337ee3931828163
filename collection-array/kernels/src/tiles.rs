//! Runs a program on one tile of elements at a time, with every intermediate in a few cache-sized registers.

use super::any::AnyChunk;
use super::any_slice::{AnyRoom, AnySlice};
use super::arith;
use super::error::KernelError;
use super::kernel::{Args, Kernel};
use super::level::Level;
use super::program::{Program, StepKind};
use super::register::{Register, Registers, TILE};
use super::space::{Rows, Space};
use crate::dtype::{DType, Scalar, each_variant};

/// Where an input lies and how the space walks it.
struct Source<'a> {
    /// All that the input may reach, and where in it the space begins.
    data: AnySlice<'a>,
    first: usize,
    walk: Walk,
    /// Which operand of the space it is.
    operand: usize,
    /// The step that loads it.
    step: usize,
    /// Its own register, for when it cannot be read in place.
    slot: usize,
    /// What the register holds, so that a tile that repeats is not gathered again.
    held: Option<(isize, usize)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Walk {
    Flat,
    Row,
    General,
    /// The caller puts every tile of it into its register.
    Given,
}

struct Bound {
    kernel: Kernel,
    operands: [usize; 3],
    step: usize,
    slot: usize,
    dtype: DType,
}

/// Where the result of a step lies for the current tile.
#[derive(Clone, Copy)]
enum Place<'a> {
    Input(AnySlice<'a>),
    Register(usize),
}

/// A program bound to its inputs and a space: yields any tile of results.
pub(crate) struct Tiles<'a> {
    space: &'a Space,
    sources: Vec<Source<'a>>,
    bound: Vec<Bound>,
    at: Vec<Place<'a>>,
    registers: Registers,
    output: usize,
    computed: bool,
    dtype: DType,
}

impl<'a> Tiles<'a> {
    /// Binds `program` to `inputs`, input `i` being operand `i` of `space`. Of input `given`, the caller has the elements.
    pub(crate) fn new(
        program: &Program,
        inputs: &'a [AnyChunk],
        space: &'a Space,
        level: Level,
        given: Option<usize>,
    ) -> Result<Self, KernelError> {
        let output = program.output().index();
        // A step reads earlier ones only.
        let steps = &program.steps()[..=output];
        let uniform: Vec<bool> = {
            let mut u: Vec<bool> = Vec::with_capacity(steps.len());
            for s in steps {
                let is = match s.kind {
                    StepKind::Load(k) => given != Some(k as usize) && space.is_uniform(k as usize),
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
            let in_place = !uniform[i]
                && matches!(s.kind, StepKind::Load(k) if given != Some(k as usize) && space.is_flat(k as usize));
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

        let mut this = Self {
            space,
            sources: Vec::with_capacity(program.inputs().len()),
            bound: Vec::with_capacity(steps.len()),
            at: slot_of.iter().map(|&slot| Place::Register(slot)).collect(),
            registers: Registers::take(slots),
            output,
            computed: !uniform[output] && !matches!(steps[output].kind, StepKind::Load(_)),
            dtype: program.dtype(),
        };
        let tile = TILE.min(space.len());
        for (i, s) in steps.iter().enumerate() {
            let slot = slot_of[i];
            let (kernel, operands) = match s.kind {
                StepKind::Load(k) => {
                    let k = k as usize;
                    let (data, first) = inputs[k].span();
                    if uniform[i] {
                        this.fill(slot, data, first, tile);
                        continue;
                    }
                    let walk = if given == Some(k) {
                        Walk::Given
                    } else if space.is_flat(k) {
                        Walk::Flat
                    } else if space.is_row(k) {
                        Walk::Row
                    } else {
                        Walk::General
                    };
                    this.sources.push(Source {
                        data,
                        first,
                        walk,
                        operand: k,
                        step: i,
                        slot,
                        held: None,
                    });
                    continue;
                }
                StepKind::Const(value) => {
                    each_variant!(Scalar, value, v => this.fill(slot, AnySlice::of(&[v]), 0, tile));
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
            let step = Bound {
                kernel,
                operands,
                step: i,
                slot,
                dtype: s.dtype,
            };
            if uniform[i] {
                // Its operands are uniform, too: their registers hold a whole tile already.
                this.compute(&step, tile);
            } else {
                this.bound.push(step);
            }
        }
        Ok(this)
    }

    /// Makes a register hold one element `n` times.
    fn fill(&mut self, slot: usize, from: AnySlice<'_>, at: usize, n: usize) {
        let register = self.registers.get_mut(slot);
        register.clear(from.dtype());
        register.extend(from, at, 0, n);
    }

    /// Runs a step on `len` elements.
    fn compute(&mut self, b: &Bound, len: usize) {
        let (out, others) = self.registers.split(b.slot);
        let [x, y, z] = b.operands;
        let at = |step: usize| operand(self.at[step], |i| others.get(i), len);
        out.compute(b.kernel, [at(x), at(y), at(z)], b.dtype, len);
    }

    /// Elements `start .. start + len` in walking order.
    ///
    /// # Panics
    /// When they are more than [`TILE`], or not all inside the space.
    pub(crate) fn tile(&mut self, start: usize, len: usize) -> AnySlice<'_> {
        self.run(start, len, None);
        operand(self.at[self.output], |i| self.registers.get(i), len)
    }

    /// Writes elements `start .. start + out.len()` in walking order to all of `out`.
    ///
    /// # Panics
    /// As [`tile`](Self::tile), or when `out` is for another type.
    pub(crate) fn tile_into(&mut self, start: usize, out: AnyRoom<'_>) {
        let len = out.len();
        if self.computed {
            self.run(start, len, Some(out));
        } else {
            out.copy(self.tile(start, len));
        }
    }

    /// Elements `start .. start + len` in walking order: part of an input as it lies, or else written to a register.
    ///
    /// # Panics
    /// As [`tile`](Self::tile).
    pub(crate) fn tile_or_in(
        &mut self,
        start: usize,
        len: usize,
        register: &mut Register,
    ) -> Option<AnySlice<'a>> {
        if self.computed {
            self.run(start, len, Some(register.room(self.dtype, len)));
            // SAFETY: the last step has written all of the room.
            unsafe { register.hold(self.dtype, len) };
            return None;
        }
        self.run(start, len, None);
        match self.at[self.output] {
            Place::Input(x) => Some(x),
            Place::Register(i) => {
                register.clear(self.dtype);
                register.extend(self.registers.get(i).read(), 0, 1, len);
                None
            }
        }
    }

    /// Gives the next tile of the input that the caller has.
    pub(crate) fn give(&mut self, tile: AnySlice<'_>) {
        for source in &self.sources {
            if source.walk == Walk::Given {
                let register = self.registers.get_mut(source.slot);
                register.clear(tile.dtype());
                register.extend(tile, 0, 1, tile.len());
            }
        }
    }

    /// Computes all steps; the last one into `out`, if that is given.
    fn run(&mut self, start: usize, len: usize, mut out: Option<AnyRoom<'_>>) {
        assert!(len <= TILE && start + len <= self.space.len());
        for source in &mut self.sources {
            self.at[source.step] = match source.walk {
                Walk::Given => Place::Register(source.slot),
                Walk::Flat => {
                    let at = source.first + start;
                    Place::Input(source.data.slice(at..at + len))
                }
                _ => gather(source, &mut self.registers, self.space, start, len),
            };
        }
        // The next tile is asked for a part before each step: the hardware's own streams do not reach across the work on a
        // tile, and more requests at once than the core can have open would only be waited for.
        let next = len.min(self.space.len() - start - len);
        let share = next.div_ceil(self.bound.len().max(1));
        let bound = std::mem::take(&mut self.bound);
        for (i, b) in bound.iter().enumerate() {
            for source in &self.sources {
                if source.walk == Walk::Flat {
                    let from = source.first + start + len + i * share;
                    source
                        .data
                        .prefetch(from..from + share.min(next.saturating_sub(i * share)));
                }
            }
            match out.take_if(|_| b.step == self.output) {
                Some(out) => {
                    let [x, y, z] = b.operands;
                    let at = |step: usize| operand(self.at[step], |i| self.registers.get(i), len);
                    b.kernel.call(Args {
                        a: at(x),
                        b: at(y),
                        c: at(z),
                        out,
                    });
                }
                None => self.compute(b, len),
            }
        }
        self.bound = bound;
    }
}

/// `len` elements of a step's result.
#[inline(always)]
fn operand<'r>(
    place: Place<'r>,
    register: impl FnOnce(usize) -> &'r Register,
    len: usize,
) -> AnySlice<'r> {
    match place {
        Place::Input(x) => x.slice(0..len),
        Place::Register(i) => register(i).read().slice(0..len),
    }
}

fn no_kernel(op: String, dtype: DType) -> KernelError {
    KernelError::Program {
        why: format!("{op} on {dtype} is not a step that the builder makes"),
    }
}

/// Makes a tile of a strided or broadcast input available, in place where it lies without gaps.
fn gather<'a>(
    source: &mut Source<'a>,
    registers: &mut Registers,
    space: &Space,
    start: usize,
    len: usize,
) -> Place<'a> {
    let inner = space.inner();
    let (row, col) = (start / inner, start % inner);
    let stride = space.inner_stride(source.operand);
    let in_register = Place::Register(source.slot);
    let position = |offset: isize| (source.first as isize + offset) as usize;
    if col + len <= inner {
        let offset = match source.walk {
            Walk::Row => 0,
            _ => space.row_offset(source.operand, row),
        };
        let first = offset + col as isize * stride;
        if stride == 1 {
            let at = position(first);
            return Place::Input(source.data.slice(at..at + len));
        }
        if source.held.is_none_or(|(f, l)| f != first || l < len) {
            let register = registers.get_mut(source.slot);
            register.clear(source.data.dtype());
            register.extend(source.data, position(first), stride, len);
            source.held = Some((first, len));
        }
        return in_register;
    }
    // Several rows. A row that repeats makes the same tile wherever it starts at the same column.
    let key = (col as isize, len);
    if source.walk == Walk::Row && source.held.is_some_and(|(c, l)| c == key.0 && l >= len) {
        return in_register;
    }
    let register = registers.get_mut(source.slot);
    register.clear(source.data.dtype());
    let mut rows = Rows::new(space, source.operand, row);
    let (mut done, mut col) = (0, col);
    while done < len {
        let n = (inner - col).min(len - done);
        let first = rows.offset() + col as isize * stride;
        register.extend(source.data, position(first), stride, n);
        done += n;
        col = 0;
        if done < len {
            rows.advance();
        }
    }
    source.held = (source.walk == Walk::Row).then_some(key);
    in_register
}
