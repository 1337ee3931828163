//! Which session is meant where none is named: that of the task which this thread runs, one that was entered, the newest open one, or
//! the configured one.

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use crate::base::error::Result;
use crate::operator::TaskContext;
use crate::protocol::scheduler::Scheduler;
use crate::session::{Inner, Session};

/// What this thread is doing. The lifetimes are erased.
#[derive(Clone, Copy)]
enum Doing {
    /// Nothing that is known of.
    Unknown,
    /// It runs a task.
    Task(NonNull<TaskContext<'static>>),
    /// It runs a function that was handed a session ([`Session::enter`]).
    Entered(NonNull<Session>),
}

thread_local! {
    static DOING: Cell<Doing> = const { Cell::new(Doing::Unknown) };
}

/// Runs `f` while this thread does something else, whatever happens in `f`.
fn doing<R>(what: Doing, f: impl FnOnce() -> R) -> R {
    struct Restore(Doing);
    impl Drop for Restore {
        fn drop(&mut self) {
            DOING.set(self.0);
        }
    }
    let _restore = Restore(DOING.replace(what));
    f()
}

impl TaskContext<'_> {
    /// For schedulers, which run every kernel so: runs `f` with [`Session::current`] meaning the session that runs this task, so that a function
    /// that is not told its context can submit tasks, too.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        in_task(self, f)
    }

    /// A session over the backend that runs this task, to compute and submit more; dropping it closes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the backend does not take tasks from tasks; what keeps it from being reached.
    pub fn session(&self) -> Result<Session> {
        let (scheduler, registry) = crate::protocol::scheduler::parts(self)?;
        Session::inside(scheduler, registry)
    }
}

/// Runs `f` as what a task does.
fn in_task<R>(task: &TaskContext<'_>, f: impl FnOnce() -> R) -> R {
    doing(Doing::Task(NonNull::from(task).cast()), f)
}

/// Runs `f` with a session for all that names none.
pub(crate) fn in_session<R>(session: &Session, f: impl FnOnce() -> R) -> R {
    doing(Doing::Entered(NonNull::from(session)), f)
}

/// Whether this thread runs a task.
pub(crate) fn is_task() -> bool {
    matches!(DOING.get(), Doing::Task(_))
}

/// Whether the task that this thread runs is to stop: its run was cancelled, or its time is over. A function that takes long asks now and
/// then, and returns whatever it likes: nobody reads it. `false` outside of tasks, and on threads that a task has started.
///
/// ```
/// fn slow(steps: &u64) -> u64 {
///     (0..*steps).take_while(|_| !kvern_core::is_cancelled()).count() as u64
/// }
/// assert_eq!(kvern_core::delayed(slow).call(1000u64).reference()?, 1000);
/// # Ok::<(), kvern_core::Error>(())
/// ```
pub fn is_cancelled() -> bool {
    match DOING.get() {
        // SAFETY: as in `of_thread`.
        Doing::Task(context) => unsafe { context.as_ref() }.is_cancelled(),
        Doing::Unknown | Doing::Entered(_) => false,
    }
}

/// The session of what this thread does.
fn of_thread() -> Option<Result<Session>> {
    match DOING.get() {
        Doing::Unknown => None,
        // SAFETY: `in_task` puts a pointer to a context there, and `doing` takes it away before it returns, whatever happens in between;
        // so the context, and what it borrows, is alive. It is used here only, and nothing of its lifetime leaves this function.
        Doing::Task(context) => Some(unsafe { context.as_ref() }.session()),
        // SAFETY: the same holds of the session that `in_session` borrows.
        Doing::Entered(session) => Some(Ok(unsafe { session.as_ref() }.clone())),
    }
}

/// The open sessions that are current, oldest first. One that is being dropped may stand here a moment longer.
static OPEN: RwLock<Vec<Weak<Inner>>> = RwLock::new(Vec::new());

/// From now on this session is the newest.
pub(crate) fn opened(session: &Arc<Inner>) {
    let mut open = OPEN.write().unwrap_or_else(PoisonError::into_inner);
    open.push(Arc::downgrade(session));
}

/// This session is not current any more.
pub(crate) fn closed(session: *const Inner) {
    let mut open = OPEN.write().unwrap_or_else(PoisonError::into_inner);
    open.retain(|s| !std::ptr::eq(s.as_ptr(), session));
}

fn newest() -> Option<Session> {
    let open = OPEN.read().unwrap_or_else(PoisonError::into_inner);
    // No session is dropped here, which would want the lock: the first that is alive is given to the caller.
    open.iter().rev().find_map(Weak::upgrade).map(Session::of)
}

type Connect = Box<dyn Fn() -> Result<Arc<dyn Scheduler>> + Send + Sync>;

static HOME: OnceLock<Connect> = OnceLock::new();

/// For backends whose tasks run in processes of their own: says what computes where [`Session::current`] is asked for on a thread of this process
/// that is in no task, as far as is known. Such a thread was started by a task, and what it computes belongs to the task's
/// backend; without this it would be computed on a backend of this process alone. Said once; a second time changes nothing.
pub fn set_home(connect: impl Fn() -> Result<Arc<dyn Scheduler>> + Send + Sync + 'static) {
    let _said = HOME.set(Box::new(connect));
}

/// See [`Session::current`].
pub(crate) fn session() -> Result<Session> {
    if let Some(known) = of_thread() {
        return known;
    }
    if let Some(open) = newest() {
        return Ok(open);
    }
    if let Some(home) = HOME.get() {
        return Session::inside(home()?, None);
    }
    static CONFIGURED: Mutex<Option<Session>> = Mutex::new(None);
    let mut configured = CONFIGURED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(session) = &*configured {
        return Ok(session.clone());
    }
    // What fails now may be there the next time, so only success is kept.
    let session = Session::builder().current(false).build()?;
    Ok(configured.insert(session).clone())
}
