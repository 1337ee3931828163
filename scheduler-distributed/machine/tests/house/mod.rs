//! A scheduler's machine with a client and workers that do what a test says, checked after every event.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::collections::BTreeMap;

use kvern_core::error::ErrorRecord;
use kvern_core::{ErrorKind, Key};
use kvern_machine::scheduler::state::State;
use kvern_machine::scheduler::{Config, Effect, Event, WorkerInfo};
use kvern_machine::wire::{FromClient, FromWorker, ToClient, ToWorker};
use kvern_machine::{
    Attempt, ClientId, Datum, GraphId, GraphSpec, Outbox, Scheduler, TaskRef, Tick, WorkerId,
};

pub(crate) const CLIENT: ClientId = ClientId(1);
pub(crate) const W1: WorkerId = WorkerId(1);
pub(crate) const W2: WorkerId = WorkerId(2);
pub(crate) const W3: WorkerId = WorkerId(3);
/// A task's time after which a worker gets nothing ahead.
pub(crate) const LONG: u64 = 1_000_000_000;
/// A task's time after which it gets as much as it may.
pub(crate) const SHORT: u64 = 1000;

pub(crate) struct House {
    pub(crate) machine: Scheduler,
    pub(crate) now: u64,
    pub(crate) sent: Vec<Effect>,
    given: BTreeMap<TaskRef, (WorkerId, Attempt)>,
    graphs: u32,
}

/// A graph: what each task reads, and what is wanted.
pub(crate) fn spec(deps: &[&[u32]], outputs: &[u32]) -> GraphSpec {
    let n = deps.len();
    let mut spec = GraphSpec {
        dep_off: vec![0],
        bytes: vec![100; n],
        position: (0..n as u32).collect(),
        op: vec![0; n],
        retries: vec![0; n],
        keys: (0..n as u64)
            .map(|i| Key::builder("test").u64(i).finish())
            .collect(),
        outputs: outputs.to_vec(),
        ..GraphSpec::default()
    };
    for row in deps {
        spec.deps.extend_from_slice(row);
        spec.dep_off.push(spec.deps.len() as u32);
    }
    spec
}

pub(crate) fn error(words: &str) -> ErrorRecord {
    ErrorRecord {
        kind: ErrorKind::Task,
        message: words.into(),
        task: None,
        causes: Vec::new(),
    }
}

impl House {
    /// One client, and workers with these slots.
    pub(crate) fn new(slots: &[u32]) -> Self {
        Self::with(Config::default(), slots)
    }

    /// The same, set up otherwise.
    pub(crate) fn with(config: Config, slots: &[u32]) -> Self {
        let mut house = Self {
            machine: Scheduler::new(config),
            now: 0,
            sent: Vec::new(),
            given: BTreeMap::new(),
            graphs: 0,
        };
        house.event(Event::ClientJoined(CLIENT));
        for (i, s) in slots.iter().enumerate() {
            house.join(i as u32 + 1, *s);
        }
        house
    }

    pub(crate) fn event(&mut self, event: Event) -> &[Effect] {
        let mut out = Outbox::new();
        let words = format!("{event:?}");
        self.machine.handle(Tick(self.now), event, &mut out);
        if let Err(e) = self.machine.check() {
            panic!("{e} after {words}");
        }
        self.sent = out.drain().collect();
        for effect in &self.sent {
            if let Effect::ToWorker(w, ToWorker::Assign(a)) = effect {
                self.given.insert(a.task, (*w, a.attempt));
            }
        }
        &self.sent
    }

    pub(crate) fn join(&mut self, worker: u32, slots: u32) {
        self.join_as(worker, slots, "");
    }

    /// A worker that runs a build of a program.
    pub(crate) fn join_as(&mut self, worker: u32, slots: u32, build: &str) {
        let info = WorkerInfo {
            name: format!("host-{worker}"),
            slots,
            memory: 1 << 30,
            address: format!("10.0.0.{worker}:1"),
            build: build.to_owned(),
        };
        self.event(Event::WorkerJoined(WorkerId(worker), info));
    }

    pub(crate) fn lose(&mut self, worker: WorkerId) {
        let why = "the cable was cut".into();
        self.event(Event::WorkerLost { worker, why });
    }

    pub(crate) fn submit(&mut self, spec: GraphSpec) -> GraphId {
        self.submit_as(CLIENT, spec)
    }

    pub(crate) fn submit_as(&mut self, client: ClientId, spec: GraphSpec) -> GraphId {
        self.graphs += 1;
        let graph = GraphId::new(client, self.graphs);
        let spec = Box::new(spec);
        self.event(Event::Submit {
            client,
            graph,
            spec,
        });
        graph
    }

    pub(crate) fn graph(&mut self, deps: &[&[u32]], outputs: &[u32]) -> GraphId {
        self.submit(spec(deps, outputs))
    }

    /// Lets each worker run a short task, so that it may be given more than its slots take.
    pub(crate) fn warm(&mut self, workers: u32) {
        let rows: Vec<&[u32]> = vec![&[]; workers as usize];
        let outputs: Vec<u32> = (0..workers).collect();
        let g = self.graph(&rows, &outputs);
        for i in 0..workers {
            self.done_after(t(g, i), SHORT);
        }
        self.says(FromClient::ReleaseAll { graph: g });
    }

    /// A chain of so many tasks, of which the last is wanted.
    pub(crate) fn chain(&mut self, links: u32) -> GraphId {
        let deps: Vec<Vec<u32>> = (0..links).map(|i| (i.max(1) - 1..i).collect()).collect();
        let rows: Vec<&[u32]> = deps.iter().map(Vec::as_slice).collect();
        self.graph(&rows, &[links - 1])
    }

    /// A graph of one scattered datum that is to come to the first worker.
    pub(crate) fn scatter(&mut self) -> TaskRef {
        let mut one = spec(&[&[]], &[0]);
        one.data.push((0, Datum::Scattered(W1)));
        TaskRef::new(self.submit(one), 0)
    }

    pub(crate) fn says(&mut self, message: FromClient) {
        self.event(Event::FromClient(CLIENT, message));
    }

    pub(crate) fn worker_says(&mut self, worker: WorkerId, message: FromWorker) {
        self.event(Event::FromWorker(worker, message));
    }

    /// Who has a task, and in which attempt.
    pub(crate) fn given(&self, task: TaskRef) -> (WorkerId, Attempt) {
        match self.given.get(&task) {
            Some(given) => *given,
            None => panic!("{task} was never given to a worker"),
        }
    }

    pub(crate) fn start(&mut self, task: TaskRef) {
        let (worker, attempt) = self.given(task);
        self.worker_says(worker, FromWorker::Started { task, attempt });
    }

    pub(crate) fn done(&mut self, task: TaskRef) {
        self.done_after(task, LONG);
    }

    pub(crate) fn done_after(&mut self, task: TaskRef, nanos: u64) {
        let (worker, attempt) = self.given(task);
        let done = FromWorker::Done {
            task,
            attempt,
            bytes: 100,
            nanos,
            inline: None,
        };
        self.worker_says(worker, done);
    }

    pub(crate) fn fail(&mut self, task: TaskRef) {
        let (worker, attempt) = self.given(task);
        let failed = FromWorker::Failed {
            task,
            attempt,
            error: error("no"),
        };
        self.worker_says(worker, failed);
    }

    pub(crate) fn aborted(&mut self, task: TaskRef) {
        let (worker, attempt) = self.given(task);
        self.worker_says(worker, FromWorker::Aborted { task, attempt });
    }

    pub(crate) fn retracted(&mut self, task: TaskRef) {
        let (worker, attempt) = self.given(task);
        self.worker_says(worker, FromWorker::Retracted { task, attempt });
    }

    /// The worker of a task says that it cannot get an input from those.
    pub(crate) fn missing(&mut self, task: TaskRef, object: TaskRef, tried: &[WorkerId]) {
        let (worker, attempt) = self.given(task);
        let missing = FromWorker::InputMissing {
            task,
            attempt,
            object,
            tried: tried.to_vec(),
        };
        self.worker_says(worker, missing);
    }

    pub(crate) fn have(&mut self, worker: WorkerId, object: TaskRef) {
        self.worker_says(worker, FromWorker::Have { object, bytes: 100 });
    }

    pub(crate) fn cancel(&mut self, graph: GraphId) {
        self.says(FromClient::Cancel { graph });
    }

    pub(crate) fn release(&mut self, graph: GraphId, output: u32) {
        let outputs = vec![output];
        self.says(FromClient::Release { graph, outputs });
    }

    /// So much later.
    pub(crate) fn tick(&mut self, nanos: u64) {
        self.now += nanos;
        self.event(Event::Timer);
    }

    pub(crate) fn state(&self, task: TaskRef) -> State {
        match self.machine.state(task) {
            Some(state) => state,
            None => panic!("{task} is not known"),
        }
    }

    pub(crate) fn saw(&self, task: TaskRef, from: State, to: State) -> bool {
        let story = self.machine.story(task);
        story
            .iter()
            .any(|l| l.from == from.name() && l.to == to.name())
    }

    /// What was sent to the client by the last event.
    pub(crate) fn to_client(&self) -> Vec<&ToClient> {
        let to = |e| match e {
            &Effect::ToClient(CLIENT, ref m) => Some(m),
            _ => None,
        };
        self.sent.iter().filter_map(to).collect()
    }

    /// What was sent to a worker by the last event.
    pub(crate) fn to_worker(&self, worker: WorkerId) -> Vec<&ToWorker> {
        let to = |e| match e {
            &Effect::ToWorker(w, ref m) if w == worker => Some(m),
            _ => None,
        };
        self.sent.iter().filter_map(to).collect()
    }
}

/// A task of a graph.
pub(crate) fn t(graph: GraphId, task: u32) -> TaskRef {
    TaskRef::new(graph, task)
}
