//! Handles in the order in which their results come.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::{TaskFuture, TaskHandle};
use crate::base::error::Result;

/// The results in the order in which they are done, failed ones included. An iterator that waits; [`AsCompleted::next_done`] awaits.
/// Dropping it lets go of the handles that are left. A result is read from where it is made only when it is asked for.
///
/// Each comes with its [index](Completed::index) among those that were given, and with [what it was given with](Completed::with):
/// `as_completed(params.iter().zip(handles))`.
///
/// Inside a task use it as an iterator: another thread runs tasks in its place meanwhile, of which an executor of futures knows nothing.
///
/// ```no_run
/// # use kvern_core::{Session, as_completed};
/// let session = Session::open("threads://")?;
/// let names = ["ab", "c"];
/// let handles = session.map(|s: &String| s.len(), names.iter().map(|n| n.to_string()))?;
/// for done in as_completed(names.iter().zip(handles)) {
///     println!("number {}, {}, has {} letters", done.index, done.with, done.wait()?);
/// }
/// # Ok::<(), kvern_core::Error>(())
/// ```
pub fn as_completed<I>(handles: impl IntoIterator<Item = I>) -> AsCompleted<I::Output, I::With>
where
    I: Awaited,
{
    let done = Arc::new(Done::default());
    let handles: Vec<_> = handles.into_iter().map(|i| Some(i.parts())).collect();
    for (i, (_, handle)) in handles.iter().flatten().enumerate() {
        let done = done.clone();
        handle.handle().when_settled(move || done.push(i));
    }
    AsCompleted {
        left: handles.len(),
        first: 0,
        handles,
        done,
    }
}

/// What [`as_completed`] waits for: a handle, or a pair of anything and a handle.
pub trait Awaited {
    /// The type of the result.
    type Output;
    /// What stands beside the handle; `()` for one alone.
    type With;

    /// Both.
    fn parts(self) -> (Self::With, TaskHandle<Self::Output>);
}

impl<T> Awaited for TaskHandle<T> {
    type Output = T;
    type With = ();

    fn parts(self) -> ((), Self) {
        ((), self)
    }
}

impl<A, T> Awaited for (A, TaskHandle<T>) {
    type Output = T;
    type With = A;

    fn parts(self) -> (A, TaskHandle<T>) {
        self
    }
}

/// A handle that is done, failed or not. It can be used as the [`TaskHandle`] that it holds.
#[derive(Debug, Clone)]
pub struct Completed<T, A = ()> {
    /// Which one of those that were given to [`as_completed`], counted from 0.
    pub index: usize,
    /// What the handle was given with.
    pub with: A,
    /// The handle.
    pub handle: TaskHandle<T>,
}

impl<T, A> Deref for Completed<T, A> {
    type Target = TaskHandle<T>;

    fn deref(&self) -> &TaskHandle<T> {
        &self.handle
    }
}

impl<T: Clone + Send + Sync + 'static, A> Completed<T, A> {
    /// The result, as [`TaskHandle::into_result`].
    ///
    /// ```no_run
    /// # use kvern_core::{Session, as_completed};
    /// let session = Session::open("threads://")?;
    /// for done in as_completed(session.map(|n: &usize| vec![0u8; *n], [3usize, 5])?) {
    ///     let bytes = done.into_result()?; // not copied
    /// }
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`TaskHandle::wait`].
    pub fn into_result(self) -> Result<T> {
        self.handle.into_result()
    }
}

impl<T: Clone + Send + Sync + 'static, A> IntoFuture for Completed<T, A> {
    type Output = Result<T>;
    type IntoFuture = TaskFuture<T>;

    fn into_future(self) -> TaskFuture<T> {
        self.handle.into_future()
    }
}

/// See [`as_completed`].
pub struct AsCompleted<T, A = ()> {
    handles: Vec<Option<(A, TaskHandle<T>)>>,
    /// None before this one is left.
    first: usize,
    left: usize,
    done: Arc<Done>,
}

/// Numbers of handles that are done and have not been given out, and who waits for one.
#[derive(Default)]
struct Done {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<usize>,
    waker: Option<Waker>,
}

impl Done {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_some(&self) -> bool {
        !self.lock().queue.is_empty()
    }

    /// Waits until one is done.
    fn wait(&self) {
        let mut state = self.lock();
        while state.queue.is_empty() {
            state = self
                .more
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn push(&self, i: usize) {
        let mut state = self.lock();
        state.queue.push_back(i);
        let waker = state.waker.take();
        drop(state);
        self.more.notify_one();
        if let Some(w) = waker {
            w.wake();
        }
    }
}

impl<T, A> AsCompleted<T, A> {
    /// The next handle that is done; `None` when all have been given out.
    ///
    /// ```no_run
    /// # use kvern_core::{Result, Session, as_completed};
    /// async fn sum(session: &Session) -> Result<u64> {
    ///     let mut left = as_completed(session.map(|x: &u64| x * x, 0..3u64)?);
    ///     let mut sum = 0;
    ///     while let Some(done) = left.next_done().await {
    ///         sum += done.wait()?;
    ///     }
    ///     Ok(sum)
    /// }
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub async fn next_done(&mut self) -> Option<Completed<T, A>> {
        if self.left == 0 {
            return None;
        }
        loop {
            let done = &self.done;
            let i = poll_fn(move |cx| {
                let mut state = done.lock();
                match state.queue.pop_front() {
                    Some(i) => Poll::Ready(i),
                    None => {
                        state.waker = Some(cx.waker().clone());
                        Poll::Pending
                    }
                }
            })
            .await;
            // Unless it was given out before it was done.
            if self.handles[i].is_some() {
                return self.give(i);
            }
        }
    }

    /// How many are left.
    ///
    /// ```no_run
    /// # use kvern_core::{Session, as_completed};
    /// let session = Session::open("threads://")?;
    /// let mut left = as_completed(session.map(|x: &u64| x * x, 0..3u64)?);
    /// while let Some(done) = left.next() {
    ///     println!("{}, and {} are to come", done.wait()?, left.remaining());
    /// }
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn remaining(&self) -> usize {
        self.left
    }

    fn give(&mut self, i: usize) -> Option<Completed<T, A>> {
        self.left -= 1;
        let (with, handle) = self.handles[i].take()?;
        Some(Completed {
            index: i,
            with,
            handle,
        })
    }
}

impl<T, A> Iterator for AsCompleted<T, A> {
    type Item = Completed<T, A>;

    fn next(&mut self) -> Option<Completed<T, A>> {
        if self.left == 0 {
            return None;
        }
        let done = self.done.clone();
        loop {
            while let Some(i) = done.lock().queue.pop_front() {
                // Unless it was given out before it was done.
                if self.handles[i].is_some() {
                    return self.give(i);
                }
            }
            // Any of those that are left will do: it is its backend that counts.
            while self.handles.get(self.first)?.is_none() {
                self.first += 1;
            }
            let waits_for = self.handles[self.first].as_ref()?.1.handle().run().clone();
            waits_for.while_blocked(&|| done.is_some(), &|| done.wait());
            if !done.is_some() {
                // The backend cannot have this task wait; the handle says why.
                return self.give(self.first);
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
