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

/// The same after a result was not where it was said to be.
const SHORT_MOMENT: Duration = Duration::from_millis(20);

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
                let Some(place) = run.coming(task) else {
                    continue;
                };
                let task = TaskRef::new(graph, task);
                // Any holder will do; different results go to different ones.
                match place
                    .holders
                    .get(task.task as usize % place.holders.len().max(1))
                {
                    Some(&worker) => by_worker
                        .entry(worker)
                        .or_default()
                        .push((place.data, task)),
                    None => not_there(link, place.data, task, WorkerId::default()),
                }
            }
            by_worker
                .into_iter()
                .map(|(w, list)| (w, Ask::Get(list)))
                .collect()
        }
    }
}

/// Tells the scheduler that a result is not where it said.
fn not_there(link: &Arc<Link>, data: TaskRef, task: TaskRef, worker: WorkerId) {
    if let Some(run) = link.run(task.graph) {
        run.not_there(task.task);
    }
    say_after(
        SHORT_MOMENT,
        link,
        FromClient::CannotFetch { data, task, worker },
    );
}

fn say_after(moment: Duration, link: &Arc<Link>, message: FromClient) {
    let link = link.clone();
    tokio::spawn(async move {
        tokio::time::sleep(moment).await;
        link.send(message);
    });
}

fn failed(link: &Arc<Link>, worker: WorkerId, ask: Ask) {
    match ask {
        Ask::Get(list) => list
            .into_iter()
            .for_each(|(data, task)| not_there(link, data, task, worker)),
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
    tokio::spawn(talk(link.clone(), token.clone(), worker, asks));
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
    let Ok(mut connection) = connected else {
        asks.close();
        while let Some(ask) = asks.recv().await {
            failed(&link, worker, ask);
        }
        return;
    };
    while let Some(ask) = asks.recv().await {
        if let Err(left) = answer(&link, &mut connection, ask).await {
            match left {
                Ask::Put(object, _) => broke(&link, object, worker),
                Ask::Get(_) => failed(&link, worker, left),
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
                    Ok(Object::Gone) => not_there(link, data, task, connection.worker()),
                    Ok(Object::Refused(why)) => link.arrived(task, Err(why)),
                    Ok(Object::Value(value)) => link.arrived(task, value),
                }
            }
            Ok(())
        }
    }
}
