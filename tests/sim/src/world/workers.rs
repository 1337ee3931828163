//! The workers' shells: tasks take time and make hashes, peers are asked for data.

use std::collections::BTreeMap;

use kvern_core::ErrorKind;
use kvern_core::error::ErrorRecord;
use kvern_machine::wire::{Assign, FromClient, FromWorker, Source, Spilled, ToWorker};
use kvern_machine::worker::{Config, Effect, Event, Outcome};
use kvern_machine::{Attempt, ClientId, FetchId, GraphId, Outbox, TaskRef, Tick, Worker, WorkerId};

use super::{Nested, What, World, nested_client};
use crate::graphs::{
    Act, OWN_BUILD, compute, is_bound, literal, nested, nested_value, piece_of, value,
};
use crate::net::Node;

/// One worker's process.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) machine: Worker,
    pub(crate) slots: u32,
    /// Value and size of each object.
    pub(crate) store: BTreeMap<TaskRef, (u64, u64)>,
    /// What runs, by token.
    pub(crate) running: BTreeMap<(TaskRef, Attempt), u64>,
    /// Questions to peers that are open.
    pub(crate) open: BTreeMap<u64, (WorkerId, Vec<TaskRef>)>,
    pub(crate) peers: std::collections::BTreeSet<WorkerId>,
    pub(crate) graphs: std::collections::BTreeSet<GraphId>,
    pub(crate) slow: u64,
    pub(crate) build: &'static str,
    /// Who has the lock that careful tasks want, and who waits for it.
    pub(crate) lock: Option<(TaskRef, Attempt)>,
    pub(crate) queue: std::collections::VecDeque<What>,
    out: Outbox<Effect>,
}

impl Host {
    pub(crate) fn new(id: WorkerId, slots: u32, build: &'static str) -> Self {
        let mut config = Config::new(slots);
        // Small, so that limits are met.
        config.fetch_bytes = 1_000_000;
        config.fetches = 3;
        Self {
            machine: Worker::new(id, config),
            slots,
            store: BTreeMap::new(),
            running: BTreeMap::new(),
            open: BTreeMap::new(),
            peers: std::collections::BTreeSet::new(),
            graphs: std::collections::BTreeSet::new(),
            slow: 1,
            build,
            lock: None,
            queue: std::collections::VecDeque::new(),
            out: Outbox::new(),
        }
    }
}

fn error(kind: ErrorKind, message: &str) -> ErrorRecord {
    ErrorRecord {
        kind,
        message: message.to_owned(),
        task: None,
        causes: Vec::new(),
    }
}

impl World {
    pub(super) fn tell_worker(&mut self, id: WorkerId, message: ToWorker) -> Result<(), String> {
        self.work(id, Event::FromScheduler(message))
    }

    /// Lets a worker's machine handle something, and carries out what it wants.
    pub(super) fn work(&mut self, id: WorkerId, event: Event) -> Result<(), String> {
        let now = Tick(self.net.now());
        let Some(host) = self.hosts.get_mut(&id) else {
            return Ok(());
        };
        let mut out = std::mem::take(&mut host.out);
        host.machine.handle(now, event, &mut out);
        host.machine.check().map_err(|e| format!("{id}: {e}"))?;
        for effect in out.drain() {
            self.effect(id, effect)?;
        }
        if let Some(host) = self.hosts.get_mut(&id) {
            host.out = out;
            if host.machine.held() != host.store.len() {
                return Err(format!("{id} stores {:?}: {:?}", host.store, host.machine));
            }
        }
        Ok(())
    }

    fn effect(&mut self, id: WorkerId, effect: Effect) -> Result<(), String> {
        let Some(host) = self.hosts.get_mut(&id) else {
            return Ok(());
        };
        match effect {
            Effect::ToScheduler(message) => {
                if matches!(message, FromWorker::Done { .. }) {
                    // Every other object is on its disk.
                    let memory = host.store.values().step_by(2).map(|(_, bytes)| bytes).sum();
                    let spilled = Spilled {
                        memory,
                        disk: memory / 2,
                        total: memory,
                    };
                    self.report(id, FromWorker::Spilled(spilled));
                }
                self.report(id, message);
            }
            Effect::LearnGraph { graph, .. } => {
                host.graphs.insert(graph);
            }
            Effect::ForgetGraph(graph) => {
                host.graphs.remove(&graph);
            }
            Effect::Execute(assign) => self.execute(id, &assign)?,
            Effect::Stop { task, attempt } => self.stop(id, task, attempt),
            Effect::Fetch {
                fetch,
                peer,
                objects,
            } => {
                if !host.peers.contains(&peer) {
                    return Err(format!("{id} does not know where {peer} is"));
                }
                host.open.insert(fetch.0, (peer, objects.clone()));
                self.get(Node::Worker(id), peer, fetch.0, objects);
            }
            Effect::Drop(object) => {
                if host.store.remove(&object).is_none() {
                    return Err(format!("{id} drops {object}, which is not there"));
                }
            }
            Effect::Peer { worker, .. } => {
                host.peers.insert(worker);
            }
            Effect::PeerLost(worker) => {
                host.peers.remove(&worker);
                let open: Vec<u64> = host
                    .open
                    .iter()
                    .filter(|(_, (p, _))| *p == worker)
                    .map(|(q, _)| *q)
                    .collect();
                for question in open {
                    let to = Node::Worker(id);
                    self.net.after(0, What::NoAnswer { to, question });
                }
            }
        }
        Ok(())
    }

    fn report(&mut self, id: WorkerId, message: FromWorker) {
        let from = Node::Worker(id);
        self.net
            .send(from, Node::Scheduler, false, What::FromWorker(id, message));
    }

    fn execute(&mut self, id: WorkerId, assign: &Assign) -> Result<(), String> {
        let (task, attempt) = (assign.task, assign.attempt);
        let host = self.hosts.get_mut(&id).ok_or("no host")?;
        if !host.graphs.contains(&task.graph) {
            return Err(format!("{id} runs {task} of a graph that it does not know"));
        }
        if self.plan.wild.mixed && is_bound(assign.op) && host.build != OWN_BUILD {
            return Err(format!("{id} runs {task}, whose code it does not have"));
        }
        let mut inputs = Vec::new();
        for input in &assign.inputs {
            let whole = match &input.source {
                Source::Literal(payload) => value(payload),
                Source::Workers(_) => match host.store.get(&input.object).copied() {
                    Some((value, _)) => {
                        if input.last {
                            host.store.remove(&input.object);
                        }
                        value
                    }
                    None => return Err(format!("{id} runs {task} without {}", input.object)),
                },
            };
            inputs.push(match assign.piece {
                Some(piece) if input.object.piece().is_none() => piece_of(whole, piece),
                _ => whole,
            });
        }
        let token = self.next_token;
        self.next_token += 1;
        host.running.insert((task, attempt), token);
        let own = compute(assign.key, &inputs);
        let nanos = (1 + own % self.plan.task_nanos) * host.slow;
        let user = self.made.contains_key(&task.graph);
        if user {
            self.stats.executions += 1;
            if self.given_up.contains(&id) {
                self.excuse_run(task);
            } else {
                self.begun.entry(id).or_default().insert((task, attempt));
            }
            *self.executed.entry(task).or_default() += 1;
        }
        let ends = |result| What::Ends {
            worker: id,
            task,
            attempt,
            token,
            result,
        };
        let what = match self.act(task) {
            Act::Hash | Act::Polite => ends(Ok(own)),
            Act::Fail => ends(Err(error(ErrorKind::Task, "fails on purpose"))),
            Act::Flaky(times) => {
                let failed = self.flaky.entry(task).or_default();
                if *failed < times {
                    *failed += 1;
                    *self.excused.entry(task).or_default() += 1;
                    ends(Err(error(ErrorKind::Task, "flaky")))
                } else {
                    ends(Ok(own))
                }
            }
            Act::Poison => What::Crash {
                worker: id,
                again: self.plan.latency,
            },
            Act::Nested(tasks) | Act::Careful(tasks) => What::Nests {
                worker: id,
                task,
                attempt,
                token,
                own,
                tasks,
            },
        };
        self.net.after(nanos, what);
        Ok(())
    }

    /// A task is told to stop: polite ones and those that wait for others do so at once.
    fn stop(&mut self, id: WorkerId, task: TaskRef, attempt: Attempt) {
        self.excuse_run(task);
        let waiting = self
            .nested
            .iter()
            .find(|(_, n)| n.task == task && n.attempt == attempt && n.worker == id);
        let nested = waiting.map(|(g, _)| *g);
        if self.act(task) != Act::Polite && nested.is_none() {
            return;
        }
        let Some(host) = self.hosts.get_mut(&id) else {
            return;
        };
        let Some(token) = host.running.get(&(task, attempt)).copied() else {
            return;
        };
        if let Some(graph) = nested {
            self.drop_nested(id, graph);
        }
        let result = Err(error(ErrorKind::Cancelled, "told to stop"));
        self.net.after(
            1,
            What::Ends {
                worker: id,
                task,
                attempt,
                token,
                result,
            },
        );
    }

    pub(super) fn task_ends(
        &mut self,
        id: WorkerId,
        task: TaskRef,
        attempt: Attempt,
        token: u64,
        result: Result<u64, ErrorRecord>,
    ) -> Result<(), String> {
        let Some(host) = self.hosts.get_mut(&id) else {
            return Ok(());
        };
        if host.running.get(&(task, attempt)) != Some(&token) {
            return Ok(());
        }
        host.running.remove(&(task, attempt));
        if host.lock == Some((task, attempt)) {
            host.lock = None;
            // All who wait come again; one of them gets it.
            for what in host.queue.drain(..) {
                self.net.after(1, what);
            }
        }
        let outcome = match result {
            Ok(value) => {
                let bytes = 8 + value % 10_000;
                host.store.insert(task, (value, bytes));
                let inline = self.plan.inline && value % 2 == 0;
                Outcome::Stored {
                    bytes,
                    inline: inline.then(|| literal(value)),
                }
            }
            Err(error) => Outcome::Failed(error),
        };
        let nanos = 1 + token % self.plan.task_nanos;
        self.work(
            id,
            Event::Executed {
                task,
                attempt,
                outcome,
                nanos,
            },
        )
    }

    /// A task submits a graph and waits for it.
    pub(super) fn task_nests(
        &mut self,
        id: WorkerId,
        (task, attempt, token): (TaskRef, Attempt, u64),
        own: u64,
        tasks: u32,
    ) -> Result<(), String> {
        let running = self
            .hosts
            .get(&id)
            .and_then(|h| h.running.get(&(task, attempt)));
        if running != Some(&token) {
            return Ok(());
        }
        if matches!(self.act(task), Act::Careful(_))
            && let Some(host) = self.hosts.get_mut(&id)
        {
            match host.lock {
                // It keeps its slot.
                Some(by) if by != (task, attempt) => {
                    host.queue.push_back(What::Nests {
                        worker: id,
                        task,
                        attempt,
                        token,
                        own,
                        tasks,
                    });
                    return Ok(());
                }
                _ => host.lock = Some((task, attempt)),
            }
        }
        let client = nested_client(id);
        let Some(entry) = self.clients.get_mut(&client) else {
            return Ok(());
        };
        entry.count += 1;
        let graph = GraphId::new(client, entry.count);
        let spec = nested(own, tasks);
        entry.submitted(graph, &spec.outputs);
        let nested = Nested {
            worker: id,
            task,
            attempt,
            token,
            output: tasks,
            value: nested_value(own, tasks),
        };
        self.nested.insert(graph, nested);
        let item = What::Submit(client, graph, Box::new(spec));
        self.net
            .send(Node::Client(client), Node::Scheduler, false, item);
        self.work(id, Event::Seceded { task, attempt })
    }

    /// What a task waited for is there, or not.
    pub(super) fn nested_resolved(
        &mut self,
        client: ClientId,
        of: TaskRef,
        result: Result<u64, ErrorRecord>,
    ) -> Result<(), String> {
        let Some(nested) = self.nested.get(&of.graph).copied() else {
            return Ok(());
        };
        if let Ok(value) = result
            && (value != nested.value || of.task != nested.output)
        {
            return Err(format!("nested {of} is {value:x}, not {:x}", nested.value));
        }
        self.drop_nested(nested.worker, of.graph);
        let _ = client;
        let (task, attempt) = (nested.task, nested.attempt);
        self.work(nested.worker, Event::Rejoined { task, attempt })?;
        self.net.after(
            1,
            What::Ends {
                worker: nested.worker,
                task,
                attempt,
                token: nested.token,
                result,
            },
        );
        Ok(())
    }

    fn drop_nested(&mut self, worker: WorkerId, graph: GraphId) {
        self.nested.remove(&graph);
        let client = nested_client(worker);
        if let Some(entry) = self.clients.get_mut(&client) {
            entry.graphs.remove(&graph);
            entry.views.retain(|t, _| t.graph != graph);
            self.say(client, FromClient::ReleaseAll { graph });
        }
    }

    /// Asks a worker for data. Some questions are lost on the way.
    pub(super) fn get(
        &mut self,
        from: Node,
        worker: WorkerId,
        question: u64,
        objects: Vec<TaskRef>,
    ) {
        let patience = self.plan.latency * 20 + 1;
        if let Node::Client(c) = from
            && let Some(object) = objects.first()
        {
            self.client_questions
                .insert((c, question), (worker, *object));
        }
        let (one_in, until) = self.lossy;
        let lost = self.net.now() < until && self.rng.one_in(one_in);
        if !lost {
            let to = Node::Worker(worker);
            let item = What::Get {
                from,
                worker,
                question,
                objects,
            };
            self.net.send(from, to, true, item);
        }
        self.net
            .after(patience, What::NoAnswer { to: from, question });
    }

    pub(super) fn serve(
        &mut self,
        from: Node,
        worker: WorkerId,
        question: u64,
        objects: &[TaskRef],
    ) {
        let Some(host) = self.hosts.get(&worker) else {
            // Nobody listens there.
            self.net.after(1, What::NoAnswer { to: from, question });
            return;
        };
        let find = |o: &TaskRef| {
            let (value, bytes) = *host.store.get(&o.whole())?;
            Some(match o.piece() {
                Some(piece) => (*o, piece_of(value, piece), bytes / 3),
                None => (*o, value, bytes),
            })
        };
        let got = objects.iter().filter_map(find).collect();
        let item = What::Got {
            to: from,
            question,
            got,
        };
        self.net.send(Node::Worker(worker), from, true, item);
    }

    pub(super) fn answered(
        &mut self,
        to: Node,
        question: u64,
        got: Option<Vec<(TaskRef, u64, u64)>>,
    ) -> Result<(), String> {
        match to {
            Node::Client(id) => {
                let Some(asked) = self.client_questions.remove(&(id, question)) else {
                    return Ok(());
                };
                self.client_answered(id, question, got, asked)
            }
            Node::Worker(id) => {
                let Some(host) = self.hosts.get_mut(&id) else {
                    return Ok(());
                };
                let Some((_, objects)) = host.open.remove(&question) else {
                    return Ok(());
                };
                let fetch = FetchId(question);
                let Some(got) = got else {
                    let got = Vec::new();
                    return self.work(id, Event::FetchFailed { fetch, got });
                };
                let mut names = Vec::new();
                for (object, value, bytes) in got {
                    host.store.insert(object, (value, bytes));
                    names.push((object, bytes));
                }
                let have = |o: &TaskRef| names.iter().any(|(n, _)| n == o);
                let gone = objects.into_iter().filter(|o| !have(o)).collect();
                let event = Event::Fetched {
                    fetch,
                    got: names,
                    gone,
                };
                self.work(id, event)
            }
            Node::Scheduler => Ok(()),
        }
    }

    pub(super) fn put(
        &mut self,
        id: WorkerId,
        object: TaskRef,
        value: u64,
        bytes: u64,
    ) -> Result<(), String> {
        let Some(host) = self.hosts.get_mut(&id) else {
            let client = object.graph.client();
            let words = format!("{id} cannot be reached");
            *self.unput.entry(object).or_default() += 1;
            let not_put = FromClient::NotPut {
                task: object,
                worker: Some(id),
                error: error(ErrorKind::Lost, &words),
            };
            self.say(client, not_put);
            return Ok(());
        };
        host.store.insert(object, (value, bytes));
        self.work(id, Event::Put { object, bytes })
    }
}
