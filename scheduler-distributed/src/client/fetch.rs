//! Results from workers to this client, and values from here to workers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kvern_core::error::ErrorRecord;
use kvern_core::{Error, ErrorKind};
use kvern_machine::wire::{FromClient, Role};
use kvern_machine::{TaskRef, WorkerId};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::link::{Fetch, Link};
use crate::data::{self, Object};
use crate::parcel::Parcel;
use crate::token::Token;

/// How long after a worker could not be reached the scheduler is told: if the worker is gone, it is about to know it, and has made
/// up its mind by then.
const MOMENT: Duration = Duration::from_millis(250);

/// The same after a result was not where it was said to be; doubled each time, 64-fold at most.
const SHORT_MOMENT: Duration = Duration::from_millis(20);

/// So often a result is asked for where the scheduler says that it is: in vain for some 45 seconds where connections are refused, longer
/// where they are not answered (a test has less patience).
const MOST_MISSED: u32 = if cfg!(test) { 5 } else { 40 };

/// Workers that may be lost while they are given a value, before the value is taken to be the reason.
const MOST_BROKEN: usize = 3;

/// What is asked of one worker.
enum Ask {
    /// The bytes under the first name are the result of the second.
    Get(Vec<(TaskRef, TaskRef)>),
    Put(TaskRef, Parcel),
}

/// Works off what the client asks for until the client is gone: a task and a connection for each worker.
pub(crate) async fn serve(
    link: Arc<Link>,
    token: Token,
    mut fetches: UnboundedReceiver<Fetch>,
    mut stop: watch::Receiver<bool>,
) {
    let work = tokio::spawn(async move {
        let mut workers: HashMap<WorkerId, UnboundedSender<Ask>> = HashMap::new();
        while let Some(fetch) = fetches.recv().await {
            for (worker, ask) in asks(&link, fetch) {
                let to = workers
                    .entry(worker)
                    .or_insert_with(|| open(&link, &token, worker));
                if let Err(back) = to.send(ask) {
                    // Its connection broke; perhaps the next one stands.
                    let again = open(&link, &token, worker);
                    let _ = again.send(back.0);
                    workers.insert(worker, again);
                }
            }
        }
    });
    let abort = work.abort_handle();
    tokio::spawn(async move {
        while !*stop.borrow_and_update() {
            if stop.changed().await.is_err() {
                break;
            }
        }
        abort.abort();
    });
    let _ = work.await;
}

fn asks(link: &Arc<Link>, fetch: Fetch) -> Vec<(WorkerId, Ask)> {
    match fetch {
        Fetch::Put {
            worker,
            object,
            value,
        } => vec![(worker, Ask::Put(object, value))],
        Fetch::Get { graph, tasks } => {
            let Some(run) = link.run(graph) else {
                return Vec::new();
            };
            let mut by_worker: HashMap<WorkerId, Vec<(TaskRef, TaskRef)>> = HashMap::new();
            for task in tasks {
                let Some((place, missed)) = run.coming(task) else {
                    continue;
                };
                let task = TaskRef::new(graph, task);
                // Any holder will do; different results go to different ones, and what one did not give is asked of the next.
                let which = (task.task as usize).wrapping_add(missed as usize);
                match place.holders.get(which % place.holders.len().max(1)) {
                    Some(&worker) => by_worker
                        .entry(worker)
                        .or_default()
                        .push((place.data, task)),
                    None => not_there(link, place.data, task, WorkerId::default(), "nobody has it"),
                }
            }
            let pieces = |(w, list): (WorkerId, Vec<(TaskRef, TaskRef)>)| {
                let pieces = list.chunks(data::MOST_AT_ONCE);
                let pieces: Vec<_> = pieces.map(|p| (w, Ask::Get(p.to_vec()))).collect();
                pieces
            };
            by_worker.into_iter().flat_map(pieces).collect()
        }
    }
}

/// Tells the scheduler that a result is not where it said; at last, who waits for it.
fn not_there(link: &Arc<Link>, data: TaskRef, task: TaskRef, worker: WorkerId, why: &str) {
    let missed = link
        .run(task.graph)
        .map_or(0, |run| run.not_there(task.task));
    if missed >= MOST_MISSED {
        let words = format!(
            "the result could not be fetched in {missed} tries: it is held by {worker}, which is connected to the scheduler, but {why}"
        );
        return link.arrived(task, Err(Error::new(ErrorKind::Lost, words)));
    }
    let moment = SHORT_MOMENT * (1 << missed.saturating_sub(1).min(6));
    say_after(moment, link, FromClient::CannotFetch { data, task, worker });
}

/// A connection broke while these were read: perhaps for the first, so the others are asked for again at once.
fn broke_off(link: &Arc<Link>, worker: WorkerId, list: &[(TaskRef, TaskRef)]) {
    let Some((&(data, task), rest)) = list.split_first() else {
        return;
    };
    not_there(
        link,
        data,
        task,
        worker,
        "the connection to its data broke off",
    );
    for (_, task) in rest {
        link.fetch(task.graph, vec![task.task]);
    }
}

fn say_after(moment: Duration, link: &Arc<Link>, message: FromClient) {
    let link = link.clone();
    tokio::spawn(async move {
        tokio::time::sleep(moment).await;
        link.send(message);
    });
}

fn failed(link: &Arc<Link>, worker: WorkerId, ask: Ask, why: &str) {
    match ask {
        Ask::Get(list) => list
            .into_iter()
            .for_each(|(data, task)| not_there(link, data, task, worker, why)),
        Ask::Put(object, _) => cannot_put(link, object, worker, "cannot be reached"),
    }
}

/// A worker was not given a value, or not all of it.
fn cannot_put(link: &Arc<Link>, task: TaskRef, worker: WorkerId, how: &str) {
    let advice = match link.backed().has(task) {
        true => "",
        false => ": scatter it anew",
    };
    let error = Error::new(
        ErrorKind::Lost,
        format!("a value could not be put on {worker}, which {how}{advice}"),
    );
    let not_put = FromClient::NotPut {
        task,
        worker: Some(worker),
        error: ErrorRecord::from(&error),
    };
    say_after(MOMENT, link, not_put);
}

/// A worker's connection broke while it was given a value. One that takes several workers with it is not tried for ever.
fn broke(link: &Arc<Link>, task: TaskRef, worker: WorkerId) {
    match link.backed().broke(task, worker) {
        Some(all) if all.len() >= MOST_BROKEN => {
            let names: Vec<String> = all.iter().map(ToString::to_string).collect();
            let words = format!(
                "{} workers were lost while they were given a value, which is taken to be the reason; it is not tried again (workers: {})",
                all.len(),
                names.join(", ")
            );
            link.not_put(task, &Error::new(ErrorKind::Task, words));
        }
        _ => cannot_put(link, task, worker, "broke off"),
    }
}

fn open(link: &Arc<Link>, token: &Token, worker: WorkerId) -> UnboundedSender<Ask> {
    let (to, asks) = unbounded_channel();
    let task = tokio::spawn(talk(link.clone(), token.clone(), worker, asks));
    let link = link.clone();
    tokio::spawn(async move {
        // Whoever waits for what it was asked for would do so for ever.
        if let Err(e) = task.await
            && e.is_panic()
        {
            let lost = link.lost(&format!(
                "a defect of kvern while results of {worker} were read: {e}"
            ));
            link.end(&lost);
        }
    });
    to
}

/// One worker's connection: a question, its answers, the next question. Ends with the first that fails; a later one opens another.
async fn talk(link: Arc<Link>, token: Token, worker: WorkerId, mut asks: UnboundedReceiver<Ask>) {
    let connected = match link.peer(worker) {
        Some(peer) => {
            data::Connection::open(
                &peer.address,
                worker,
                Role::DataClient(link.client()),
                &token,
            )
            .await
        }
        None => Err(link.lost("a worker that it named is not known")),
    };
    let mut connection = match connected {
        Ok(connection) => connection,
        Err(e) => {
            asks.close();
            while let Some(ask) = asks.recv().await {
                failed(&link, worker, ask, e.message());
            }
            return;
        }
    };
    while let Some(ask) = asks.recv().await {
        if let Err(left) = answer(&link, &mut connection, ask).await {
            match left {
                Ask::Put(object, _) => broke(&link, object, worker),
                Ask::Get(list) => broke_off(&link, worker, &list),
            }
            asks.close();
        }
    }
}

/// Works off one question; gives back what is left of it if the connection fails.
async fn answer(link: &Arc<Link>, connection: &mut data::Connection, ask: Ask) -> Result<(), Ask> {
    match ask {
        Ask::Put(object, value) => match connection.put(object, &value, link.registry()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => {
                let words = format!("a value could not be kept: {}", why.message());
                link.not_put(object, &Error::new(why.kind(), words));
                Ok(())
            }
            Err(_) => Err(Ask::Put(object, value)),
        },
        Ask::Get(list) => {
            let names: Vec<TaskRef> = list.iter().map(|l| l.0).collect();
            if connection.ask(&names).await.is_err() {
                return Err(Ask::Get(list));
            }
            for (n, &(data, task)) in list.iter().enumerate() {
                match connection.next(link.registry()).await {
                    Err(_) => return Err(Ask::Get(list[n..].to_vec())),
                    Ok(Object::Gone) => {
                        let worker = connection.worker();
                        not_there(link, data, task, worker, "does not give it out");
                    }
                    Ok(Object::Refused(why)) => link.arrived(task, Err(why)),
                    Ok(Object::Value(value)) => link.arrived(task, value),
                }
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{hello, pipe};
    use crate::server::{SchedulerOptions, SchedulerServer};
    use kvern_conformance::ops;
    use kvern_core::optimize::Passes;
    use kvern_core::{Graph, Plan, Root, RunHandle, Scheduler, TaskList};
    use kvern_machine::wire::{FromWorker, ToWorker};

    /// A worker that makes everything at once, and whose results nobody can fetch: where it says that they are, nobody listens.
    async fn without_data(scheduler: String, nowhere: String, token: Token) -> Option<()> {
        let role = Role::Worker {
            slots: 1,
            memory: u64::MAX,
            data_address: nowhere,
            last_epoch: None,
        };
        let (stream, _) = hello::connect(&scheduler, role, "mute", &token)
            .await
            .ok()?;
        let (mut from, to) = stream.into_split();
        let (say, messages) = unbounded_channel();
        tokio::spawn(pipe::write(to, messages));
        while let Some(batch) = pipe::read::<ToWorker>(&mut from).await.ok()? {
            for message in batch {
                let answer = match message {
                    ToWorker::Assign(assign) => FromWorker::Done {
                        task: assign.task,
                        attempt: assign.attempt,
                        bytes: 1 << 20,
                        nanos: 1,
                        inline: None,
                    },
                    ToWorker::Probe(object) => FromWorker::Have {
                        object,
                        bytes: 1 << 20,
                    },
                    _ => continue,
                };
                say.send(answer).ok()?;
            }
        }
        Some(())
    }

    #[test]
    fn a_result_that_nobody_gives_out_is_not_asked_for_without_an_end() {
        let token = Token::random().unwrap();
        let options = SchedulerOptions::new("127.0.0.1:0", token.clone());
        let server = SchedulerServer::start(&options, ops::registry()).unwrap();
        let address = server.address().to_string();
        // A port that was free a moment ago, and is not listened on.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nowhere = free.local_addr().unwrap().to_string();
        drop(free);
        let (to, at, secret) = (address.clone(), nowhere.clone(), token.clone());
        let worker = std::thread::spawn(move || {
            crate::net::run(async move {
                without_data(to, at, secret).await;
            });
        });

        let client =
            super::super::ClusterClient::connect(&address, &token, ops::registry()).unwrap();
        let mut list = TaskList::new();
        let op = list.op(ops::make_bytes(1 << 20, 1));
        let task = list.task(op, []);
        let graph = Graph::new(&[Root::all(&list.finish([task]))]);
        let plan = Plan::new(graph, ops::registry(), Passes::none()).unwrap();
        let run = RunHandle::new(client.submit(plan).unwrap());
        let result = run.handle(0).wait_timeout(Duration::from_secs(60));
        let e = result.expect("no end").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Lost, "{e}");
        for words in ["in 5 tries", "w1", &nowhere] {
            assert!(e.message().contains(words), "{words}: {e}");
        }
        drop((run, client, server));
        worker.join().unwrap();
    }
}
