//! Handles in the order in which their results come.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::TaskHandle;

/// The handles in the order in which they are done, failed ones included. An iterator that waits; [`AsCompleted::next_done`] awaits.
/// Dropping it lets go of the handles that are left. A result is read from where it is made only when its handle is asked for it.
///
/// Inside a task use it as an iterator: another thread runs tasks in its place meanwhile, of which an executor of futures knows nothing.
pub fn as_completed<T>(handles: impl IntoIterator<Item = TaskHandle<T>>) -> AsCompleted<T> {
    let done = Arc::new(Done::default());
    let handles: Vec<Option<TaskHandle<T>>> = handles.into_iter().map(Some).collect();
    for (i, handle) in handles.iter().enumerate() {
        let done = done.clone();
        if let Some(handle) = handle {
            handle.handle().when_settled(move || done.push(i));
        }
    }
    AsCompleted {
        left: handles.len(),
        first: 0,
        handles,
        done,
    }
}

/// See [`as_completed`].
pub struct AsCompleted<T> {
    handles: Vec<Option<TaskHandle<T>>>,
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

impl<T> AsCompleted<T> {
    /// The next handle that is done; `None` when all have been given out.
    pub async fn next_done(&mut self) -> Option<TaskHandle<T>> {
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
    pub fn remaining(&self) -> usize {
        self.left
    }

    fn give(&mut self, i: usize) -> Option<TaskHandle<T>> {
        self.left -= 1;
        self.handles[i].take()
    }
}

impl<T> Iterator for AsCompleted<T> {
    type Item = TaskHandle<T>;

    fn next(&mut self) -> Option<TaskHandle<T>> {
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
            let waits_for = self.handles[self.first].as_ref()?.handle().run().clone();
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
