//! The tasks of one run that are ready, shared out among the workers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvern_core::plan::priority;

use super::frame::Frame;
use crate::run::RunCore;

/// Tasks that a thief takes at once, at most.
const STEAL: usize = 32;
/// Tasks without inputs that a worker claims at once, at most.
const CLAIM: u32 = 256;
/// Graphs below this size are given to all workers at once: there is no time to measure.
const SMALL: usize = 1000;
/// Mean projected bytes a task from which a task is taken to be worth a second worker.
const LARGE: u64 = 4096;

/// A run with its queues.
pub(super) struct Job {
    pub(super) run: Arc<RunCore>,
    /// What it comes before, and after what.
    pub(super) priority: i32,
    /// Tasks without inputs, in the static order; claimed in ranges.
    roots: Vec<u32>,
    next_root: AtomicUsize,
    /// One a worker, and one for tasks that become ready outside of workers.
    queues: Vec<Queue>,
    /// Tasks take less time than sharing them out would.
    tiny: AtomicBool,
    /// The last task that was tried had to wait for memory.
    blocked: AtomicBool,
    /// Tasks run so far, as last reported: the monitor compares.
    pub(super) ran: AtomicU64,
    /// `ran` at the monitor's last look.
    pub(super) looked: AtomicU64,
    /// The loop whose task submitted it, if one did.
    parent: Option<Arc<Frame>>,
    /// Loops that are at it, and those of them whose task waits for others.
    pub(super) inside: AtomicUsize,
    pub(super) waiting: AtomicUsize,
    /// A task waits for it, through another run that reads its results, and nobody is at it.
    pub(super) urgent: AtomicBool,
}

/// 128 bytes apart: two workers' queues must not share a cache line (nor the pair that a prefetcher fetches).
#[repr(align(128))]
struct Queue {
    len: AtomicUsize,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Position in the static order above, task below: the smallest is next.
    heap: BinaryHeap<Reverse<u64>>,
    /// Claimed roots.
    claim: Range<u32>,
    claim_size: u32,
}

impl Queue {
    fn new() -> Self {
        let inner = Inner {
            heap: BinaryHeap::new(),
            claim: 0..0,
            claim_size: 1,
        };
        Self {
            len: AtomicUsize::new(0),
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, inner: &Inner) {
        self.len
            .store(inner.heap.len() + inner.claim.len(), Ordering::Relaxed);
    }
}

impl Job {
    pub(super) fn new(
        run: Arc<RunCore>,
        roots: Vec<u32>,
        workers: usize,
        parent: Option<Arc<Frame>>,
    ) -> Self {
        let n = run.tasks.len();
        let mean = run
            .tasks
            .all_bytes()
            .iter()
            .copied()
            .fold(0, u64::saturating_add)
            / n.max(1) as u64;
        Self {
            priority: priority(&run.tasks),
            roots,
            next_root: AtomicUsize::new(0),
            queues: (0..=workers).map(|_| Queue::new()).collect(),
            tiny: AtomicBool::new(n > SMALL && mean < LARGE),
            blocked: AtomicBool::new(false),
            ran: AtomicU64::new(0),
            looked: AtomicU64::new(0),
            parent,
            inside: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            urgent: AtomicBool::new(false),
            run,
        }
    }

    pub(super) fn is_tiny(&self) -> bool {
        self.tiny.load(Ordering::Relaxed)
    }

    pub(super) fn set_tiny(&self, tiny: bool) {
        if self.is_tiny() != tiny {
            self.tiny.store(tiny, Ordering::Relaxed);
        }
    }

    pub(super) fn set_blocked(&self, blocked: bool) {
        if self.blocked.load(Ordering::Relaxed) != blocked {
            self.blocked.store(blocked, Ordering::SeqCst);
        }
    }

    fn roots_left(&self) -> usize {
        self.roots
            .len()
            .saturating_sub(self.next_root.load(Ordering::SeqCst))
    }

    /// About how many tasks are ready and in nobody's hands.
    pub(super) fn surplus(&self) -> usize {
        self.roots_left()
            + self
                .queues
                .iter()
                .map(|q| q.len.load(Ordering::SeqCst))
                .sum::<usize>()
    }

    /// Whether a worker that comes now would find a task that it can run.
    pub(super) fn is_runnable(&self) -> bool {
        !self.blocked.load(Ordering::SeqCst) && self.surplus() > 0 && !self.run.is_cancelled()
    }

    /// Whether a task's thread waits for it, or for something that its task has submitted.
    pub(super) fn is_awaited(&self) -> bool {
        self.run.awaited.load(Ordering::SeqCst) > 0
            || self.urgent.load(Ordering::Relaxed)
            || self.parent.as_ref().is_some_and(|p| p.waits())
    }

    /// Whether it comes first: it is awaited, and waits for nothing itself.
    pub(super) fn is_favoured(&self) -> bool {
        self.is_awaited() && self.waiting.load(Ordering::SeqCst) == 0
    }

    fn rank(&self, task: u32) -> u64 {
        u64::from(self.run.position[task as usize]) << 32 | u64::from(task)
    }

    /// Tasks that became ready outside of workers.
    pub(super) fn inject(&self, tasks: Vec<u32>) {
        let queue = &self.queues[self.queues.len() - 1];
        let mut inner = queue.lock();
        inner
            .heap
            .extend(tasks.into_iter().map(|t| Reverse(self.rank(t))));
        queue
            .len
            .store(inner.heap.len() + inner.claim.len(), Ordering::SeqCst);
        drop(inner);
        self.set_blocked(false);
    }

    /// Puts a task back.
    pub(super) fn put_back(&self, worker: usize, task: u32) {
        let queue = &self.queues[worker];
        let mut inner = queue.lock();
        inner.heap.push(Reverse(self.rank(task)));
        queue.note(&inner);
    }

    /// Adds what became ready and gives the worker its next task, the first in the static order that is at hand.
    pub(super) fn next(&self, worker: usize, fresh: &mut Vec<u32>) -> Option<u32> {
        // One task made ready and nothing else waiting here: a chain, which needs no queue.
        let queue = &self.queues[worker];
        if let [only] = fresh[..]
            && queue.len.load(Ordering::Relaxed) == 0
            && self.comes_before_roots(only)
        {
            fresh.clear();
            return Some(only);
        }
        let mut inner = queue.lock();
        inner
            .heap
            .extend(fresh.drain(..).map(|t| Reverse(self.rank(t))));
        let task = self.pick(&mut inner);
        queue.note(&inner);
        drop(inner);
        task.or_else(|| self.steal(worker))
    }

    fn comes_before_roots(&self, task: u32) -> bool {
        match self.roots.get(self.next_root.load(Ordering::Relaxed)) {
            None => true,
            Some(&root) => self.run.position[task as usize] < self.run.position[root as usize],
        }
    }

    fn pick(&self, inner: &mut Inner) -> Option<u32> {
        let root = if inner.claim.is_empty() {
            self.roots
                .get(self.next_root.load(Ordering::Relaxed))
                .copied()
        } else {
            Some(self.roots[inner.claim.start as usize])
        };
        let heap = inner.heap.peek().map(|r| r.0);
        match (heap, root) {
            (Some(h), Some(root)) if h < self.rank(root) => inner.heap.pop().map(|r| r.0 as u32),
            (_, Some(_)) => self
                .claim(inner)
                .or_else(|| inner.heap.pop().map(|r| r.0 as u32)),
            (_, None) => inner.heap.pop().map(|r| r.0 as u32),
        }
    }

    /// The next root: of the worker's claim, or of a new one.
    fn claim(&self, inner: &mut Inner) -> Option<u32> {
        if inner.claim.is_empty() {
            // Tiny tasks are claimed by the hundred; others one by one, so that both the order and the sharing stay good.
            let most = if self.is_tiny() { CLAIM } else { 1 };
            inner.claim_size = (inner.claim_size * 2).clamp(1, most);
            let size = inner.claim_size as usize;
            let start = self.next_root.fetch_add(size, Ordering::SeqCst);
            let end = (start + size).min(self.roots.len());
            if start >= end {
                return None;
            }
            inner.claim = start as u32..end as u32;
        }
        inner.claim.next().map(|i| self.roots[i as usize])
    }

    /// Half of what another queue has, the first of it to run at once.
    fn steal(&self, worker: usize) -> Option<u32> {
        let n = self.queues.len();
        for k in 1..n {
            let victim = &self.queues[(worker + k) % n];
            if victim.len.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut loot: Vec<u32> = Vec::new();
            {
                let mut inner = victim.lock();
                let take = inner.heap.len().div_ceil(2).min(STEAL);
                loot.extend(
                    (0..take)
                        .filter_map(|_| inner.heap.pop())
                        .map(|r| r.0 as u32),
                );
                if loot.is_empty() {
                    let half = inner.claim.len().div_ceil(2) as u32;
                    let mine = inner.claim.end - half..inner.claim.end;
                    inner.claim.end -= half;
                    loot.extend(mine.map(|i| self.roots[i as usize]));
                }
                victim.note(&inner);
            }
            let mut loot = loot.into_iter();
            let Some(first) = loot.next() else { continue };
            if loot.len() > 0 {
                let queue = &self.queues[worker];
                let mut inner = queue.lock();
                inner.heap.extend(loot.map(|t| Reverse(self.rank(t))));
                queue.note(&inner);
            }
            return Some(first);
        }
        None
    }
}
