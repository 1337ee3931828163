//! Large buffers in large pages.
//!
//! A fresh buffer is paid for page by page, as it is first written: with pages of 4 KiB that costs more than the pass over
//! memory that fills it. Where the system leaves the choice to programs, buffers of some megabytes ask for pages of 2 MiB.

/// Buffers below this come out of the allocator's own heap, whose pages have mostly been paid for.
const LARGE: usize = 4 << 20;

/// Asks for large pages under `len` elements at `at`, if they are many. Changes nothing but the cost of touching them first.
pub(crate) fn advise<T>(at: *const T, len: usize) {
    let bytes = len * size_of::<T>();
    if bytes < LARGE {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        use std::ffi::{c_int, c_void};
        unsafe extern "C" {
            fn madvise(addr: *mut c_void, length: usize, advice: c_int) -> c_int;
        }
        const MADV_HUGEPAGE: c_int = 14;
        const PAGE: usize = 64 << 10;
        // Whole pages inside the buffer, whatever size up to 64 KiB the system's pages are.
        let skip = at.addr().next_multiple_of(PAGE) - at.addr();
        let whole = (bytes - skip) / PAGE * PAGE;
        let from = at.cast::<u8>().wrapping_add(skip).cast_mut().cast();
        // SAFETY: the range lies inside one live allocation, and this advice changes no contents. That it is refused (a
        // kernel without large pages) does not matter.
        let _ = unsafe { madvise(from, whole, MADV_HUGEPAGE) };
    }
}

/// An empty vector with room for `len` elements, in large pages where that helps.
pub(crate) fn buffer<T>(len: usize) -> Vec<T> {
    let out = Vec::with_capacity(len);
    advise::<T>(out.as_ptr(), len);
    out
}

/// `len` elements that are all `value`; zeros are left to the system to write.
pub(crate) fn filled<T: Clone>(value: T, len: usize) -> Vec<T> {
    let out = vec![value; len];
    advise::<T>(out.as_ptr(), len);
    out
}
