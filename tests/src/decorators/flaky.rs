//! Disturbs the calls of the protocol without changing what they mean.
//!
//! What a decorator can do soundly is what an unlucky schedule or an unreliable link does: calls come late, waits wake up for
//! nothing and are made again, wants and releases come in pairs too many, and what may be said twice (cancel, close) is. A
//! backend that leans on the timing or the number of calls fails under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kvern_core::events::{Observer, Subscription};
use kvern_core::scheduler::{Description, MemoryUse, Progress};
use kvern_core::{Error, Handle, Key, Plan, Result, Run, Scheduler, Value};

use crate::rng::Rng;

/// The moods of one decorated backend: a stream of random decisions that all its calls draw from.
struct Mood {
    seed: u64,
    drawn: AtomicU64,
}

impl Mood {
    fn rng(&self) -> Rng {
        let n = self.drawn.fetch_add(1, Ordering::Relaxed);
        Rng::new(self.seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Nothing, a yield or a short sleep. Of tens of thousands of calls most are left alone: on a busy machine a pause costs a time slice.
    fn pause(&self) {
        const MANY: u64 = 10_000;
        let mut rng = self.rng();
        let odds = if self.drawn.load(Ordering::Relaxed) < MANY {
            8
        } else {
            256
        };
        match rng.below(odds) {
            0 => std::thread::sleep(Duration::from_micros(rng.below(200))),
            1..=3 => std::thread::yield_now(),
            _ => {}
        }
    }
}

/// Any backend, with its calls delayed, repeated and interrupted at random by seed. It answers as the backend does.
pub struct Flaky {
    inner: Arc<dyn Scheduler>,
    mood: Arc<Mood>,
}

impl Flaky {
    /// Disturbs that backend; equal seeds draw equal decisions.
    pub fn new(inner: Arc<dyn Scheduler>, seed: u64) -> Arc<Self> {
        let drawn = AtomicU64::new(0);
        let mood = Arc::new(Mood { seed, drawn });
        Arc::new(Self { inner, mood })
    }
}

impl Scheduler for Flaky {
    fn describe(&self) -> Description {
        self.inner.describe()
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        self.mood.pause();
        let inner = self.inner.submit(plan)?;
        self.mood.pause();
        let mood = self.mood.clone();
        Ok(Arc::new(FlakyRun { inner, mood }))
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.mood.pause();
        let handles = self.inner.scatter(values)?;
        // Wanted once more and once less: the count is what it was.
        drop(handles.clone());
        Ok(handles)
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.mood.pause();
        self.inner.subscribe(observer)
    }

    fn memory(&self) -> MemoryUse {
        self.mood.pause();
        self.inner.memory()
    }

    fn stop(&self, why: &Error) {
        self.mood.pause();
        self.inner.stop(why);
    }

    fn close(&self) {
        self.mood.pause();
        self.inner.close();
        if self.mood.rng().one_in(2) {
            self.inner.close();
        }
    }
}

struct FlakyRun {
    inner: Arc<dyn Run>,
    mood: Arc<Mood>,
}

impl FlakyRun {
    /// A wait in slices of random length: each but the last is a spurious wake-up.
    fn sliced<T>(
        &self,
        limit: Option<Duration>,
        wait: impl Fn(Duration) -> Option<T>,
    ) -> Option<T> {
        let end = limit.map(|l| Instant::now() + l);
        loop {
            let slice = Duration::from_micros(self.mood.rng().below(3_000));
            let left = end.map(|e| e.saturating_duration_since(Instant::now()));
            let last = left.is_some_and(|l| l <= slice);
            let out = wait(left.map_or(slice, |l| l.min(slice)));
            if out.is_some() || last {
                return out;
            }
        }
    }
}

impl Run for FlakyRun {
    fn outputs(&self) -> usize {
        self.inner.outputs()
    }

    fn key(&self, output: u32) -> Key {
        self.inner.key(output)
    }

    fn try_get(&self, output: u32) -> Option<Result<Value>> {
        self.mood.pause();
        self.inner.try_get(output)
    }

    fn wait(&self, output: u32, limit: Option<Duration>) -> Option<Result<Value>> {
        self.sliced(limit, |slice| self.inner.wait(output, Some(slice)))
    }

    fn when_done(&self, output: u32, then: Box<dyn FnOnce(Result<Value>) + Send>) {
        self.mood.pause();
        let mood = self.mood.clone();
        let late = move |result| {
            // It must not block, but may be slow to begin.
            if mood.rng().one_in(3) {
                std::thread::yield_now();
            }
            then(result);
        };
        self.inner.when_done(output, Box::new(late));
    }

    fn wait_all(&self, limit: Option<Duration>) -> Option<Result<()>> {
        self.sliced(limit, |slice| self.inner.wait_all(Some(slice)))
    }

    fn want(&self, output: u32) {
        self.inner.want(output);
        if self.mood.rng().one_in(3) {
            self.inner.want(output);
            self.mood.pause();
            self.inner.release(output);
        }
    }

    fn release(&self, output: u32) {
        self.mood.pause();
        if self.mood.rng().one_in(3) {
            self.inner.want(output);
            self.inner.release(output);
        }
        self.inner.release(output);
    }

    fn cancel(&self) {
        self.inner.cancel();
        if self.mood.rng().one_in(2) {
            self.inner.cancel();
        }
    }

    fn progress(&self) -> Progress {
        self.mood.pause();
        self.inner.progress()
    }
}
