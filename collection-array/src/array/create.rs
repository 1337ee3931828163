//! Arrays from data at hand and from formulas.

use ndarray::SliceInfoElem;

use kvern_core::layer::Data;
use kvern_core::{Error, Key, Layer, Result, Splits, Value};

use super::Array;
use super::given::{IntoElements, IntoShape};
use crate::chunks::Chunks;
use crate::expr::{Expr, Source, unique_key};
use crate::geometry::grid_of;
use crate::geometry::shape::IntoAxis;
use crate::ops::block_ranges;
use crate::ops::source::{Formula, formula_op};
use kvern_kernels::AnyChunk;
use kvern_kernels::dtype::{DType, Element, Number, Scalar};

impl<T: Element> Array<T> {
    /// An array over data at hand: an ndarray, a view or a reference of one, a list. Nothing that is owned is copied: every chunk is a
    /// view.
    ///
    /// Its key equals no other; see [`Array::from_ndarray_keyed`] where equal data should be known to be equal.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1, 2, 3], [4, 5, 6]], (1, 2))?;
    /// assert_eq!(x.numblocks(), [2, 2]);
    /// assert_eq!(x.reference()?, ndarray::array![[1, 2, 3], [4, 5, 6]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the chunks do not fit the shape.
    pub fn from_ndarray(array: impl IntoElements<T>, chunks: impl Into<Chunks>) -> Result<Self> {
        Self::from_ndarray_keyed(unique_key(), array, chunks)
    }

    /// [`Array::from_ndarray`] with a key that stands for its content: two arrays of one key must hold the same.
    ///
    /// ```
    /// use kvern_array::Array;
    /// use kvern_core::Key;
    /// let key = || Key::builder("my table").str("version 1").finish();
    /// let x = Array::from_ndarray_keyed(key(), vec![1.0, 2.0], ())?;
    /// let y = Array::from_ndarray_keyed(key(), vec![1.0, 2.0], ())?;
    /// assert_eq!(x.key(), y.key()); // results of one are those of the other
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the chunks do not fit the shape.
    pub fn from_ndarray_keyed(
        key: Key,
        array: impl IntoElements<T>,
        chunks: impl Into<Chunks>,
    ) -> Result<Self> {
        let whole: AnyChunk = array.into_elements().into();
        let splits = chunks.into().resolve(whole.shape(), T::DTYPE)?;
        let blocks = grid_of(&splits).len();
        let mut keys = Vec::with_capacity(blocks);
        let mut values = Vec::with_capacity(blocks);
        for block in 0..blocks as u64 {
            let info: Vec<SliceInfoElem> = block_ranges(&splits, block)
                .into_iter()
                .map(|(start, len)| SliceInfoElem::Slice {
                    start: start as isize,
                    end: Some((start + len) as isize),
                    step: 1,
                })
                .collect();
            keys.push(key.child(block));
            // The memory is the caller's: it was there before and stays as long as the array does.
            values.push(Value::with_bytes(whole.slice(&info), 0));
        }
        let layer = Layer::new(Data::keyed_values(keys, values)?, Vec::new());
        let expr = Expr::held(T::DTYPE, splits, layer);
        Ok(Self::of(expr))
    }

    /// Every element is `value`. Costs no memory until it is computed, however large.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::full([2, 2], 7i32, ())?;
    /// assert_eq!(x.reference()?, ndarray::array![[7, 7], [7, 7]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shape has too many elements or the chunks do not fit it.
    pub fn full(shape: impl IntoShape, value: T, chunks: impl Into<Chunks>) -> Result<Self> {
        let shape = shape.into_shape();
        let splits = chunks.into().resolve(&shape, T::DTYPE)?;
        Ok(Self::of(Expr::full(shape, splits, value.to_scalar())))
    }

    /// Every element is 0, or `false`.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros((2, 3), ())?;
    /// assert_eq!((x.shape(), x.sum(())?.reference()?[[]]), (&[2, 3][..], 0.0));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn zeros(shape: impl IntoShape, chunks: impl Into<Chunks>) -> Result<Self> {
        Self::full(shape, T::ZERO, chunks)
    }

    /// Every element is 1, or `true`.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<i32>::ones((2, 3), ())?.sum(())?.reference()?[[]], 6);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn ones(shape: impl IntoShape, chunks: impl Into<Chunks>) -> Result<Self> {
        Self::full(shape, T::ONE, chunks)
    }

    /// The same as [`Array::zeros`]: memory that nobody has written is not handed out.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<u8>::empty(2, ())?.reference()?, ndarray::array![0, 0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::full`].
    pub fn empty(shape: impl IntoShape, chunks: impl Into<Chunks>) -> Result<Self> {
        Self::zeros(shape, chunks)
    }

    /// `value` in the shape and the chunks of another array, of any element type.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros((4, 6), 2)?;
    /// let y = Array::full_like(&x, 7u8);
    /// assert_eq!((y.shape(), y.numblocks()), (x.shape(), x.numblocks()));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn full_like<U: Element>(like: &Array<U>, value: T) -> Self {
        let e = like.expr();
        Self::of(Expr::full(
            e.shape.clone(),
            e.chunks.clone(),
            value.to_scalar(),
        ))
    }

    /// Zeros in the shape and the chunks of another array.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::ones(3, ())?;
    /// assert_eq!(Array::<bool>::zeros_like(&x).reference()?, ndarray::array![false, false, false].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn zeros_like<U: Element>(like: &Array<U>) -> Self {
        Self::full_like(like, T::ZERO)
    }

    /// Ones in the shape and the chunks of another array.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros(2, ())?;
    /// assert_eq!(Array::<i64>::ones_like(&x).reference()?, ndarray::array![1, 1].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn ones_like<U: Element>(like: &Array<U>) -> Self {
        Self::full_like(like, T::ONE)
    }

    /// The same as [`Array::zeros_like`].
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::ones(2, ())?;
    /// assert_eq!(Array::<f64>::empty_like(&x).shape(), x.shape());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn empty_like<U: Element>(like: &Array<U>) -> Self {
        Self::zeros_like(like)
    }

    /// A matrix of `rows` by `columns` with 1 on the `k`-th diagonal above the main one (below it for a negative `k`), else 0.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<u8>::eye(2, 3, 1, 1)?;
    /// assert_eq!(x.reference()?, ndarray::array![[0, 1, 0], [0, 0, 1]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the chunks do not fit the shape.
    pub fn eye(rows: usize, columns: usize, k: isize, chunks: impl Into<Chunks>) -> Result<Self> {
        Self::formula(
            vec![rows, columns],
            chunks,
            Formula::Eye { k: k as i64 },
            "eye",
        )
    }

    /// An array of one chunk's worth of formula.
    pub(crate) fn formula(
        shape: Vec<usize>,
        chunks: impl Into<Chunks>,
        formula: Formula,
        about: &str,
    ) -> Result<Self> {
        let splits = chunks.into().resolve(&shape, T::DTYPE)?;
        let op = formula_op(formula, T::DTYPE, &splits)?;
        Ok(Self::of(Expr::source(
            T::DTYPE,
            shape,
            splits,
            Source::new(op, about),
        )))
    }
}

impl<T: Number> Array<T> {
    /// `start`, `start + step`, … up to but not including `stop`. Integers are counted in 64 bits and converted.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<i32>::arange(10, 0, -3, ())?;
    /// assert_eq!(x.reference()?, ndarray::array![10, 7, 4, 1].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `step` is 0 or no number, or the chunks do not fit.
    pub fn arange(start: T, stop: T, step: T, chunks: impl Into<Chunks>) -> Result<Self> {
        let count = arange_len(start.to_scalar(), stop.to_scalar(), step.to_scalar())?;
        let formula = Formula::Arange {
            start: start.to_scalar(),
            step: step.to_scalar(),
        };
        Self::formula(vec![count], chunks, formula, "arange")
    }

    /// `count` evenly spaced numbers from `start` to `stop`, both included. One number is `start`. For integers they are rounded down.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::linspace(0.0, 1.0, 5, 2)?;
    /// assert_eq!(x.reference()?, ndarray::array![0.0, 0.25, 0.5, 0.75, 1.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the chunks do not fit.
    pub fn linspace(
        start: f64,
        stop: f64,
        count: usize,
        chunks: impl Into<Chunks>,
    ) -> Result<Self> {
        let formula = Formula::Linspace {
            start,
            stop,
            count: count as u64,
            endpoint: true,
        };
        Self::formula(vec![count], chunks, formula, "linspace")
    }

    /// [`Array::linspace`] that leaves `stop` out.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let hours = Array::<f64>::linspace_open(0.0, 24.0, 4, ())?;
    /// assert_eq!(hours.reference()?, ndarray::array![0.0, 6.0, 12.0, 18.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the chunks do not fit.
    pub fn linspace_open(
        start: f64,
        stop: f64,
        count: usize,
        chunks: impl Into<Chunks>,
    ) -> Result<Self> {
        let formula = Formula::Linspace {
            start,
            stop,
            count: count as u64,
            endpoint: false,
        };
        Self::formula(vec![count], chunks, formula, "linspace")
    }

    /// The position along `axis` of every element of an array of this shape; one of NumPy's `indices`.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let column = Array::<i64>::indices((2, 3), 1, ())?;
    /// assert_eq!(column.reference()?, ndarray::array![[0, 1, 2], [0, 1, 2]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such axis or the chunks do not fit.
    pub fn indices(
        shape: impl IntoShape,
        axis: impl IntoAxis,
        chunks: impl Into<Chunks>,
    ) -> Result<Self> {
        let shape = shape.into_shape();
        let axis = crate::geometry::shape::axis("indices", axis, shape.len())? as u32;
        Self::formula(shape, chunks, Formula::Index { axis }, "indices")
    }
}

/// How many numbers there are from `start` to before `stop`.
fn arange_len(start: Scalar, stop: Scalar, step: Scalar) -> Result<usize> {
    let bad = |why: &str| {
        Error::bad_input(format!(
            "arange from {start} to {stop} in steps of {step}: {why}"
        ))
    };
    let dtype: DType = start.dtype();
    let count = if dtype.is_float() {
        let (a, b, s): (f64, f64, f64) = (start.get(), stop.get(), step.get());
        if s == 0.0 || !s.is_finite() || !a.is_finite() || !b.is_finite() {
            return Err(bad("finite numbers and a step that is not 0 are needed"));
        }
        ((b - a) / s).ceil().max(0.0) as u128
    } else {
        let wide = |s: Scalar| match s {
            Scalar::U64(v) => i128::from(v),
            other => i128::from(other.get::<i64>()),
        };
        let (a, b, s) = (wide(start), wide(stop), wide(step));
        if s == 0 {
            return Err(bad("a step that is not 0 is needed"));
        }
        let span = if s > 0 { b - a } else { a - b };
        if span <= 0 {
            0
        } else {
            (span as u128).div_ceil(s.unsigned_abs())
        }
    };
    usize::try_from(count)
        .ok()
        .filter(|&n| isize::try_from(n).is_ok())
        .ok_or_else(|| bad("that is more numbers than an address can count"))
}

impl<T: Element> Array<T> {
    /// The array over chunks that a layer makes: one an output, row-major over `splits`.
    pub(crate) fn held(splits: Vec<Splits>, layer: std::sync::Arc<Layer>) -> Self {
        Self::of(Expr::held(T::DTYPE, splits, layer))
    }
}
