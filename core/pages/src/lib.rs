//! Large buffers in large pages.
//!
//! A fresh buffer is paid for page by page, as it is first written: with pages of 4 KiB that costs more than the pass over
//! memory that fills it. Where the system leaves the choice to programs, buffers of some megabytes ask for pages of 2 MiB.

/// Buffers below this come out of the allocator's own heap, whose pages have mostly been paid for.
const LARGE: usize = 4 << 20;

/// Asks for large pages under this memory, if it is much. Changes nothing but the cost of touching it first.
pub fn advise<T>(memory: &[T]) {
    let bytes = size_of_val(memory);
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
        // Whole pages inside the memory, whatever size up to 64 KiB the system's pages are.
        let at = memory.as_ptr();
        let skip = at.addr().next_multiple_of(PAGE) - at.addr();
        let whole = (bytes - skip) / PAGE * PAGE;
        let from = at.cast::<u8>().wrapping_add(skip).cast_mut().cast();
        // SAFETY: the range lies inside the memory that is borrowed, and this advice changes no contents. That it is refused
        // (a kernel without large pages) does not matter.
        let _ = unsafe { madvise(from, whole, MADV_HUGEPAGE) };
    }
}

/// An empty vector with room for `len` elements, in large pages where that helps.
///
/// # Panics
/// As [`Vec::with_capacity`].
pub fn buffer<T>(len: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(len);
    advise(out.spare_capacity_mut());
    out
}

/// `len` elements that are all `value`; zeros are left to the system to write.
///
/// # Panics
/// As [`Vec::with_capacity`].
pub fn filled<T: Clone>(value: T, len: usize) -> Vec<T> {
    let out = vec![value; len];
    advise(&out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_it_was() {
        for len in [0, 1, 1000, LARGE / 8 - 1, LARGE / 8, LARGE / 8 + 12_345] {
            assert!(filled(1.5, len).iter().all(|v| *v == 1.5));
            let mut list = buffer::<u64>(len);
            assert!(list.is_empty() && list.capacity() >= len);
            list.extend(0..len as u64);
            advise(&list);
            assert!(list.iter().copied().eq(0..len as u64));
        }
    }
}
