//! A Ballista cluster as a scheduler of kvern. It carries frames, whole: a task of a frame's query hands it over and waits, on a thread of
//! this process, and everything that a run is (handles, cancelling, progress) is that of the threaded backend. Any other graph is refused
//! when it is submitted.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use kvern_core::events::{Observer, Subscription};
use kvern_core::scheduler::{Capabilities, Description, MemoryUse};
use kvern_core::{Error, ErrorKind, Graph, Handle, Plan, Registry, Result, Run, Scheduler, Value};
use kvern_frame::backend::{FrameEngine, is_query};
use kvern_scheduler_local::{ThreadOptions, ThreadScheduler};

use crate::engine::Engine;
use crate::error::unreachable;
use crate::job::Cluster;
use crate::local::{BallistaCluster, LocalOptions};

/// Queries that are under way at once. Each waits on a thread that does nothing else.
const QUERIES: usize = 8;

/// Partitions where the number of slots is not known; what Ballista itself assumes.
const PARTITIONS: usize = 16;

/// A Ballista cluster: `ballista://`.
pub struct BallistaScheduler {
    queries: ThreadScheduler,
    engine: Arc<Engine>,
    /// The same, as frames ask for it.
    offered: Arc<dyn FrameEngine>,
    about: String,
    local: Mutex<Option<Arc<BallistaCluster>>>,
}

impl BallistaScheduler {
    /// A cluster that runs already, by the address of its scheduler. Queries are cut into so many partitions.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the address if no scheduler can be reached there.
    pub fn connect(
        address: &str,
        partitions: Option<usize>,
        registry: Arc<Registry>,
    ) -> Result<Self> {
        let about = format!("the Ballista cluster of the scheduler at {address}");
        Self::of(
            address,
            partitions.unwrap_or(PARTITIONS),
            about,
            None,
            registry,
        )
    }

    /// A scheduler and executors of this program on this machine, which end with the session.
    ///
    /// # Errors
    /// As [`BallistaCluster::start`].
    pub fn local(options: &LocalOptions, registry: Arc<Registry>) -> Result<Self> {
        let cluster = Arc::new(BallistaCluster::start(options)?);
        let slots = options.executors * options.slots;
        let about = format!(
            "{} Ballista executors with {} slots each on this machine",
            options.executors, options.slots
        );
        let address = cluster.address().to_owned();
        let partitions = options.partitions.unwrap_or(2 * slots);
        Self::of(&address, partitions, about, Some(cluster), registry)
    }

    fn of(
        address: &str,
        partitions: usize,
        about: String,
        local: Option<Arc<BallistaCluster>>,
        registry: Arc<Registry>,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("kvern-ballista")
            .enable_all()
            .build()
            .map_err(|e| unreachable(address, &format!("no thread could be started: {e}")))?;
        // On a thread of its own: the caller may itself be a task of another runtime, where waiting is not allowed.
        let found = std::thread::scope(|s| {
            let find = Cluster::find(address.to_owned());
            s.spawn(|| runtime.block_on(find)).join()
        });
        let cluster = match found {
            Ok(Ok(cluster)) => cluster,
            Ok(Err(e)) => {
                runtime.shutdown_background();
                return Err(e);
            }
            Err(panic) => return Err(Error::panicked(panic)),
        };
        let options = ThreadOptions {
            workers: Some(QUERIES),
            ..ThreadOptions::default()
        };
        let engine = Arc::new(Engine::new(cluster, partitions.max(1), runtime)?);
        Ok(Self {
            queries: ThreadScheduler::new(&options, registry)?,
            offered: engine.clone(),
            engine,
            about,
            local: Mutex::new(local),
        })
    }

    /// The processes of [`BallistaScheduler::local`], until it is closed.
    pub fn processes(&self) -> Option<Arc<BallistaCluster>> {
        self.local
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Whether a graph is nothing but queries of frames and values that they read.
fn only_queries(graph: &Graph) -> Result<()> {
    let ops = graph.layers().iter().flat_map(|l| l.kind().ops());
    let Some(other) = ops.into_iter().find(|op| !is_query(op)) else {
        return Ok(());
    };
    let why = if other.name().starts_with("frame.") {
        "a frame that is cut into tasks (Way::Tasks, Frame::to_delayed); leave the way to the session"
    } else {
        "a graph of tasks: arrays, bags, functions, or a frame that reads what such tasks make"
    };
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "ballista:// carries whole frames only, and {} belongs to {why}. Graphs run on threads://, sync://, cluster:// and tcp://",
            other.label()
        ),
    ))
}

impl Scheduler for BallistaScheduler {
    fn describe(&self) -> Description {
        let inner = self.queries.describe();
        let mut capabilities = Capabilities::default();
        capabilities.concurrent = true;
        let mut own = Description::new("ballista", self.about.clone());
        own.threads = self.engine.partitions();
        own.memory_budget = inner.memory_budget;
        own.spill_directory = inner.spill_directory;
        own.capabilities = capabilities;
        own
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        only_queries(plan.graph())?;
        self.queries.submit(plan)
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.queries.scatter(values)
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.queries.subscribe(observer)
    }

    fn memory(&self) -> MemoryUse {
        self.queries.memory()
    }

    fn extension(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.offered)
    }

    fn stop(&self, why: &Error) {
        self.queries.stop(why);
    }

    fn close(&self) {
        self.queries.close();
        self.engine.close();
        let local = self
            .local
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(cluster) = local {
            cluster.close();
        }
    }
}

impl Drop for BallistaScheduler {
    fn drop(&mut self) {
        self.close();
    }
}
