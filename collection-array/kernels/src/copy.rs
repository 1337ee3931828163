//! Copies between strided views at memory speed: rechunk, transpose and concatenate are made of them.
//!
//! Axes are walked in the destination's memory order. Where source and destination both step by one element the run
//! is copied whole; where the source's unit stride lies along another axis (a transposition), the two axes are walked in
//! square blocks that stay in the first-level cache on both sides.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, IxDyn};

use kvern_pages::buffer;

use super::any_slice::prefetch;
use super::error::KernelError;
use super::space::{Rows, Space, memory_order};
use crate::dtype::Element;

/// Copies `src` into `dst`.
///
/// ```
/// use kvern_kernels::copy_into;
/// use ndarray::{ArrayD, arr2};
///
/// let src = arr2(&[[1, 2, 3], [4, 5, 6]]).into_dyn();
/// let mut dst = ArrayD::zeros(vec![3, 2]);
/// copy_into(dst.view_mut(), src.t()).unwrap();
/// assert_eq!(dst, src.t());
/// ```
///
/// # Errors
/// When the shapes differ.
pub fn copy_into<T: Element>(
    mut dst: ArrayViewMutD<'_, T>,
    src: ArrayViewD<'_, T>,
) -> Result<(), KernelError> {
    if dst.shape() != src.shape() {
        return Err(KernelError::Shape {
            what: "copy into a view of another shape",
            got: src.shape().to_vec(),
            expected: dst.shape().to_vec(),
        });
    }
    let (shape, strides) = (dst.shape().to_vec(), dst.strides().to_vec());
    // SAFETY: dst is a unique borrow and src a shared one, so they do not overlap; both cover `shape` with their strides.
    unsafe {
        copy_raw::<T>(
            dst.as_mut_ptr(),
            &strides,
            src.as_ptr(),
            src.strides(),
            &shape,
        );
    };
    Ok(())
}

/// `src` in C order in a buffer of its own.
#[must_use]
pub fn to_contiguous<T: Element>(src: &ArrayViewD<'_, T>) -> ArrayD<T> {
    let shape = src.shape();
    let mut out: Vec<T> = buffer(src.len());
    let strides = super::space::c_strides(shape);
    // SAFETY: the new buffer has room for every element of `shape` in C order and nothing else points at it.
    unsafe {
        copy_raw::<T>(
            out.as_mut_ptr(),
            &strides,
            src.as_ptr(),
            src.strides(),
            shape,
        );
        out.set_len(src.len());
    }
    in_c_order(shape, out)
}

/// The elements of `shape`, which are in C order, as an array.
///
/// # Panics
/// When they are not as many as the shape has.
pub(crate) fn in_c_order<T>(shape: &[usize], elements: Vec<T>) -> ArrayD<T> {
    match ArrayD::from_shape_vec(IxDyn(shape), elements) {
        Ok(array) => array,
        Err(e) => panic!("elements that are not those of shape {shape:?}: {e}"),
    }
}

/// Copies element by position between two strided blocks.
///
/// # Safety
/// `src` is valid for reads and `dst` for writes at every offset that `shape` and the strides reach, both are aligned, and
/// they do not overlap. No two positions of `dst` are the same.
pub(crate) unsafe fn copy_raw<T: Copy>(
    dst: *mut T,
    dst_strides: &[isize],
    src: *const T,
    src_strides: &[isize],
    shape: &[usize],
) {
    // SAFETY: every caller's promise carries over to same-sized integers, which have no invalid values.
    unsafe {
        match size_of::<T>() {
            1 => copy_bits::<u8>(dst.cast(), dst_strides, src.cast(), src_strides, shape),
            2 => copy_bits::<u16>(dst.cast(), dst_strides, src.cast(), src_strides, shape),
            4 => copy_bits::<u32>(dst.cast(), dst_strides, src.cast(), src_strides, shape),
            8 => copy_bits::<u64>(dst.cast(), dst_strides, src.cast(), src_strides, shape),
            _ => copy_bits::<T>(dst, dst_strides, src, src_strides, shape),
        }
    }
}

/// # Safety
/// As [`copy_raw`].
unsafe fn copy_bits<T: Copy>(
    dst: *mut T,
    dst_strides: &[isize],
    src: *const T,
    src_strides: &[isize],
    shape: &[usize],
) {
    if shape.contains(&0) {
        return;
    }
    let axes = memory_order(dst_strides);
    let space = Space::new(shape, &axes, &[dst_strides, src_strides]);
    let (nd, inner) = (space.ndim(), space.inner());
    let (ds, ss) = (space.inner_stride(0), space.inner_stride(1));
    // The axis along which the source steps by one, when that is not the innermost.
    let across = if ss == 1 || ss == 0 || inner < 4 {
        None
    } else {
        (0..nd - 1).find(|&a| space.stride(1, a) == 1 && space.dims[a] >= 4)
    };
    let Some(across) = across else {
        let rows = space.len() / inner;
        let (mut d, mut s) = (Rows::new(&space, 0, 0), Rows::new(&space, 1, 0));
        for _ in 0..rows {
            // SAFETY: the row offsets are those of a position of `shape`.
            unsafe {
                copy_row(
                    dst.offset(d.offset()),
                    ds,
                    src.offset(s.offset()),
                    ss,
                    inner,
                );
            };
            d.advance();
            s.advance();
        }
        return;
    };
    // Every other axis is walked around the blocked pair.
    let others: Vec<usize> = (0..nd - 1).filter(|&a| a != across).collect();
    let count: usize = others.iter().map(|&a| space.dims[a]).product();
    let plane = Plane {
        rows: space.dims[across],
        cols: inner,
        dst_row: space.stride(0, across),
        dst_col: ds,
        src_col: ss,
    };
    for i in 0..count {
        let (mut d, mut s, mut left) = (0, 0, i);
        for &a in others.iter().rev() {
            let at = (left % space.dims[a]) as isize;
            left /= space.dims[a];
            d += at * space.stride(0, a);
            s += at * space.stride(1, a);
        }
        // SAFETY: d and s are the offsets of a position of `shape`, and the plane is spanned by two of its axes.
        unsafe { transpose(dst.offset(d), src.offset(s), plane) };
    }
}

/// # Safety
/// `n` elements with the given strides are valid on both sides.
#[inline]
unsafe fn copy_row<T: Copy>(dst: *mut T, ds: isize, src: *const T, ss: isize, n: usize) {
    // SAFETY: the caller promises n valid elements at these strides, without overlap.
    unsafe {
        match (ds, ss) {
            (1, 1) => std::ptr::copy_nonoverlapping(src, dst, n),
            (1, 0) => std::slice::from_raw_parts_mut(dst.cast::<std::mem::MaybeUninit<T>>(), n)
                .fill(std::mem::MaybeUninit::new(*src)),
            (1, _) => {
                for i in 0..n as isize {
                    *dst.offset(i) = *src.offset(i * ss);
                }
            }
            _ => {
                for i in 0..n as isize {
                    *dst.offset(i * ds) = *src.offset(i * ss);
                }
            }
        }
    }
}

/// Two axes of a copy: the source steps by one along `rows`, the destination (usually by one) along `cols`.
#[derive(Clone, Copy)]
struct Plane {
    rows: usize,
    cols: usize,
    dst_row: isize,
    dst_col: isize,
    src_col: isize,
}

/// Columns and rows of a block whose lines stay in the second-level cache on both sides.
const BLOCK: usize = 64;
/// Bytes of a row of blocks that are done before the next: a page of each row, so that the translation of an address is
/// looked up once for all that the page holds.
const PAGE: usize = 4096;

/// The corners of squares of `side` that cover two ranges, the second one walked faster.
fn corners(
    outer: std::ops::Range<usize>,
    inner: std::ops::Range<usize>,
    side: usize,
) -> impl Iterator<Item = (usize, usize)> {
    outer
        .step_by(side)
        .flat_map(move |a| inner.clone().step_by(side).map(move |b| (a, b)))
}

/// # Safety
/// Every position of the plane is valid on both sides.
unsafe fn transpose<T: Copy>(dst: *mut T, src: *const T, p: Plane) {
    // SAFETY: the caller's promise.
    unsafe {
        match size_of::<T>() {
            1 | 2 | 4 => blocks::<T, 16>(dst, src, p),
            _ => blocks::<T, 8>(dst, src, p),
        }
    }
}

/// # Safety
/// As [`transpose`].
unsafe fn blocks<T: Copy, const M: usize>(dst: *mut T, src: *const T, p: Plane) {
    let whole = if p.dst_col == 1 {
        (p.rows / M * M, p.cols / M * M)
    } else {
        (0, 0)
    };
    let page = (PAGE / size_of::<T>().max(1)).max(BLOCK);
    for (r00, c00) in corners(0..whole.0, 0..whole.1, page) {
        let (r_end, c_end) = ((r00 + page).min(whole.0), (c00 + page).min(whole.1));
        for (r0, c0) in corners(r00..r_end, c00..c_end, BLOCK) {
            for (c, r) in corners(c0..(c0 + BLOCK).min(c_end), r0..(r0 + BLOCK).min(r_end), M) {
                // The lines that the block to the right will need.
                let (right, r_at) = ((c + BLOCK) as isize, r as isize);
                for i in 0..M as isize {
                    let to = dst.wrapping_offset((r_at + i) * p.dst_row + right);
                    prefetch(src.wrapping_offset(r_at + (right + i) * p.src_col));
                    prefetch(to);
                }
                // SAFETY: M rows and columns from here on are inside the plane.
                unsafe {
                    square::<T, M>(
                        dst.offset(r as isize * p.dst_row + c as isize),
                        p.dst_row,
                        src.offset(r as isize + c as isize * p.src_col),
                        p.src_col,
                    );
                }
            }
        }
    }
    // What is left below and to the right of the whole squares.
    for (rows, cols) in [(whole.0..p.rows, 0..p.cols), (0..whole.0, whole.1..p.cols)] {
        for r in rows {
            for c in cols.clone() {
                // SAFETY: r and c are inside the plane.
                unsafe {
                    *dst.offset(r as isize * p.dst_row + c as isize * p.dst_col) =
                        *src.offset(r as isize + c as isize * p.src_col);
                }
            }
        }
    }
}

/// Transposes M by M elements through registers, so that each cache line is met once on either side.
///
/// # Safety
/// M rows of M elements are valid at `src` and at `dst`, with the given distances between rows.
#[inline(always)]
unsafe fn square<T: Copy, const M: usize>(
    dst: *mut T,
    dst_row: isize,
    src: *const T,
    src_row: isize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let from: [[T; M]; M] =
            std::array::from_fn(|c| src.offset(c as isize * src_row).cast::<[T; M]>().read());
        let to: [[T; M]; M] = std::array::from_fn(|r| std::array::from_fn(|c| from[c][r]));
        for (r, row) in to.into_iter().enumerate() {
            dst.offset(r as isize * dst_row).cast::<[T; M]>().write(row);
        }
    }
}
