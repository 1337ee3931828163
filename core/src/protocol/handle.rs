//! Handles on results: futures that can also be waited for, without any async runtime.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::Key;
use crate::graph::layer::Pending;
use crate::protocol::scheduler::{Progress, ResultState, Run};
use crate::value::Value;

/// One wanted result of a run. The result is kept while a handle on it lives. Clones are further handles on the same result.
pub struct Handle {
    run: Arc<dyn Run>,
    output: u32,
}

impl Handle {
    /// A handle on a wanted result, which it wants for as long as it lives.
    pub fn new(run: Arc<dyn Run>, output: u32) -> Self {
        run.want(output);
        Self { run, output }
    }

    /// The content key of the result.
    pub fn key(&self) -> Key {
        self.run.key(self.output)
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// Why there is none: the task's error, or [`ErrorKind::Cancelled`].
    pub fn wait(&self) -> Result<Value> {
        self.run.wait(self.output, None).unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Internal,
                "a wait without limit timed out",
            ))
        })
    }

    /// Waits for the result, at most so long; `None`: the time is over, the task goes on.
    pub fn wait_timeout(&self, limit: Duration) -> Option<Result<Value>> {
        self.run.wait(self.output, Some(limit))
    }

    /// The result if it is made. It does not wait for the task, but reads a result that another process or a disk has.
    pub fn try_get(&self) -> Option<Result<Value>> {
        self.run.try_get(self.output)
    }

    /// Whether the result is made, or there will be none.
    pub fn is_done(&self) -> bool {
        self.run.state(self.output) != ResultState::Pending
    }

    /// Calls `then` once the result is there; it must not block.
    pub fn when_done(&self, then: impl FnOnce(Result<Value>) + Send + 'static) {
        self.run.when_done(self.output, Box::new(then));
    }

    /// Calls `then` once the result is made, or there will be none, without reading it; it must not block.
    pub fn when_settled(&self, then: impl FnOnce() + Send + 'static) {
        self.run.when_settled(self.output, Box::new(then));
    }

    /// The handle behind what a graph reads, if it is one.
    pub fn of(pending: &dyn Pending) -> Option<&Self> {
        (pending as &dyn Any).downcast_ref()
    }

    /// Which wanted result of its run it is.
    pub fn output(&self) -> u32 {
        self.output
    }

    /// The run that makes it.
    pub fn run(&self) -> &Arc<dyn Run> {
        &self.run
    }

    /// A future of the result; [`Handle`] itself turns into one under `.await`.
    pub fn future(&self) -> ResultFuture {
        ResultFuture {
            handle: self.clone(),
            shared: None,
        }
    }
}

impl Pending for Handle {
    fn key(&self) -> Key {
        Self::key(self)
    }

    fn try_get(&self) -> Option<Result<Value>> {
        Self::try_get(self)
    }

    fn wait(&self) -> Result<Value> {
        Self::wait(self)
    }

    fn when_done(&self, then: Box<dyn FnOnce(Result<Value>) + Send>) {
        self.run.when_done(self.output, then);
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(self.run.clone(), self.output)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.run.release(self.output);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.run.state(self.output) {
            ResultState::Pending => "pending",
            ResultState::Made => "done",
            ResultState::Failed => "failed",
        };
        write!(f, "Handle({}, {state})", self.key().short())
    }
}

impl IntoFuture for Handle {
    type Output = Result<Value>;
    type IntoFuture = ResultFuture;

    fn into_future(self) -> ResultFuture {
        ResultFuture {
            handle: self,
            shared: None,
        }
    }
}

/// The future of a [`Handle`]; runs on any executor.
pub struct ResultFuture {
    handle: Handle,
    shared: Option<Arc<Mutex<Shared>>>,
}

#[derive(Default)]
pub(crate) struct Shared {
    result: Option<Result<Value>>,
    waker: Option<Waker>,
}

impl ResultFuture {
    /// Has the result come here as soon as it is made, whoever waits for it later.
    pub(crate) fn begin(&mut self) -> &Mutex<Shared> {
        self.shared.get_or_insert_with(|| {
            let shared = Arc::new(Mutex::new(Shared::default()));
            let theirs = shared.clone();
            self.handle.when_done(move |result| {
                let mut s = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                s.result = Some(result);
                let waker = s.waker.take();
                drop(s);
                if let Some(w) = waker {
                    w.wake();
                }
            });
            shared
        })
    }
}

impl Future for ResultFuture {
    type Output = Result<Value>;

    /// Not ready a second time: whoever has the result is not to share it with a future that is over.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.begin();
        let mut s = shared.lock().unwrap_or_else(PoisonError::into_inner);
        match s.result.take() {
            Some(r) => Poll::Ready(r),
            None => {
                s.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A whole run, as its submitter holds it. Dropping it releases its results; those with handles of their own stay.
pub struct RunHandle {
    run: Arc<dyn Run>,
}

impl RunHandle {
    /// Takes over the wants that the submit made.
    pub fn new(run: Arc<dyn Run>) -> Self {
        Self { run }
    }

    /// Number of wanted results.
    pub fn len(&self) -> usize {
        self.run.outputs()
    }

    /// Whether nothing was wanted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A handle on one result.
    ///
    /// # Panics
    /// If there is no such output.
    pub fn handle(&self, output: usize) -> Handle {
        assert!(
            output < self.len(),
            "output {output} of {} wanted results",
            self.len()
        );
        Handle::new(self.run.clone(), output as u32)
    }

    /// Handles on all results.
    pub fn handles(&self) -> Vec<Handle> {
        (0..self.len()).map(|i| self.handle(i)).collect()
    }

    /// Waits for all results. The first failure cancels the rest.
    ///
    /// # Errors
    /// The first failure.
    pub fn gather(self) -> Result<Vec<Value>> {
        if let Some(Err(e)) = self.run.wait_all(None) {
            self.run.cancel();
            return Err(e);
        }
        self.run.collect()
    }

    /// Waits until every task has finished or one has failed.
    ///
    /// # Errors
    /// The first failure.
    pub fn wait(&self) -> Result<()> {
        self.run.wait_all(None).unwrap_or(Ok(()))
    }

    /// Stops it.
    pub fn cancel(&self) {
        self.run.cancel();
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.run.progress()
    }

    /// The run.
    pub fn run(&self) -> &Arc<dyn Run> {
        &self.run
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        self.run.release_all();
    }
}

impl fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunHandle({:?})", self.progress())
    }
}
