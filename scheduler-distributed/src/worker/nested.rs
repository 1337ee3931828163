//! The cluster as a task on a worker sees it: connected when the first task submits tasks, and again when that connection is gone.
//!
//! There is always one, so that a task never computes anywhere else: where no connection can be had, it is told so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kvern_core::events::{Observer, Subscription};
use kvern_core::scheduler::{Description, MemoryUse};
use kvern_core::{Error, ErrorKind, Handle, Plan, Result, Run, Scheduler, Value};

use crate::client::ClusterClient;

/// How long a connection is tried for. The worker itself is connected, so the scheduler lives, and may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Nested {
    connect: Box<dyn Fn() -> Result<ClusterClient> + Send + Sync>,
    client: Mutex<Option<Arc<ClusterClient>>>,
    patience: Duration,
}

impl Nested {
    pub(crate) fn new(connect: impl Fn() -> Result<ClusterClient> + Send + Sync + 'static) -> Self {
        Self {
            connect: Box::new(connect),
            client: Mutex::new(None),
            patience: PATIENCE,
        }
    }

    /// The connection. Whoever needs it at the same time waits for the same one.
    fn client(&self) -> Result<Arc<ClusterClient>> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = client.as_ref().filter(|c| !c.is_over()) {
            return Ok(there.clone());
        }
        let end = Instant::now() + self.patience;
        loop {
            match (self.connect)() {
                Ok(new) => return Ok(client.insert(Arc::new(new)).clone()),
                // Neither is over by itself.
                Err(e) if matches!(e.kind(), ErrorKind::Config | ErrorKind::Unsupported) => {
                    return Err(no_connection(&e));
                }
                Err(e) if Instant::now() >= end => return Err(no_connection(&e)),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

fn no_connection(e: &Error) -> Error {
    let words = format!(
        "a task cannot submit tasks, since its worker cannot connect to the scheduler once more: {}",
        e.message()
    );
    Error::with_source(e.kind(), words, e.clone())
}

impl Scheduler for Nested {
    fn describe(&self) -> Description {
        match self.client() {
            Ok(client) => client.describe(),
            Err(e) => Description::new("tcp", format!("the cluster that runs this task: {e}")),
        }
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        self.client()?.submit(plan)
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.client()?.scatter(values)
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.client()
            .map_or_else(|_| Subscription::none(), |c| c.subscribe(observer))
    }

    fn memory(&self) -> MemoryUse {
        self.client().map(|c| c.memory()).unwrap_or_default()
    }

    fn stop(&self, why: &Error) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = client.as_ref() {
            client.stop(why);
        }
    }

    fn close(&self) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = client.as_ref() {
            client.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use kvern_conformance::ops;
    use kvern_core::optimize::Passes;
    use kvern_core::{Graph, Root, TaskList};

    use super::*;
    use crate::server::{SchedulerOptions, SchedulerServer};
    use crate::token::Token;

    fn plan() -> Plan {
        let mut list = TaskList::new();
        let op = list.op(ops::make_bytes(8, 1));
        let task = list.task(op, []);
        let graph = Graph::new(&[Root::all(&list.finish([task]))]);
        Plan::new(graph, ops::registry(), Passes::none()).unwrap()
    }

    #[test]
    fn a_connection_that_fails_once_or_breaks_is_made_again() {
        let token = Token::random().unwrap();
        let start = |listen: &str| {
            let options = SchedulerOptions::new(listen, token.clone());
            SchedulerServer::start(&options, ops::registry()).unwrap()
        };
        let server = start("127.0.0.1:0");
        let address = server.address().to_string();
        let tries = Arc::new(AtomicU32::new(0));
        let (to, secret, count) = (address.clone(), token.clone(), tries.clone());
        let mut nested = Nested::new(move || match count.fetch_add(1, Ordering::SeqCst) {
            0 => Err(Error::new(ErrorKind::Timeout, "did not answer")),
            _ => ClusterClient::connect(&to, &secret, ops::registry()),
        });
        nested.patience = Duration::ZERO;
        let e = nested.submit(plan()).map(drop).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Timeout);
        assert!(e.message().contains("did not answer"), "{e}");
        // The next task has another try, and those after it the same connection.
        drop(nested.submit(plan()).unwrap());
        drop(nested.submit(plan()).unwrap());
        assert_eq!(tries.load(Ordering::SeqCst), 2);
        drop(server);
        let e = nested.submit(plan()).map(drop).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Io | ErrorKind::Lost), "{e}");
        let _server = start(&address);
        drop(nested.submit(plan()).unwrap());
    }
}
