//! The short way for arrays of numbers, which are one buffer and perhaps one of nulls: one allocation to hand one over, two to take one
//! in. Everything else goes by arrow-rs ([`export`](crate::export), [`import`](mod@crate::import)).

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;
use kvern_plugin_abi::value::kind;
use kvern_plugin_abi::{ArrowArray, Value};

/// Runs the body for the type of a number, or gives the other value.
macro_rules! with_number {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        match $dtype {
            DataType::Int8 => {
                type $T = Int8Type;
                $body
            }
            DataType::Int16 => {
                type $T = Int16Type;
                $body
            }
            DataType::Int32 => {
                type $T = Int32Type;
                $body
            }
            DataType::Int64 => {
                type $T = Int64Type;
                $body
            }
            DataType::UInt8 => {
                type $T = UInt8Type;
                $body
            }
            DataType::UInt16 => {
                type $T = UInt16Type;
                $body
            }
            DataType::UInt32 => {
                type $T = UInt32Type;
                $body
            }
            DataType::UInt64 => {
                type $T = UInt64Type;
                $body
            }
            DataType::Float32 => {
                type $T = Float32Type;
                $body
            }
            DataType::Float64 => {
                type $T = Float64Type;
                $body
            }
            _ => $other,
        }
    };
}

/// What an array of numbers is handed over with: two references, that of the value and that of the array in it, which its reader may move
/// out.
struct Handed {
    array: UnsafeCell<ArrowArray>,
    buffers: [*const c_void; 2],
    _values: Buffer,
    _nulls: Option<NullBuffer>,
    _with: Option<Box<dyn Send>>,
}

// SAFETY: the array in it is its reader's alone, who moves it out or leaves it; all else is not changed, and dropped with the last reference,
// wherever that is.
unsafe impl Send for Handed {}
// SAFETY: as above.
unsafe impl Sync for Handed {}

/// The value of an array of numbers; the schema's words are still to be written. `None`: not this way.
pub(crate) fn export(array: &dyn Array, with: &mut Option<Box<dyn Send>>) -> Option<Value> {
    with_number!(array.data_type(), T => {
        let array = array.as_any().downcast_ref::<PrimitiveArray<T>>()?;
        let nulls = array.nulls().filter(|n| n.null_count() > 0);
        if nulls.is_some_and(|n| n.offset() != 0) {
            // Bits that do not begin with a byte.
            return None;
        }
        Some(hand_over(array.values().inner().clone(), nulls.cloned(), array.len(), with.take()))
    }, else None)
}

fn hand_over(
    values: Buffer,
    nulls: Option<NullBuffer>,
    len: usize,
    with: Option<Box<dyn Send>>,
) -> Value {
    let bits = nulls
        .as_ref()
        .map_or(std::ptr::null(), |n| n.validity().as_ptr().cast());
    let mut new = Arc::new(Handed {
        array: UnsafeCell::new(ArrowArray {
            length: len as i64,
            null_count: nulls.as_ref().map_or(0, NullBuffer::null_count) as i64,
            offset: 0,
            n_buffers: 2,
            n_children: 0,
            buffers: std::ptr::null_mut(),
            children: std::ptr::null_mut(),
            dictionary: std::ptr::null_mut(),
            release: Some(release_array),
            private_data: std::ptr::null_mut(),
        }),
        buffers: [bits, values.as_ptr().cast()],
        _values: values,
        _nulls: nulls,
        _with: with,
    });
    let at = Arc::as_ptr(&new).cast_mut();
    if let Some(own) = Arc::get_mut(&mut new) {
        own.array.get_mut().buffers = own.buffers.as_mut_ptr();
        own.array.get_mut().private_data = at.cast();
    }
    // That of the array, and that of the value.
    let owner = Arc::into_raw(new.clone()).cast_mut();
    let owner_of_value = Arc::into_raw(new).cast_mut();
    debug_assert_eq!(owner, owner_of_value, "one object");
    // SAFETY: just made; only the address of a field is taken.
    let array = unsafe { UnsafeCell::raw_get(&raw const (*owner).array) };
    let mut value = Value::of(kind::ARROW, [array as u64, 0, 0]);
    value.owner = owner.cast();
    value.release = Some(release_value);
    value
}

/// Of the array, wherever it has been moved.
unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // SAFETY: by the rules of the C Data Interface called once, with an array that `hand_over` made.
    unsafe {
        (*array).release = None;
        Arc::decrement_strong_count((*array).private_data.cast_const().cast::<Handed>());
    }
}

/// Of the value: the array too, unless somebody has moved it out.
unsafe extern "C" fn release_value(owner: *mut c_void) {
    let owner = owner.cast_const().cast::<Handed>();
    // SAFETY: called once, with the reference of the value; who moved the array out left an empty one and does not touch this any more.
    unsafe {
        let array = UnsafeCell::raw_get(&raw const (*owner).array);
        if let Some(release) = (*array).release {
            release(array);
        }
        Arc::decrement_strong_count(owner);
    }
}

/// An array that was moved here; released when the last buffer that is made of it is gone.
struct Taken(ArrowArray);

// SAFETY: what it points to is not changed, and may be read and released from any thread by the rules of the border.
unsafe impl Send for Taken {}
// SAFETY: as above.
unsafe impl Sync for Taken {}
// Nothing of it is half done when somebody unwinds.
impl std::panic::RefUnwindSafe for Taken {}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: owned since it was moved here, released once.
            unsafe { release(&raw mut self.0) };
        }
    }
}

/// Moves an array of numbers of that type out; `None`, and nothing is moved, if it is not one that can be taken as it lies.
///
/// # Safety
/// A valid array of the C Data Interface that nobody else moves out or reads.
pub(crate) unsafe fn import<T: ArrowPrimitiveType>(
    array: *mut ArrowArray,
) -> Option<PrimitiveArray<T>> {
    // SAFETY: valid by the caller's promise.
    let seen = unsafe { &*array };
    let (len, offset) = (
        usize::try_from(seen.length).ok()?,
        usize::try_from(seen.offset).ok()?,
    );
    let all = len.checked_add(offset)?;
    if seen.release.is_none()
        || seen.n_buffers != 2
        || seen.n_children != 0
        || seen.buffers.is_null()
    {
        return None;
    }
    // SAFETY: two buffers.
    let (bits, values) = unsafe { (*seen.buffers, *seen.buffers.add(1)) };
    let values = NonNull::new(values.cast_mut().cast::<T::Native>())?;
    if !values.is_aligned() || (seen.null_count != 0 && bits.is_null()) {
        return None;
    }
    let bytes = all.checked_mul(size_of::<T::Native>())?;
    let null_count = usize::try_from(seen.null_count).ok().filter(|&n| n <= len);
    let null_count = match (bits.is_null(), null_count) {
        (true, _) => 0,
        (false, Some(n)) => n,
        // Not counted: the general way does.
        (false, None) => return None,
    };
    // SAFETY: moved as the C Data Interface says: the bits are copied, and what is left says that it is released.
    let taken = unsafe {
        let taken = Taken(std::ptr::read(array));
        (*array).release = None;
        Arc::new(taken)
    };
    // SAFETY: so many bytes are readable until `taken` is gone, by the caller's promise.
    let buffer =
        unsafe { Buffer::from_custom_allocation(values.cast::<u8>(), bytes, taken.clone()) };
    let nulls = NonNull::new(bits.cast_mut().cast::<u8>())
        .filter(|_| null_count > 0)
        .map(|bits| {
            // SAFETY: a bit for each value; as many of them are unset as the array says.
            unsafe {
                let buffer = Buffer::from_custom_allocation(bits, all.div_ceil(8), taken.clone());
                NullBuffer::new_unchecked(BooleanBuffer::new(buffer, offset, len), null_count)
            }
        });
    Some(PrimitiveArray::new(
        ScalarBuffer::new(buffer, offset, len),
        nulls,
    ))
}

/// [`import`] for a type that is known at run time.
///
/// # Safety
/// As [`import`].
pub(crate) unsafe fn import_any(array: *mut ArrowArray, dtype: &DataType) -> Option<ArrayRef> {
    with_number!(dtype, T => {
        // SAFETY: the caller's promise.
        unsafe { import::<T>(array) }.map(|a| Arc::new(a) as ArrayRef)
    }, else None)
}
