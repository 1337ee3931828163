//! A value of the border that is given back when it is dropped.

use kvern_plugin_abi::Value;

/// A value that this side owns: its owner is told once, when it is dropped.
#[derive(Debug)]
pub struct Owned(Value);

// SAFETY: by the rules of the border a value's functions may be called from any thread, and what it points to is not changed.
unsafe impl Send for Owned {}
// SAFETY: as above.
unsafe impl Sync for Owned {}

impl Owned {
    /// Takes a value over.
    ///
    /// # Safety
    /// It is well formed (its pointers are what its kind says, and valid until it is released) and nobody else releases it.
    pub const unsafe fn new(value: Value) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn get(&self) -> &Value {
        &self.0
    }

    /// The value, to be released by who takes it.
    pub fn into_raw(mut self) -> Value {
        std::mem::replace(&mut self.0, Value::EMPTY)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: owned, by the promise of `new`; taken out by `into_raw` otherwise.
        unsafe { self.0.give_back() };
    }
}
