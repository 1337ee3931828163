//! What surrounds the scheduler's machine: events in, effects out, and time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kvern_core::error::ErrorRecord;
use kvern_machine::scheduler::{Config, Effect, Event};
use kvern_machine::wire::{FromWorker, ToClient, ToWorker};
use kvern_machine::{ClientId, Outbox, Scheduler, Tick, WorkerId};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::door::Incoming;

/// What surrounds the machine.
pub(super) struct Shell {
    machine: Scheduler,
    began: Instant,
    clients: HashMap<ClientId, UnboundedSender<ToClient>>,
    workers: HashMap<WorkerId, UnboundedSender<ToWorker>>,
    count: Arc<Mutex<usize>>,
    out: Outbox<Effect>,
}

impl Shell {
    pub(super) fn new(config: Config, count: Arc<Mutex<usize>>) -> Self {
        Self {
            machine: Scheduler::new(config),
            began: Instant::now(),
            clients: HashMap::new(),
            workers: HashMap::new(),
            count,
            out: Outbox::new(),
        }
    }

    pub(super) async fn run(mut self, mut incoming: UnboundedReceiver<Incoming>) {
        let mut batch = Vec::new();
        loop {
            let next = incoming.recv_many(&mut batch, 1024);
            let heard = match self.machine.next_deadline() {
                None => Some(next.await),
                Some(at) => {
                    let left = Duration::from_nanos(at.since(self.now()));
                    tokio::time::timeout(left, next).await.ok()
                }
            };
            match heard {
                Some(0) => return,
                Some(_) => {
                    for what in batch.drain(..) {
                        if matches!(what, Incoming::Stop) {
                            return self.say_farewell();
                        }
                        self.take_in(what);
                    }
                }
                None => self.handle(Event::Timer),
            }
            self.flush();
        }
    }

    fn now(&self) -> Tick {
        Tick(self.began.elapsed().as_nanos() as u64)
    }

    fn handle(&mut self, event: Event) {
        let now = self.now();
        self.machine.handle(now, event, &mut self.out);
    }

    fn take_in(&mut self, what: Incoming) {
        match what {
            Incoming::Client(client, say) => {
                self.clients.insert(client, say);
                self.handle(Event::ClientJoined(client));
            }
            Incoming::ClientSays(client, said) => {
                for message in said {
                    self.handle(Event::FromClient(client, message));
                }
            }
            Incoming::Submit(client, graph, Ok(spec)) => self.handle(Event::Submit {
                client,
                graph,
                spec,
            }),
            Incoming::Submit(client, graph, Err(e)) => {
                let error = ErrorRecord::from(&e);
                self.to_client(client, ToClient::Refused { graph, error });
            }
            Incoming::ClientGone(client) => {
                self.clients.remove(&client);
                self.handle(Event::ClientGone(client));
            }
            Incoming::Worker(worker, info, say) => {
                self.workers.insert(worker, say);
                self.counted();
                self.handle(Event::WorkerJoined(worker, info));
            }
            Incoming::WorkerSays(worker, said) => {
                for message in said {
                    match message {
                        FromWorker::Log {
                            task,
                            key,
                            operator,
                            message,
                        } => {
                            let line = ToClient::Log {
                                key,
                                operator,
                                message,
                            };
                            self.to_client(task.graph.client(), line);
                        }
                        other => self.handle(Event::FromWorker(worker, other)),
                    }
                }
            }
            Incoming::Trouble(words) => self.handle(Event::Trouble(words)),
            Incoming::Stop => {}
            Incoming::WorkerGone(worker, why) => {
                if self.workers.remove(&worker).is_some() {
                    self.counted();
                    self.handle(Event::WorkerLost { worker, why });
                }
            }
        }
    }

    /// The last word: those who have said so much end their connections.
    fn say_farewell(self) {
        for say in self.workers.into_values() {
            let _ = say.send(ToWorker::Leave);
        }
    }

    fn counted(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) = self.workers.len();
    }

    /// Says something to a client; to one that is gone, nothing.
    fn to_client(&self, client: ClientId, message: ToClient) {
        if let Some(say) = self.clients.get(&client) {
            let _ = say.send(message);
        }
    }

    /// Does what the machine wants done.
    fn flush(&mut self) {
        let mut out = std::mem::take(&mut self.out);
        for effect in out.drain() {
            match effect {
                Effect::ToClient(client, message) => self.to_client(client, message),
                Effect::ToWorker(worker, message) => {
                    if let Some(say) = self.workers.get(&worker) {
                        let _ = say.send(message);
                    }
                }
                Effect::Disconnect(worker) => {
                    self.workers.remove(&worker);
                    self.counted();
                }
                // Nothing of a graph is kept but what the machine has.
                Effect::Forget(_) => {}
            }
        }
        self.out = out;
    }
}
