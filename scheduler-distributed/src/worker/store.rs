//! What a worker keeps: results by name, as values in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvern_core::{Registry, Result, Value};
use kvern_machine::TaskRef;
use kvern_store::StoreOptions;
use tokio::sync::mpsc::UnboundedSender;

use super::Happened;
use crate::data::Keeper;
use crate::parcel::discard;

/// A result, or why what came in its place cannot be read.
pub(crate) type Kept = Result<Value>;

/// Results by name.
pub(crate) struct Store {
    values: Mutex<HashMap<TaskRef, Kept>>,
    /// Counts what running tasks set aside.
    inner: Arc<kvern_store::Store>,
    /// Where it is said that a client put something here.
    happened: UnboundedSender<Happened>,
}

impl Store {
    pub(crate) fn new(registry: Arc<Registry>, happened: UnboundedSender<Happened>) -> Self {
        Self {
            values: Mutex::default(),
            inner: kvern_store::Store::new(StoreOptions::new(u64::MAX), registry),
            happened,
        }
    }

    /// Says that something happened here.
    pub(crate) fn tell(&self, what: Happened) {
        let _ = self.happened.send(what);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskRef, Kept>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        self.inner.registry()
    }

    pub(crate) fn values(&self) -> &kvern_store::Store {
        &self.inner
    }

    /// Keeps a value; gives its size in memory.
    pub(crate) fn keep(&self, object: TaskRef, value: Kept) -> u64 {
        let bytes = value.as_ref().map_or(0, Value::nbytes);
        discard(self.replace(object, value));
        bytes
    }

    /// Keeps a value; gives the one that stood there.
    pub(crate) fn replace(&self, object: TaskRef, value: Kept) -> Option<Kept> {
        self.lock().insert(object, value)
    }

    pub(crate) fn get(&self, object: TaskRef) -> Option<Kept> {
        self.lock().get(&object).cloned()
    }

    pub(crate) fn take(&self, object: TaskRef) -> Option<Kept> {
        self.lock().remove(&object)
    }
}

impl Keeper for Store {
    fn get(&self, object: TaskRef) -> Option<Result<Value>> {
        Self::get(self, object)
    }

    fn put(&self, object: TaskRef, value: Value) {
        self.tell(Happened::Put { object, value });
    }

    fn registry(&self) -> &Registry {
        self.inner.registry()
    }
}
