//! A client's connection to a scheduler: what it says, what it hears, and who waits for which answer.

mod hear;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use kvern_core::error::ErrorRecord;
use kvern_core::events::{Event, Interest, Observers};
use kvern_core::scheduler::{MemoryUse, Progress};
use kvern_core::{Error, ErrorKind, Registry, Result, TaskGraph};
use kvern_machine::wire::{AboutWorker, FromClient, Interest as WireInterest, MOST_NAMES};
use kvern_machine::{ClientId, GraphId, Payload, TaskRef, WorkerId};
use tokio::sync::mpsc::UnboundedSender;

use crate::client::backed::Backed;
use crate::client::keys::Keys;
use crate::client::running::ClusterRun;
use crate::client::tell::Tell;
use crate::log::Lines;
use crate::net::frame;
use crate::parcel::Parcel;

/// How long an answer to a question may take before the question counts as unanswered. Progress and memory are asked for often and by
/// people; a scheduler that is busy for longer is told to be so by its silence.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Link {
    client: ClientId,
    /// Where the scheduler is, for messages.
    address: String,
    registry: Arc<Registry>,
    observers: Arc<Observers>,
    out: UnboundedSender<FromClient>,
    fetches: UnboundedSender<Fetch>,
    tells: Mutex<mpsc::Sender<Told>>,
    graphs: AtomicU32,
    numbers: AtomicU64,
    /// What the scheduler was asked to tell of.
    listening: Mutex<WireInterest>,
    /// Of the worker that has most.
    memory: AtomicU64,
    backed: Backed,
    /// Lines on tasks that wait for workers.
    waits: Lines,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    runs: HashMap<GraphId, Weak<ClusterRun>>,
    /// Which graph the run at an address in memory is: how a handle is known to be one of this scheduler's.
    addresses: HashMap<usize, GraphId>,
    /// Graphs that have not ended, whether somebody holds their run or not.
    open: HashMap<GraphId, Open>,
    submits: HashMap<GraphId, Submit>,
    /// What an observer of tasks needs of a graph: it is expanded here only for one.
    expanded: HashMap<GraphId, Arc<TaskGraph>>,
    peers: BTreeMap<WorkerId, Peer>,
    /// Workers that were ever seen.
    seen: u32,
    /// Who asks how far a graph is, in the order of the questions: each answer is for one of them, so that none is older than its question.
    progress: HashMap<GraphId, VecDeque<mpsc::Sender<Progress>>>,
    memory: VecDeque<mpsc::Sender<MemoryUse>>,
    workers: VecDeque<mpsc::Sender<Vec<AboutWorker>>>,
    /// Why nothing is computed any more, though the scheduler is there.
    stopped: Option<Error>,
    /// Why nothing can be submitted any more.
    over: Option<Error>,
}

impl State {
    /// Where a worker is reached.
    fn know(&mut self, worker: WorkerId, address: String) {
        let (peers, seen) = (&mut self.peers, &mut self.seen);
        peers.entry(worker).or_insert_with(|| {
            let index = *seen;
            *seen += 1;
            Peer { address, index }
        });
    }
}

struct Submit {
    keys: Keys,
    expanded: Option<Arc<TaskGraph>>,
    reply: mpsc::Sender<Result<Arc<ClusterRun>>>,
}

/// What is told of a graph when it ends.
struct Open {
    number: u64,
    tasks: u32,
    data: u32,
    submitted: Instant,
    first_error: Option<Error>,
    cancelled: bool,
}

impl Open {
    /// How far it is.
    fn progress(&self, done: u32, failed: u32, bytes: u64) -> Progress {
        Progress {
            total: u64::from(self.tasks),
            data: u64::from(self.data),
            done: u64::from(done),
            failed: u64::from(failed),
            bytes,
        }
    }

    /// How it ended.
    fn end(mut self, [done, failed, cancelled]: [u32; 3], bytes: u64) -> (Progress, Option<Error>) {
        let error = match self.first_error.take() {
            None if self.cancelled && cancelled > 0 => Some(super::cancelled()),
            other => other,
        };
        // What nobody wanted any more counts as done: there is nothing wrong with it.
        let (done, failed) = match error {
            Some(_) => (done, failed + cancelled),
            None => (done + cancelled, failed),
        };
        (self.progress(done, failed, bytes), error)
    }
}

/// A worker as clients know it.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: String,
    /// Counted from 0 in the order in which workers were seen.
    index: u32,
}

/// What the data thread is to do.
pub(crate) enum Fetch {
    /// Get these results of a run.
    Get { graph: GraphId, tasks: Vec<u32> },
    /// Put a value on a worker.
    Put {
        worker: WorkerId,
        object: TaskRef,
        value: Parcel,
    },
}

/// What the thread that calls user code is to do.
pub(crate) enum Told {
    Call(Tell),
    Event(Interest, Event),
}

impl Link {
    pub(crate) fn new(
        client: ClientId,
        address: String,
        registry: Arc<Registry>,
        out: UnboundedSender<FromClient>,
        fetches: UnboundedSender<Fetch>,
        tells: mpsc::Sender<Told>,
    ) -> Self {
        Self {
            client,
            address,
            registry,
            observers: Arc::new(Observers::new()),
            out,
            fetches,
            tells: Mutex::new(tells),
            graphs: AtomicU32::new(0),
            numbers: AtomicU64::new(0),
            listening: Mutex::default(),
            memory: AtomicU64::new(0),
            backed: Backed::default(),
            waits: Lines::default(),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn client(&self) -> ClientId {
        self.client
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The values that graphs brought.
    pub(crate) fn backed(&self) -> &Backed {
        &self.backed
    }

    pub(crate) fn observers(&self) -> &Arc<Observers> {
        &self.observers
    }

    /// Says something. Where nobody listens any more, whoever waits has been told so.
    pub(crate) fn send(&self, message: FromClient) {
        let _ = self.out.send(message);
    }

    pub(crate) fn fetch(&self, graph: GraphId, tasks: Vec<u32>) {
        let _ = self.fetches.send(Fetch::Get { graph, tasks });
    }

    pub(crate) fn put(&self, worker: WorkerId, object: TaskRef, value: Parcel) {
        if worker == WorkerId::default() {
            // There was no worker. The scheduler names one when one is there.
            return;
        }
        let _ = self.fetches.send(Fetch::Put {
            worker,
            object,
            value,
        });
    }

    /// A value that was announced will not be on any worker: whoever reads it is told why.
    pub(crate) fn not_put(&self, task: TaskRef, why: &Error) {
        self.send(FromClient::NotPut {
            task,
            worker: None,
            error: ErrorRecord::from(why),
        });
    }

    /// Has callbacks called, on a thread of their own.
    pub(crate) fn tell(&self, tell: Tell) {
        if !tell.is_empty() {
            self.told(Told::Call(tell));
        }
    }

    fn told(&self, told: Told) {
        let tells = self.tells.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = tells.send(told);
    }

    fn event(&self, interest: Interest, event: Event) {
        if self.observers.wants(interest) {
            self.told(Told::Event(interest, event));
        }
    }

    /// A number for the next graph.
    pub(crate) fn next_graph(&self) -> GraphId {
        GraphId::new(self.client, self.graphs.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Sends a graph and waits until it is accepted or refused.
    pub(crate) fn submit(
        &self,
        graph: GraphId,
        body: Payload,
        keys: Keys,
        expand: impl FnOnce() -> Result<TaskGraph>,
    ) -> Result<Arc<ClusterRun>> {
        if body.len() > frame::MAX_CONTROL - (1 << 16) {
            let words = format!(
                "the graph takes {} bytes encoded, and at most {} can be sent in one go: its layers hold data that could be read from files or scattered",
                body.len(),
                frame::MAX_CONTROL
            );
            return Err(Error::new(ErrorKind::BadInput, words));
        }
        let watched = self.observers.wants(Interest::Tasks);
        self.listen_up();
        let expanded = if watched {
            Some(Arc::new(expand()?))
        } else {
            None
        };
        let (reply, answer) = mpsc::channel();
        {
            let mut state = self.lock();
            if let Some(e) = state.stopped.as_ref().or(state.over.as_ref()) {
                return Err(e.clone());
            }
            let submit = Submit {
                keys,
                expanded,
                reply,
            };
            state.submits.insert(graph, submit);
        }
        self.send(FromClient::Submit { graph, body });
        // Always answered: if the scheduler is lost, by that. No other task is waited for, so the slot of a task that asks is kept.
        answer.recv().unwrap_or_else(|_| Err(self.gone()))
    }

    /// Asks the scheduler to tell of so much from now on.
    fn listen(&self, interest: WireInterest) {
        let mut now = self
            .listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *now != interest {
            *now = interest;
            self.send(FromClient::Subscribe(interest));
        }
    }

    /// Asks the scheduler to tell of what observers want to hear of. To tell less waits until it tells something that nobody wants to hear.
    pub(crate) fn listen_up(&self) {
        if self.observers.wants(Interest::Tasks) {
            self.listen(WireInterest::Tasks);
        } else if self.observers.wants(Interest::Runs) {
            let now = *self
                .listening
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.listen(now.max(WireInterest::Progress));
        }
    }

    pub(crate) fn gone(&self) -> Error {
        let over = self.lock().over.clone();
        over.unwrap_or_else(|| self.lost("the connection ended"))
    }

    /// The error of whoever waits when the scheduler is gone.
    pub(crate) fn lost(&self, why: &str) -> Error {
        Error::new(
            ErrorKind::Lost,
            format!("the scheduler at {} is gone: {why}", self.address),
        )
    }

    /// A run is not held by anybody any more.
    pub(crate) fn forget(&self, address: *const (), graph: GraphId, outputs: Vec<u32>) {
        let mut state = self.lock();
        state.runs.remove(&graph);
        state.addresses.remove(&address.addr());
        drop(state);
        for outputs in outputs.chunks(MOST_NAMES) {
            let outputs = outputs.to_vec();
            self.send(FromClient::Release { graph, outputs });
        }
    }

    pub(crate) fn run(&self, graph: GraphId) -> Option<Arc<ClusterRun>> {
        self.lock().runs.get(&graph).and_then(Weak::upgrade)
    }

    /// The run of this connection that has this address in memory, if it is one.
    pub(crate) fn run_at(&self, address: *const ()) -> Option<Arc<ClusterRun>> {
        let state = self.lock();
        let graph = state.addresses.get(&address.addr())?;
        state.runs.get(graph)?.upgrade()
    }

    pub(crate) fn peer(&self, worker: WorkerId) -> Option<Peer> {
        self.lock().peers.get(&worker).cloned()
    }

    pub(crate) fn ask_progress(&self, graph: GraphId) -> Option<Progress> {
        self.ask(
            |state, reply| state.progress.entry(graph).or_default().push_back(reply),
            FromClient::AskProgress { graph },
        )
    }

    pub(crate) fn ask_memory(&self) -> Option<MemoryUse> {
        self.ask(
            |state, reply| state.memory.push_back(reply),
            FromClient::AskMemory,
        )
    }

    pub(crate) fn ask_workers(&self) -> Option<Vec<AboutWorker>> {
        self.ask(
            |state, reply| state.workers.push_back(reply),
            FromClient::AskWorkers,
        )
    }

    /// The workers that are there.
    ///
    /// # Errors
    /// If the scheduler does not say.
    pub(crate) fn workers(&self) -> Result<Vec<AboutWorker>> {
        self.ask_workers().ok_or_else(|| {
            if self.is_over() {
                return self.gone();
            }
            let words = format!(
                "the scheduler at {} has not said within {PATIENCE:?} which workers it has",
                self.address
            );
            Error::new(ErrorKind::Timeout, words)
        })
    }

    /// The memory of the worker that has most, as it was when the scheduler was last asked for its workers; none while none was there. `ask`: asks if
    /// that is not known.
    pub(crate) fn largest_memory(&self, ask: bool) -> Option<u64> {
        let known = || Some(self.memory.load(Ordering::Relaxed)).filter(|m| *m > 0);
        known().or_else(|| {
            if ask {
                self.ask_workers();
            }
            known()
        })
    }

    fn ask<T>(
        &self,
        remember: impl FnOnce(&mut State, mpsc::Sender<T>),
        question: FromClient,
    ) -> Option<T> {
        let (reply, answer) = mpsc::channel();
        {
            let mut state = self.lock();
            if state.over.is_some() {
                return None;
            }
            remember(&mut state, reply);
        }
        self.send(question);
        answer.recv_timeout(PATIENCE).ok()
    }

    /// Stops all graphs that have not ended.
    pub(crate) fn cancel_all(&self) {
        let open: Vec<GraphId> = self.lock().open.keys().copied().collect();
        open.into_iter().for_each(|graph| self.cancel(graph));
    }

    /// Stops all graphs that have not ended, and refuses others. Whoever waits for what is not made is told why, at once, whatever the
    /// scheduler does.
    pub(crate) fn stop(&self, why: &Error) {
        let mut state = self.lock();
        state.stopped.get_or_insert_with(|| why.clone());
        let runs: Vec<_> = state.runs.values().filter_map(Weak::upgrade).collect();
        drop(state);
        // First: what the scheduler says of a run that is cancelled says nothing of the reason.
        for run in runs {
            run.stopped(why).into_iter().for_each(|t| self.tell(t));
        }
        self.cancel_all();
    }

    /// Waits until no graph is left that has not ended, at most until then.
    pub(crate) fn wait_until_idle(&self, end: Instant) {
        while Instant::now() < end {
            let state = self.lock();
            if state.open.is_empty() || state.over.is_some() {
                return;
            }
            drop(state);
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Tasks that all workers together run at once, as far as is known.
    pub(crate) fn slots(&self) -> Option<u32> {
        let slots: u32 = self.ask_workers()?.iter().map(|w| w.slots).sum();
        Some(slots.max(1))
    }

    /// Nothing can be submitted any more; whoever waits is told why.
    pub(crate) fn end(&self, why: &Error) {
        let mut state = self.lock();
        if state.over.is_some() {
            return;
        }
        state.over = Some(why.clone());
        let runs: Vec<_> = state.runs.values().filter_map(Weak::upgrade).collect();
        let submits: Vec<_> = state.submits.drain().map(|s| s.1).collect();
        state.progress.clear();
        state.memory.clear();
        state.workers.clear();
        drop(state);
        self.backed.clear();
        for s in submits {
            let _ = s.reply.send(Err(why.clone()));
        }
        for run in runs {
            run.lost(why).into_iter().for_each(|t| self.tell(t));
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().over.is_some()
    }
}
