//! What an operator may take.

use std::marker::PhantomData;

use kvern_plugin_abi as abi;
use kvern_plugin_abi::value::kind;

use crate::error::{Error, Result};

/// One input as the host gives it: borrowed for the call.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    raw: *const abi::Value,
    name: &'static str,
    call: PhantomData<&'a abi::Value>,
}

impl<'a> Input<'a> {
    /// # Safety
    /// `raw` is a value of the host, valid for `'a`.
    pub(crate) const unsafe fn new(raw: *const abi::Value, name: &'static str) -> Self {
        Self {
            raw,
            name,
            call: PhantomData,
        }
    }

    /// The value.
    pub const fn value(&self) -> &'a abi::Value {
        // SAFETY: valid for 'a by the promise of `new`.
        unsafe { &*self.raw }
    }

    /// The value, if it is of that kind and has no other flags than these.
    ///
    /// # Errors
    /// Naming the kind that it is.
    pub fn of_kind(&self, wanted: u32, flags: u32) -> Result<&'a abi::Value> {
        let value = self.value();
        if value.kind != wanted {
            return Err(Error::bad_input(format!(
                "expected {}, got {}",
                kind::name(wanted),
                kind::name(value.kind)
            )));
        }
        if value.flags & !flags != 0 {
            return Err(Error::with_status(
                abi::status::UNSUPPORTED,
                format!(
                    "{} with flags {:#x}, which this plugin does not know",
                    kind::name(wanted),
                    value.flags
                ),
            ));
        }
        Ok(value)
    }

    fn bytes(&self, wanted: u32) -> Result<&'a [u8]> {
        // SAFETY: a value of these kinds points to so many bytes, for the call.
        Ok(unsafe { self.of_kind(wanted, 0)?.bytes().as_slice() })
    }
}

/// A type that an operator may take.
pub trait FromInput<'a>: Sized {
    /// What it takes, such as `tensor float64`.
    fn describe() -> String;

    /// Reads an input.
    ///
    /// # Errors
    /// If it is of another kind or element type; what was given and what is expected.
    fn from_input(input: Input<'a>) -> Result<Self>;

    /// Says the same of what is known before the input exists.
    ///
    /// # Errors
    /// As [`FromInput::from_input`].
    fn check(meta: &abi::Meta) -> Result<()>;
}

/// Refuses another kind, where the kind is known.
pub(crate) fn check_kind(meta: &abi::Meta, wanted: u32) -> Result<()> {
    if meta.kind == wanted || meta.kind == kind::EMPTY {
        return Ok(());
    }
    Err(Error::bad_input(format!(
        "expected {}, got {}",
        kind::name(wanted),
        kind::name(meta.kind)
    )))
}

impl<'a> FromInput<'a> for &'a [u8] {
    fn describe() -> String {
        "bytes".into()
    }

    fn from_input(input: Input<'a>) -> Result<Self> {
        input.bytes(kind::BYTES)
    }

    fn check(meta: &abi::Meta) -> Result<()> {
        check_kind(meta, kind::BYTES)
    }
}

impl<'a> FromInput<'a> for &'a str {
    fn describe() -> String {
        "text".into()
    }

    fn from_input(input: Input<'a>) -> Result<Self> {
        std::str::from_utf8(input.bytes(kind::TEXT)?)
            .map_err(|e| Error::bad_input(format!("a text that is not UTF-8: {e}")))
    }

    fn check(meta: &abi::Meta) -> Result<()> {
        check_kind(meta, kind::TEXT)
    }
}

/// Reads input number `n` and names it in the error.
#[doc(hidden)]
pub fn read<'a, T: FromInput<'a>>(inputs: &Inputs<'a>, n: usize, name: &'static str) -> Result<T> {
    // SAFETY: `n` is below the number of inputs, which the caller has checked; they are the host's, for 'a.
    let input = unsafe { Input::new(inputs.first.wrapping_add(n), name) };
    T::from_input(input).map_err(|e| e.at(format_args!("input {}", input.name)))
}

/// All inputs of a call.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    first: *const abi::Value,
    len: usize,
    call: PhantomData<&'a abi::Value>,
}

impl Inputs<'_> {
    /// # Safety
    /// `first` points to `len` values of the host, valid for the lifetime.
    pub(crate) const unsafe fn new(first: *const abi::Value, len: usize) -> Self {
        Self {
            first,
            len,
            call: PhantomData,
        }
    }

    /// Refuses another number of inputs.
    ///
    /// # Errors
    /// Naming both numbers.
    pub fn expect(&self, wanted: usize) -> Result<()> {
        expect(self.len, wanted)
    }
}

/// Refuses another number of inputs.
pub(crate) fn expect(got: usize, wanted: usize) -> Result<()> {
    if got == wanted {
        return Ok(());
    }
    Err(Error::bad_input(format!(
        "it takes {wanted} input{}, got {got}",
        if wanted == 1 { "" } else { "s" }
    )))
}
