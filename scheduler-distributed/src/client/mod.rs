//! The client: a cluster as a [`Scheduler`].

mod backed;
mod connect;
mod fetch;
mod keys;
mod link;
mod outgoing;
mod running;
mod tell;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kvern_core::events::{Observer, Subscription};
use kvern_core::scheduler::{Capabilities, Description, GRACE, MemoryUse};
use kvern_core::{Error, ErrorKind, Handle, Plan, Registry, Result, Run, Scheduler, Value};
use kvern_machine::wire::FromClient;
use kvern_store::StoreOptions;

use crate::token::Token;
use connect::Connection;
use running::ClusterRun;

/// How long closing waits for running tasks to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a cluster's scheduler. Closing or dropping it cancels what it submitted and frees it; the cluster goes on.
pub struct ClusterClient {
    connection: Connection,
    description: Description,
    /// Why nothing is computed any more, if somebody said so.
    stopped: OnceLock<Error>,
}

impl ClusterClient {
    /// Connects to the scheduler at `HOST:PORT`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if nobody listens there, [`ErrorKind::Config`] if the token or the version is wrong.
    pub fn connect(address: &str, token: &Token, registry: Arc<Registry>) -> Result<Self> {
        let connection = Connection::open(address, token, registry)?;
        let mut description = Description::new(
            "tcp",
            format!("the cluster whose scheduler is at {address}"),
        );
        description.threads = connection.slots() as usize;
        description.capabilities = capabilities();
        Ok(Self {
            connection,
            description,
            stopped: OnceLock::new(),
        })
    }

    /// Which scheme it is described as.
    #[must_use]
    pub(crate) fn described(mut self, scheme: &str, about: String, store: &StoreOptions) -> Self {
        self.description.scheme = scheme.to_owned();
        self.description.about = about;
        self.description.memory_budget = Some(store.budget);
        self.description.capabilities.spill = store.spill;
        self
    }

    /// Tells the scheduler that tasks wait for what is submitted here.
    #[must_use]
    pub(crate) fn for_tasks(self) -> Self {
        self.connection.link().send(FromClient::ForTasks);
        self
    }

    /// Whether nothing can be submitted any more.
    pub(crate) fn is_over(&self) -> bool {
        self.connection.link().is_over()
    }

    fn open(&self) -> Result<()> {
        match self.stopped.get() {
            Some(why) => Err(why.clone()),
            None if self.is_over() => Err(closed()),
            None => Ok(()),
        }
    }
}

/// What a cluster can do.
fn capabilities() -> Capabilities {
    let mut can = Capabilities::default();
    can.concurrent = true;
    can.nested = true;
    can.spill = true;
    can
}

fn closed() -> Error {
    Error::new(
        ErrorKind::Cancelled,
        "the connection to the cluster is closed",
    )
}

/// The error of results that were cancelled.
fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the run was cancelled")
}

/// A handle on each output of a run, in the place of the wants that its submit made.
fn handles(run: &Arc<ClusterRun>) -> Vec<Handle> {
    let handles = (0..run.outputs() as u32)
        .map(|o| Handle::new(run.clone(), o))
        .collect();
    run.release_all();
    handles
}

impl Scheduler for ClusterClient {
    fn describe(&self) -> Description {
        let mut description = self.description.clone();
        if let Some(slots) = self.connection.link().slots() {
            description.threads = slots as usize;
        }
        description
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        self.open()?;
        let run = outgoing::submit(self.connection.link(), plan.graph())?;
        Ok(run)
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.open()?;
        if values.is_empty() {
            return Ok(Vec::new());
        }
        Ok(handles(&outgoing::scatter(
            self.connection.link(),
            &values,
        )?))
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        let link = self.connection.link();
        let subscription = link.observers().subscribe(observer);
        link.listen_up();
        subscription
    }

    fn memory(&self) -> MemoryUse {
        self.connection.link().ask_memory().unwrap_or_default()
    }

    fn stop(&self, why: &Error) {
        let why = self.stopped.get_or_init(|| why.clone());
        self.connection.link().stop(why);
    }

    fn close(&self) {
        let link = self.connection.link();
        if link.is_over() {
            return;
        }
        link.cancel_all();
        let patience = self.stopped.get().map_or(PATIENCE, |_| GRACE);
        link.wait_until_idle(Instant::now() + patience);
        link.end(&closed());
        self.connection.stop();
    }
}

impl Drop for ClusterClient {
    fn drop(&mut self) {
        self.close();
    }
}
