//! Inputs from other workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kvern_machine::wire::Role;
use kvern_machine::{FetchId, TaskRef, WorkerId};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Happened;
use super::store::Store;
use crate::data::{self, Connection, Object};
use crate::net::pipe::first;
use crate::token::Token;

/// What the data thread is told.
pub(crate) enum Order {
    /// Get these from that peer; answered by [`Happened::Fetched`].
    Get {
        fetch: FetchId,
        peer: WorkerId,
        objects: Vec<TaskRef>,
    },
    /// Where a peer is reached.
    Peer { worker: WorkerId, address: String },
    /// A peer is gone.
    PeerLost(WorkerId),
}

type Ask = (FetchId, Vec<TaskRef>);

/// Works off orders: a task and a connection for each peer. Ends when nobody gives any more, or when one of these tasks is broken.
pub(crate) async fn serve(
    store: Arc<Store>,
    me: WorkerId,
    token: Token,
    orders: UnboundedReceiver<Order>,
) {
    let broken = Arc::new(Notify::new());
    // What such a one was asked for would be waited for without an end.
    first(obey(store, me, token, orders, &broken), broken.notified()).await;
}

async fn obey(
    store: Arc<Store>,
    me: WorkerId,
    token: Token,
    mut orders: UnboundedReceiver<Order>,
    broken: &Arc<Notify>,
) {
    let addresses: Arc<Mutex<HashMap<WorkerId, String>>> = Arc::default();
    let known = || addresses.lock().unwrap_or_else(PoisonError::into_inner);
    let mut peers: HashMap<WorkerId, UnboundedSender<Ask>> = HashMap::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Peer { worker, address } => drop(known().insert(worker, address)),
            Order::PeerLost(worker) => {
                known().remove(&worker);
                // What it was being asked for fails as its connection does.
                peers.remove(&worker);
            }
            Order::Get {
                fetch,
                peer,
                objects,
            } => {
                let open = || {
                    let (to, asks) = unbounded_channel();
                    let address = known().get(&peer).cloned();
                    let talks = talk(store.clone(), me, peer, address, token.clone(), asks);
                    let (task, broken) = (tokio::spawn(talks), broken.clone());
                    tokio::spawn(async move {
                        if task.await.is_err_and(|e| e.is_panic()) {
                            broken.notify_one();
                        }
                    });
                    to
                };
                let to = peers.entry(peer).or_insert_with(open);
                if let Err(back) = to.send((fetch, objects)) {
                    // Its connection broke; perhaps the next one stands.
                    let again = open();
                    let _ = again.send(back.0);
                    peers.insert(peer, again);
                }
            }
        }
    }
}

async fn talk(
    store: Arc<Store>,
    me: WorkerId,
    peer: WorkerId,
    address: Option<String>,
    token: Token,
    mut asks: UnboundedReceiver<Ask>,
) {
    let mut connection = match &address {
        Some(a) => Connection::open(a, peer, Role::DataWorker(me), &token)
            .await
            .ok(),
        None => None,
    };
    while let Some((fetch, objects)) = asks.recv().await {
        let (mut got, mut gone) = (Vec::new(), Vec::new());
        let whole = match &mut connection {
            None => false,
            Some(c) => get(&store, c, &objects, &mut got, &mut gone).await.is_ok(),
        };
        if !whole {
            // Later questions come over another connection.
            connection = None;
            asks.close();
        }
        store.tell(Happened::Fetched {
            fetch,
            got,
            gone,
            whole,
        });
    }
}

async fn get(
    store: &Store,
    connection: &mut Connection,
    objects: &[TaskRef],
    got: &mut Vec<(TaskRef, u64)>,
    gone: &mut Vec<TaskRef>,
) -> std::io::Result<()> {
    for objects in objects.chunks(data::MOST_AT_ONCE) {
        connection.ask(objects).await?;
        for &object in objects {
            let expect = |bytes| store.values().expect(bytes);
            // The room is given back once the value counts by itself.
            let (came, _room) = connection.next_into(store.registry(), expect).await?;
            match came {
                Object::Gone => gone.push(object),
                // It cannot be had in any other way: whoever reads it fails with the reason.
                Object::Refused(why) => got.push((object, store.keep(object, Err(why)))),
                Object::Value(value) => got.push((object, store.keep(object, value))),
            }
        }
    }
    Ok(())
}
