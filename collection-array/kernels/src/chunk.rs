//! What chunks and vectors of any element type can do.

use ndarray::{ArcArray, ArrayD, ArrayViewD, IxDyn, SliceInfoElem};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::any::{AnyChunk, AnyVec};
use super::any_slice::AnySlice;
use super::copy::to_contiguous;
use crate::dtype::{DType, Element, Scalar, each_variant};

impl AnyVec {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        each_variant!(Self, self, v => v.len())
    }

    /// True without elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the elements.
    #[must_use]
    pub fn nbytes(&self) -> usize {
        each_variant!(Self, self, v => size_of_val(v.as_slice()))
    }
}

fn dtype_of<T: Element>(_: &ArcArray<T, IxDyn>) -> DType {
    T::DTYPE
}

impl AnyChunk {
    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        each_variant!(Self, self, a => dtype_of(a))
    }

    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        each_variant!(Self, self, a => a.shape())
    }

    /// Distance of neighbours along each axis, in elements.
    #[must_use]
    pub fn strides(&self) -> &[isize] {
        each_variant!(Self, self, a => a.strides())
    }

    /// Number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.shape().len()
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        each_variant!(Self, self, a => a.len())
    }

    /// True without elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the elements that are seen through this chunk (a view of a bigger buffer keeps that whole buffer alive).
    #[must_use]
    pub fn nbytes(&self) -> usize {
        self.len() * self.dtype().itemsize()
    }

    /// True when elements lie in C order without gaps.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        each_variant!(Self, self, a => a.is_standard_layout())
    }

    /// The typed chunk, if its type is `T`.
    #[must_use]
    pub fn peek<T: Element>(&self) -> Option<&ArcArray<T, IxDyn>> {
        T::peek(self)
    }

    /// The typed chunk.
    ///
    /// # Errors
    /// The chunk itself, when its element type is not `T`.
    pub fn downcast<T: Element>(self) -> Result<ArcArray<T, IxDyn>, Self> {
        T::downcast(self)
    }

    /// A chunk of `shape` with every element `value`.
    #[must_use]
    pub fn full(shape: &[usize], value: Scalar) -> Self {
        each_variant!(Scalar, value, v => Element::erase(ArcArray::from_elem(IxDyn(shape), v)))
    }

    /// The part that ndarray's slice elements pick, sharing this buffer.
    ///
    /// # Panics
    /// As `ndarray::ArrayBase::slice_move` does on a slice that does not fit.
    #[must_use]
    pub fn slice(&self, info: &[SliceInfoElem]) -> Self {
        each_variant!(Self, self, a => Element::erase(a.clone().slice_move(info).into_dyn()))
    }

    /// Axes in another order, sharing this buffer.
    ///
    /// # Panics
    /// When `axes` is no permutation of the axes.
    #[must_use]
    pub fn permuted(&self, axes: &[usize]) -> Self {
        each_variant!(Self, self, a => Element::erase(a.clone().permuted_axes(IxDyn(axes))))
    }

    /// The same elements in C order under another shape of the same size; shares the buffer where it is in C order.
    #[must_use]
    pub fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        if shape.iter().product::<usize>() != self.len() {
            return None;
        }
        each_variant!(Self, self, a => {
            let flat = if a.is_standard_layout() { a.clone() } else { to_contiguous(&a.view()).into_shared() };
            flat.into_shape_with_order(IxDyn(shape)).ok().map(Element::erase)
        })
    }

    /// This chunk in C order in a buffer of just its size: itself where it already is.
    #[must_use]
    pub fn compact(&self) -> Self {
        if self.is_contiguous() {
            return self.clone();
        }
        each_variant!(Self, self, a => Element::erase(to_contiguous(&a.view()).into_shared()))
    }

    /// The memory from the lowest to the highest of the elements, and where in it the first one is: that with all indices 0.
    pub(crate) fn span(&self) -> (AnySlice<'_>, usize) {
        each_variant!(Self, self, a => span(a))
    }

    /// The one element of a chunk with one element.
    #[must_use]
    pub fn as_scalar(&self) -> Option<Scalar> {
        if self.len() != 1 {
            return None;
        }
        each_variant!(Self, self, a => a.first().map(|v| v.to_scalar()))
    }
}

/// As [`AnyChunk::span`].
fn span<T: Element>(a: &ArcArray<T, IxDyn>) -> (AnySlice<'_>, usize) {
    if a.is_empty() {
        return (AnySlice::of::<T>(&[]), 0);
    }
    let (mut before, mut behind) = (0, 0);
    for (&len, &stride) in a.shape().iter().zip(a.strides()) {
        let reach = (len - 1) * stride.unsigned_abs();
        if stride < 0 {
            before += reach;
        } else {
            behind += reach;
        }
    }
    let lowest = a.as_ptr().wrapping_sub(before);
    // SAFETY: the lowest and the highest element that are seen lie in the one vector that an ArcArray holds, and so does
    // what is between them. All elements of the vector are initialised, and it is not written to while it is shared here.
    let all = unsafe { std::slice::from_raw_parts(lowest, before + 1 + behind) };
    (AnySlice::of(all), before)
}

impl<T: Element> From<ArcArray<T, IxDyn>> for AnyChunk {
    fn from(chunk: ArcArray<T, IxDyn>) -> Self {
        T::erase(chunk)
    }
}

impl<T: Element> From<ArrayD<T>> for AnyChunk {
    fn from(chunk: ArrayD<T>) -> Self {
        T::erase(chunk.into_shared())
    }
}

#[derive(Serialize, Deserialize)]
struct Plain {
    shape: Vec<usize>,
    values: AnyVec,
}

fn elements<T: Element>(a: &ArrayViewD<'_, T>) -> AnyVec {
    T::erase_vec(to_contiguous(a).into_raw_vec_and_offset().0)
}

impl Serialize for AnyChunk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = each_variant!(Self, self, a => elements(&a.view()));
        Plain {
            shape: self.shape().to_vec(),
            values,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AnyChunk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Plain { shape, values } = Plain::deserialize(deserializer)?;
        each_variant!(AnyVec, values, v => ArrayD::from_shape_vec(IxDyn(&shape), v)
            .map(Self::from)
            .map_err(serde::de::Error::custom))
    }
}
