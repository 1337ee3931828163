//! Running one task on a thread of the pool.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use kvern_core::error::TaskInfo;
use kvern_core::operator::Kernel;
use kvern_core::unfinished::Leftovers;
use kvern_core::{Error, ErrorKind, OpRef, Pieces, Result, Value};
use kvern_machine::wire::{Assign, Input, Source};
use kvern_machine::worker::Outcome;
use kvern_machine::{Attempt, GraphId, Payload, TaskRef};
use kvern_store::{Admitted, StoredValue, Waiting, run_task};

use super::Happened;
use super::nested::Nested;
use super::record::record;
use super::running::RunningTask;
use super::store::{InHand, Kept, Store};
use super::watch::Watch;
use crate::graph_code::GraphCode;
use crate::parcel::{self, caught, discard};
use crate::seat::Seat;

/// Encoded results up to this many bytes are sent along with the news that they are made.
const INLINE_MAX: u64 = 16 << 10;

/// The code of an operator, or why there is none.
pub(super) type Resolved = Result<Arc<dyn Kernel>>;

/// A graph as this worker knows it.
pub(super) struct Graph {
    pub(super) shared: Result<GraphCode>,
    /// The code of each operator, found when its first task runs.
    kernels: Vec<RwLock<Option<Resolved>>>,
}

/// What threads of the pool share.
pub(crate) struct Executor {
    pub(crate) store: Arc<Store>,
    graphs: RwLock<HashMap<GraphId, Arc<Graph>>>,
    /// Where tasks say what has become of them; it may begin others, on this thread as soon as it is free.
    pub(super) tell: Box<dyn Fn(Happened) + Send + Sync>,
    /// For tasks that submit tasks.
    pub(super) nested: Arc<Nested>,
    /// Threads whose tasks were given up and have not come to an end.
    adrift: AtomicUsize,
    /// What running tasks would leave behind.
    pub(crate) leftovers: Leftovers,
}

thread_local! {
    /// The task that this thread runs.
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// What a thread knows of the task that it runs.
struct Running {
    task: TaskRef,
    attempt: Attempt,
    watch: Arc<Watch>,
    /// It waits for other tasks.
    waiting: Option<Waiting>,
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

    /// Which piece of what is kept under an input's name is read.
    fn piece_of(&self, input: &Input) -> Option<u32> {
        // What came as a piece is kept as that.
        self.assign.piece.filter(|_| input.object.piece().is_none())
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Option<Kept>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Option<Kept>> {
        std::mem::take(&mut *self.taken())
    }

    /// What it reads of what can be spilled.
    fn stored(&self, store: &Store) -> Vec<Arc<StoredValue>> {
        let of_store = self
            .assign
            .inputs
            .iter()
            .filter(|i| !is_taken(i) && matches!(i.source, Source::Workers(_)))
            .filter_map(|i| store.stored(i.object, self.piece_of(i)));
        let taken = self.taken();
        let taken = taken.iter().flatten().filter_map(|kept| kept.stored(None));
        of_store.chain(taken).collect()
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
        watch.count(&self.store, |c| c.given_up = true);
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
        RUNNING.set(Some(Running {
            task,
            attempt,
            watch: job.watch.clone(),
            waiting: None,
        }));
        let (result, mut admitted) = match self.admit(job) {
            Ok(admitted) => {
                let result = caught(|| {
                    let value = self.attempt(job)?;
                    let inline = self.inline(&value);
                    Ok((value, inline))
                });
                (result, Some(admitted))
            }
            Err(e) => (Err(self.blame(job, e)), None),
        };
        // Where the task came to nothing before it read them.
        discard(job.take());
        RUNNING.set(None);
        if !job.watch.claim() {
            // What it made comes too late: the task may be at another worker by now.
            discard(result);
            self.let_go(job, admitted);
            self.adrift.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        // The result counts itself from here on; the task counts as running until it is in place.
        if let Some(admitted) = &mut admitted {
            admitted.settle();
        }
        let result = result.and_then(|(value, inline)| {
            let kept = self.store.keep_made(task, value);
            let bytes = kept.map_err(|e| self.blame(job, e))?;
            Ok(Outcome::Stored { bytes, inline })
        });
        self.let_go(job, admitted);
        let outcome = result.unwrap_or_else(|e| {
            let outcome = Outcome::Failed(record(&e));
            discard(e);
            outcome
        });
        seat.leave();
        self.say_executed(job, outcome, begun.elapsed().as_nanos() as u64);
    }

    /// Waits until there is memory for what the task will make and read.
    fn admit(&self, job: &Job) -> Result<Admitted<'_>> {
        let assign = &job.assign;
        let annotated = self.code(assign.task.graph).and_then(|graph| {
            let shared = graph.shared.as_ref().ok()?;
            shared.annotations.get(assign.annotation as usize)?.memory
        });
        let inputs = || job.stored(&self.store);
        let on_disk = inputs()
            .iter()
            .filter(|v| v.is_on_disk())
            .map(|v| v.nbytes())
            .sum();
        let need = [annotated.unwrap_or(0), on_disk];
        let need = need.into_iter().fold(assign.bytes, u64::saturating_add);
        let stop = || job.watch.stop.is_cancelled();
        let admitted = self.store.values().admit_waiting(need, &inputs, &stop)?;
        let admitted = admitted.ok_or_else(cancelled)?;
        job.watch.count(&self.store, |c| c.admitted = true);
        Ok(admitted)
    }

    /// The task has ended, as far as memory goes.
    fn let_go(&self, job: &Job, admitted: Option<Admitted<'_>>) {
        // Counted as running for a moment too long rather than too short.
        job.watch.count(&self.store, |c| c.admitted = false);
        drop(admitted);
    }

    /// Names the task in an error.
    fn blame(&self, job: &Job, e: Error) -> Error {
        let assign = &job.assign;
        let graph = self.code(assign.task.graph);
        let shared = graph.as_ref().and_then(|g| g.shared.as_ref().ok());
        match shared.and_then(|s| s.ops.get(assign.op as usize)) {
            Some(op) => e.at_task(TaskInfo::new(assign.key, op, assign.block, &[])),
            None => e,
        }
    }

    fn code(&self, graph: GraphId) -> Option<Arc<Graph>> {
        let graphs = self.graphs.read().unwrap_or_else(PoisonError::into_inner);
        graphs.get(&graph).cloned()
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
        let told = RUNNING.with_borrow_mut(|running| {
            let running = running.as_mut()?;
            let (task, attempt) = (running.task, running.attempt);
            running.watch.count(&self.store, |c| c.waits = begins);
            running.waiting = begins.then(|| Waiting::new(self.store.values()));
            Some(match begins {
                true => Happened::Seceded { task, attempt },
                false => Happened::Rejoined { task, attempt },
            })
        });
        if let Some(told) = told {
            (self.tell)(told);
        }
    }

    fn inline(&self, value: &Value) -> Option<Payload> {
        // Of a split nobody wants more than a piece.
        if value.nbytes() > INLINE_MAX || value.is::<Pieces>() {
            return None;
        }
        let lent = parcel::lend(self.store.registry(), value).ok()?;
        (lent.len() as u64 <= INLINE_MAX).then(|| lent.in_one_piece().into())
    }

    fn attempt(&self, job: &Job) -> Result<Value> {
        let assign = &job.assign;
        let graph = self.code(assign.task.graph);
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
            in_hand: Vec::new(),
        };
        let made = run_task(&mut running, &mut inputs);
        inputs.into_iter().for_each(discard);
        made.unwrap_or_else(|| Err(missing("the end")))
            .map(|made| made.value)
    }

    pub(super) fn acquire_inputs(
        &self,
        job: &Job,
        inputs: &mut Vec<Value>,
        in_hand: &mut Vec<InHand>,
    ) -> Result<()> {
        let mut taken = job.take().into_iter();
        for input in &job.assign.inputs {
            let found = match &input.source {
                Source::Literal(bytes) => {
                    let value = parcel::decode(self.store.registry(), bytes.as_slice())?;
                    inputs.push(match job.piece_of(input) {
                        Some(piece) => Pieces::pick(&value, piece)?,
                        None => value,
                    });
                    continue;
                }
                // What nobody else reads is held by the task alone, which may reuse its memory. If the task then fails for good,
                // nobody needs it any more; if this worker is lost, it would have been lost with it.
                Source::Workers(_) if input.last => taken.next().flatten().map(Kept::take),
                Source::Workers(_) => self.store.share(input.object, job.piece_of(input)),
            };
            let (value, held) = found.ok_or_else(|| missing(input))??;
            inputs.push(value);
            in_hand.extend(held);
        }
        Ok(())
    }

    pub(super) fn kernel(&self, graph: &Graph, op: &OpRef, n: u32) -> Resolved {
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

#[cold]
pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the run was cancelled")
}

#[cold]
fn missing(input: &Input) -> Error {
    let words = format!("the input {} is not here", input.object);
    Error::new(ErrorKind::Internal, words)
}

#[cfg(test)]
mod tests {
    use kvern_core::Registry;
    use kvern_machine::{ClientId, WorkerId};
    use kvern_store::StoreOptions;

    use super::*;
    use crate::worker::pool;

    /// The last reader of a value runs; meanwhile another reader was lost with its worker and is made again, and the value is fetched for it
    /// under the same name.
    #[test]
    fn a_task_lets_go_of_what_it_took_and_not_of_another_copy() {
        let registry = Arc::new(Registry::linked().unwrap());
        let (happened, _happened) = tokio::sync::mpsc::unbounded_channel();
        let store = Arc::new(Store::new(StoreOptions::new(1 << 30), registry, happened));
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
            piece: None,
            annotation: 0,
            bytes: 8,
            inputs: vec![Input {
                object,
                bytes: 8,
                source: Source::Workers(vec![WorkerId::default()]),
                last: true,
            }],
        };
        store.keep(object, Ok(Value::new(vec![1.0f64])));
        let job = Job::new(assign, Arc::default(), &store);
        assert!(store.share(object, None).is_none(), "the task has it");
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
        let (there, _) = store.share(object, None).unwrap().unwrap();
        assert_eq!(there.downcast_ref::<Vec<f64>>(), Some(&vec![2.0]));
        assert!(job.take().is_empty(), "what it took is gone with it");
    }
}
