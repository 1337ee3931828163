//! Tensors: a borrowed view of an input, and a result.

use std::marker::PhantomData;
use std::sync::Arc;

use kvern_plugin_abi as abi;
use kvern_plugin_abi::tensor::{
    DEVICE_CPU, DLDataType, DLDevice, DLManagedTensorVersioned, DLPACK, DLTensor, MOST_AXES,
};
use kvern_plugin_abi::value::kind;

use crate::context;
use crate::error::{Error, Result};
use crate::input::{FromInput, Input, check_kind};
use crate::output::{Counted, IntoOutput, owned_by};

mod sealed {
    /// Keeps [`super::Element`] to types of which any bits that cross are a value.
    pub trait Sealed {}
}

/// A type that a tensor can have as elements.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The type as it crosses.
    const DTYPE: DLDataType;
}

macro_rules! element {
    ($($t:ty => $dtype:ident),*) => { $(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DLDataType = DLDataType::$dtype;
        }
    )* };
}
element!(bool => BOOL, i8 => I8, i16 => I16, i32 => I32, i64 => I64, u8 => U8, u16 => U16, u32 => U32, u64 => U64, f32 => F32, f64 => F64);

fn dtype_name(dtype: DLDataType) -> String {
    dtype
        .name()
        .map_or_else(|| format!("{dtype:?}"), str::to_owned)
}

/// An input tensor, borrowed for the call. Any strides, in elements.
#[derive(Clone, Copy)]
pub struct TensorView<'a, T> {
    data: *const T,
    shape: &'a [i64],
    strides: &'a [i64],
    len: usize,
    elements: PhantomData<&'a [T]>,
}

// SAFETY: a view reads elements that nobody writes while it lives, and they are `Sync`.
unsafe impl<T: Element> Send for TensorView<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Element> Sync for TensorView<'_, T> {}

impl<'a, T: Element> TensorView<'a, T> {
    /// Looks at all that can be looked at.
    fn of(tensor: &'a DLManagedTensorVersioned) -> Result<Self> {
        let t = &tensor.dl_tensor;
        if t.dtype != T::DTYPE {
            return Err(Error::bad_input(format!(
                "expected tensor {}, got tensor {}",
                dtype_name(T::DTYPE),
                dtype_name(t.dtype)
            )));
        }
        if tensor.version.major != DLPACK.major
            || t.device.device_type != DEVICE_CPU
            || !(0..=MOST_AXES).contains(&t.ndim)
            || (t.ndim > 0 && (t.shape.is_null() || t.strides.is_null()))
        {
            return Err(Error::with_status(
                abi::status::UNSUPPORTED,
                format!(
                    "a tensor of DLPack {}.{} on device {} with {} axes",
                    tensor.version.major, tensor.version.minor, t.device.device_type, t.ndim
                ),
            ));
        }
        let (shape, strides): (&[i64], &[i64]) = if t.ndim == 0 {
            (&[], &[])
        } else {
            // SAFETY: not null; so many of each by the rules of DLPack, for as long as the tensor.
            unsafe {
                (
                    std::slice::from_raw_parts(t.shape, t.ndim as usize),
                    std::slice::from_raw_parts(t.strides, t.ndim as usize),
                )
            }
        };
        let len = shape
            .iter()
            .try_fold(1usize, |all, &n| {
                usize::try_from(n).ok().and_then(|n| all.checked_mul(n))
            })
            .filter(|len| {
                len.checked_mul(size_of::<T>())
                    .is_some_and(|bytes| bytes <= isize::MAX as usize)
            })
            .ok_or_else(|| Error::bad_input(format!("a tensor of shape {shape:?}")))?;
        let data = t
            .data
            .cast::<u8>()
            .wrapping_add(t.byte_offset as usize)
            .cast::<T>();
        if len > 0 && (data.is_null() || !data.is_aligned()) {
            return Err(Error::bad_input(format!(
                "a tensor whose elements are at {data:p}, not aligned to {} bytes",
                align_of::<T>()
            )));
        }
        Ok(Self {
            data,
            shape,
            strides,
            len,
            elements: PhantomData,
        })
    }

    /// Length of each axis.
    pub const fn shape(&self) -> &'a [i64] {
        self.shape
    }

    /// Distance of neighbours along each axis, in elements.
    pub const fn strides(&self) -> &'a [i64] {
        self.strides
    }

    /// Number of axes.
    pub const fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first element, from which shape and strides count.
    pub const fn as_ptr(&self) -> *const T {
        self.data
    }

    /// The elements, if they lie in C order without gaps.
    pub fn as_slice(&self) -> Option<&'a [T]> {
        if self.len == 0 {
            return Some(&[]);
        }
        let mut want = 1;
        for (&n, &s) in self.shape.iter().zip(self.strides).rev() {
            if n != 1 && s != want {
                return None;
            }
            want *= n;
        }
        // SAFETY: aligned and not null (`of`), `len` elements one behind the other, unchanged for 'a by the rules of the border.
        Some(unsafe { std::slice::from_raw_parts(self.data, self.len) })
    }

    /// The elements in C order, whatever the strides.
    pub fn iter(&self) -> Elements<'a, T> {
        Elements {
            view: *self,
            at: [0; MOST_AXES as usize],
            left: self.len,
            offset: 0,
        }
    }

    /// A copy of the elements in C order.
    pub fn to_vec(&self) -> Vec<T> {
        match self.as_slice() {
            Some(slice) => slice.to_vec(),
            None => self.iter().collect(),
        }
    }

    /// `f` of each element, in a tensor of the same shape.
    pub fn map<U: Element>(&self, f: impl Fn(T) -> U) -> Tensor<U> {
        let mut out = Tensor::room(self.shape, self.len);
        match self.as_slice() {
            Some(slice) => out.fill(slice.iter().map(|&v| f(v))),
            None => out.fill(self.iter().map(f)),
        }
        out
    }

    /// `f` of each pair of elements, in a tensor of the same shape.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn zip_map<U: Element, V: Element>(
        &self,
        other: &TensorView<'_, U>,
        f: impl Fn(T, U) -> V,
    ) -> Result<Tensor<V>> {
        if self.shape != other.shape {
            return Err(Error::bad_input(format!(
                "shapes {:?} and {:?} differ",
                self.shape, other.shape
            )));
        }
        let mut out = Tensor::room(self.shape, self.len);
        match (self.as_slice(), other.as_slice()) {
            (Some(a), Some(b)) => out.fill(a.iter().zip(b).map(|(&a, &b)| f(a, b))),
            _ => out.fill(self.iter().zip(other.iter()).map(|(a, b)| f(a, b))),
        }
        Ok(out)
    }
}

/// The elements of a view in C order.
pub struct Elements<'a, T> {
    view: TensorView<'a, T>,
    at: [i64; MOST_AXES as usize],
    left: usize,
    offset: i64,
}

impl<T: Element> Iterator for Elements<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        // SAFETY: within shape and strides, where the elements are readable by the rules of DLPack.
        let value = unsafe { self.view.data.wrapping_offset(self.offset as isize).read() };
        for axis in (0..self.view.ndim()).rev() {
            self.at[axis] += 1;
            self.offset += self.view.strides[axis];
            if self.at[axis] < self.view.shape[axis] {
                break;
            }
            self.offset -= self.at[axis] * self.view.strides[axis];
            self.at[axis] = 0;
        }
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T: Element> ExactSizeIterator for Elements<'_, T> {}

impl<'a, T: Element> FromInput<'a> for TensorView<'a, T> {
    fn describe() -> String {
        format!("tensor {}", dtype_name(T::DTYPE))
    }

    fn from_input(input: Input<'a>) -> Result<Self> {
        let value = input.of_kind(kind::TENSOR, 0)?;
        // SAFETY: a value of this kind points to a tensor, for the call.
        let tensor = unsafe { value.tensor().as_ref() };
        Self::of(tensor.ok_or_else(|| Error::bad_input("a tensor that is null"))?)
    }

    fn check(meta: &abi::Meta) -> Result<()> {
        check_kind(meta, kind::TENSOR)?;
        if meta.kind == kind::TENSOR && meta.dtype != 0 && meta.dtype != T::DTYPE.to_word() {
            return Err(Error::bad_input(format!(
                "expected tensor {}, got tensor {}",
                dtype_name(T::DTYPE),
                dtype_name(DLDataType::from_word(meta.dtype))
            )));
        }
        Ok(())
    }
}

/// A result: elements in C order, in memory that the host lent where it lends some, else in the plugin's own.
pub struct Tensor<T> {
    shape: Shape,
    len: usize,
    held: Held<T>,
}

/// Lengths of axes, a few of them in place.
struct Shape {
    few: [i64; 4],
    more: Vec<i64>,
    ndim: usize,
}

enum Held<T> {
    /// Of the host; how many elements are written.
    Lent(Lent, usize),
    Own(Vec<T>),
}

/// A value of the host that is given back unless it becomes a result.
struct Lent(abi::Value);

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: the host made it for us; taken out where it becomes a result.
        unsafe { self.0.give_back() };
    }
}

// SAFETY: the lent memory is this tensor's alone, and the host's functions may be called from any thread.
unsafe impl<T: Element> Send for Tensor<T> {}

impl Shape {
    fn new(shape: &[i64]) -> Self {
        let mut few = [0; 4];
        let mut more = Vec::new();
        match few.get_mut(..shape.len()) {
            Some(here) => here.copy_from_slice(shape),
            None => more = shape.to_vec(),
        }
        Self {
            few,
            more,
            ndim: shape.len(),
        }
    }

    fn as_slice(&self) -> &[i64] {
        self.few.get(..self.ndim).unwrap_or(&self.more)
    }
}

impl<T: Element> Tensor<T> {
    /// Room for `len` elements, none of which is written.
    fn room(shape: &[i64], len: usize) -> Self {
        let held = match context::alloc_tensor(T::DTYPE.to_word(), shape) {
            Some(value) => Held::Lent(Lent(value), 0),
            None => Held::Own(Vec::with_capacity(len)),
        };
        Self {
            shape: Shape::new(shape),
            len,
            held,
        }
    }

    /// Writes all elements.
    fn fill(&mut self, values: impl ExactSizeIterator<Item = T>) {
        match &mut self.held {
            Held::Own(v) => v.extend(values.take(self.len)),
            Held::Lent(lent, written) => {
                // SAFETY: the host lent a tensor of this type and shape, in C order, for this to be written.
                let out = unsafe {
                    let t = &(*lent.0.tensor()).dl_tensor;
                    std::slice::from_raw_parts_mut(
                        t.data.cast::<std::mem::MaybeUninit<T>>(),
                        self.len,
                    )
                };
                for (to, value) in out.iter_mut().zip(values) {
                    to.write(value);
                    *written += 1;
                }
            }
        }
    }

    /// A tensor of these elements in C order.
    ///
    /// # Errors
    /// If there are not as many as the shape has.
    pub fn from_vec(shape: &[i64], values: Vec<T>) -> Result<Self> {
        let len = shape.iter().try_fold(1usize, |all, &n| {
            usize::try_from(n).ok().and_then(|n| all.checked_mul(n))
        });
        if len != Some(values.len()) {
            return Err(Error::bad_input(format!(
                "{} elements do not fill the shape {shape:?}",
                values.len()
            )));
        }
        Ok(Self {
            shape: Shape::new(shape),
            len: values.len(),
            held: Held::Own(values),
        })
    }

    /// A tensor whose element number `n` in C order is `f(n)`.
    ///
    /// # Errors
    /// If a length is negative, or all together are too many.
    pub fn from_fn(shape: &[i64], f: impl Fn(usize) -> T) -> Result<Self> {
        let len = shape
            .iter()
            .try_fold(1usize, |all, &n| {
                usize::try_from(n).ok().and_then(|n| all.checked_mul(n))
            })
            .filter(|len| {
                len.checked_mul(size_of::<T>())
                    .is_some_and(|b| b <= isize::MAX as usize)
            })
            .ok_or_else(|| Error::bad_input(format!("the shape {shape:?}")))?;
        let mut out = Self::room(shape, len);
        out.fill((0..len).map(f));
        Ok(out)
    }

    /// A tensor of no axes.
    pub fn scalar(value: T) -> Self {
        let mut out = Self::room(&[], 1);
        out.fill(std::iter::once(value));
        out
    }

    /// Length of each axis.
    pub fn shape(&self) -> &[i64] {
        self.shape.as_slice()
    }

    /// The elements in C order.
    pub fn as_slice(&self) -> &[T] {
        match &self.held {
            Held::Own(v) => v,
            // SAFETY: so many elements are written.
            Held::Lent(lent, written) => unsafe {
                let t = &(*lent.0.tensor()).dl_tensor;
                std::slice::from_raw_parts(t.data.cast::<T>(), *written)
            },
        }
    }
}

/// The owner of a result in the plugin's own memory.
struct OwnTensor<T> {
    tensor: DLManagedTensorVersioned,
    axes: Vec<i64>,
    _values: Vec<T>,
}

// SAFETY: the pointers inside lead into the vectors beside them, which nobody changes.
unsafe impl<T: Send> Send for OwnTensor<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for OwnTensor<T> {}

impl<T: Element> IntoOutput for Tensor<T> {
    fn describe() -> String {
        format!("tensor {}", dtype_name(T::DTYPE))
    }

    fn meta(like: Option<&abi::Meta>) -> abi::Meta {
        let Some(like) = like.filter(|m| m.kind != kind::EMPTY) else {
            return abi::Meta::UNKNOWN;
        };
        abi::Meta {
            kind: kind::TENSOR,
            dtype: T::DTYPE.to_word(),
            ndim: like.ndim,
            shape: like.shape,
            ..abi::Meta::UNKNOWN
        }
    }

    fn into_output(self) -> Result<abi::Value> {
        let values = match self.held {
            Held::Lent(mut lent, written) if written == self.len => {
                return Ok(std::mem::replace(&mut lent.0, abi::Value::EMPTY));
            }
            Held::Lent(_, written) => {
                return Err(Error::new(format!(
                    "only {written} of {} elements of the result were written",
                    self.len
                )));
            }
            Held::Own(values) if values.len() == self.len => values,
            Held::Own(values) => {
                return Err(Error::new(format!(
                    "only {} of {} elements of the result were written",
                    values.len(),
                    self.len
                )));
            }
        };
        let shape = self.shape.as_slice();
        let ndim = shape.len();
        let mut axes = Vec::with_capacity(2 * ndim);
        axes.extend_from_slice(shape);
        let mut stride = 1i64;
        let mut strides: Vec<i64> = shape
            .iter()
            .rev()
            .map(|&n| {
                let own = stride;
                stride = stride.saturating_mul(n.max(1));
                own
            })
            .collect();
        strides.reverse();
        axes.append(&mut strides);
        let mut own = OwnTensor {
            tensor: DLManagedTensorVersioned {
                version: DLPACK,
                manager_ctx: std::ptr::null_mut(),
                // The value's own release frees it; who knows DLPack only cannot own it.
                deleter: None,
                flags: 0,
                dl_tensor: DLTensor {
                    data: values.as_ptr().cast_mut().cast(),
                    device: DLDevice {
                        device_type: DEVICE_CPU,
                        device_id: 0,
                    },
                    ndim: ndim as i32,
                    dtype: T::DTYPE,
                    shape: std::ptr::null_mut(),
                    strides: std::ptr::null_mut(),
                    byte_offset: 0,
                },
            },
            axes,
            _values: values,
        };
        // The heap that the vectors point to does not move with them.
        own.tensor.dl_tensor.shape = own.axes.as_mut_ptr();
        own.tensor.dl_tensor.strides = own.axes.as_mut_ptr().wrapping_add(ndim);
        let owner = Arc::new((own, Counted::new()));
        let raw = abi::Value::of(kind::TENSOR, [&raw const owner.0.tensor as u64, 0, 0]);
        Ok(owned_by(raw, owner))
    }
}
