//! DataFusion's futures from blocking code: they run on threads of their own, as many as were asked for, and the thread that waits
//! answers what they ask of the scheduler. Nobody who uses a frame needs an async runtime, and one that is there is left alone.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use datafusion::execution::memory_pool::MemoryPool;
use futures::FutureExt;
use futures::future::{Either, select};
use kvern_core::operator::Reservation;
use kvern_core::{Error, ErrorKind, Result, TaskContext};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;

use super::pool::{Ask, HostPool};

/// How a query is run: by how many threads, and with how much memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drive {
    /// Threads that compute. The calling thread waits meanwhile.
    pub(crate) threads: usize,
    /// The most bytes that operators may hold, if there is a limit.
    pub(crate) memory: Option<u64>,
}

impl Drive {
    /// Runs the future that `job` makes for a memory pool, and waits for it.
    ///
    /// # Errors
    /// Its error; [`ErrorKind::Cancelled`] if the run is, [`ErrorKind::Panic`] if it panics.
    pub(crate) fn run<T, F, J>(self, task: &TaskContext<'_>, job: J) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
        J: FnOnce(Arc<dyn MemoryPool>) -> F,
    {
        let (ask, asked) = channel();
        let future = job(Arc::new(HostPool::new(self.memory, ask.clone())));
        let stop = Arc::new(Notify::new());
        let slot: Arc<Mutex<Option<Result<T>>>> = Arc::default();
        let whole = {
            let (stop, slot) = (stop.clone(), slot.clone());
            async move {
                // What a stopped query leaves to be undone (a file that was begun) is undone before it is said to be over.
                let result = {
                    let stopped = pin!(stop.notified());
                    let caught = pin!(AssertUnwindSafe(future).catch_unwind());
                    match select(stopped, caught).await {
                        Either::Left(_) => Err(cancelled()),
                        Either::Right((Ok(result), _)) => result,
                        Either::Right((Err(panic), _)) => Err(panicked(panic.as_ref())),
                    }
                };
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                // Nobody listens any more only if the caller panicked.
                let _ = ask.send(Ask::Done);
            }
        };
        if self.threads > 1 {
            let runtime = Builder::new_multi_thread()
                .worker_threads(self.threads)
                .thread_name("kvern-frame")
                .build()
                .map_err(no_thread)?;
            runtime.spawn(whole);
            serve(task, &asked, &stop);
            // Does not wait: the caller may itself be a task of another runtime, where waiting here is not allowed.
            runtime.shutdown_background();
        } else {
            let worker = alone("kvern-frame", whole)?;
            serve(task, &asked, &stop);
            // It has said that it is done, or has died saying why.
            let _ = worker.join();
        }
        let result = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        result.unwrap_or_else(|| {
            let words = "a query ended without a result";
            Err(Error::new(ErrorKind::Internal, words))
        })
    }
}

/// Answers what a query asks until it is over, and stops it when the run is cancelled.
fn serve(task: &TaskContext<'_>, asked: &Receiver<Ask>, stop: &Notify) {
    /// How often a running query is asked to stop if the run has been cancelled.
    const LOOK: Duration = Duration::from_millis(20);
    let mut held: Vec<Reservation<'_>> = Vec::new();
    loop {
        match asked.recv_timeout(LOOK) {
            Ok(Ask::Reserve(bytes, answer)) => {
                let granted = task.reserve(bytes).ok();
                let is = granted.is_some();
                held.extend(granted);
                // If the asking thread is gone, the query is being taken down.
                let _ = answer.send(is);
            }
            Ok(Ask::Release(bytes)) => {
                if let Some(i) = held.iter().rposition(|r| r.bytes() == bytes) {
                    held.swap_remove(i);
                }
            }
            Ok(Ask::Done) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if task.is_cancelled() {
            stop.notify_one();
        }
    }
}

/// Runs a future of planning or of metadata, and waits for it.
///
/// # Errors
/// If no thread can be started, or the future panics.
pub(crate) fn block_on<T, F>(future: F) -> Result<T>
where
    T: Send,
    F: Future<Output = T> + Send,
{
    thread_local! {
        static RUNTIME: std::io::Result<Runtime> = Builder::new_current_thread().build();
    }
    let here = |future: F| {
        RUNTIME.with(|runtime| match runtime {
            Ok(r) => Ok(r.block_on(future)),
            Err(e) => Err(no_thread(std::io::Error::new(e.kind(), e.to_string()))),
        })
    };
    if Handle::try_current().is_err() {
        return here(future);
    }
    // Within somebody's async runtime another one must not be entered on the same thread.
    std::thread::scope(|s| {
        let worker = s.spawn(move || here(future));
        worker.join().unwrap_or_else(|p| Err(panicked(p.as_ref())))
    })
}

/// A thread that runs one future.
fn alone(name: &str, future: impl Future<Output = ()> + Send + 'static) -> Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().build().map_err(no_thread)?;
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || runtime.block_on(future))
        .map_err(no_thread)
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the run was cancelled")
}

fn no_thread(e: std::io::Error) -> Error {
    let words = format!("no thread could be started for a query: {e}");
    Error::with_source(ErrorKind::Io, words, e)
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let words = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into());
    Error::new(ErrorKind::Panic, format!("the query panicked: {words}"))
}
