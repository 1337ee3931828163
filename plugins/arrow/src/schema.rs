//! Types of arrays, written and read once.
//!
//! A type is exported once for the life of the process and stays at its address, which its values carry: so a reader remembers the type by
//! the address. The data of an array costs a few hundred nanoseconds to cross, and its type would cost as much again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use arrow_schema::DataType;
use arrow_schema::ffi::FFI_ArrowSchema;

/// Types that are kept for ever; those of a program that makes more are written again for each of their arrays.
const MOST_KEPT: usize = 1024;

/// Types that a thread finds without a lock.
const AT_HAND: usize = 8;

/// A type that is written once and stays for ever.
#[derive(Clone, Copy)]
pub(crate) struct Kept(pub(crate) &'static FFI_ArrowSchema);

// SAFETY: nobody changes it or takes it apart: it is only read, or copied from.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

/// A type as it is handed over.
pub(crate) enum Written {
    /// Kept for ever.
    Kept(Kept),
    /// For one array.
    Own(Box<FFI_ArrowSchema>),
}

thread_local! {
    static WRITTEN: RefCell<Vec<(DataType, Kept)>> = const { RefCell::new(Vec::new()) };
    static READ: RefCell<Vec<(usize, DataType)>> = const { RefCell::new(Vec::new()) };
}

/// The type as the C Data Interface has it.
///
/// # Errors
/// If arrow has no such format.
pub(crate) fn write(dtype: &DataType) -> Result<Written, String> {
    let at_hand = WRITTEN.with_borrow(|all| all.iter().find(|w| w.0 == *dtype).map(|w| w.1));
    if let Some(found) = at_hand {
        return Ok(Written::Kept(found));
    }
    static KEPT: OnceLock<Mutex<HashMap<DataType, Kept>>> = OnceLock::new();
    let mut kept = KEPT
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let found = match kept.get(dtype) {
        Some(&found) => found,
        None => {
            let new = Box::new(FFI_ArrowSchema::try_from(dtype).map_err(|e| e.to_string())?);
            if kept.len() >= MOST_KEPT {
                return Ok(Written::Own(new));
            }
            let new = Kept(Box::leak(new));
            kept.insert(dtype.clone(), new);
            new
        }
    };
    drop(kept);
    remember(&WRITTEN, (dtype.clone(), found));
    Ok(Written::Kept(found))
}

/// The type behind an address; `kept`: it stays as it is for ever.
///
/// # Errors
/// If arrow cannot read it.
///
/// # Safety
/// A valid schema of the C Data Interface.
pub(crate) unsafe fn read(schema: *const FFI_ArrowSchema, kept: bool) -> Result<DataType, String> {
    let address = schema as usize;
    if kept {
        let known =
            READ.with_borrow(|all| all.iter().find(|r| r.0 == address).map(|r| r.1.clone()));
        if let Some(known) = known {
            return Ok(known);
        }
    }
    // SAFETY: the caller's promise.
    let read = DataType::try_from(unsafe { &*schema }).map_err(|e| e.to_string())?;
    if kept {
        remember(&READ, (address, read.clone()));
    }
    Ok(read)
}

/// Whether the type behind an address is known to be that one; `false` may also mean that it was not looked at yet.
///
/// # Safety
/// As [`read`].
pub(crate) unsafe fn is(schema: *const FFI_ArrowSchema, kept: bool, wanted: &DataType) -> bool {
    let known = |all: &Vec<(usize, DataType)>| {
        let found = all.iter().find(|r| r.0 == schema as usize);
        found.map(|r| r.1 == *wanted)
    };
    if !kept {
        return false;
    }
    READ.with_borrow(known).unwrap_or_else(|| {
        // Read once, so that it is known the next time.
        // SAFETY: the caller's promise. arrow-rs asserts what it does not expect; `import` says then what is wrong.
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unsafe {
            read(schema, kept)
        }));
        read.is_ok_and(|r| r.is_ok_and(|t| t == *wanted))
    })
}

/// The last few, the newest first.
fn remember<T>(at_hand: &'static std::thread::LocalKey<RefCell<Vec<T>>>, new: T) {
    at_hand.with_borrow_mut(|all| {
        all.truncate(AT_HAND - 1);
        all.insert(0, new);
    });
}
