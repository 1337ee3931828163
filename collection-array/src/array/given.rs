//! What programs give: shapes in whatever form they have them, and elements at hand.

use ndarray::{
    ArcArray, ArrayBase, CowRepr, Data, Dim, Dimension, IxDyn, OwnedArcRepr, OwnedRepr, ViewRepr,
};

use kvern_kernels::dtype::Element;

/// Something that says a shape: `5`, `[2, 3]`, `(2, 3)`, `&[2, 3]`, `vec![2, 3]`, `()` for no axes, or what ndarray has (`raw_dim()`).
pub trait IntoShape {
    /// The lengths.
    fn into_shape(self) -> Vec<usize>;
}

impl IntoShape for usize {
    fn into_shape(self) -> Vec<usize> {
        vec![self]
    }
}
impl IntoShape for () {
    fn into_shape(self) -> Vec<usize> {
        Vec::new()
    }
}
impl<const N: usize> IntoShape for [usize; N] {
    fn into_shape(self) -> Vec<usize> {
        self.to_vec()
    }
}
impl<const N: usize> IntoShape for &[usize; N] {
    fn into_shape(self) -> Vec<usize> {
        self.to_vec()
    }
}
impl IntoShape for &[usize] {
    fn into_shape(self) -> Vec<usize> {
        self.to_vec()
    }
}
impl IntoShape for Vec<usize> {
    fn into_shape(self) -> Vec<usize> {
        self
    }
}
impl IntoShape for &Vec<usize> {
    fn into_shape(self) -> Vec<usize> {
        self.clone()
    }
}
impl<I: ?Sized> IntoShape for Dim<I>
where
    Self: Dimension,
{
    fn into_shape(self) -> Vec<usize> {
        self.slice().to_vec()
    }
}

macro_rules! tuples {
    ($($n:tt $t:ty),+) => {
        impl IntoShape for ($($t,)+) {
            fn into_shape(self) -> Vec<usize> { vec![$(self.$n),+] }
        }
    };
}
tuples!(0 usize);
tuples!(0 usize, 1 usize);
tuples!(0 usize, 1 usize, 2 usize);
tuples!(0 usize, 1 usize, 2 usize, 3 usize);
tuples!(0 usize, 1 usize, 2 usize, 3 usize, 4 usize);
tuples!(0 usize, 1 usize, 2 usize, 3 usize, 4 usize, 5 usize);

/// Elements at hand: an ndarray of any kind and number of axes, owned, shared, a view or a reference; or a list of elements. What is
/// owned or shared is not copied, what is borrowed is copied once.
pub trait IntoElements<T> {
    /// As an array that can be shared.
    fn into_elements(self) -> ArcArray<T, IxDyn>;
}

macro_rules! owned_elements {
    ($($repr:ty),*) => { $(
        impl<T: Element, D: Dimension> IntoElements<T> for ArrayBase<$repr, D> {
            fn into_elements(self) -> ArcArray<T, IxDyn> {
                self.into_shared().into_dyn()
            }
        }
    )* };
}
owned_elements!(OwnedRepr<T>, OwnedArcRepr<T>);

impl<T: Element, D: Dimension> IntoElements<T> for ArrayBase<CowRepr<'_, T>, D> {
    fn into_elements(self) -> ArcArray<T, IxDyn> {
        self.into_owned().into_shared().into_dyn()
    }
}
impl<T: Element, D: Dimension> IntoElements<T> for ArrayBase<ViewRepr<&T>, D> {
    fn into_elements(self) -> ArcArray<T, IxDyn> {
        self.to_shared().into_dyn()
    }
}
impl<T: Element, D: Dimension> IntoElements<T> for ArrayBase<ViewRepr<&mut T>, D> {
    fn into_elements(self) -> ArcArray<T, IxDyn> {
        self.to_shared().into_dyn()
    }
}
impl<T: Element, S: Data<Elem = T>, D: Dimension> IntoElements<T> for &ArrayBase<S, D> {
    fn into_elements(self) -> ArcArray<T, IxDyn> {
        self.to_shared().into_dyn()
    }
}
impl<T: Element> IntoElements<T> for Vec<T> {
    fn into_elements(self) -> ArcArray<T, IxDyn> {
        ndarray::Array1::from_vec(self).into_elements()
    }
}
impl<T: Element> IntoElements<T> for &Vec<T> {
    fn into_elements(self) -> ArcArray<T, IxDyn> {
        self.as_slice().into_elements()
    }
}
impl<T: Element> IntoElements<T> for &[T] {
    fn into_elements(self) -> ArcArray<T, IxDyn> {
        self.to_vec().into_elements()
    }
}
impl<T: Element, const N: usize> IntoElements<T> for [T; N] {
    fn into_elements(self) -> ArcArray<T, IxDyn> {
        self.to_vec().into_elements()
    }
}
impl<T: Element, const N: usize> IntoElements<T> for &[T; N] {
    fn into_elements(self) -> ArcArray<T, IxDyn> {
        self.to_vec().into_elements()
    }
}
