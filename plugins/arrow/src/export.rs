//! Arrays and record batches as values of the border.

use std::ffi::c_void;

use arrow_array::{Array, RecordBatch, StructArray};
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use kvern_plugin_abi::value::{flags, kind};
use kvern_plugin_abi::{ArrowArray, ArrowSchema, Value};

use crate::schema::{self, Written};

// The structs of arrow-rs are those of the C Data Interface, as ours are.
const _: () = assert!(size_of::<FFI_ArrowArray>() == size_of::<ArrowArray>());
const _: () = assert!(size_of::<FFI_ArrowSchema>() == size_of::<ArrowSchema>());

/// A value that owns what it points to; released when dropped.
pub struct Exported(Value);

// SAFETY: it owns an array of arrow-rs, whose buffers are shared by count and not changed.
unsafe impl Send for Exported {}

impl Exported {
    /// The value, to be released by who takes it.
    pub fn into_raw(mut self) -> Value {
        std::mem::replace(&mut self.0, Value::EMPTY)
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        // SAFETY: made by `export`, given back once: `into_raw` leaves an empty one.
        unsafe { self.0.give_back() };
    }
}

/// What an exported value owns.
struct Owner {
    /// Released with the value unless its reader has moved it out.
    array: ArrowArray,
    /// Of a type that is not kept; the value points to it.
    _schema: Option<Box<FFI_ArrowSchema>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(release) = self.array.release {
            // SAFETY: still ours, released once.
            unsafe { release(&raw mut self.array) };
        }
    }
}

/// An array of arrow-rs, with what is dropped after it.
struct Wrapped {
    _array: FFI_ArrowArray,
    _with: Option<Box<dyn Send>>,
}

/// The array, which takes what is to be dropped after it along wherever it is moved.
fn wrap(array: FFI_ArrowArray, with: Option<Box<dyn Send>>) -> ArrowArray {
    // SAFETY: the same struct, see above. The copy's release is ours, which drops the original.
    let mut own = unsafe { std::ptr::read((&raw const array).cast::<ArrowArray>()) };
    own.release = Some(release_array);
    own.private_data = Box::into_raw(Box::new(Wrapped {
        _array: array,
        _with: with,
    }))
    .cast();
    own
}

unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // No panic crosses.
    let _ = std::panic::catch_unwind(|| {
        // SAFETY: by the rules of the C Data Interface called once, with an array that `wrap` made.
        unsafe {
            (*array).release = None;
            drop(Box::from_raw((*array).private_data.cast::<Wrapped>()));
        }
    });
}

/// An array; its buffers are shared, not copied. `with` is dropped when the last
/// holder of them is gone (a counter, for example).
///
/// # Errors
/// If its type cannot be written.
pub fn export(array: &dyn Array, with: Option<Box<dyn Send>>) -> Result<Exported, String> {
    let written = schema::write(array.data_type())?;
    let (address, kept, own) = match written {
        Written::Kept(s) => (std::ptr::from_ref(s.0), 1, None),
        Written::Own(b) => (&raw const *b, 0, Some(b)),
    };
    let mut with = with;
    if own.is_none()
        && let Some(mut value) = crate::flat::export(array, &mut with)
    {
        value.payload[1] = address as u64;
        value.payload[2] = kept;
        return Ok(Exported(value));
    }
    let owner = Box::into_raw(Box::new(Owner {
        array: wrap(FFI_ArrowArray::new(&array.to_data()), with),
        _schema: own,
    }));
    // SAFETY: just made; only the address of a field is taken.
    let array_at = unsafe { &raw mut (*owner).array };
    let mut value = Value::of(kind::ARROW, [array_at as u64, address as u64, kept]);
    value.owner = owner.cast();
    value.release = Some(release);
    Ok(Exported(value))
}

/// A record batch, as a struct array.
///
/// # Errors
/// If its type cannot be written.
pub fn export_batch(batch: &RecordBatch, with: Option<Box<dyn Send>>) -> Result<Exported, String> {
    let mut exported = export(&StructArray::from(batch.clone()), with)?;
    exported.0.flags = flags::RECORD_BATCH;
    Ok(exported)
}

unsafe extern "C" fn release(owner: *mut c_void) {
    // No panic crosses.
    let _ = std::panic::catch_unwind(|| {
        // SAFETY: `export` made it of such a box; released once. An array that was moved out says so itself.
        drop(unsafe { Box::from_raw(owner.cast::<Owner>()) });
    });
}
