//! What every collection can be asked for: to be computed, kept, counted, its first rows, its partitions, a picture.

use std::path::Path;

use arrow::record_batch::RecordBatch;
use kvern_core::layer::Data;
use kvern_core::picture::Picture;
use kvern_core::{Collection, Error, ErrorKind, Handle, Layer, Result, Root, Session, Value};

use super::Frame;
use crate::backend::engine_of;

/// Partitions where nothing says better: no session is known.
pub(super) const PARTITIONS: usize = 4;

impl Frame {
    /// Computes it in the current session: the batches, in order.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// let batches = sales.compute()?;
    /// assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute(&self) -> Result<Vec<RecordBatch>> {
        self.compute_in(&Session::current()?)
    }

    /// [`Frame::compute`] in a session.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute_in(&self, session: &Session) -> Result<Vec<RecordBatch>> {
        session.compute(self)
    }

    /// Computes it in the current session and keeps its partitions there: the frame that comes back reads them. Of a backend with an engine of
    /// its own the rows come here, as one partition. Returns before it is computed.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// let session = kvern_core::Session::open("threads://?workers=2")?;
    /// let kept = sales.distinct()?.persist()?; // is being made
    /// assert_eq!(kept.count()?.compute()?, 3); // of the rows that were made
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Scheduler::submit`](kvern_core::Scheduler::submit).
    pub fn persist(&self) -> Result<Self> {
        self.persist_in(&Session::current()?)
    }

    /// [`Frame::persist`] in a session.
    ///
    /// # Errors
    /// As [`Frame::persist`].
    pub fn persist_in(&self, session: &Session) -> Result<Self> {
        if self.way.is_none() && engine_of(session).is_some() {
            return session.persist(self);
        }
        let cut = self
            .tasks(self.wanted_partitions(session.describe().threads))?
            .cut;
        let handles = session.start(&[Root::all(&cut.layer)])?.handles();
        let layer = Layer::new(Data::handles(handles), Vec::new());
        Self::of_parts(self.schema(), vec![Root::all(&layer)], None, None)
    }

    /// The first `n` rows, computed in the current session; [`Frame::head`] is the same as a frame.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// assert_eq!(sales.take(2)?.iter().map(|b| b.num_rows()).sum::<usize>(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn take(&self, n: usize) -> Result<Vec<RecordBatch>> {
        self.take_in(n, &Session::current()?)
    }

    /// [`Frame::take`] in a session.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn take_in(&self, n: usize, session: &Session) -> Result<Vec<RecordBatch>> {
        self.head(n)?.compute_in(session)
    }

    /// How many rows there are: `frame.count()?.compute()?`.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// assert_eq!(sales.count()?.compute()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What keeps it from being planned.
    pub fn count(&self) -> Result<Count> {
        Ok(Count(self.counted()?))
    }

    /// Into how many partitions it is cut where it is computed by tasks without a session that says better: of [`Frame::to_delayed`] and
    /// [`Frame::graph`]. In a session it is cut for its threads, unless [`Frame::repartition`] was called.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.npartitions()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What keeps it from being planned.
    pub fn npartitions(&self) -> Result<usize> {
        Ok(self.tasks(self.wanted_partitions(PARTITIONS))?.cut.count as usize)
    }

    /// Into how many partitions scans and shuffles are cut; the threads of the session unless said. By [`Way::Tasks`](super::Way::Tasks)
    /// more partitions are smaller ones, which take less memory at once. At least one; that there are more than 65,536 is told when it is
    /// planned.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// assert_eq!(sales.repartition(4).count()?.compute()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn repartition(&self, npartitions: usize) -> Self {
        Self {
            partitions: Some(npartitions.max(1)),
            ..self.clone()
        }
    }

    /// Draws the tasks to a file, `.svg` or `.dot` (for Graphviz): each task if there are few, else each layer.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// let path = std::env::temp_dir().join(format!("kvern-frame-{}.svg", std::process::id()));
    /// sales.groupby("city").count()?.visualize(&path)?;
    /// assert!(std::fs::metadata(&path)?.len() > 0);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file ends in neither or cannot be written; what keeps the frame from being planned.
    pub fn visualize(&self, path: impl AsRef<Path>) -> Result<()> {
        Picture::of(self.graph()?)?.save(path)
    }
}

/// The number of rows of a frame, which will be there once it is computed.
///
/// ```
/// use kvern_frame::{Frame, RecordBatch, arrow};
/// use std::sync::Arc;
/// let x = Arc::new(arrow::array::Int64Array::from(vec![1, 2, 3])) as arrow::array::ArrayRef;
/// let t = Frame::from_batches([RecordBatch::try_from_iter([("x", x)])?])?;
/// assert_eq!(t.count()?.reference()?, 3); // or .compute()?
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Count(Frame);

impl Count {
    /// Computes it in the current session and waits.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// assert_eq!(sales.count()?.compute()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute(&self) -> Result<u64> {
        self.compute_in(&Session::current()?)
    }

    /// [`Count::compute`] in a session.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute_in(&self, session: &Session) -> Result<u64> {
        session.compute(self)
    }

    /// Computes it with the reference executor, one task after another.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.count()?.reference()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn reference(&self) -> Result<u64> {
        number(&self.0.reference()?)
    }
}

impl Collection for Count {
    type Output = u64;

    fn roots(&self) -> Result<Vec<Root>> {
        self.0.roots()
    }

    fn roots_in(&self, session: &Session) -> Result<Vec<Root>> {
        self.0.roots_in(session)
    }

    fn finish(&self, values: Vec<Value>) -> Result<u64> {
        number(&self.0.finish(values)?)
    }

    fn rebuild(&self, handles: Vec<Handle>) -> Result<Self> {
        Ok(Self(self.0.rebuild(handles)?))
    }
}

fn number(batches: &[RecordBatch]) -> Result<u64> {
    let column = batches
        .iter()
        .find(|b| b.num_rows() == 1)
        .map(|b| b.column(0));
    let counts = column.and_then(|c| c.as_any().downcast_ref::<arrow::array::Int64Array>());
    counts
        .and_then(|c| c.values().first())
        .and_then(|&n| u64::try_from(n).ok())
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a count came back as no number"))
}
