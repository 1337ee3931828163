//! Stand-ins: threads beside the pool, which take the places of tasks that wait for others.
//!
//! Each is a rayon pool of one thread, so that rayon work of a kernel that runs on it stays on it: in the global pool it would
//! make more busy threads than there are workers, and the backend's own may have no thread left that does not wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use kvern_core::{Error, ErrorKind, Result};

use super::{Inner, worker};

/// Idle stand-ins beyond one for each worker that are kept for the next task that waits.
const SPARE: usize = 4;

/// The stand-ins of a backend.
pub(super) struct StandIns {
    state: Mutex<State>,
    /// Idle ones that are kept.
    keep: usize,
    most: usize,
    next: AtomicUsize,
}

#[derive(Default)]
struct State {
    idle: Vec<Sender<Call>>,
    /// Those that there are, idle or not.
    all: usize,
    /// Why there were no more when one was needed.
    refusal: Option<Error>,
}

/// What a stand-in is called for.
struct Call {
    inner: Arc<Inner>,
    /// Only for what is awaited.
    extra: bool,
    /// Its own other end: whoever has it may call.
    back: Sender<Self>,
}

impl StandIns {
    pub(super) fn new(workers: usize, most: usize) -> Self {
        Self {
            state: Mutex::default(),
            keep: workers + SPARE,
            most,
            next: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a stand-in run a loop.
    pub(super) fn call(&self, inner: Arc<Inner>, extra: bool) -> Result<()> {
        let mut state = self.lock();
        let back = match state.idle.pop() {
            Some(idle) => idle,
            None if state.all >= self.most => {
                let words = format!("more than {} are not started", self.most);
                return Err(refused(&words));
            }
            None => {
                let new = start().map_err(|e| refused(&e))?;
                state.all += 1;
                new
            }
        };
        drop(state);
        let call = Call {
            inner,
            extra,
            back: back.clone(),
        };
        // Its thread has the other end until it is called no more.
        back.send(call).map_err(|_| refused("it has ended"))
    }

    /// The end of a loop. False: this thread is not needed any more.
    fn rest(&self, me: Sender<Call>) -> bool {
        let mut state = self.lock();
        let stays = state.idle.len() < self.keep;
        if stays {
            state.idle.push(me);
        } else {
            state.all -= 1;
        }
        stays
    }

    /// A number for what one does, so that those at work have different ones as far as may be.
    pub(super) fn number(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// No thread could be had for what tasks wait for: one of them is told, and goes on.
    pub(super) fn refuse(&self, why: Error) {
        self.lock().refusal = Some(why);
    }

    pub(super) fn take_refusal(&self) -> Option<Error> {
        self.lock().refusal.take()
    }
}

#[cold]
fn refused(why: &str) -> Error {
    Error::new(
        ErrorKind::Io,
        format!(
            "this task cannot wait for others: each task that waits keeps a thread, and there is no other to run what it waits for ({why}); \
             have fewer tasks wait at once, or pass results as arguments instead of waiting for them"
        ),
    )
}

fn start() -> Result<Sender<Call>, String> {
    let (calls, called) = channel();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .thread_name(|_| "kvern-stand-in".into())
        .build()
        .map_err(|e| e.to_string())?;
    // The pool ends with its only job.
    pool.spawn(move || stand_in(&called));
    Ok(calls)
}

fn stand_in(called: &Receiver<Call>) {
    // Until the backend is gone, and with it the list of those who rest.
    while let Ok(Call { inner, extra, back }) = called.recv() {
        worker::run(&inner, false, extra);
        if !inner.stand_ins.rest(back) {
            return;
        }
    }
}
