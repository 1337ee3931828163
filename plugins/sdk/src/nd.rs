//! Tensors as arrays of ndarray (feature `ndarray`): an input is a view without a copy, a result is copied once, by the host.

use kvern_plugin_abi as abi;
use ndarray::{
    ArrayBase, ArrayD, ArrayView, ArrayViewD, Dimension, Ix1, Ix2, Ix3, IxDyn, OwnedRepr,
    ShapeBuilder,
};

use crate::error::{Error, Result};
use crate::input::{FromInput, Input};
use crate::output::IntoOutput;
use crate::tensor::{Element, Tensor, TensorView};

/// A view of any number of axes.
fn view<T: Element>(tensor: TensorView<'_, T>) -> Result<ArrayViewD<'_, T>> {
    let shape: Vec<usize> = tensor.shape().iter().map(|&n| n as usize).collect();
    let mut strides = Vec::with_capacity(shape.len());
    // ndarray takes strides that are not negative; an axis that goes backwards is turned round after.
    let mut backwards = Vec::new();
    let mut start = tensor.as_ptr();
    for (axis, (&n, &s)) in tensor.shape().iter().zip(tensor.strides()).enumerate() {
        strides.push(s.unsigned_abs() as usize);
        if s < 0 && n > 0 {
            start = start.wrapping_offset((s * (n - 1)) as isize);
            backwards.push(axis);
        }
    }
    if tensor.is_empty() {
        return ArrayView::from_shape(IxDyn(&shape), &[]).map_err(Into::into);
    }
    // SAFETY: aligned, readable where shape and strides say, and unchanged for the call: what `TensorView` holds. A broadcast input has
    // strides of 0, which a view may have.
    let mut whole =
        unsafe { ArrayView::from_shape_ptr(IxDyn(&shape).strides(IxDyn(&strides)), start) };
    for axis in backwards {
        whole.invert_axis(ndarray::Axis(axis));
    }
    Ok(whole)
}

macro_rules! views {
    ($($dim:ty),*) => { $(
        impl<'a, T: Element> FromInput<'a> for ArrayView<'a, T, $dim> {
            fn describe() -> String {
                let axes = <$dim>::NDIM.map_or(String::new(), |n| format!(" of {n} axes"));
                <TensorView<'a, T> as FromInput<'a>>::describe() + &axes
            }

            fn from_input(input: Input<'a>) -> Result<Self> {
                let any = view(TensorView::<T>::from_input(input)?)?;
                let got = any.ndim();
                any.into_dimensionality::<$dim>().map_err(|_| {
                    Error::bad_input(format!(
                        "expected a tensor of {} axes, got one of {got}",
                        <$dim>::NDIM.unwrap_or_default()
                    ))
                })
            }

            fn check(meta: &abi::Meta) -> Result<()> {
                <TensorView<'a, T> as FromInput<'a>>::check(meta)
            }
        }
    )* };
}
views!(IxDyn, Ix1, Ix2, Ix3);

impl<T: Element, D: Dimension> IntoOutput for ArrayBase<OwnedRepr<T>, D> {
    fn describe() -> String {
        <Tensor<T> as IntoOutput>::describe()
    }

    fn meta(like: Option<&abi::Meta>) -> abi::Meta {
        <Tensor<T> as IntoOutput>::meta(like)
    }

    fn into_output(self) -> Result<abi::Value> {
        let shape: Vec<i64> = self.shape().iter().map(|&n| n as i64).collect();
        let own: ArrayD<T> = if self.is_standard_layout() {
            self.into_dyn()
        } else {
            self.as_standard_layout().into_owned().into_dyn()
        };
        let (mut values, offset) = own.into_raw_vec_and_offset();
        // A slice of a larger buffer: only its own elements cross.
        let len = shape.iter().product::<i64>() as usize;
        values.drain(..offset.unwrap_or(0));
        values.truncate(len);
        Tensor::from_vec(&shape, values)?.into_output()
    }
}
