//! A matrix as pointer, shape and strides: what the loops of a product work on. Views may show elements of other matrices in
//! between, so there is no slice of all; the loops take slices and short runs of elements out of it, each checked once.

use std::marker::PhantomData;

use ndarray::Ix2;
use ndarray::{ArrayView2, ArrayViewMut2, RawArrayView, RawArrayViewMut};

use crate::dtype::Element;

/// Shape and strides of a part of a matrix. The strides count elements and may be negative.
#[derive(Clone, Copy, Debug)]
struct Layout {
    rows: usize,
    cols: usize,
    row_stride: isize,
    col_stride: isize,
}

impl Layout {
    fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// How far it is from the first element to this one.
    #[inline(always)]
    fn offset(self, row: usize, col: usize) -> isize {
        row as isize * self.row_stride + col as isize * self.col_stride
    }
}

/// A matrix that is only read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a, T> {
    /// Every element of the layout is valid for reads during `'a`, and initialised.
    start: *const T,
    layout: Layout,
    borrowed: PhantomData<&'a T>,
}

impl<'a, T: Element> Source<'a, T> {
    /// The matrix that `view` shows, whose elements are of `T`.
    ///
    /// # Panics
    /// When they are not.
    pub(super) fn of<U: Element>(view: &'a ArrayView2<'_, U>) -> Self {
        assert_eq!(U::DTYPE, T::DTYPE);
        let raw: RawArrayView<T, Ix2> = view.raw_view().cast();
        let (rows, cols) = raw.dim();
        let layout = Layout {
            rows,
            cols,
            row_stride: raw.strides()[0],
            col_stride: raw.strides()[1],
        };
        Self {
            start: raw.as_ptr(),
            layout,
            borrowed: PhantomData,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.layout.rows
    }

    pub(super) fn cols(&self) -> usize {
        self.layout.cols
    }

    /// True when the elements of a column lie side by side.
    pub(super) fn cols_are_contiguous(&self) -> bool {
        self.layout.row_stride == 1
    }

    /// Rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        Self {
            layout: self.layout.transposed(),
            ..self
        }
    }

    /// The part of `rows` x `cols` elements that begins at (`row`, `col`).
    ///
    /// # Panics
    /// When it is not inside.
    pub(super) fn part(self, row: usize, col: usize, rows: usize, cols: usize) -> Self {
        assert!(row + rows <= self.layout.rows && col + cols <= self.layout.cols);
        Self {
            start: self.start.wrapping_offset(self.layout.offset(row, col)),
            layout: Layout {
                rows,
                cols,
                ..self.layout
            },
            ..self
        }
    }

    /// `N` neighbours in a row.
    ///
    /// # Panics
    /// When they are not inside.
    #[inline(always)]
    pub(super) fn in_row<const N: usize>(&self, row: usize, col: usize) -> [T; N] {
        assert!(row < self.layout.rows && col + N <= self.layout.cols);
        let first = self.start.wrapping_offset(self.layout.offset(row, col));
        let stride = self.layout.col_stride;
        // SAFETY: the elements (row, col) to (row, col + N - 1) are inside.
        std::array::from_fn(|i| unsafe { *first.offset(i as isize * stride) })
    }

    /// `N` neighbours in a column, which are contiguous.
    ///
    /// # Panics
    /// When they are not inside, or not contiguous.
    #[inline(always)]
    pub(super) fn in_column<const N: usize>(&self, row: usize, col: usize) -> [T; N] {
        assert!(
            row + N <= self.layout.rows && col < self.layout.cols && self.layout.row_stride == 1
        );
        let first = self.start.wrapping_offset(self.layout.offset(row, col));
        // SAFETY: the elements (row, col) to (row + N - 1, col) are inside, and side by side.
        unsafe { first.cast::<[T; N]>().read() }
    }
}

/// A matrix that is written.
#[derive(Debug)]
pub(super) struct Target<'a, T> {
    /// Every element of the layout is valid for reads and writes during `'a`, initialised, and used by nobody else. No two are
    /// one.
    start: *mut T,
    layout: Layout,
    borrowed: PhantomData<&'a mut T>,
}

impl<'a, T: Element> Target<'a, T> {
    /// The matrix that `view` shows, whose elements are of `T`.
    ///
    /// # Panics
    /// When they are not.
    pub(super) fn of<U: Element>(view: &'a mut ArrayViewMut2<'_, U>) -> Self {
        assert_eq!(U::DTYPE, T::DTYPE);
        let mut raw: RawArrayViewMut<T, Ix2> = view.raw_view_mut().cast();
        let (rows, cols) = raw.dim();
        let layout = Layout {
            rows,
            cols,
            row_stride: raw.strides()[0],
            col_stride: raw.strides()[1],
        };
        Self {
            start: raw.as_mut_ptr(),
            layout,
            borrowed: PhantomData,
        }
    }

    /// The matrix of rows that lie one after the other.
    ///
    /// # Panics
    /// When the last one is not whole.
    pub(super) fn of_rows(all: &'a mut [T], cols: usize) -> Self {
        assert_eq!(all.len() % cols, 0);
        let layout = Layout {
            rows: all.len() / cols,
            cols,
            row_stride: cols as isize,
            col_stride: 1,
        };
        Self {
            start: all.as_mut_ptr(),
            layout,
            borrowed: PhantomData,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.layout.rows
    }

    pub(super) fn cols(&self) -> usize {
        self.layout.cols
    }

    /// True when the elements of a row lie side by side.
    pub(super) fn rows_are_contiguous(&self) -> bool {
        self.layout.col_stride == 1 || self.layout.cols == 1
    }

    /// True when those of a column do.
    pub(super) fn cols_are_contiguous(&self) -> bool {
        self.layout.row_stride == 1 || self.layout.rows == 1
    }

    /// Rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        Self {
            layout: self.layout.transposed(),
            ..self
        }
    }

    /// The part of `rows` x `cols` elements that begins at (`row`, `col`).
    ///
    /// # Panics
    /// When it is not inside.
    pub(super) fn part(
        &mut self,
        row: usize,
        col: usize,
        rows: usize,
        cols: usize,
    ) -> Target<'_, T> {
        assert!(row + rows <= self.layout.rows && col + cols <= self.layout.cols);
        Target {
            start: self.start.wrapping_offset(self.layout.offset(row, col)),
            layout: Layout {
                rows,
                cols,
                ..self.layout
            },
            borrowed: PhantomData,
        }
    }

    /// Where a row begins, to be asked for before it is needed.
    #[inline(always)]
    pub(super) fn row_start(&self, row: usize) -> *const T {
        self.start
            .wrapping_offset(self.layout.offset(row, 0))
            .cast_const()
    }

    /// All `M` rows of `N` elements. One check does for all of them, so that none is left in the loop that writes them: a
    /// panic there would keep LLVM from unrolling it, and what it writes from staying in registers.
    ///
    /// # Panics
    /// When the matrix is of another shape, or the elements of its rows are not side by side.
    #[inline(always)]
    pub(super) fn rows_of<const M: usize, const N: usize>(self) -> [&'a mut [T; N]; M] {
        assert!(self.layout.rows == M && self.layout.cols == N && self.rows_are_contiguous());
        std::array::from_fn(|i| {
            let first = self.start.wrapping_offset(self.layout.offset(i, 0));
            // SAFETY: the elements (i, 0) to (i, N - 1) are inside and side by side, and each row is given out once.
            unsafe { &mut *first.cast::<[T; N]>() }
        })
    }

    /// An element.
    ///
    /// # Panics
    /// When there is none there.
    #[inline(always)]
    pub(super) fn at(&mut self, row: usize, col: usize) -> &mut T {
        assert!(row < self.layout.rows && col < self.layout.cols);
        let place = self.start.wrapping_offset(self.layout.offset(row, col));
        // SAFETY: the element is inside.
        unsafe { &mut *place }
    }
}
