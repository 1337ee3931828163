//! Arrays and delayed values: where an array meets functions and other collections, in one graph.

use kvern_core::layer::Edge;
use kvern_core::{Delayed, Layer, Result, TaskList};

use super::Array;
use super::IntoShape;
use crate::chunks::Chunks;
use crate::lower::lower;
use crate::ops::list::{from_list_op, to_list_op};
use kvern_kernels::dtype::Element;

impl<T: Element> Array<T> {
    /// An array of one chunk, of a list of its elements in C order that a task will make. Cut it smaller with [`Array::rechunk`].
    ///
    /// ```
    /// use kvern_array::Array;
    /// use kvern_core::delayed;
    /// let squares = delayed(|n: &u64| (0..*n).map(|i| (i * i) as f64).collect::<Vec<f64>>());
    /// let x = Array::from_delayed(&squares.call(6u64), [2, 3])?;
    /// assert_eq!(x.sum(1)?.reference()?, ndarray::array![5.0, 50.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shape has too many elements. That the list has as many is found when it is there: if not, the error names both.
    pub fn from_delayed(list: &Delayed<Vec<T>>, shape: impl IntoShape) -> Result<Self> {
        let shape = shape.into_shape();
        let splits = Chunks::from(-1).resolve(&shape, T::DTYPE)?;
        let bytes = shape.iter().product::<usize>() * size_of::<T>();
        let (layer, output) = list.layer();
        let mut tasks = TaskList::new();
        let op = tasks.op(from_list_op(T::DTYPE, &shape)?);
        let task = tasks.task_with(op, [Edge::Input { slot: 0, output }]);
        tasks.project(task, bytes as u64);
        let layer = Layer::new(tasks.into_kind([task]), vec![layer.clone()]);
        Ok(Self::of(crate::expr::Expr::held(T::DTYPE, splits, layer)))
    }

    /// The elements in C order as a list, for functions and other collections. All of it comes together in one task.
    ///
    /// ```
    /// use kvern_array::Array;
    /// use kvern_core::delayed;
    /// let x = Array::<f64>::arange(0.0, 5.0, 1.0, 2)? * 2.0;
    /// let text = delayed(|all: &Vec<f64>| format!("{all:?}"));
    /// assert_eq!(text.call(&x.to_delayed()?).reference()?, "[0.0, 2.0, 4.0, 6.0, 8.0]");
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn to_delayed(&self) -> Result<Delayed<Vec<T>>> {
        let one = self.rechunk(-1)?;
        let mut tasks = TaskList::new();
        let op = tasks.op(to_list_op()?);
        let task = tasks.task_with(op, [Edge::Input { slot: 0, output: 0 }]);
        tasks.project(task, (self.size() * size_of::<T>()) as u64);
        let layer = Layer::new(tasks.into_kind([task]), vec![lower(one.expr())?]);
        Ok(Delayed::of_layer(layer, 0))
    }
}
