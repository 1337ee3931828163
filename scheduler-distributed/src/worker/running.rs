//! A task of a worker, as the function that runs it sees it ([`kvern_store::run_task`]).

use std::time::Instant;

use kvern_core::error::TaskInfo;
use kvern_core::operator::{Kernel, Submitter, TaskHost};
use kvern_core::unfinished::Leftovers;
use kvern_core::{Error, ErrorKind, Key, OpRef, Result, TaskContext, Value};
use kvern_store::{Clock, Task};

use super::Happened;
use super::execute::{Executor, Graph, Job, Resolved, cancelled};
use super::record::shorten;
use super::store::InHand;

/// One attempt at a task.
pub(super) struct RunningTask<'a> {
    pub(super) executor: &'a Executor,
    pub(super) job: &'a Job,
    pub(super) graph: &'a Graph,
    pub(super) op: &'a OpRef,
    /// Found when it begins.
    pub(super) kernel: Option<Resolved>,
    /// What goes with its inputs, and after them.
    pub(super) in_hand: Vec<InHand>,
}

impl Task for RunningTask<'_> {
    fn acquire_inputs(&mut self, inputs: &mut Vec<Value>) -> Result<()> {
        self.executor
            .acquire_inputs(self.job, inputs, &mut self.in_hand)
    }

    fn begin(&mut self, inputs: &[Value]) -> Clock {
        let assign = &self.job.assign;
        if let Some(info) = &mut *self.job.watch.info() {
            *info = self.info(inputs);
        }
        self.kernel = Some(self.executor.kernel(self.graph, self.op, assign.op));
        let annotations = self.graph.shared.as_ref().map(|s| &s.annotations);
        let limit = annotations
            .ok()
            .and_then(|a| a.get(assign.annotation as usize)?.timeout);
        Clock {
            begun: Some(Instant::now()),
            limit,
        }
    }

    fn kernel(&self) -> Result<&dyn Kernel> {
        match &self.kernel {
            Some(Ok(kernel)) => Ok(&**kernel),
            Some(Err(e)) => Err(e.clone()),
            None => Err(Error::new(
                ErrorKind::Internal,
                "a task runs that has not begun",
            )),
        }
    }

    fn context<'a>(&'a self, host: &'a dyn TaskHost) -> TaskContext<'a> {
        let assign = &self.job.assign;
        TaskContext::of_task(host, assign.key, self.op, assign.block)
    }

    fn info(&self, inputs: &[Value]) -> TaskInfo {
        let assign = &self.job.assign;
        TaskInfo::new(assign.key, self.op, assign.block, inputs)
    }

    fn is_cancelled(&self) -> bool {
        self.job.watch.stop.is_cancelled()
    }

    fn why_cancelled(&self) -> Error {
        cancelled()
    }

    /// Whoever keeps the result asks ([`Watch::claim`]).
    fn claim(&mut self) -> bool {
        true
    }

    /// Where its reader will run is not known, so a value must be able to leave this process even if it never does.
    fn check(&self, value: &Value) -> Result<()> {
        match self.executor.store.registry().can_encode(value) {
            true => Ok(()),
            false => Err(unportable(value)),
        }
    }

    fn store(&self) -> &kvern_store::Store {
        self.executor.store.values()
    }

    fn log(&self, key: Key, operator: &str, message: &str) {
        let mut message = message.to_owned();
        shorten(&mut message);
        (self.executor.tell)(Happened::Log {
            task: self.job.assign.task,
            key,
            operator: operator.to_owned(),
            message,
        });
    }

    fn leftovers(&self) -> Leftovers {
        self.executor.leftovers.clone()
    }

    fn submitter(&self) -> Result<Submitter> {
        let registry = self.executor.store.registry().clone();
        Ok(Submitter::new(self.executor.nested.clone(), Some(registry)))
    }
}

#[cold]
fn unportable(value: &Value) -> Error {
    Error::new(
        ErrorKind::NotPortable,
        format!(
            "its result, a {}, cannot leave the worker: register the type with register_type!, or run the function with session.submit \
             or session.map, whose results are of any serde type",
            value.type_name()
        ),
    )
}
