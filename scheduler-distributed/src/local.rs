//! A cluster of processes on this machine: a scheduler on a thread of this process, and workers that are this program, started again.

use std::sync::{Arc, Mutex, PoisonError};

use kvern_core::events::{Observer, Subscription};
use kvern_core::scheduler::{Description, MemoryUse};
use kvern_core::{Error, ErrorKind, Handle, Plan, Registry, Result, Run, Scheduler, Value};

use crate::client::ClusterClient;
use crate::limits;
use crate::options::ClusterOptions;
use crate::processes::Workers;
use crate::server::{SchedulerOptions, SchedulerServer};
use crate::token::Token;

/// A scheduler, its worker processes, and a client of them. A worker that ends by itself (a task crashed it, the system was out of memory)
/// is followed by another, and so is one that hangs. Closing or dropping it ends them all.
pub struct LocalCluster {
    client: ClusterClient,
    server: Mutex<Option<SchedulerServer>>,
    workers: Workers,
}

impl LocalCluster {
    /// Starts it, and waits until all workers are there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for no workers or threads, or more workers than this machine can have; [`ErrorKind::Io`] if a process cannot be started or ends at once;
    /// [`ErrorKind::Timeout`] if the workers do not report in time.
    pub fn start(options: &ClusterOptions, registry: Arc<Registry>) -> Result<Self> {
        if options.workers == 0 || options.threads == 0 {
            let words = format!(
                "a cluster needs at least 1 worker with 1 thread, not {} with {}",
                options.workers, options.threads
            );
            return Err(Error::new(ErrorKind::Config, words));
        }
        limits::check(options.workers, options.threads)?;
        options.store().check()?;
        let token = Token::random()?;
        let mut listen = SchedulerOptions::new("127.0.0.1:0", token.clone());
        listen.worker_ttl = options.worker_ttl;
        listen.allowed_failures = options.allowed_failures;
        listen.no_workers_timeout = options.no_workers_timeout;
        let server = SchedulerServer::start(&listen, registry.clone())?;
        let address = server.address().to_string();
        let mut workers = Workers::start(options, &server, &token)?;
        workers.wait_until_there(&server)?;
        workers.look_after()?;
        let about = format!("{} worker processes on this machine", options.workers);
        let client = ClusterClient::connect(&address, &token, registry)?.described(
            "cluster",
            about,
            &options.store(),
        );
        Ok(Self {
            client,
            server: Mutex::new(Some(server)),
            workers,
        })
    }

    /// The process ids of the workers: for those who watch them, or kill one to see what happens.
    pub fn worker_processes(&self) -> Vec<u32> {
        self.workers.processes()
    }
}

impl Scheduler for LocalCluster {
    fn describe(&self) -> Description {
        self.client.describe()
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        self.client.submit(plan)
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.client.scatter(values)
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.client.subscribe(observer)
    }

    fn memory(&self) -> MemoryUse {
        self.client.memory()
    }

    fn stop(&self, why: &Error) {
        self.workers.replace_none();
        self.client.stop(why);
    }

    fn close(&self) {
        self.client.close();
        let workers = self.workers.dismiss();
        drop(
            self.server
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        workers.end();
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        self.close();
    }
}
