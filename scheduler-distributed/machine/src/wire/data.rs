//! Between a worker and those who read from it or write to it. A value goes in two pieces: its head stands in the message, the bytes of
//! its body follow raw, as many as the message says.

use kvern_core::error::ErrorRecord;
use serde::{Deserialize, Serialize};

use crate::ids::TaskRef;

/// What a client or a worker asks of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataRequest {
    /// Send these, in this order.
    Get(#[serde(deserialize_with = "super::codec::short_list")] Vec<TaskRef>),
    /// Keep this: scattered data. Answered by `Kept`.
    Put {
        /// Its name.
        object: TaskRef,
        /// The encoded value up to its body.
        head: Vec<u8>,
        /// How many bytes of body follow.
        length: u64,
    },
}

/// What a worker answers: for each object that was asked for, in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum DataReply {
    /// So many bytes of body follow.
    Object {
        /// The encoded value up to its body.
        head: Vec<u8>,
        /// How many.
        length: u64,
    },
    /// It is not here.
    Gone,
    /// It is kept.
    Kept,
    /// It is here and cannot be sent, or could not be kept.
    Refused(ErrorRecord),
}
