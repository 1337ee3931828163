//! A matrix as pointer, shape and strides: what the loops of a product work on.

use ndarray::Ix2;
use ndarray::{ArrayView2, ArrayViewMut2, RawArrayView, RawArrayViewMut};

/// A strided matrix. The strides count elements and may be negative.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<P> {
    pub(super) start: P,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: isize,
    pub(super) col_stride: isize,
}

/// A matrix that is only read.
pub(super) type Source<T> = Matrix<*const T>;
/// A matrix that is written.
pub(super) type Target<T> = Matrix<*mut T>;

impl<P: Copy> Matrix<P> {
    /// Rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        Self {
            start: self.start,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// True when the elements of a row lie side by side.
    pub(super) fn rows_are_contiguous(&self) -> bool {
        self.col_stride == 1 || self.cols == 1
    }

    fn offset(&self, row: usize, col: usize) -> isize {
        row as isize * self.row_stride + col as isize * self.col_stride
    }
}

impl<T> Source<T> {
    /// The matrix that `view` shows, taken for one of `T`.
    ///
    /// `T` must have the size and the alignment of the view's elements.
    pub(super) fn of<U>(view: &ArrayView2<'_, U>) -> Self {
        let raw: RawArrayView<T, Ix2> = view.raw_view().cast();
        let (rows, cols) = raw.dim();
        Self {
            start: raw.as_ptr(),
            rows,
            cols,
            row_stride: raw.strides()[0],
            col_stride: raw.strides()[1],
        }
    }

    /// The part of `rows` x `cols` elements that begins at (`row`, `col`).
    ///
    /// # Safety
    /// The part lies inside the matrix and is not empty.
    pub(super) unsafe fn part(self, row: usize, col: usize, rows: usize, cols: usize) -> Self {
        debug_assert!(row + rows <= self.rows && col + cols <= self.cols);
        // SAFETY: the element (row, col) is inside, as the caller promises.
        let start = unsafe { self.start.offset(self.offset(row, col)) };
        Self {
            start,
            rows,
            cols,
            ..self
        }
    }
}

impl<T> Target<T> {
    /// The matrix that `view` shows, taken for one of `T`.
    ///
    /// `T` must have the size and the alignment of the view's elements.
    pub(super) fn of<U>(view: &mut ArrayViewMut2<'_, U>) -> Self {
        let raw: RawArrayViewMut<T, Ix2> = view.raw_view_mut().cast();
        let (rows, cols) = raw.dim();
        let (row_stride, col_stride) = (raw.strides()[0], raw.strides()[1]);
        let mut raw = raw;
        Self {
            start: raw.as_mut_ptr(),
            rows,
            cols,
            row_stride,
            col_stride,
        }
    }

    /// Where the element (`row`, `col`) is.
    ///
    /// # Safety
    /// The element is inside the matrix.
    pub(super) unsafe fn at(&self, row: usize, col: usize) -> *mut T {
        debug_assert!(row < self.rows && col < self.cols);
        // SAFETY: the element is inside, as the caller promises.
        unsafe { self.start.offset(self.offset(row, col)) }
    }
}
