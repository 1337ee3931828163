//! Computing bags: whole, the first few items, kept in the backend, with the count of what was skipped.

use kvern_core::layer::Data;
use kvern_core::{Collection, Handle, Layer, Outputs, Result, Root, Session, Value};

use super::Bag;
use crate::compute::{WithSkipped, reference};
use crate::ends::collect::{AsPartition, Collect};
use crate::item::{Item, taken};
use crate::pipe::EndPart;
use crate::pipe::split::learn;
use crate::skipped::Skipped;
use crate::value::{Partition, Portable};

fn items<T: Portable>(values: Vec<Value>) -> Result<(Vec<T>, Skipped)> {
    let (mut all, mut skipped) = (Vec::new(), Skipped::default());
    for value in values {
        let (mut items, more) = Partition::<T>::take(value)?;
        skipped.add(&more);
        match all.is_empty() {
            true => all = items,
            false => all.append(&mut items),
        }
    }
    Ok((all, skipped))
}

impl<T: Portable> Collection for Bag<T> {
    type Output = Vec<T>;

    fn roots(&self) -> Result<Vec<Root>> {
        Ok(vec![Root::all(&self.layer()?)])
    }

    fn finish(&self, values: Vec<Value>) -> Result<Vec<T>> {
        Ok(items(values)?.0)
    }

    fn rebuild(&self, handles: Vec<Handle>) -> Result<Self> {
        let layer = Layer::new(Data::handles(handles), Vec::new());
        Ok(Self::of_layer(layer, self.expr().bytes()))
    }
}

impl<T: Portable> Bag<T> {
    /// All items in their order, computed in the current session.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// # use kvern_scheduler_local as _;
    /// assert_eq!(Bag::range(3, 2).map(|x| x * x).compute()?, [0, 1, 4]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute(&self) -> Result<Vec<T>> {
        self.compute_in(&Session::current()?)
    }

    /// [`Bag::compute`] in a session.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute_in(&self, session: &Session) -> Result<Vec<T>> {
        session.compute(self)
    }

    /// Computes it one task after another, without optimisation: slow and plain, for tests and examples.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::range(3, 2).reference()?, [0, 1, 2]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn reference(&self) -> Result<Vec<T>> {
        reference(self)
    }

    /// Starts computing in the current session and returns the same bag over partitions that the backend keeps, in memory as long as
    /// there is room and else on disk.
    ///
    /// Results of one run pass once over what they share: `session.compute((&bag.count(), &bag.sum()))`. Results of two runs pass twice; if that
    /// is dear, persist the bag first.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// # use kvern_scheduler_local as _;
    /// let session = kvern_core::Session::open("threads://?workers=2")?;
    /// let kept = Bag::range(100, 4).map(|x| x * x).persist()?; // is being made
    /// assert_eq!(kept.max().compute()?, Some(9801)); // of the items that were made
    /// assert_eq!(kept.count().compute()?, 100);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the graph is refused.
    pub fn persist(&self) -> Result<Self> {
        self.persist_in(&Session::current()?)
    }

    /// [`Bag::persist`] in a session.
    ///
    /// # Errors
    /// If the graph is refused.
    pub fn persist_in(&self, session: &Session) -> Result<Self> {
        session.persist(self)
    }

    /// The first `n` items, or as many as there are, computed in the current session. Runs the first partition, then two more, then four,
    /// only until there are enough, and each of them only until it has `n`.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// # use kvern_scheduler_local as _;
    /// assert_eq!(Bag::range(1_000_000_000, 1000).filter(|x| x % 7 == 3).take(2)?, [3, 10]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn take(&self, n: usize) -> Result<Vec<T>> {
        self.take_in(n, &Session::current()?)
    }

    /// [`Bag::take`] in a session.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn take_in(&self, n: usize, session: &Session) -> Result<Vec<T>> {
        learn::<T>();
        let end = EndPart::plain::<Collect<T, AsPartition>>("take", &(n as u64));
        let layer = self.expr().ended_after(&end, n as u64)?;
        let all = self.npartitions() as u32;
        let (mut got, mut from, mut wave) = (Vec::new(), 0u32, 1u32);
        while got.len() < n && from < all {
            let until = all.min(from.saturating_add(wave));
            let root = Root {
                layer: layer.clone(),
                outputs: Outputs::Only((from..until).collect()),
            };
            let values = session.start(&[root])?.gather()?;
            got.append(&mut items(values)?.0);
            (from, wave) = (until, wave.saturating_mul(2));
        }
        got.truncate(n);
        Ok(got)
    }

    /// The items, with how many records were left out while they were read.
    ///
    /// ```
    /// use kvern_bag::{OnBad, read_json_with, TextOptions};
    /// let path = std::env::temp_dir().join(format!("kvern-skipped-{}.jsonl", std::process::id()));
    /// std::fs::write(&path, "1\n2\nthree\n")?;
    /// let bag = read_json_with::<i64>(&path, &TextOptions::new(), OnBad::Skip)?;
    /// let (sum, skipped) = bag.sum().with_skipped().reference()?;
    /// assert_eq!((sum, skipped.records()), (3, 1));
    /// assert!(skipped.examples()[0].contains(".jsonl:3: column"), "{skipped}");
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_skipped(&self) -> WithSkipped<Self> {
        WithSkipped(self.clone())
    }
}

impl<T: Portable> Collection for WithSkipped<Bag<T>> {
    type Output = (Vec<T>, Skipped);

    fn roots(&self) -> Result<Vec<Root>> {
        self.0.roots()
    }

    fn finish(&self, values: Vec<Value>) -> Result<Self::Output> {
        items(values)
    }
}

impl<A: Portable> Collection for WithSkipped<Item<A>> {
    type Output = (A, Skipped);

    fn roots(&self) -> Result<Vec<Root>> {
        self.0.roots()
    }

    fn finish(&self, values: Vec<Value>) -> Result<Self::Output> {
        taken(values)
    }
}
