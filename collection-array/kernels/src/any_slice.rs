//! Slices whose element type is known at run time only: what loops are handed, and turn into typed slices once.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::dtype::{DType, Element, with_dtype};

/// Elements that are only read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnySlice<'a> {
    /// `len` initialised elements of `dtype` lie here, aligned, and nobody writes to them during `'a`.
    start: *const u8,
    len: usize,
    dtype: DType,
    borrowed: PhantomData<&'a [u8]>,
}

impl<'a> AnySlice<'a> {
    /// Forgets the type of a slice.
    #[inline]
    pub(crate) fn of<T: Element>(slice: &'a [T]) -> Self {
        Self {
            start: slice.as_ptr().cast(),
            len: slice.len(),
            dtype: T::DTYPE,
            borrowed: PhantomData,
        }
    }

    /// Elements that begin where the words do.
    ///
    /// # Safety
    /// The words have room for so many elements of `dtype`, and they have been written there.
    #[inline(always)]
    pub(crate) unsafe fn in_words(words: &'a [MaybeUninit<u64>], dtype: DType, len: usize) -> Self {
        debug_assert!(len * dtype.itemsize() <= size_of_val(words));
        Self {
            start: words.as_ptr().cast(),
            len,
            dtype,
            borrowed: PhantomData,
        }
    }

    pub(crate) fn len(self) -> usize {
        self.len
    }

    pub(crate) fn dtype(self) -> DType {
        self.dtype
    }

    /// The elements, in their own type or as another one of the same size that has a value for all their bits.
    ///
    /// # Panics
    /// When `T` is no such type.
    #[inline(always)]
    pub(crate) fn get<T: Element>(self) -> &'a [T] {
        assert!(
            self.dtype == T::DTYPE
                || size_of::<T>() == self.dtype.itemsize() && T::DTYPE != DType::Bool
        );
        // SAFETY: what `start` says. Types of one size have one alignment here, and of them all but bool take any bits.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len) }
    }

    /// Some of the elements.
    ///
    /// # Panics
    /// When the range is not inside.
    #[inline(always)]
    pub(crate) fn slice(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len);
        Self {
            start: self.start.wrapping_add(range.start * self.dtype.itemsize()),
            len: range.end - range.start,
            ..self
        }
    }

    /// Asks for elements that will be read soon.
    #[inline(always)]
    pub(crate) fn prefetch(self, range: Range<usize>) {
        const LINE: usize = 64;
        /// Lines that one turn of the loop asks for.
        const TURN: usize = 4;
        let size = self.dtype.itemsize();
        let first = self.start.wrapping_add(range.start * size);
        let lines = (range.len() * size).div_ceil(LINE);
        for turn in 0..lines / TURN {
            for line in 0..TURN {
                prefetch(first.wrapping_add((turn * TURN + line) * LINE));
            }
        }
        for line in lines - lines % TURN..lines {
            prefetch(first.wrapping_add(line * LINE));
        }
    }
}

/// Memory for elements that are not yet written.
#[derive(Debug)]
pub(crate) struct AnyRoom<'a> {
    /// Memory for `len` elements of `dtype` lies here, aligned, and nobody else uses it during `'a`.
    start: *mut u8,
    len: usize,
    dtype: DType,
    borrowed: PhantomData<&'a mut [u8]>,
}

impl<'a> AnyRoom<'a> {
    /// Forgets the type of memory for elements.
    pub(crate) fn of<T: Element>(room: &'a mut [MaybeUninit<T>]) -> Self {
        Self {
            start: room.as_mut_ptr().cast(),
            len: room.len(),
            dtype: T::DTYPE,
            borrowed: PhantomData,
        }
    }

    /// Memory for elements that begin where the words do.
    ///
    /// # Panics
    /// When the words have no room for so many.
    pub(crate) fn in_words(words: &'a mut [MaybeUninit<u64>], dtype: DType, len: usize) -> Self {
        assert!(len * dtype.itemsize() <= size_of_val(words));
        Self {
            start: words.as_mut_ptr().cast(),
            len,
            dtype,
            borrowed: PhantomData,
        }
    }

    /// Memory that has elements already.
    ///
    /// # Safety
    /// Nothing but values of `T` is written to it: no memory that is not initialised.
    pub(crate) unsafe fn over<T: Element>(elements: &'a mut [T]) -> Self {
        Self {
            start: elements.as_mut_ptr().cast(),
            len: elements.len(),
            dtype: T::DTYPE,
            borrowed: PhantomData,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Writes all of it.
    ///
    /// # Panics
    /// When the elements are of another type, or not as many.
    pub(crate) fn copy(self, from: AnySlice<'_>) {
        assert!(from.dtype == self.dtype);
        with_dtype!(from.dtype, T => {
            self.get::<T>().write_copy_of_slice(from.get::<T>());
        });
    }

    /// The memory, for its own type or for another number of the same size.
    ///
    /// # Panics
    /// When `T` is no such type.
    #[inline(always)]
    pub(crate) fn get<T: Element>(self) -> &'a mut [MaybeUninit<T>] {
        assert!(
            self.dtype == T::DTYPE
                || size_of::<T>() == self.dtype.itemsize() && self.dtype != DType::Bool
        );
        // SAFETY: what `start` says. Types of one size have one alignment here, and what is written as one of them is a value
        // of any other but bool.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.len) }
    }
}

/// Asks for the cache line at `at`, which may be any address.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing and cannot fault; SSE is in the baseline of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_one_size_are_seen_as_each_other() {
        let x = [-1_i64, 2];
        assert_eq!(AnySlice::of(&x).get::<u64>(), [u64::MAX, 2]);
        assert_eq!(AnySlice::of(&[true, false]).get::<u8>(), [1, 0]);
        assert_eq!(AnySlice::of(&x).slice(1..2).get::<i64>(), [2]);
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn bytes_are_not_seen_as_bool() {
        AnySlice::of(&[2_u8]).get::<bool>();
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn bytes_are_not_written_where_bool_is_read() {
        AnyRoom::of(&mut [MaybeUninit::<bool>::uninit()]).get::<u8>();
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn what_lies_behind_the_end_is_not_seen() {
        let _ = AnySlice::of(&[1_u8, 2]).slice(1..3);
    }
}
