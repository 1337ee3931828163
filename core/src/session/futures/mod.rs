//! Futures: functions submitted one by one, whose results are there when they are there.
//!
//! ```no_run
//! use kvern_core::{Session, as_completed};
//!
//! let session = Session::open("threads://")?;
//! let square = |x: &u64| x * x;
//! let nine = session.submit(square, 3u64)?;
//! let eighty_one = session.submit(square, &nine)?; // a result that may not be there yet is an argument like any other
//! assert_eq!(eighty_one.wait()?, 81);
//!
//! let many = session.tasks().retries(2).map(square, 0..5u64)?;
//! assert_eq!(session.gather(&many)?, [0, 1, 4, 9, 16]);
//!
//! let mut sum = 0;
//! for done in as_completed(many) {
//!     sum += done.wait()?;
//! }
//! assert_eq!(sum, 30);
//! # Ok::<(), kvern_core::Error>(())
//! ```
//!
//! A function can submit more: inside a task [`Session::current`](crate::Session::current) is the session that runs it.

mod completed;
mod submit;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub use completed::{AsCompleted, Awaited, Completed, as_completed};
pub use submit::Tasks;

use crate::base::error::Result;
use crate::base::key::Key;
use crate::graph::layer::{Data, Layer};
use crate::protocol::handle::{Handle, ResultFuture};
use crate::session::delayed::Delayed;
use crate::value::{Value, wrong_type};

/// The result of a submitted function, there or still being made; kept while a handle on it lives. Waits when asked to
/// ([`TaskHandle::wait`]) and is a future under `.await`, on any executor.
pub struct TaskHandle<T> {
    handle: Handle,
    types: PhantomData<fn() -> T>,
}

impl<T> TaskHandle<T> {
    /// A handle on a result that must be a `T`.
    pub fn of(handle: Handle) -> Self {
        Self {
            handle,
            types: PhantomData,
        }
    }

    /// The handle without its type.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The content key of the result.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.submit(|x: &u64| x + 1, 1u64)?;
    /// println!("{}", handle.key());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn key(&self) -> Key {
        self.handle.key()
    }

    /// The result as a lazy value, for graphs that read it.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.submit(|x: &u64| x + 1, 1u64)?;
    /// let double = kvern_core::delayed(|x: &u64| 2 * x).call(&handle.delayed()); // or `&handle` itself
    /// assert_eq!(double.compute()?, 4);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn delayed(&self) -> Delayed<T> {
        let data = Data::handles(vec![self.handle.clone()]);
        Delayed::in_layer(Layer::new(data, Vec::new()), 0)
    }

    /// Whether the result is made, or there will be none.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.submit(|x: &u64| x + 1, 1u64)?;
    /// while !handle.is_done() {
    ///     std::thread::yield_now(); // or something useful
    /// }
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn is_done(&self) -> bool {
        self.handle.is_done()
    }

    /// Stops the task, and those that were submitted in one call with it ([`Session::map`](crate::Session::map)): what has not
    /// started never does, what runs is asked to stop. Results that are there stay.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.submit(|x: &u64| x + 1, 1u64)?;
    /// handle.cancel();
    /// if let Err(e) = handle.wait() {
    ///     assert_eq!(e.kind(), kvern_core::ErrorKind::Cancelled);
    /// }
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn cancel(&self) {
        self.handle.run().cancel();
    }

    /// Lets the task run to its end although nobody keeps a handle on it.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.submit(|x: &u64| x + 1, 1u64)?;
    /// handle.fire_and_forget(); // a handle that is dropped would cancel the task
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn fire_and_forget(self) {
        let keep = self.handle.clone();
        self.handle.when_done(move |_| drop(keep));
    }
}

impl<T: Clone + Send + Sync + 'static> TaskHandle<T> {
    /// Waits for the result (`result` in Dask). A copy of it, since the handle keeps it; see [`TaskHandle::into_result`].
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.submit(|x: &u64| x + 1, 1u64)?;
    /// assert_eq!(handle.wait()?, 2);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Why there is none: the function's error or panic, or [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    #[doc(alias = "result")]
    pub fn wait(&self) -> Result<T> {
        self.handle.wait().and_then(typed)
    }

    /// Waits for the result and lets go of it: it is copied only if somebody else holds it.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.submit(|x: &u64| x + 1, 1u64)?;
    /// assert_eq!(handle.into_result()?, 2);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`TaskHandle::wait`].
    pub fn into_result(self) -> Result<T> {
        let value = self.handle.wait();
        drop(self);
        value.and_then(typed)
    }

    /// Waits for the result, at most so long. `None`: the time is over, the task goes on.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.submit(|x: &u64| x + 1, 1u64)?;
    /// match handle.wait_timeout(std::time::Duration::from_secs(1)) {
    ///     Some(result) => println!("{}", result?),
    ///     None => println!("not yet"),
    /// }
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn wait_timeout(&self, limit: Duration) -> Option<Result<T>> {
        Some(self.handle.wait_timeout(limit)?.and_then(typed))
    }

    /// The result if it is made. It does not wait for the task, but reads a result that another process or a disk has.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.submit(|x: &u64| x + 1, 1u64)?;
    /// if let Some(result) = handle.try_get() {
    ///     println!("{}", result?);
    /// }
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn try_get(&self) -> Option<Result<T>> {
        Some(self.handle.try_get()?.and_then(typed))
    }

    /// Calls `then` once the result is there; it must not block.
    ///
    /// ```no_run
    /// # let session = kvern_core::Session::open("threads://")?;
    /// let handle = session.submit(|x: &u64| x + 1, 1u64)?;
    /// handle.when_done(|result| println!("{result:?}"));
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn when_done(&self, then: impl FnOnce(Result<T>) + Send + 'static) {
        self.handle.when_done(|result| then(result.and_then(typed)));
    }
}

/// What [`Session::gather`](crate::Session::gather) waits for: a handle, or a reference to one.
pub trait Gather {
    /// The result.
    type Output;

    /// Waits for it.
    ///
    /// # Errors
    /// As [`TaskHandle::wait`].
    fn gather(self) -> Result<Self::Output>;
}

impl<T: Clone + Send + Sync + 'static> Gather for TaskHandle<T> {
    type Output = T;

    fn gather(self) -> Result<T> {
        self.into_result()
    }
}

impl<T: Clone + Send + Sync + 'static> Gather for &TaskHandle<T> {
    type Output = T;

    fn gather(self) -> Result<T> {
        self.wait()
    }
}

/// The `T` of a value: taken out if nobody else holds it, else a clone.
fn typed<T: Clone + Send + Sync + 'static>(value: Value) -> Result<T> {
    value.try_into_inner::<T>().or_else(|value| {
        value
            .downcast_ref::<T>()
            .cloned()
            .ok_or_else(|| wrong_type::<T>(&value))
    })
}

impl<T> Clone for TaskHandle<T> {
    fn clone(&self) -> Self {
        Self::of(self.handle.clone())
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task{:?}", self.handle)
    }
}

impl<T: Clone + Send + Sync + 'static> IntoFuture for TaskHandle<T> {
    type Output = Result<T>;
    type IntoFuture = TaskFuture<T>;

    fn into_future(self) -> TaskFuture<T> {
        TaskFuture {
            result: Some(self.handle.into_future()),
            types: PhantomData,
        }
    }
}

/// The future of a [`TaskHandle`]; runs on any executor. The result is copied only if somebody else holds it.
pub struct TaskFuture<T> {
    /// Nothing once it has been given out.
    result: Option<ResultFuture>,
    types: PhantomData<fn() -> T>,
}

impl<T> TaskFuture<T> {
    fn begin(&mut self) {
        if let Some(result) = &mut self.result {
            result.begin();
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Future for TaskFuture<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let Some(result) = &mut self.result else {
            // Polled after it was ready, which nobody should do.
            return Poll::Pending;
        };
        match Pin::new(result).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                // Its hold is let go of first.
                self.result = None;
                Poll::Ready(result.and_then(typed))
            }
        }
    }
}
