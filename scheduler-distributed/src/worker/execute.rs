//! Running one task on a thread of the pool.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use kvern_core::error::{ErrorRecord, TaskInfo};
use kvern_core::operator::{CancelFlag, Kernel, Submitter, TaskHost};
use kvern_core::unfinished::Leftovers;
use kvern_core::{Error, ErrorKind, Key, OpRef, Result, TaskContext, Value};
use kvern_machine::wire::{Assign, Input, Source};
use kvern_machine::worker::Outcome;
use kvern_machine::{Attempt, GraphId, Payload, TaskRef};
use kvern_store::{Clock, Task, run_task};

use super::Happened;
use super::nested::Nested;
use super::store::{Kept, Store};
use crate::graph_code::GraphCode;
use crate::parcel::{self, caught, discard};
use crate::seat::Seat;

/// Encoded results up to this many bytes are sent along with the news that they are made.
const INLINE_MAX: u64 = 16 << 10;

/// The code of an operator, or why there is none.
type Resolved = Result<Arc<dyn Kernel>>;

/// A graph as this worker knows it.
struct Graph {
    shared: Result<GraphCode>,
    /// The code of each operator, found when its first task runs.
    kernels: Vec<RwLock<Option<Resolved>>>,
}

/// What threads of the pool share.
pub(crate) struct Executor {
    pub(crate) store: Arc<Store>,
    graphs: RwLock<HashMap<GraphId, Arc<Graph>>>,
    /// Where tasks say what has become of them; it may begin others, on this thread as soon as it is free.
    tell: Box<dyn Fn(Happened) + Send + Sync>,
    /// For tasks that submit tasks.
    nested: Arc<Nested>,
    /// Threads whose tasks were given up and have not come to an end.
    adrift: AtomicUsize,
    /// What running tasks would leave behind.
    pub(crate) leftovers: Leftovers,
}

/// A running attempt, as those see it who may have to answer for it.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) stop: CancelFlag,
    answered: AtomicBool,
    /// What is said of the task in an error, if its time is limited.
    info: Mutex<Option<TaskInfo>>,
    seat: OnceLock<Seat>,
}

impl Watch {
    fn info(&self) -> MutexGuard<'_, Option<TaskInfo>> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the task in an error.
    pub(crate) fn blame(&self, e: Error) -> Error {
        match self.info().clone() {
            Some(info) => e.at_task(info),
            None => e,
        }
    }

    /// Who says what has become of the attempt: true for the first who asks.
    fn claim(&self) -> bool {
        !self.answered.swap(true, Ordering::SeqCst)
    }

    fn is_answered(&self) -> bool {
        self.answered.load(Ordering::SeqCst)
    }
}

thread_local! {
    /// The task that this thread runs.
    static RUNNING: Cell<Option<(TaskRef, Attempt)>> = const { Cell::new(None) };
}

/// A task to run.
pub(crate) struct Job {
    pub(crate) assign: Assign,
    pub(crate) watch: Arc<Watch>,
    /// The inputs that nobody reads after it, in their order; `None`: not here.
    taken: Mutex<Vec<Option<Kept>>>,
}

impl Job {
    /// Takes what it reads as the last at once. The machine counts these as gone from now on: what comes under such a name later is another
    /// copy, for another reader.
    pub(crate) fn new(assign: Assign, watch: Arc<Watch>, store: &Store) -> Self {
        let last = assign.inputs.iter().filter(|i| is_taken(i));
        let taken = Mutex::new(last.map(|i| store.take(i.object)).collect());
        Self {
            assign,
            watch,
            taken,
        }
    }

    fn take(&self) -> Vec<Option<Kept>> {
        std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn is_taken(input: &Input) -> bool {
    input.last && matches!(input.source, Source::Workers(_))
}

impl Executor {
    pub(crate) fn new(
        store: Arc<Store>,
        tell: impl Fn(Happened) + Send + Sync + 'static,
        nested: Arc<Nested>,
    ) -> Self {
        Self {
            store,
            graphs: RwLock::default(),
            tell: Box::new(tell),
            nested,
            adrift: AtomicUsize::new(0),
            leftovers: Leftovers::default(),
        }
    }

    /// What a graph's numbers mean.
    pub(crate) fn learn(&self, graph: GraphId, shared: &Payload) {
        let shared: Result<GraphCode> = postcard::from_bytes(shared.as_slice()).map_err(|e| {
            let words = format!("the operators of graph {graph} cannot be read");
            Error::with_source(ErrorKind::Decode, words, e)
        });
        let count = shared.as_ref().map_or(0, |s| s.ops.len());
        let graph_here = Graph {
            shared,
            kernels: (0..count).map(|_| RwLock::new(None)).collect(),
        };
        let mut graphs = self.graphs.write().unwrap_or_else(PoisonError::into_inner);
        graphs.insert(graph, Arc::new(graph_here));
    }

    pub(crate) fn forget(&self, graph: GraphId) {
        let mut graphs = self.graphs.write().unwrap_or_else(PoisonError::into_inner);
        graphs.remove(&graph);
    }

    /// The time that a task may take, if that is limited. Its watch can name it from then on.
    pub(crate) fn limit(&self, assign: &Assign, watch: &Watch) -> Option<Duration> {
        let graphs = self.graphs.read().unwrap_or_else(PoisonError::into_inner);
        let shared = graphs.get(&assign.task.graph)?.shared.as_ref().ok()?;
        let limit = shared
            .annotations
            .get(assign.annotation as usize)?
            .timeout?;
        let op = shared.ops.get(assign.op as usize)?;
        *watch.info() = Some(TaskInfo::new(assign.key, op, assign.block, &[]));
        Some(limit)
    }

    /// Says in the place of a task what has become of it, unless it has come to its end, and has another run in its place. Gives how many
    /// threads go on with what nobody wants any more.
    pub(crate) fn give_up(&self, watch: &Watch) -> Option<usize> {
        if !watch.claim() {
            return None;
        }
        watch.stop.cancel();
        let adrift = self.adrift.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(seat) = watch.seat.get() {
            seat.take_away();
        }
        Some(adrift)
    }

    /// A task that will not run since no thread can be had for it.
    pub(crate) fn refuse(&self, job: &Job, why: std::io::Error) {
        let words = format!(
            "no thread can be had to run it, and all tasks of its worker that run wait for others: {why} (at most so many tasks can wait for \
             tasks at once as the system allows threads)"
        );
        let e = Error::with_source(ErrorKind::Io, words, why);
        discard(job.take());
        if job.watch.claim() {
            self.say_executed(job, Outcome::Failed(record(&e)), 0);
        }
    }

    /// Runs a task, keeps its result and says so.
    pub(crate) fn run(&self, job: &Job, seat: &Seat) {
        let begun = Instant::now();
        let Assign { task, attempt, .. } = job.assign;
        let _ = job.watch.seat.set(seat.clone());
        if job.watch.is_answered() {
            // Given up before it began.
            discard(job.take());
            self.adrift.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        RUNNING.set(Some((task, attempt)));
        let result = caught(|| {
            let value = self.attempt(job)?;
            let inline = self.inline(&value);
            Ok((value, inline))
        });
        let failed = result.as_ref().err().map(record);
        // Where the task came to nothing before it read them.
        discard(job.take());
        RUNNING.set(None);
        if !job.watch.claim() {
            // What it made comes too late: the task may be at another worker by now.
            discard(result);
            self.adrift.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        let outcome = match (result, failed) {
            (Ok((value, inline)), _) => Outcome::Stored {
                bytes: self.store.keep(task, Ok(value)),
                inline,
            },
            (Err(e), failed) => {
                discard(e);
                Outcome::Failed(failed.unwrap_or_else(nothing_said))
            }
        };
        seat.leave();
        self.say_executed(job, outcome, begun.elapsed().as_nanos() as u64);
    }

    fn say_executed(&self, job: &Job, outcome: Outcome, nanos: u64) {
        let Assign { task, attempt, .. } = job.assign;
        (self.tell)(Happened::Executed {
            task,
            attempt,
            outcome,
            nanos,
        });
    }

    /// The task of this thread waits for others from now on, or goes on.
    pub(crate) fn waits(&self, begins: bool) {
        if let Some((task, attempt)) = RUNNING.get() {
            (self.tell)(if begins {
                Happened::Seceded { task, attempt }
            } else {
                Happened::Rejoined { task, attempt }
            });
        }
    }

    fn inline(&self, value: &Value) -> Option<Payload> {
        if value.nbytes() > INLINE_MAX {
            return None;
        }
        let lent = parcel::lend(self.store.registry(), value).ok()?;
        (lent.len() as u64 <= INLINE_MAX).then(|| lent.in_one_piece().into())
    }

    fn attempt(&self, job: &Job) -> Result<Value> {
        let assign = &job.assign;
        let graph = {
            let graphs = self.graphs.read().unwrap_or_else(PoisonError::into_inner);
            graphs.get(&assign.task.graph).cloned()
        };
        let missing = |what: &str| {
            let words = format!("{what} of task {} is not known here", assign.task);
            Error::new(ErrorKind::Internal, words)
        };
        let graph = graph.ok_or_else(|| missing("the graph"))?;
        let shared = graph.shared.as_ref().map_err(Clone::clone)?;
        let op = shared
            .ops
            .get(assign.op as usize)
            .ok_or_else(|| missing("the operator"))?;
        let mut inputs = Vec::with_capacity(assign.inputs.len());
        let mut running = RunningTask {
            executor: self,
            job,
            graph: &graph,
            op,
            kernel: None,
        };
        let made = run_task(&mut running, &mut inputs);
        inputs.into_iter().for_each(discard);
        made.unwrap_or_else(|| Err(missing("the end")))
            .map(|made| made.value)
    }

    fn acquire_inputs(&self, job: &Job, inputs: &mut Vec<Value>) -> Result<()> {
        let mut taken = job.take().into_iter();
        for input in &job.assign.inputs {
            inputs.push(match &input.source {
                Source::Literal(bytes) => parcel::decode(self.store.registry(), bytes.as_slice())?,
                // What nobody else reads is held by the task alone, which may reuse its memory. If the task then fails for good,
                // nobody needs it any more; if this worker is lost, it would have been lost with it.
                Source::Workers(_) if input.last => {
                    taken.next().flatten().ok_or_else(|| missing(input))??
                }
                Source::Workers(_) => self
                    .store
                    .get(input.object)
                    .ok_or_else(|| missing(input))??,
            });
        }
        Ok(())
    }

    fn kernel(&self, graph: &Graph, op: &OpRef, n: u32) -> Resolved {
        let Some(place) = graph.kernels.get(n as usize) else {
            return self.resolve(op);
        };
        let read = place.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = &*read {
            return kernel.clone();
        }
        drop(read);
        let mut write = place.write().unwrap_or_else(PoisonError::into_inner);
        write.get_or_insert_with(|| self.resolve(op)).clone()
    }

    fn resolve(&self, op: &OpRef) -> Resolved {
        caught(|| self.store.registry().resolve(op))
    }
}

/// The most bytes of words that travel with an error, or a line that a task logs.
const WORDS: usize = 64 << 10;

/// The most inputs and causes that an error names.
const LISTED: usize = 64;

/// What travels of an error: not more than anybody reads. Its words are somebody else's code, which may panic.
pub(super) fn record(e: &Error) -> ErrorRecord {
    let record = caught(|| Ok(ErrorRecord::from(e)));
    let mut record = record.unwrap_or_else(|panic| ErrorRecord {
        kind: e.kind(),
        message: format!("{} (and the words of its cause: {panic})", e.message()),
        task: e.task().cloned(),
        causes: Vec::new(),
    });
    shorten(&mut record.message);
    record.causes.truncate(LISTED);
    record.causes.iter_mut().for_each(shorten);
    if let Some(task) = &mut record.task {
        let more = task.inputs.len().saturating_sub(LISTED);
        task.inputs.truncate(LISTED);
        task.inputs.iter_mut().for_each(shorten);
        if more > 0 {
            task.inputs.push(format!("and {more} more"));
        }
    }
    record
}

/// Cuts what is longer than anybody reads, and says so.
pub(super) fn shorten(words: &mut String) {
    if words.len() > WORDS {
        let all = words.len();
        let mut end = WORDS;
        while !words.is_char_boundary(end) {
            end -= 1;
        }
        words.truncate(end);
        words.push_str(&format!("… (cut: {all} bytes)"));
    }
}

#[cold]
fn nothing_said() -> ErrorRecord {
    record(&Error::new(
        ErrorKind::Internal,
        "a task ended without a result",
    ))
}

#[cold]
fn missing(input: &Input) -> Error {
    let words = format!("the input {} is not here", input.object);
    Error::new(ErrorKind::Internal, words)
}

#[cold]
fn unportable(value: &Value) -> Error {
    Error::new(
        ErrorKind::NotPortable,
        format!(
            "its result, a {}, cannot leave the worker: register the type with register_type!, or run the function with session.submit \
             or session.map, whose results are of any serde type",
            value.type_name()
        ),
    )
}

/// One attempt at a task.
struct RunningTask<'a> {
    executor: &'a Executor,
    job: &'a Job,
    graph: &'a Graph,
    op: &'a OpRef,
    /// Found when it begins.
    kernel: Option<Resolved>,
}

impl Task for RunningTask<'_> {
    fn acquire_inputs(&mut self, inputs: &mut Vec<Value>) -> Result<()> {
        self.executor.acquire_inputs(self.job, inputs)
    }

    fn begin(&mut self, inputs: &[Value]) -> Clock {
        let assign = &self.job.assign;
        if let Some(info) = &mut *self.job.watch.info() {
            *info = self.info(inputs);
        }
        self.kernel = Some(self.executor.kernel(self.graph, self.op, assign.op));
        let annotations = self.graph.shared.as_ref().map(|s| &s.annotations);
        let limit = annotations
            .ok()
            .and_then(|a| a.get(assign.annotation as usize)?.timeout);
        Clock {
            begun: Some(Instant::now()),
            limit,
        }
    }

    fn kernel(&self) -> Result<&dyn Kernel> {
        match &self.kernel {
            Some(Ok(kernel)) => Ok(&**kernel),
            Some(Err(e)) => Err(e.clone()),
            None => Err(Error::new(
                ErrorKind::Internal,
                "a task runs that has not begun",
            )),
        }
    }

    fn context<'a>(&'a self, host: &'a dyn TaskHost) -> TaskContext<'a> {
        let assign = &self.job.assign;
        TaskContext::of_task(host, assign.key, self.op, assign.block)
    }

    fn info(&self, inputs: &[Value]) -> TaskInfo {
        let assign = &self.job.assign;
        TaskInfo::new(assign.key, self.op, assign.block, inputs)
    }

    fn is_cancelled(&self) -> bool {
        self.job.watch.stop.is_cancelled()
    }

    fn why_cancelled(&self) -> Error {
        Error::new(ErrorKind::Cancelled, "the run was cancelled")
    }

    /// Whoever keeps the result asks ([`Watch::claim`]).
    fn claim(&mut self) -> bool {
        true
    }

    /// Where its reader will run is not known, so a value must be able to leave this process even if it never does.
    fn check(&self, value: &Value) -> Result<()> {
        match self.executor.store.registry().can_encode(value) {
            true => Ok(()),
            false => Err(unportable(value)),
        }
    }

    fn store(&self) -> &kvern_store::Store {
        self.executor.store.values()
    }

    fn log(&self, key: Key, operator: &str, message: &str) {
        let mut message = message.to_owned();
        shorten(&mut message);
        (self.executor.tell)(Happened::Log {
            task: self.job.assign.task,
            key,
            operator: operator.to_owned(),
            message,
        });
    }

    fn leftovers(&self) -> Leftovers {
        self.executor.leftovers.clone()
    }

    fn submitter(&self) -> Result<Submitter> {
        let registry = self.executor.store.registry().clone();
        Ok(Submitter::new(self.executor.nested.clone(), Some(registry)))
    }
}

#[cfg(test)]
mod tests {
    use kvern_core::Registry;
    use kvern_machine::{ClientId, WorkerId};

    use super::*;
    use crate::worker::pool;

    /// The last reader of a value runs; meanwhile another reader was lost with its worker and is made again, and the value is fetched for it
    /// under the same name.
    #[test]
    fn a_task_lets_go_of_what_it_took_and_not_of_another_copy() {
        let registry = Arc::new(Registry::linked().unwrap());
        let (happened, _happened) = tokio::sync::mpsc::unbounded_channel();
        let store = Arc::new(Store::new(registry, happened));
        let graph = GraphId::new(ClientId::default(), 1);
        let [object, task] = [0, 1].map(|n| TaskRef::new(graph, n));
        let said = Arc::new(Mutex::new(Vec::new()));
        let tell = {
            let said = said.clone();
            move |h| said.lock().unwrap().push(h)
        };
        let lonely = Nested::new(|| Err(Error::new(ErrorKind::Unsupported, "no scheduler")));
        let executor = Executor::new(store.clone(), tell, Arc::new(lonely));
        let assign = Assign {
            task,
            attempt: Attempt::default(),
            priority: 0,
            key: kvern_core::key::unique("test"),
            op: 0,
            block: 0,
            annotation: 0,
            inputs: vec![Input {
                object,
                bytes: 8,
                source: Source::Workers(vec![WorkerId::default()]),
                last: true,
            }],
        };
        store.keep(object, Ok(Value::new(vec![1.0f64])));
        let job = Job::new(assign, Arc::default(), &store);
        assert!(store.get(object).is_none(), "the task has it");
        store.keep(object, Ok(Value::new(vec![2.0f64])));
        // Whatever becomes of the task: its graph is not known here.
        let (over, ended) = std::sync::mpsc::channel();
        let uses = pool::Uses {
            run: Box::new(move |job: Arc<Job>, seat: &Seat| {
                executor.run(&job, seat);
                let _ = over.send(());
            }),
            waits: Box::new(|_| ()),
            refuse: Box::new(|_, e| panic!("{e}")),
            spawn: pool::threads(),
        };
        let job = Arc::new(job);
        let pool = pool::Pool::new(1, uses).unwrap();
        pool.push([job.clone()]);
        ended.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(said.lock().unwrap().len(), 1);
        let there = store.get(object).unwrap().unwrap();
        assert_eq!(there.downcast_ref::<Vec<f64>>(), Some(&vec![2.0]));
        assert!(job.take().is_empty(), "what it took is gone with it");
    }
}
