//! Running a plugin's operator: inputs across, the call, the output back.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use kvern_core::{Error, ErrorKind, Kernel, Result, TaskContext, Value};
use kvern_plugin_abi as abi;
use kvern_plugin_abi::OpVTable;

use crate::bridge;
use crate::call::Call;
use crate::owned::Owned;

/// An operator with its parameters parsed. Any number of threads may run it at once.
pub struct TableKernel {
    table: OpVTable,
    name: Box<str>,
    state: *mut c_void,
}

// SAFETY: by the rules of the border a state may be used from any thread at once, and dropped from any.
unsafe impl Send for TableKernel {}
// SAFETY: as above.
unsafe impl Sync for TableKernel {}

/// Inputs up to this number are held in place.
const IN_PLACE: usize = 4;

impl TableKernel {
    /// A state with the table it belongs to.
    ///
    /// # Safety
    /// `instantiate` of the table made the state, and nobody else drops it.
    pub(crate) const unsafe fn new(table: OpVTable, name: Box<str>, state: *mut c_void) -> Self {
        Self { table, name, state }
    }

    pub(crate) const fn state(&self) -> *const c_void {
        self.state
    }

    /// Runs it on values that crossed already.
    ///
    /// # Errors
    /// What the plugin says, or that it did not give just one output.
    pub fn execute(&self, inputs: &[Owned], call: &Call<'_>) -> Result<Owned> {
        // An owned value is one word run: a value of the border that is released when dropped.
        const { assert!(size_of::<Owned>() == size_of::<abi::Value>()) };
        let ctx = call.ctx();
        let mut out = abi::Value::EMPTY;
        let mut count = 0usize;
        // SAFETY: `Owned` holds just a `Value`, so a slice of the one can be read as a slice of the other; the inputs, the context and the
        // room for one output live for the call; the state is of this table.
        let answer = unsafe {
            (self.table.execute)(
                self.state,
                inputs.as_ptr().cast::<abi::Value>(),
                inputs.len(),
                &raw const ctx,
                &raw mut out,
                1,
                &raw mut count,
            )
        };
        call.end(&self.name, answer)?;
        // SAFETY: it answered OK, so what it wrote is ours; without an output `out` is still empty.
        let out = unsafe { Owned::new(out) };
        if count != 1 {
            return Err(Error::new(
                ErrorKind::BadInput,
                format!("{} gave {count} outputs; a task has one", self.name),
            ));
        }
        Ok(out)
    }

    fn cross(&self, n: usize, value: &Value) -> Result<Owned> {
        bridge::export(value).map_err(|e| {
            let words = format!("{}: input {n}: {}", self.name, e.message());
            Error::with_source(e.kind(), words, e)
        })
    }
}

impl Kernel for TableKernel {
    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let call = Call::new(Some(ctx));
        let out = if inputs.len() <= IN_PLACE {
            let mut here = InPlace::new();
            for (n, value) in inputs.iter().enumerate() {
                here.push(self.cross(n, value)?);
            }
            self.execute(here.as_slice(), &call)?
        } else {
            let all = inputs.iter().enumerate();
            let all: Vec<Owned> = all.map(|(n, v)| self.cross(n, v)).collect::<Result<_>>()?;
            self.execute(&all, &call)?
        };
        bridge::import(out).map_err(|e| {
            let words = format!("{}: the result: {}", self.name, e.message());
            Error::with_source(e.kind(), words, e)
        })
    }
}

impl Drop for TableKernel {
    fn drop(&mut self) {
        // SAFETY: made by `instantiate`, dropped once, by the promise of `new`.
        unsafe { (self.table.drop_state)(self.state) };
    }
}

/// A few values without an allocation.
struct InPlace {
    values: [MaybeUninit<Owned>; IN_PLACE],
    len: usize,
}

impl InPlace {
    const fn new() -> Self {
        Self {
            values: [const { MaybeUninit::uninit() }; IN_PLACE],
            len: 0,
        }
    }

    fn push(&mut self, value: Owned) {
        self.values[self.len].write(value);
        self.len += 1;
    }

    const fn as_slice(&self) -> &[Owned] {
        // SAFETY: the first `len` are written; a `MaybeUninit` is laid out as what it holds.
        unsafe { std::slice::from_raw_parts(self.values.as_ptr().cast::<Owned>(), self.len) }
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        for value in &mut self.values[..self.len] {
            // SAFETY: the first `len` are written, and dropped here only.
            unsafe { value.assume_init_drop() };
        }
    }
}
