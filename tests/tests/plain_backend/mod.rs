//! A backend as a stranger would write it first: everything runs at submit, on the thread that submits, in the planned order.
//! It knows nothing but the protocol, and passes the suite.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use kvern_core::error::TaskInfo;
use kvern_core::events::{Event, Interest, Observer, Observers, Subscription};
use kvern_core::key;
use kvern_core::layer::Datum;
use kvern_core::operator::TaskHost;
use kvern_core::panics;
use kvern_core::plan::Prepared;
use kvern_core::scheduler::{Description, MemoryUse, Progress};
use kvern_core::{Error, ErrorKind, Handle, Key, Plan, Result, Run, Scheduler, TaskContext, Value};

/// Runs plans where they are submitted.
#[derive(Default)]
pub(crate) struct Plain(Arc<Shared>);

#[derive(Default)]
struct Shared {
    observers: Observers,
    memory: Mutex<MemoryUse>,
    closed: AtomicBool,
    runs: AtomicU64,
    kept: Mutex<Vec<Weak<Done>>>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn hold(&self, value: &Value) {
        let mut m = lock(&self.memory);
        m.live += value.nbytes();
        m.peak = m.peak.max(m.live);
        m.held += 1;
    }

    fn free(&self, value: &Value) {
        let mut m = lock(&self.memory);
        m.live -= value.nbytes();
        m.held -= 1;
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Cancelled, "this backend is closed"));
        }
        Ok(())
    }

    /// Keeps a run's results in mind for `close`.
    fn keep(&self, run: &Arc<Done>) {
        let mut kept = lock(&self.kept);
        kept.retain(|r| r.strong_count() > 0);
        kept.push(Arc::downgrade(run));
    }
}

/// What a running task can ask.
struct Host<'a> {
    shared: &'a Shared,
    /// When its time is over.
    end: Option<Instant>,
}

impl TaskHost for Host<'_> {
    fn is_cancelled(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed) || self.end.is_some_and(|e| Instant::now() > e)
    }

    fn reserve(&self, _bytes: u64) -> Result<()> {
        Ok(())
    }

    fn unreserve(&self, _bytes: u64) {}

    fn log(&self, key: Key, operator: &str, message: &str) {
        let (operator, message) = (operator.to_owned(), message.to_owned());
        self.shared.observers.tell(
            Interest::Runs,
            &Event::Log {
                key,
                operator,
                message,
            },
        );
    }
}

impl Scheduler for Plain {
    fn describe(&self) -> Description {
        let mut d = Description::new("plain", "runs everything at submit");
        d.capabilities.closures = true;
        d.capabilities.deterministic = true;
        d
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        self.0.check_open()?;
        let prepared = plan.prepare()?;
        let run = Arc::new(Doing::new(&self.0, &prepared).run());
        self.0.keep(&run);
        Ok(run)
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.0.check_open()?;
        values.iter().for_each(|v| self.0.hold(v));
        let run = Arc::new(Done {
            shared: self.0.clone(),
            keys: values
                .iter()
                .map(|_| key::unique("plain.scatter"))
                .collect(),
            slot: (0..values.len()).collect(),
            results: Mutex::new(values.into_iter().map(|v| (1, Ok(v))).collect()),
            progress: Progress::default(),
            error: None,
        });
        self.0.keep(&run);
        let handles = (0..run.keys.len() as u32).map(|i| {
            let handle = Handle::new(run.clone(), i);
            run.release(i);
            handle
        });
        Ok(handles.collect())
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.0.observers.subscribe(observer)
    }

    fn memory(&self) -> MemoryUse {
        *lock(&self.0.memory)
    }

    fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        let kept = std::mem::take(&mut *lock(&self.0.kept));
        for run in kept.iter().filter_map(Weak::upgrade) {
            let slots = lock(&run.results).len();
            (0..slots).for_each(|s| run.forget(s));
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.close();
    }
}

/// A plan while its tasks run.
struct Doing<'a> {
    shared: &'a Arc<Shared>,
    plan: &'a Prepared,
    run: u64,
    /// Who still wants each result: readers and the submitter.
    left: Vec<u32>,
    results: Vec<Option<Result<Value>>>,
    progress: Progress,
    error: Option<Error>,
}

impl<'a> Doing<'a> {
    fn new(shared: &'a Arc<Shared>, plan: &'a Prepared) -> Self {
        let n = plan.tasks.len();
        let mut left = vec![0; n];
        (0..n as u32)
            .flat_map(|t| plan.tasks.deps(t))
            .for_each(|&d| left[d as usize] += 1);
        plan.tasks
            .outputs()
            .iter()
            .for_each(|&t| left[t as usize] += 1);
        let run = shared.runs.fetch_add(1, Ordering::SeqCst) + 1;
        let progress = Progress {
            total: n as u64,
            data: plan.tasks.data().len() as u64,
            ..Progress::default()
        };
        Self {
            shared,
            plan,
            run,
            left,
            results: vec![None; n],
            progress,
            error: None,
        }
    }

    fn run(mut self) -> Done {
        let (start, run) = (Instant::now(), self.run);
        let observers = &self.shared.observers;
        let tasks = &self.plan.tasks;
        let bytes = tasks.all_bytes().iter().sum();
        let begun = Event::RunStarted {
            run,
            tasks: self.progress.total,
            bytes,
        };
        observers.tell(Interest::Runs, &begun);
        for (t, datum) in tasks.data() {
            let value = match datum {
                Datum::Value(v) => Ok(v.clone()),
                Datum::Pending(p) => p.wait(),
            };
            self.finish(*t, value);
        }
        let mut order: Vec<u32> = (0..tasks.len() as u32).collect();
        order.sort_unstable_by_key(|&t| self.plan.position[t as usize]);
        for t in order {
            if self.results[t as usize].is_none() {
                let result = self.task(t);
                self.finish(t, result);
            }
        }
        let progress = self.progress;
        observers.tell(Interest::Runs, &Event::Progress { run, progress });
        let error = self.error.clone();
        let took = start.elapsed();
        observers.tell(
            Interest::Runs,
            &Event::RunFinished {
                run,
                progress,
                error,
                took,
            },
        );
        self.done()
    }

    /// Counts a task's result and keeps it if anybody wants it.
    fn finish(&mut self, task: u32, result: Result<Value>) {
        match &result {
            Ok(v) => {
                self.progress.done += 1;
                if self.left[task as usize] == 0 {
                    return;
                }
                self.shared.hold(v);
            }
            Err(e) => {
                self.progress.failed += 1;
                self.error.get_or_insert_with(|| e.clone());
            }
        }
        self.results[task as usize] = Some(result);
    }

    /// Runs a task, again if it may be, or hands on the failure of what it reads.
    fn task(&mut self, task: u32) -> Result<Value> {
        let (plan, run) = (self.plan, self.run);
        let mut inputs = Vec::new();
        let mut failed = None;
        for &d in plan.tasks.deps(task) {
            match self.read(d) {
                Some(Ok(v)) => match plan.tasks.input(task, v) {
                    Ok(v) => inputs.push(v),
                    Err(e) => failed = failed.or(Some(e)),
                },
                Some(Err(e)) => failed = failed.or(Some(e)),
                None => {}
            }
        }
        if let Some(e) = failed {
            return Err(e);
        }
        let observers = &self.shared.observers;
        let (key, op) = (plan.tasks.key(task), plan.tasks.op(task));
        let operator: Arc<str> = op.name().into();
        let begun = Event::TaskStarted {
            run,
            key,
            operator: operator.clone(),
            worker: 0,
        };
        observers.tell(Interest::Tasks, &begun);
        let how = plan.tasks.annotations(task).cloned().unwrap_or_default();
        let (mut retries, mut pause) = (how.retries, how.backoff.unwrap_or_default());
        let shown: Vec<String> = inputs.iter().map(Value::describe).collect();
        let kernel = &plan.kernels[plan.tasks.op_index(task)];
        loop {
            let start = Instant::now();
            let host = Host {
                shared: self.shared.as_ref(),
                end: how.timeout.and_then(|limit| start.checked_add(limit)),
            };
            let ctx = TaskContext::new(&host, &plan.tasks, task);
            // The last attempt may take its inputs apart; an earlier one works on clones.
            let mut given = if retries == 0 {
                std::mem::take(&mut inputs)
            } else {
                inputs.clone()
            };
            let result = panics::caught(|| ctx.enter(|| kernel.run(&mut given, &ctx)));
            let result = result.unwrap_or_else(|p| Err(Error::new(ErrorKind::Panic, p.words)));
            let took = start.elapsed();
            let result = match how.timeout {
                Some(limit) if took > limit => Err(Error::out_of_time(limit, Some(took))),
                _ => result,
            };
            match result {
                Ok(v) => {
                    let bytes = v.nbytes();
                    let ended = Event::TaskFinished {
                        run,
                        key,
                        operator,
                        worker: 0,
                        took,
                        bytes,
                    };
                    observers.tell(Interest::Tasks, &ended);
                    return Ok(v);
                }
                Err(e) => {
                    let operator = op.label();
                    let error = e.at_task(TaskInfo {
                        key,
                        operator,
                        inputs: shown.clone(),
                        call: None,
                    });
                    let retried = retries > 0 && error.kind().may_pass();
                    let told = Event::TaskFailed {
                        run,
                        error: error.clone(),
                        retried,
                    };
                    observers.tell(Interest::Runs, &told);
                    if !retried {
                        return Err(error);
                    }
                    retries -= 1;
                    std::thread::sleep(pause);
                    pause *= 2;
                }
            }
        }
    }

    /// One reader takes a result: the last one takes it away.
    fn read(&mut self, task: u32) -> Option<Result<Value>> {
        let t = task as usize;
        self.left[t] -= 1;
        if self.left[t] > 0 {
            return self.results[t].clone();
        }
        let result = self.results[t].take();
        if let Some(Ok(v)) = &result {
            self.shared.free(v);
        }
        result
    }

    fn done(mut self) -> Done {
        let mut slots: Vec<u32> = self.plan.tasks.outputs().to_vec();
        slots.sort_unstable();
        slots.dedup();
        let at = |t: &u32| slots.binary_search(t).unwrap_or_default();
        let mut results = Vec::new();
        for &t in &slots {
            let gone = || {
                Err(Error::new(
                    ErrorKind::Internal,
                    "a wanted result was not kept",
                ))
            };
            let result = self.results[t as usize].take().unwrap_or_else(gone);
            results.push((self.left[t as usize], result));
        }
        let tasks = &self.plan.tasks;
        Done {
            shared: self.shared.clone(),
            keys: tasks.outputs().iter().map(|&t| tasks.key(t)).collect(),
            slot: tasks.outputs().iter().map(at).collect(),
            results: Mutex::new(results),
            progress: self.progress,
            error: self.error,
        }
    }
}

/// A run: over when its submitter sees it.
struct Done {
    shared: Arc<Shared>,
    keys: Vec<Key>,
    /// Which result an output is; several may be the same.
    slot: Vec<usize>,
    /// Who wants a result, and the result.
    results: Mutex<Vec<(u32, Result<Value>)>>,
    progress: Progress,
    error: Option<Error>,
}

impl Done {
    fn forget(&self, slot: usize) {
        let gone = Err(Error::new(ErrorKind::Lost, "the result was released"));
        let old = std::mem::replace(&mut lock(&self.results)[slot], (0, gone)).1;
        if let Ok(v) = old {
            self.shared.free(&v);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        let slots = lock(&self.results).len();
        (0..slots).for_each(|s| self.forget(s));
    }
}

impl Run for Done {
    fn outputs(&self) -> usize {
        self.keys.len()
    }

    fn key(&self, output: u32) -> Key {
        self.keys[output as usize]
    }

    fn try_get(&self, output: u32) -> Option<Result<Value>> {
        Some(lock(&self.results)[self.slot[output as usize]].1.clone())
    }

    fn wait(&self, output: u32, _limit: Option<Duration>) -> Option<Result<Value>> {
        self.try_get(output)
    }

    fn when_done(&self, output: u32, then: Box<dyn FnOnce(Result<Value>) + Send>) {
        let result = lock(&self.results)[self.slot[output as usize]].1.clone();
        then(result);
    }

    fn wait_all(&self, _limit: Option<Duration>) -> Option<Result<()>> {
        Some(self.error.clone().map_or(Ok(()), Err))
    }

    fn want(&self, output: u32) {
        lock(&self.results)[self.slot[output as usize]].0 += 1;
    }

    fn release(&self, output: u32) {
        let slot = self.slot[output as usize];
        let left = {
            let mut results = lock(&self.results);
            results[slot].0 = results[slot].0.saturating_sub(1);
            results[slot].0
        };
        if left == 0 {
            self.forget(slot);
        }
    }

    fn cancel(&self) {}

    fn progress(&self) -> Progress {
        self.progress
    }
}
