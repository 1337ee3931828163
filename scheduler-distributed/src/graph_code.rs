//! What a graph's tasks run, as it is sent to workers.

use kvern_core::{Annotations, Error, ErrorKind, OpRef, Result};
use kvern_machine::Payload;
use serde::{Deserialize, Serialize};

/// What the numbers in the tasks of a graph mean: sent once to each worker that gets a task of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct GraphCode {
    pub(crate) ops: Vec<OpRef>,
    pub(crate) annotations: Vec<Annotations>,
}

impl GraphCode {
    pub(crate) fn encode(&self) -> Result<Payload> {
        postcard::to_allocvec(self).map(Payload::from).map_err(|e| {
            Error::with_source(
                ErrorKind::NotPortable,
                "the operators of the graph cannot be written",
                e,
            )
        })
    }
}
