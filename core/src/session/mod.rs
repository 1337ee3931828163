//! Sessions: a backend, a registry and a configuration, chosen once and used by every collection.

pub mod collection;
mod current;
pub mod delayed;
pub mod futures;
pub mod reference;
pub mod stop;

pub use current::{is_cancelled, set_home};

use std::sync::{Arc, OnceLock};

use crate::base::error::{Error, ErrorKind, Result};
use crate::graph::optimize::Passes;
use crate::graph::plan::Plan;
use crate::graph::registry::Registry;
use crate::graph::{Graph, Root};
use crate::protocol::events::{Observer, Subscription};
use crate::protocol::handle::RunHandle;
use crate::protocol::scheduler::{BackendEntry, Description, MemoryUse, OpenContext, Scheduler};
use crate::session::collection::{Collection, Computation};
use crate::settings::config::Config;
use crate::settings::url::SchedulerUrl;

/// Where collections are computed. Cheap to clone; the backend is closed with the last clone ([`Session::close`] says how long that takes).
///
/// # The current session
/// An open session is *current*: what names no session (`x.compute()`, `x.persist()`, `x.write_text(…)`) is computed by it, on every
/// thread of the process, until it is dropped or closed. Of several the newest counts. A task is different: whatever it computes,
/// and whichever sessions are open, it computes where it runs itself. A method whose name ends in `_in` (`x.compute_in(&session)`)
/// takes a session by name.
///
/// ```no_run
/// use kvern_core::{Session, delayed};
/// let answer = delayed(|| 42u64).call(());
/// let threads = Session::open("threads://")?;
/// assert_eq!(answer.compute()?, 42); // on the threads
/// let serial = Session::open("sync://")?;
/// assert_eq!(answer.compute()?, 42); // on this thread: the newest counts
/// assert_eq!(answer.compute_in(&threads)?, 42);
/// drop(serial);
/// assert_eq!(answer.compute()?, 42); // on the threads again
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a session is closed when it is dropped: keep it for as long as something is to be computed"]
pub struct Session(Arc<Inner>);

pub(crate) struct Inner {
    scheduler: Arc<dyn Scheduler>,
    /// Whether the backend is closed with the session. Not that of a session inside a task.
    closes: bool,
    registry: Arc<Registry>,
    config: Arc<Config>,
    passes: Passes,
}

impl Session {
    /// Opens the backend of a URL, such as `threads://?workers=4&memory=8GiB`, `sync://` or a bare name (`threads`), with the
    /// linked operators and the configuration of files and environment. While it is open, what names no session is computed by it.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("threads://?workers=4&memory=2GiB")?;
    /// // … what is computed here runs on it …
    /// drop(session);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotRegistered`] for an unknown backend (the nearest is named), [`ErrorKind::Config`] for a URL or a
    /// configuration that is wrong.
    pub fn open(url: &str) -> Result<Self> {
        Self::builder().url(url).build()
    }

    /// A session with everything said.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::builder().url("threads://").current(false).build()?; // used only where it is named
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// The session that is used when none is named: inside a task the one that runs it, inside [`Session::enter`] that one; elsewhere the
    /// newest that is open. If none is, one is opened from the configured `scheduler`, else from the best backend that is linked, and
    /// stays open as long as the process lives.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// println!("{}", Session::current()?.describe().scheme);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::open`]; inside a task what keeps its backend from taking more tasks.
    pub fn current() -> Result<Self> {
        crate::session::current::session()
    }

    /// Runs `f` with this session as the current one of this thread, whatever else is open. For a thread that a task starts, which nobody can
    /// tell from any other: it is handed the task's session.
    ///
    /// ```no_run
    /// # use kvern_core::{Session, delayed};
    /// // In a task:
    /// let session = Session::current()?;
    /// std::thread::scope(|s| {
    ///     s.spawn(|| session.enter(|| delayed(|| 42u64).call(()).compute()));
    /// });
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        crate::session::current::in_session(self, f)
    }

    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Self(inner)
    }

    /// A session over a backend that somebody else closes, for the tasks that it runs.
    ///
    /// # Errors
    /// What keeps the linked operators or the configuration from being read.
    pub(crate) fn inside(
        scheduler: Arc<dyn Scheduler>,
        registry: Option<Arc<Registry>>,
    ) -> Result<Self> {
        // Tasks ask often: what this process has linked and configured is looked up once.
        static HERE: OnceLock<Result<(Arc<Registry>, Arc<Config>)>> = OnceLock::new();
        let look = || {
            let registry = Arc::new(Registry::linked()?);
            let config = Config::load(&*registry).map_err(config_error)?;
            Ok((registry, Arc::new(config)))
        };
        let (linked, config) = HERE.get_or_init(look).clone()?;
        Ok(Self(Arc::new(Inner {
            scheduler,
            closes: false,
            registry: registry.unwrap_or(linked),
            config,
            passes: Passes::default(),
        })))
    }

    /// What runs here: a table, when it is printed.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("threads://?workers=4&memory=1GiB")?;
    /// println!("{}", session.describe()); // backend, threads, memory, where it spills, what it can do
    /// assert_eq!(session.describe().threads, 4);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn describe(&self) -> Description {
        self.0.scheduler.describe()
    }

    /// The backend. It is closed with the last clone of the session, whoever else holds it.
    pub fn scheduler(&self) -> &Arc<dyn Scheduler> {
        &self.0.scheduler
    }

    /// What operator names mean here.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("sync://")?;
    /// println!("{:?}", session.registry());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn registry(&self) -> &Arc<Registry> {
        &self.0.registry
    }

    /// The configuration.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("sync://")?;
    /// let style: String = session.config().get("progress").expect("a key that there is");
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn config(&self) -> &Arc<Config> {
        &self.0.config
    }

    /// The memory that results take.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("threads://")?;
    /// let used = session.memory();
    /// println!("{} bytes now, {} at most, {} on disk", used.live, used.peak, used.spilled);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn memory(&self) -> MemoryUse {
        self.0.scheduler.memory()
    }

    /// Sends events to an observer until the subscription is dropped.
    pub fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.0.scheduler.subscribe(observer)
    }

    /// The plan for some roots: checked, optimised, not started.
    ///
    /// ```no_run
    /// use kvern_core::{Collection, Session, delayed};
    /// let session = Session::open("threads://")?;
    /// let answer = delayed(|| 42u64).call(());
    /// println!("{}", session.plan(&answer.roots()?)?.explain(None)?);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// What [`Graph::check`] finds.
    pub fn plan(&self, roots: &[Root]) -> Result<Plan> {
        Plan::new(
            Graph::new(roots),
            self.0.registry.clone(),
            self.0.passes.clone(),
        )
    }

    /// Starts computing what the roots want. Collections do this for their users; see [`Session::submit`] for functions.
    ///
    /// ```no_run
    /// use kvern_core::{Collection, Session, delayed};
    /// let session = Session::open("threads://")?;
    /// let run = session.start(&delayed(|| 42u64).call(()).roots()?)?;
    /// println!("{:?}", run.progress());
    /// run.wait()?;
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Scheduler::submit`].
    pub fn start(&self, roots: &[Root]) -> Result<RunHandle> {
        self.submit_plan(self.plan(roots)?)
    }

    /// Starts a plan.
    ///
    /// # Errors
    /// As [`Scheduler::submit`].
    pub fn submit_plan(&self, plan: Plan) -> Result<RunHandle> {
        Ok(RunHandle::new(self.0.scheduler.submit(plan)?))
    }

    /// Computes one collection, or several in a tuple that share their common work, and waits.
    ///
    /// ```no_run
    /// use kvern_core::{Session, delayed};
    /// let session = Session::open("threads://")?;
    /// let n = delayed(|| 20u64).call(());
    /// let double = delayed(|n: &u64| 2 * n).call(&n);
    /// assert_eq!(session.compute(&double)?, 40);
    /// assert_eq!(session.compute((&n, &double))?, (20, 40)); // `n` is made once
    /// assert_eq!(session.compute(&vec![n.clone(), double])?, [20, 40]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure; the rest is cancelled.
    pub fn compute<C: Computation>(&self, what: C) -> Result<C::Output> {
        let values = self.start(&what.roots_in(self)?)?.gather()?;
        what.finish(values)
    }

    /// Computes a collection and keeps its parts in the backend: the result is the same collection over values that exist.
    /// Returns at once.
    ///
    /// ```no_run
    /// use kvern_core::{Session, delayed};
    /// let session = Session::open("threads://")?;
    /// let table = session.persist(&delayed(|| vec![1.0, 2.0]).call(()))?; // is being made
    /// let sum = delayed(|t: &Vec<f64>| t.iter().sum::<f64>()).call(&table);
    /// assert_eq!(session.compute(&sum)?, 3.0);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Scheduler::submit`].
    pub fn persist<C: Collection>(&self, what: &C) -> Result<C> {
        let handles = self.start(&what.roots_in(self)?)?.handles();
        what.rebuild(handles)
    }

    /// From now on Ctrl-C, and SIGTERM, cancel what this session computes instead of ending the process:
    ///
    /// - Running functions are told ([`is_cancelled`], in worker processes too); nothing new begins.
    /// - Every wait, and every later submit, gives an error of [`ErrorKind::Cancelled`] that says by what. The program prints it, drops the session
    ///   and leaves.
    /// - Dropping the session takes half a second at most, even if functions do not ask whether they should stop: their threads are left behind
    ///   and end with the process, worker processes are ended, temporary files are removed.
    ///
    /// The second one ends the process at once, as it usually does. So does the first once all sessions that asked are closed or dropped. A program with a
    /// handler of its own calls [`Session::stop`] there.
    ///
    /// On `sync://` functions run on the thread that waits. One that does not ask holds it until it is through, or until the second Ctrl-C.
    ///
    /// ```no_run
    /// use kvern_core::{ErrorKind, Session, is_cancelled};
    ///
    /// fn model(steps: &u64) -> u64 {
    ///     (0..*steps).take_while(|_| !is_cancelled()).count() as u64
    /// }
    ///
    /// let session = Session::open("threads://")?;
    /// session.cancel_on_ctrl_c()?;
    /// let handles = session.map(model, (0..1000).map(|n| n * 1_000_000))?;
    /// match session.gather(handles) {
    ///     Err(e) if e.kind() == ErrorKind::Cancelled => eprintln!("{e}"), // cancelled by Ctrl-C: …
    ///     all => println!("{:?}", all?),
    /// }
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if nothing that is linked hears Ctrl-C (the feature `ctrl-c` of the crate `kvern` does, on Unix), or in a task,
    /// whose program is not its own; [`ErrorKind::Io`] if the system does not let it listen.
    pub fn cancel_on_ctrl_c(&self) -> Result<()> {
        if !self.0.closes {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a task's session cannot decide what Ctrl-C does: ask in the program that opened it",
            ));
        }
        crate::session::stop::listen(self.0.address(), &self.0.scheduler)
    }

    /// Cancels all runs and refuses new ones, at once and without waiting: what Ctrl-C does to a session that asked
    /// ([`Session::cancel_on_ctrl_c`]), for a program that is told to end by something else. Whoever waits for a result, or asks for more, is told
    /// `why`, as an error of [`ErrorKind::Cancelled`]. Results that are there stay.
    ///
    /// ```no_run
    /// use kvern_core::{ErrorKind, Session};
    ///
    /// let session = Session::open("threads://")?;
    /// session.stop("the window was closed");
    /// let e = session.submit(|| 42u64, ()).unwrap_err();
    /// assert_eq!(e.kind(), ErrorKind::Cancelled);
    /// assert_eq!(e.message(), "the window was closed");
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn stop(&self, why: impl Into<String>) {
        let why = Error::new(ErrorKind::Cancelled, why);
        self.0.scheduler.stop(&why);
    }

    /// Cancels all runs and frees everything, now rather than with the last clone. The session is not current any more.
    ///
    /// This waits for running functions, however long they take: one that takes long asks [`is_cancelled`] now and then. After
    /// [`Session::stop`], or Ctrl-C, it waits for [`GRACE`](crate::scheduler::GRACE) at most.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::open("threads://")?;
    /// session.close(); // although others may hold clones of it
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn close(&self) {
        self.0.close();
    }
}

impl Inner {
    /// By which those who hold no reference know it.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn close(&self) {
        crate::session::current::closed(self);
        crate::session::stop::forget(self.address());
        self.scheduler.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.closes {
            self.close();
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Session({}://, {:?})",
            self.describe().scheme,
            self.0.registry
        )
    }
}

/// Says what a [`Session`] is made of; everything left out is linked or configured.
#[derive(Default)]
pub struct SessionBuilder {
    url: Option<String>,
    scheduler: Option<Arc<dyn Scheduler>>,
    registry: Option<Arc<Registry>>,
    config: Option<Arc<Config>>,
    passes: Option<Passes>,
    current: Option<bool>,
}

impl SessionBuilder {
    /// The backend by URL or bare name.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::builder().url("threads://?workers=4").build()?;
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// A backend that is open already: a decorator, a third party's, a test's.
    #[must_use]
    pub fn scheduler(mut self, scheduler: Arc<dyn Scheduler>) -> Self {
        self.scheduler = Some(scheduler);
        self
    }

    /// Other operators, backends, value types, … than the linked ones. Without a configuration of its own the session is configured by the keys that
    /// this registry has.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use kvern_core::{Registry, Session};
    /// let registry = Arc::new(Registry::linked()?); // and operators of plugins
    /// let session = Session::builder().url("threads://").registry(registry).build()?;
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn registry(mut self, registry: Arc<Registry>) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Another configuration than that of files and environment.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use kvern_core::config::Config;
    /// use kvern_core::Session;
    /// # use kvern_core::Registry;
    /// let registry = Registry::linked()?;
    /// let mut config = Config::load(&registry).expect("a configuration without mistakes");
    /// config.set("progress", "off").expect("a value that is allowed");
    /// let session = Session::builder().url("threads://").config(Arc::new(config)).build()?;
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn config(mut self, config: Arc<Config>) -> Self {
        self.config = Some(config);
        self
    }

    /// Which optimisations run.
    #[must_use]
    pub fn passes(mut self, passes: Passes) -> Self {
        self.passes = Some(passes);
        self
    }

    /// Whether it is current while it is open: whether what names no session is computed by it. It is, unless it is opened by a task, which
    /// has nothing to say about the rest of the process.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let mine = Session::builder().url("sync://").current(false).build()?;
    /// let answer = kvern_core::delayed(|| 42u64).call(());
    /// assert_eq!(answer.compute_in(&mine)?, 42);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn current(mut self, current: bool) -> Self {
        self.current = Some(current);
        self
    }

    /// Opens it.
    ///
    /// ```no_run
    /// use kvern_core::Session;
    /// let session = Session::builder().build()?; // as it is configured
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn build(self) -> Result<Session> {
        let registry = match self.registry {
            Some(r) => r,
            None => Arc::new(Registry::linked()?),
        };
        let config = match self.config {
            Some(c) => c,
            None => Arc::new(Config::load(&*registry).map_err(config_error)?),
        };
        let scheduler = match self.scheduler {
            Some(s) => s,
            None => open_backend(self.url, &registry, &config)?,
        };
        let inner = Arc::new(Inner {
            scheduler,
            closes: true,
            registry,
            config,
            passes: self.passes.unwrap_or_default(),
        });
        if self
            .current
            .unwrap_or_else(|| !crate::session::current::is_task())
        {
            crate::session::current::opened(&inner);
        }
        Ok(Session(inner))
    }
}

fn open_backend(
    url: Option<String>,
    registry: &Arc<Registry>,
    config: &Arc<Config>,
) -> Result<Arc<dyn Scheduler>> {
    let Some(url) = url else {
        // Whoever reads what is wrong with it must know where it stands.
        let whence = config.layers("scheduler").map_err(config_error)?.last();
        let whence = whence.map_or_else(String::new, |entry| entry.source.to_string());
        return open_configured(registry, config).map_err(|e| {
            let words = format!("{} (the key `scheduler`: {whence})", e.message());
            Error::with_source(e.kind(), words, e)
        });
    };
    open_url(&url, registry, config)
}

/// The backend that the configuration names, else the best that is linked.
fn open_configured(registry: &Arc<Registry>, config: &Arc<Config>) -> Result<Arc<dyn Scheduler>> {
    let named: String = config.get("scheduler").map_err(config_error)?;
    let url = match named.as_str() {
        "" | "auto" => match registry.backends().first() {
            Some(best) if best.rank >= 0 => best.scheme.to_owned(),
            // None of that name: the error says what there is.
            _ => "auto".to_owned(),
        },
        _ => named,
    };
    open_url(&url, registry, config)
}

fn open_url(
    url: &str,
    registry: &Arc<Registry>,
    config: &Arc<Config>,
) -> Result<Arc<dyn Scheduler>> {
    let url = if url.contains("://") {
        url.to_owned()
    } else {
        format!("{url}://")
    };
    let url = SchedulerUrl::parse(&url)
        .map_err(|e| Error::with_source(ErrorKind::Config, e.to_string(), e))?;
    let context = OpenContext {
        registry: registry.clone(),
        config: config.clone(),
    };
    (registry.get::<BackendEntry>(url.scheme())?.open)(&url, &context)
}

fn config_error(e: crate::settings::config::ConfigError) -> Error {
    Error::with_source(ErrorKind::Config, e.to_string(), e)
}
