//! Who waits for a result by a function that is to be called.

use kvern_core::{Result, Value};

/// Called with the result.
pub(crate) type Callback = Box<dyn FnOnce(Result<Value>) + Send>;

/// Called when the result is made, or there will be none.
pub(crate) type Settled = Box<dyn FnOnce() + Send>;

/// Who is to be called, outside of any lock and not on the thread that reads from the scheduler.
#[must_use]
#[derive(Default)]
pub(crate) struct Tell(Vec<Settled>);

impl Tell {
    /// Those who want to know that it is settled.
    pub(crate) fn settled(who: Vec<Settled>) -> Self {
        Self(who)
    }

    /// And those who want the result.
    pub(crate) fn with(mut self, callbacks: Vec<Callback>, result: &Result<Value>) -> Self {
        self.0.extend(callbacks.into_iter().map(|then| {
            let result = result.clone();
            Box::new(move || then(result)) as Settled
        }));
        self
    }

    pub(crate) fn tell(self) {
        self.0.into_iter().for_each(|call| call());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
