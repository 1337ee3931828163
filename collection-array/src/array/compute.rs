//! Computing: in a session, in the reference executor, kept in the backend; and putting chunks together.

use ndarray::{ArcArray, ArrayD, ArrayViewMutD, Axis, IxDyn};

use kvern_core::layer::Data;
use kvern_core::pages::filled;
use kvern_core::{
    Collection, Error, ErrorKind, Graph, Handle, Layer, Registry, Result, Root, Session, Splits,
    TaskGraph, Value,
};

use super::Array;
use crate::error::refused;
use crate::geometry::grid_of;
use crate::lower::lower;
use crate::value::{chunk_of, take_chunk};
use kvern_kernels::copy_into;
use kvern_kernels::dtype::{DType, Element};

/// Results larger than this are put together by several threads.
const PARALLEL_BYTES: usize = 8 << 20;

impl<T: Element> Collection for Array<T> {
    type Output = ArrayD<T>;

    fn roots(&self) -> Result<Vec<Root>> {
        Ok(vec![Root::all(&lower(self.expr())?)])
    }

    fn finish(&self, mut values: Vec<Value>) -> Result<ArrayD<T>> {
        if let [one] = values.as_mut_slice() {
            let chunk = typed::<T>(take_chunk(one)?)?;
            expect(chunk.shape(), self.shape())?;
            let owned = chunk.into_owned();
            return Ok(if owned.is_standard_layout() {
                owned
            } else {
                kvern_kernels::to_contiguous(&owned.view())
            });
        }
        let splits = self.splits();
        if values.len() != grid_of(splits).len() {
            return Err(Error::new(
                ErrorKind::Internal,
                format!(
                    "{} chunks came back, {} were expected",
                    values.len(),
                    grid_of(splits).len()
                ),
            ));
        }
        let mut out = ArrayD::from_shape_vec(IxDyn(self.shape()), filled(T::ZERO, self.size()))
            .map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
        let threads = match out.len() * size_of::<T>() {
            n if n < PARALLEL_BYTES => 1,
            _ => std::thread::available_parallelism().map_or(1, usize::from),
        };
        assemble::<T>(out.view_mut(), splits, &values, threads)?;
        Ok(out)
    }

    fn rebuild(&self, handles: Vec<Handle>) -> Result<Self> {
        let layer = Layer::new(Data::handles(handles), Vec::new());
        Ok(Self::held(self.splits().to_vec(), layer))
    }
}

/// Copies chunks, row-major over `splits`, to where they belong; the slabs of the first axis are shared between threads.
fn assemble<T: Element>(
    out: ArrayViewMutD<'_, T>,
    splits: &[Splits],
    values: &[Value],
    threads: usize,
) -> Result<()> {
    let Some((first, rest)) = splits.split_first() else {
        return Ok(());
    };
    let per_slab = grid_of(rest).len();
    let mut slabs = Vec::with_capacity(first.len());
    let mut left = out;
    for (n, chunks) in first.iter().zip(values.chunks(per_slab.max(1))) {
        let (slab, more) = left.split_at(Axis(0), n as usize);
        slabs.push((slab, chunks));
        left = more;
    }
    let (share, extra) = (slabs.len() / threads, slabs.len() % threads);
    if threads < 2 || slabs.len() < 2 {
        return slabs
            .into_iter()
            .try_for_each(|(slab, chunks)| fill(slab, rest, chunks));
    }
    std::thread::scope(|scope| {
        let mut slabs = slabs.into_iter();
        let workers: Vec<_> = (0..threads)
            .map(|t| {
                let mine: Vec<_> = slabs
                    .by_ref()
                    .take(share + usize::from(t < extra))
                    .collect();
                scope.spawn(move || {
                    mine.into_iter()
                        .try_for_each(|(slab, chunks)| fill(slab, rest, chunks))
                })
            })
            .collect();
        workers.into_iter().try_for_each(|w| {
            w.join().unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorKind::Panic,
                    "putting the chunks together panicked",
                ))
            })
        })
    })
}

/// The chunks of one slab, whose other axes are cut as `rest`.
fn fill<T: Element>(
    mut slab: ArrayViewMutD<'_, T>,
    rest: &[Splits],
    chunks: &[Value],
) -> Result<()> {
    let mut coords = Vec::new();
    let grid = grid_of(rest);
    for (i, value) in chunks.iter().enumerate() {
        grid.coords(i as u64, &mut coords);
        let part = slab.slice_each_axis_mut(|a| match a.axis.index().checked_sub(1) {
            None => (..).into(),
            Some(axis) => {
                let (start, len) = rest[axis].block(coords[axis] as usize);
                (start as usize..(start + len) as usize).into()
            }
        });
        let chunk = chunk_of(value)?;
        let typed = chunk
            .peek::<T>()
            .ok_or_else(|| wrong_dtype::<T>(chunk.dtype()))?;
        expect(typed.shape(), part.shape())?;
        copy_into(part, typed.view()).map_err(refused)?;
    }
    Ok(())
}

fn typed<T: Element>(chunk: kvern_kernels::AnyChunk) -> Result<ArcArray<T, IxDyn>> {
    chunk
        .downcast::<T>()
        .map_err(|c| wrong_dtype::<T>(c.dtype()))
}

fn wrong_dtype<T: Element>(got: DType) -> Error {
    Error::bad_input(format!(
        "a chunk of {got} came back for an array of {}",
        T::DTYPE
    ))
}

fn expect(got: &[usize], wanted: &[usize]) -> Result<()> {
    if got == wanted {
        return Ok(());
    }
    Err(Error::bad_input(format!(
        "a chunk of shape {got:?} came back where {wanted:?} was announced"
    )))
}

impl<T: Element> Array<T> {
    /// Computes the array in the current session and waits for it.
    ///
    /// ```
    /// use kvern_array::Array;
    /// # use kvern_scheduler_local as _;
    /// let x = Array::<f64>::arange(0.0, 3.0, 1.0, ())? * 2;
    /// assert_eq!(x.compute()?, ndarray::array![0.0, 2.0, 4.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute(&self) -> Result<ArrayD<T>> {
        self.compute_in(&Session::current()?)
    }

    /// Computes the array in a session and waits for it.
    ///
    /// ```
    /// use kvern_array::Array;
    /// # use kvern_scheduler_local as _;
    /// let session = kvern_core::Session::open("sync://")?;
    /// assert_eq!(Array::<u8>::ones(2, ())?.compute_in(&session)?, ndarray::array![1, 1].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute_in(&self, session: &Session) -> Result<ArrayD<T>> {
        session.compute(self)
    }

    /// Computes the one element of an array of size 1, in the current session.
    ///
    /// ```
    /// use kvern_array::Array;
    /// # use kvern_scheduler_local as _;
    /// let x = Array::<f64>::arange(0.0, 3.0, 1.0, ())?;
    /// assert_eq!(x.sum(())?.item()?, 3.0);
    /// assert!(x.item().unwrap_err().to_string().contains("only an array of one element"));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is not just one element, or the first task that failed.
    pub fn item(&self) -> Result<T> {
        self.check_single()?;
        first(&self.compute()?)
    }

    /// [`Array::item`] in a session.
    ///
    /// # Errors
    /// As [`Array::item`].
    pub fn item_in(&self, session: &Session) -> Result<T> {
        self.check_single()?;
        first(&self.compute_in(session)?)
    }

    fn check_single(&self) -> Result<()> {
        if self.size() == 1 {
            return Ok(());
        }
        Err(Error::bad_input(format!(
            "item of an array of shape {:?}: only an array of one element is one value",
            self.shape()
        )))
    }

    /// Starts computing the array in the current session and returns the same array over chunks that the backend keeps.
    ///
    /// ```
    /// use kvern_array::Array;
    /// # use kvern_scheduler_local as _;
    /// let session = kvern_core::Session::open("threads://?workers=2")?;
    /// let kept = Array::<f64>::from_fn(1000, 100, |at| at[0] as f64)?.persist()?; // is being made
    /// assert_eq!(kept.max(())?.item()?, 999.0); // of the chunks that were made
    /// assert_eq!(kept.min(())?.item()?, 0.0);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the graph is refused.
    pub fn persist(&self) -> Result<Self> {
        self.persist_in(&Session::current()?)
    }

    /// [`Array::persist`] in a session.
    ///
    /// # Errors
    /// If the graph is refused.
    pub fn persist_in(&self, session: &Session) -> Result<Self> {
        session.persist(self)
    }

    /// Computes the array one task after another, without optimisation: slow and plain, for tests and examples.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<i64>::arange(0, 3, 1, 1)?.reference()?, ndarray::array![0, 1, 2].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn reference(&self) -> Result<ArrayD<T>> {
        let graph = Graph::new(&self.roots()?);
        let tasks = TaskGraph::expand(&graph)?;
        self.finish(kvern_core::reference::run(&tasks, &Registry::linked()?)?)
    }
}

fn first<T: Element>(a: &ArrayD<T>) -> Result<T> {
    a.first().copied().ok_or_else(|| {
        Error::new(
            ErrorKind::Internal,
            "an array of one element came back empty",
        )
    })
}
