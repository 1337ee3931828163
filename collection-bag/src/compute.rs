//! Computing a bag or an item: plainly, and with the count of what was skipped.

use kvern_core::{Collection, Graph, Registry, Result, Session, TaskGraph};

/// One task after another, without optimisation.
pub(crate) fn reference<C: Collection>(c: &C) -> Result<C::Output> {
    let graph = Graph::new(&c.roots()?);
    let graph = crate::once::once(&graph)?.unwrap_or(graph);
    let tasks = TaskGraph::expand(&graph)?;
    c.finish(kvern_core::reference::run(&tasks, &Registry::linked()?)?)
}

/// A bag or an item with the count of the records that were left out: `let (result, skipped) = session.compute(&x.with_skipped())?`.
#[derive(Debug, Clone)]
pub struct WithSkipped<C>(pub(crate) C);

impl<C: Collection> WithSkipped<C>
where
    Self: Collection,
{
    /// Computes it in the current session and waits.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// # use kvern_scheduler_local as _;
    /// let (n, skipped) = Bag::range(3, 1).count().with_skipped().compute()?;
    /// assert_eq!((n, skipped.records()), (3, 0));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute(&self) -> Result<<Self as Collection>::Output> {
        Session::current()?.compute(self)
    }

    /// Computes it in a session and waits.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute_in(&self, session: &Session) -> Result<<Self as Collection>::Output> {
        session.compute(self)
    }

    /// Computes it one task after another, without optimisation: slow and plain, for tests and examples.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn reference(&self) -> Result<<Self as Collection>::Output> {
        reference(self)
    }
}
