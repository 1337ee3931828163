//! The world: one scheduler, workers and clients, and what happens between them, one thing after another.
//!
//! The shells here are as thin as they can be, and do what the README of the machine crate asks of a shell. Every control message goes
//! through the wire's encoding.

mod clients;
mod faults;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use kvern_core::error::ErrorRecord;
use kvern_machine::scheduler::{Config, Effect, Event, WorkerInfo};
use kvern_machine::wire::{FromClient, FromWorker, Interest, ToClient, ToWorker, decode, encode};
use kvern_machine::{
    Attempt, ClientId, GraphId, GraphSpec, Outbox, Scheduler, TaskRef, Tick, WorkerId,
};

use crate::client::Client;
use crate::graphs::{Made, OWN_BUILD};
use crate::net::{Net, Node};
use crate::plan::{Fault, Plan};
use crate::rng::Rng;
use workers::Host;

/// Something that happens.
#[derive(Debug)]
pub(crate) enum What {
    ToScheduler(ClientId, FromClient),
    Submit(ClientId, GraphId, Box<GraphSpec>),
    FromWorker(WorkerId, FromWorker),
    ToWorker(WorkerId, ToWorker),
    /// The scheduler has ended the connection.
    Closed(WorkerId),
    ToClient(ClientId, ToClient),
    ClientGone(ClientId),
    /// The scheduler notices that a worker is gone.
    Noticed(WorkerId),
    /// A task ends: the token tells whether it was told to stop meanwhile.
    Ends {
        worker: WorkerId,
        task: TaskRef,
        attempt: Attempt,
        token: u64,
        result: Result<u64, ErrorRecord>,
    },
    /// A task submits its graph.
    Nests {
        worker: WorkerId,
        task: TaskRef,
        attempt: Attempt,
        token: u64,
        own: u64,
        tasks: u32,
    },
    Get {
        from: Node,
        worker: WorkerId,
        question: u64,
        objects: Vec<TaskRef>,
    },
    Got {
        to: Node,
        question: u64,
        got: Vec<(TaskRef, u64, u64)>,
    },
    /// Nothing came for too long, or the other is not there.
    NoAnswer {
        to: Node,
        question: u64,
    },
    Put {
        worker: WorkerId,
        object: TaskRef,
        value: u64,
        bytes: u64,
    },
    /// A client asks for data a moment after it was told where it is.
    Fetch {
        client: ClientId,
        question: u64,
        task: TaskRef,
        data: TaskRef,
        worker: WorkerId,
    },
    Joins(u32),
    Crash {
        worker: WorkerId,
        again: u64,
    },
    Fault(Fault),
    NextGraph(ClientId),
    Timer,
}

/// Numbers of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Things that happened.
    pub events: u64,
    /// Tasks of accepted graphs that are to be run.
    pub tasks: u64,
    /// Executions that began.
    pub executions: u64,
    /// Workers that were lost.
    pub lost: u64,
    /// Executions beyond the first of each task.
    pub again: u64,
    /// Values that clients were asked to put on a worker again.
    pub put_again: u64,
    /// Tasks that were sent to a worker before they could run.
    pub ahead: u64,
    /// Those of them for which all was there in the end.
    pub kept: u64,
    /// Results that clients got and found right.
    pub right: u64,
    /// Errors that clients got and found right.
    pub errors: u64,
    /// Changes of state that tasks, attempts and objects made, as far as they are remembered at the end.
    pub edges: BTreeSet<Edge>,
}

/// A change of state, from and to.
pub type Edge = (&'static str, &'static str);

/// Everything.
#[derive(Debug)]
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) net: Net<What>,
    pub(crate) rng: Rng,
    pub(crate) scheduler: Scheduler,
    pub(crate) hosts: BTreeMap<WorkerId, Host>,
    pub(crate) clients: BTreeMap<ClientId, Client>,
    /// All graphs of clients that were ever submitted.
    pub(crate) made: BTreeMap<GraphId, Made>,
    /// Which graphs a graph reads.
    pub(crate) reads: BTreeMap<GraphId, BTreeSet<GraphId>>,
    /// Graphs that were cancelled or parts of which were released.
    pub(crate) tainted: BTreeSet<GraphId>,
    /// Whom a nested graph belongs to, and what it must make.
    pub(crate) nested: BTreeMap<GraphId, Nested>,
    /// How often flaky tasks have failed.
    pub(crate) flaky: BTreeMap<TaskRef, u32>,
    /// How often a task was running when its worker was lost.
    pub(crate) struck: BTreeMap<TaskRef, u32>,
    pub(crate) executed: BTreeMap<TaskRef, u64>,
    /// Executions that losses, failures and stops excuse.
    pub(crate) excused: BTreeMap<TaskRef, u64>,
    pub(crate) next_worker: u32,
    pub(crate) next_token: u64,
    pub(crate) lossy: (u64, u64),
    /// What clients asked whom, by question.
    pub(crate) client_questions: BTreeMap<(ClientId, u64), (WorkerId, TaskRef)>,
    /// When the last message of a process that has ended gets through.
    pub(crate) crashed: BTreeMap<WorkerId, u64>,
    /// Processes that have ended and that the scheduler has not missed yet.
    pub(crate) gone: BTreeMap<WorkerId, Host>,
    /// What the scheduler was told that each worker runs.
    pub(crate) started: BTreeMap<WorkerId, BTreeSet<(TaskRef, Attempt)>>,
    /// What each worker began, and of whose end the scheduler does not know.
    pub(crate) begun: BTreeMap<WorkerId, BTreeSet<(TaskRef, Attempt)>>,
    /// Who the scheduler was told has an object.
    pub(crate) told: BTreeSet<(WorkerId, TaskRef)>,
    /// Workers that were given up.
    pub(crate) given_up: BTreeSet<WorkerId>,
    /// How often a client could not put some data on a worker.
    pub(crate) unput: BTreeMap<TaskRef, u32>,
    /// Graphs whose backed data the clients were told to let go.
    pub(crate) forgotten: BTreeSet<GraphId>,
    pub(crate) stats: Stats,
    timer: Option<u64>,
    out: Outbox<Effect>,
    trace: Vec<String>,
    tracing: bool,
}

/// A graph that a task submitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nested {
    pub(crate) worker: WorkerId,
    pub(crate) task: TaskRef,
    pub(crate) attempt: Attempt,
    pub(crate) token: u64,
    pub(crate) output: u32,
    pub(crate) value: u64,
}

/// More things than this in one seed: it goes round in circles.
const MOST_EVENTS: u64 = 400_000;

/// How the scheduler is set up: in some worlds workers rest after few failures.
fn config(plan: &Plan) -> Config {
    let mut config = Config::default();
    if plan.seed % 5 == 2 {
        config.failures = 2;
        config.rest = 1 + 4 * plan.latency;
    }
    config
}

impl World {
    /// The world at its beginning.
    pub fn new(plan: Plan, tracing: bool) -> Self {
        let mut world = Self {
            net: Net::new(plan.seed, plan.latency),
            rng: Rng::new(plan.seed, 2),
            scheduler: Scheduler::new(config(&plan)),
            hosts: BTreeMap::new(),
            clients: BTreeMap::new(),
            made: BTreeMap::new(),
            reads: BTreeMap::new(),
            tainted: BTreeSet::new(),
            nested: BTreeMap::new(),
            flaky: BTreeMap::new(),
            struck: BTreeMap::new(),
            executed: BTreeMap::new(),
            excused: BTreeMap::new(),
            next_worker: 1,
            next_token: 1,
            lossy: (0, 0),
            client_questions: BTreeMap::new(),
            crashed: BTreeMap::new(),
            gone: BTreeMap::new(),
            started: BTreeMap::new(),
            begun: BTreeMap::new(),
            told: BTreeSet::new(),
            given_up: BTreeSet::new(),
            unput: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            stats: Stats::default(),
            timer: None,
            out: Outbox::new(),
            trace: Vec::new(),
            tracing,
            plan,
        };
        for slots in world.plan.slots.clone() {
            let at = world.rng.below(world.plan.latency);
            world.net.after(at, What::Joins(slots));
        }
        for (i, graphs) in world.plan.graphs.clone().into_iter().enumerate() {
            let id = ClientId(i as u32 + 1);
            world.clients.insert(id, Client::new(id, graphs));
            let at = 1 + world.rng.below(world.plan.latency * 3);
            world.net.after(at, What::NextGraph(id));
        }
        for (at, fault) in world.plan.faults.clone() {
            world.net.after(at, What::Fault(fault));
        }
        world
    }

    /// Lets everything happen.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn run(&mut self) -> Result<Stats, String> {
        for id in self.clients.keys().copied().collect::<Vec<_>>() {
            self.schedule(Event::ClientJoined(id))?;
            if self.clients.get(&id).is_some_and(|c| c.listens) {
                let listen = FromClient::Subscribe(Interest::Progress);
                self.schedule(Event::FromClient(id, listen))?;
            }
        }
        while let Some(what) = self.net.next() {
            self.stats.events += 1;
            if self.stats.events > MOST_EVENTS {
                return Err(format!(
                    "more than {MOST_EVENTS} things happened: it goes round in circles"
                ));
            }
            self.note(|| format!("{what:?}"));
            self.happen(what)?;
        }
        self.end()?;
        let mut stats = std::mem::take(&mut self.stats);
        let hosts = self.hosts.values().flat_map(|h| h.machine.history());
        let lines = self.scheduler.history().chain(hosts);
        // Most lines are like the one before the last.
        let mut last = [("", ""); 4];
        for (i, line) in lines.enumerate() {
            let edge = (line.from, line.to);
            stats.ahead += u64::from(line.to == "ahead");
            stats.kept += u64::from(edge == ("ahead", "assigned"));
            if !last.contains(&edge) {
                last[i % 4] = edge;
                stats.edges.insert(edge);
            }
        }
        Ok(stats)
    }

    /// The last things that happened, for people.
    pub fn trace(&self) -> &[String] {
        &self.trace
    }

    fn note(&mut self, words: impl FnOnce() -> String) {
        if self.tracing {
            let ms = self.net.now() as f64 / 1e6;
            let mut words = words();
            words.truncate(words.floor_char_boundary(400));
            self.trace.push(format!("{ms:>10.3} {words}"));
        }
    }

    fn happen(&mut self, what: What) -> Result<(), String> {
        match what {
            What::ToScheduler(client, message) => {
                self.schedule(Event::FromClient(client, wired(message)?))
            }
            What::Submit(client, graph, spec) => self.schedule(Event::Submit {
                client,
                graph,
                spec,
            }),
            What::FromWorker(worker, _) if self.never_arrives(worker) => Ok(()),
            What::FromWorker(worker, message) => {
                self.listen(worker, &message);
                self.schedule(Event::FromWorker(worker, wired(message)?))
            }
            What::ClientGone(client) => self.schedule(Event::ClientGone(client)),
            What::Noticed(worker) => self.noticed(worker),
            What::Timer => {
                self.timer = None;
                self.schedule(Event::Timer)
            }
            What::ToClient(client, message) => self.tell_client(client, wired(message)?),
            What::Fetch {
                client,
                question,
                task,
                data,
                worker,
            } => {
                self.client_asks(client, question, task, data, worker);
                Ok(())
            }
            What::NextGraph(client) => self.next_graph(client),
            What::Fault(fault) => self.fault(fault),
            What::Joins(slots) => self.join(slots),
            What::Crash { worker, again } => {
                self.crash(worker, again);
                Ok(())
            }
            What::ToWorker(worker, message) => self.tell_worker(worker, wired(message)?),
            What::Closed(worker) => {
                self.closed(worker);
                Ok(())
            }
            What::Ends {
                worker,
                task,
                attempt,
                token,
                result,
            } => self.task_ends(worker, task, attempt, token, result),
            What::Nests {
                worker,
                task,
                attempt,
                token,
                own,
                tasks,
            } => self.task_nests(worker, (task, attempt, token), own, tasks),
            What::Get {
                from,
                worker,
                question,
                objects,
            } => {
                self.serve(from, worker, question, &objects);
                Ok(())
            }
            What::Got { to, question, got } => self.answered(to, question, Some(got)),
            What::NoAnswer { to, question } => self.answered(to, question, None),
            What::Put {
                worker,
                object,
                value,
                bytes,
            } => self.put(worker, object, value, bytes),
        }
    }

    /// Lets the scheduler handle something, and carries out what it wants.
    pub(crate) fn schedule(&mut self, event: Event) -> Result<(), String> {
        let mut out = std::mem::take(&mut self.out);
        let now = Tick(self.net.now());
        self.scheduler.handle(now, event, &mut out);
        self.scheduler
            .check()
            .map_err(|e| format!("scheduler: {e}"))?;
        for effect in out.drain() {
            match effect {
                Effect::ToClient(client, message) => {
                    let to = Node::Client(client);
                    self.net
                        .send(Node::Scheduler, to, false, What::ToClient(client, message));
                }
                Effect::ToWorker(worker, message) => {
                    if let ToWorker::Assign(assign) = &message {
                        self.check_pauses(assign.task)?;
                    }
                    if let ToWorker::Free(object) = &message {
                        self.told.remove(&(worker, *object));
                    }
                    let to = Node::Worker(worker);
                    self.net
                        .send(Node::Scheduler, to, false, What::ToWorker(worker, message));
                }
                Effect::Disconnect(worker) => {
                    let to = Node::Worker(worker);
                    self.net
                        .send(Node::Scheduler, to, false, What::Closed(worker));
                }
                Effect::Forget(_) => {}
            }
        }
        self.out = out;
        if let Some(Tick(at)) = self.scheduler.next_deadline()
            && self.timer.is_none_or(|t| at < t)
        {
            self.timer = Some(at);
            let wait = at.saturating_sub(self.net.now());
            self.net.after(wait, What::Timer);
        }
        Ok(())
    }

    /// Whether a task that is given to a worker has waited as long as it should after each failure.
    fn check_pauses(&self, task: TaskRef) -> Result<(), String> {
        let Some(made) = self.made.get(&task.graph) else {
            return Ok(());
        };
        let spec = &made.spec;
        let annotation = spec.annotation[task.task as usize] as usize;
        let first = spec.backoff[annotation];
        if first == 0 {
            return Ok(());
        }
        let story = self.scheduler.story(task);
        let failed =
            |lines: &&[kvern_machine::story::Line]| lines[0].why == "tried again after a while";
        let pauses = story.windows(2).filter(failed);
        for (n, lines) in pauses.enumerate() {
            let waited = lines[1].at.since(lines[0].at);
            if lines[1].why == "waited long enough" && waited < first << n {
                return Err(format!(
                    "{task} waited {waited} ns after failure {n}, and {first} at first"
                ));
            }
        }
        Ok(())
    }

    /// A task may run once more than it would have.
    pub(crate) fn excuse_run(&mut self, task: TaskRef) {
        *self.excused.entry(task).or_default() += 1;
    }

    /// Keeps account of what the scheduler knows of attempts.
    fn listen(&mut self, worker: WorkerId, message: &FromWorker) {
        if self.given_up.contains(&worker) {
            return;
        }
        if let FromWorker::Done { task: object, .. } | FromWorker::Have { object, .. } = message {
            self.told.insert((worker, *object));
        }
        match message {
            // A task took it as its last reader, and then another was to read it again after a loss.
            FromWorker::Gone(object) if self.told.remove(&(worker, *object)) => {
                self.excuse_lineage(worker, vec![*object]);
            }
            FromWorker::Started { task, attempt } => {
                self.started
                    .entry(worker)
                    .or_default()
                    .insert((*task, *attempt));
            }
            FromWorker::Done { task, attempt, .. }
            | FromWorker::Failed { task, attempt, .. }
            | FromWorker::Aborted { task, attempt } => {
                self.started
                    .entry(worker)
                    .or_default()
                    .remove(&(*task, *attempt));
                self.begun
                    .entry(worker)
                    .or_default()
                    .remove(&(*task, *attempt));
            }
            _ => {}
        }
    }

    fn join(&mut self, slots: u32) -> Result<(), String> {
        let id = WorkerId(self.next_worker);
        self.next_worker += 1;
        // Whoever waits for a worker of its own build gets one in the end.
        let is_own = |h: &Host| h.build == OWN_BUILD;
        let own = !self.hosts.values().any(is_own) || id.0 % 2 == 1;
        let build = match (self.plan.wild.mixed, own) {
            (false, _) => "",
            (true, true) => OWN_BUILD,
            (true, false) => "other",
        };
        self.hosts.insert(id, Host::new(id, slots, build));
        let client = nested_client(id);
        self.clients.insert(client, Client::new(client, 0));
        self.schedule(Event::ClientJoined(client))?;
        self.schedule(Event::FromClient(client, FromClient::ForTasks))?;
        let info = WorkerInfo {
            name: format!("host-{}", id.0),
            slots,
            memory: 1 << 30,
            address: format!("10.0.0.{}:1", id.0),
            build: build.to_owned(),
        };
        self.schedule(Event::WorkerJoined(id, info))
    }

    /// When nothing happens any more: everybody has what he wanted, and nothing is left anywhere.
    fn end(&mut self) -> Result<(), String> {
        for client in self.clients.values() {
            if client.id.0 < NESTED && !client.finished {
                return Err(self.hangs(client));
            }
        }
        if self.scheduler.graphs() > 0 {
            return Err(format!(
                "{} graphs are left in the scheduler",
                self.scheduler.graphs()
            ));
        }
        let memory = self.scheduler.memory();
        if memory.live > 0 || memory.held > 0 {
            return Err(format!(
                "the scheduler counts {memory:?} with nothing there"
            ));
        }
        for (id, host) in &self.hosts {
            if !host.machine.is_empty() || !host.store.is_empty() {
                return Err(format!("{id} keeps {:?}: {:?}", host.store, host.machine));
            }
        }
        for (task, runs) in &self.executed {
            let most = 1 + self.excused.get(task).copied().unwrap_or(0);
            self.stats.again += runs - 1;
            if *runs > most {
                let story = self.scheduler.story(*task);
                let story: String = story.iter().map(|l| format!("\n    {l}")).collect();
                return Err(format!(
                    "{task} ran {runs} times; {most} can be excused{story}"
                ));
            }
        }
        Ok(())
    }

    fn hangs(&self, client: &Client) -> String {
        let mut words = format!("{} waits for ever:", client.id);
        for (task, view) in &client.views {
            if !client.wants(*task) || matches!(view, crate::client::View::Got(_)) {
                continue;
            }
            let state = self.scheduler.state(*task);
            words += &format!("\n  {task} is {view:?} here, {state:?} at the scheduler");
            for line in self.scheduler.story(*task) {
                words += &format!("\n    {line}");
            }
        }
        for (id, graph) in &client.graphs {
            if !graph.done {
                words += &format!("\n  {id}: {:?}", self.scheduler.progress(*id));
            }
        }
        words
    }
}

/// Clients of that number and above belong to workers.
pub(crate) const NESTED: u32 = 1_000_000;

/// The client with which a worker's tasks submit.
pub(crate) fn nested_client(worker: WorkerId) -> ClientId {
    ClientId(NESTED + worker.0)
}

/// What is left of a message after it was sent.
fn wired<T: serde::Serialize + serde::de::DeserializeOwned>(message: T) -> Result<T, String> {
    let bytes = encode(std::slice::from_ref(&message));
    let mut back: Vec<T> = decode(&bytes).map_err(|e| e.to_string())?;
    back.pop()
        .ok_or_else(|| "a message was lost in the encoding".into())
}
