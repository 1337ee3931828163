//! Iteration spaces: the shape that several strided operands are walked in together.

/// Axes in walking order (last one innermost) with the stride of every operand along each, in elements.
///
/// Axes of length 1 are dropped, and neighbours that every operand walks as one are merged, so that C-contiguous
/// operands make a space of one axis.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    /// Length of each axis; at least one axis.
    pub(crate) dims: Vec<usize>,
    strides: Vec<isize>,
    operands: usize,
}

impl Space {
    /// The space of `shape` walked with its axes in the order `axes`, for operands with the given strides.
    pub(crate) fn new(shape: &[usize], axes: &[usize], strides: &[&[isize]]) -> Self {
        let operands = strides.len();
        let mut dims: Vec<usize> = Vec::with_capacity(axes.len().max(1));
        let mut out: Vec<isize> = Vec::with_capacity(axes.len().max(1) * operands);
        for &axis in axes {
            let len = shape[axis];
            if len == 1 {
                continue;
            }
            let merges = !dims.is_empty() && {
                let last = &out[out.len() - operands..];
                last.iter()
                    .zip(strides)
                    .all(|(&outer, s)| outer == s[axis] * len as isize)
            };
            if merges {
                let at = out.len() - operands;
                for (o, s) in out[at..].iter_mut().zip(strides) {
                    *o = s[axis];
                }
                if let Some(last) = dims.last_mut() {
                    *last *= len;
                }
            } else {
                dims.push(len);
                out.extend(strides.iter().map(|s| s[axis]));
            }
        }
        if dims.is_empty() {
            // One element; every operand may pretend to be contiguous.
            dims.push(1);
            out.resize(operands, 1);
        }
        Self {
            dims,
            strides: out,
            operands,
        }
    }

    /// A space of `len` elements that every operand walks without gaps.
    pub(crate) fn flat(len: usize, operands: usize) -> Self {
        Self {
            dims: vec![len],
            strides: vec![1; operands],
            operands,
        }
    }

    pub(crate) fn ndim(&self) -> usize {
        self.dims.len()
    }

    /// Elements.
    pub(crate) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Length of the innermost axis.
    pub(crate) fn inner(&self) -> usize {
        self.dims[self.dims.len() - 1]
    }

    /// Stride of `operand` along `axis`.
    pub(crate) fn stride(&self, operand: usize, axis: usize) -> isize {
        self.strides[axis * self.operands + operand]
    }

    /// Stride of `operand` along the innermost axis.
    pub(crate) fn inner_stride(&self, operand: usize) -> isize {
        self.stride(operand, self.ndim() - 1)
    }

    /// True when `operand` is walked in memory order without gaps.
    pub(crate) fn is_flat(&self, operand: usize) -> bool {
        let mut expected = 1;
        for axis in (0..self.ndim()).rev() {
            if self.stride(operand, axis) != expected {
                return false;
            }
            expected *= self.dims[axis] as isize;
        }
        true
    }

    /// True when `operand` is one element everywhere.
    pub(crate) fn is_uniform(&self, operand: usize) -> bool {
        (0..self.ndim()).all(|axis| self.stride(operand, axis) == 0)
    }

    /// True when `operand` is the same in every row of the innermost axis.
    pub(crate) fn is_row(&self, operand: usize) -> bool {
        (0..self.ndim() - 1).all(|axis| self.stride(operand, axis) == 0)
    }

    /// Offset of `operand` at the start of row `row`, rows being counted in walking order.
    pub(crate) fn row_offset(&self, operand: usize, mut row: usize) -> isize {
        let mut offset = 0;
        for axis in (0..self.ndim() - 1).rev() {
            if axis == 0 {
                offset += row as isize * self.stride(operand, 0);
                break;
            }
            let len = self.dims[axis];
            offset += (row % len) as isize * self.stride(operand, axis);
            row /= len;
        }
        offset
    }
}

/// Walks the row offsets of one operand, from any row on.
#[derive(Clone, Debug)]
pub(crate) struct Rows<'a> {
    space: &'a Space,
    operand: usize,
    row: usize,
    offset: isize,
    /// Rows until the axis next to the innermost one ends.
    left: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(space: &'a Space, operand: usize, row: usize) -> Self {
        let nd = space.ndim();
        let left = if nd < 2 {
            1
        } else {
            space.dims[nd - 2] - row % space.dims[nd - 2]
        };
        Self {
            space,
            operand,
            row,
            offset: space.row_offset(operand, row),
            left,
        }
    }

    /// Offset of the current row.
    pub(crate) fn offset(&self) -> isize {
        self.offset
    }

    /// Steps to the next row.
    pub(crate) fn advance(&mut self) {
        self.row += 1;
        self.left -= 1;
        let nd = self.space.ndim();
        if self.left > 0 {
            self.offset += self.space.stride(self.operand, nd - 2);
        } else if nd >= 2 {
            self.left = self.space.dims[nd - 2];
            self.offset = self.space.row_offset(self.operand, self.row);
        } else {
            self.left = 1;
        }
    }
}

/// Strides of an operand of `shape` and `strides` that is broadcast to `to` by NumPy's rule, or none if it cannot be.
pub(crate) fn broadcast(shape: &[usize], strides: &[isize], to: &[usize]) -> Option<Vec<isize>> {
    let lead = to.len().checked_sub(shape.len())?;
    let mut out = vec![0; to.len()];
    for (axis, (&len, &stride)) in shape.iter().zip(strides).enumerate() {
        let target = to[lead + axis];
        if len == target {
            out[lead + axis] = if len == 1 { 0 } else { stride };
        } else if len != 1 {
            return None;
        }
    }
    Some(out)
}

/// Strides of a C-contiguous array of `shape`.
pub(crate) fn c_strides(shape: &[usize]) -> Vec<isize> {
    let mut out = vec![0; shape.len()];
    let mut step = 1;
    for (o, &len) in out.iter_mut().zip(shape).rev() {
        *o = step;
        step *= len.max(1) as isize;
    }
    out
}

/// The axes from the largest step to the smallest, so that walking them in this order follows memory.
pub(crate) fn memory_order(strides: &[isize]) -> Vec<usize> {
    let mut axes: Vec<usize> = (0..strides.len()).collect();
    axes.sort_by_key(|&a| std::cmp::Reverse(strides[a].unsigned_abs()));
    axes
}
