//! What is known of a thread's task, for a thread that goes on with it while the first one waits.

use std::sync::Arc;

use kvern_store::AdmittedHere;

use super::lend::{self, Lender};

/// What a task's thread knows of it.
pub(crate) struct Carried {
    lender: Option<Arc<dyn Lender>>,
    admitted: AdmittedHere,
}

/// Of this thread.
pub(crate) fn of_thread() -> Carried {
    Carried {
        lender: lend::mine(),
        admitted: AdmittedHere::of_thread(),
    }
}

/// Runs `f` on a thread of its own as if it were the one that this is of, which waits meanwhile.
pub(crate) fn as_of<R>(carried: Carried, f: impl FnOnce() -> R) -> R {
    lend::replace(carried.lender);
    carried.admitted.adopt();
    f()
}
