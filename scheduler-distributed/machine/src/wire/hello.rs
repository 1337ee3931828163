//! The first words on a connection: who speaks, and in which version.

use serde::{Deserialize, Serialize};

use super::codec::whole;
use crate::ids::{ClientId, Epoch, WorkerId};

/// The first four bytes of a connection of kvern's.
pub const MAGIC: [u8; 4] = *b"KVRN";

/// The version of all messages. A peer of another one is refused.
pub const PROTOCOL: u16 = 5;

/// What the one who connects says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// As what it connects.
    pub role: Role,
    /// What proves that it may.
    pub token: String,
    /// The build, for closures that only run in processes of the same one.
    pub build: String,
    /// A name for people.
    pub name: String,
}

/// As what somebody connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A client of the scheduler.
    Client,
    /// A worker.
    Worker {
        /// Tasks that it runs at once.
        slots: u32,
        /// Bytes of memory for results.
        memory: u64,
        /// Where clients and workers fetch results from it, such as `127.0.0.1:4000`.
        data_address: String,
        /// The epoch of the scheduler it knew before, if any.
        last_epoch: Option<Epoch>,
    },
    /// A client that fetches results from a worker, or puts some there.
    DataClient(ClientId),
    /// A worker that fetches results from another.
    DataWorker(WorkerId),
}

/// What the one who listens answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// You are that client.
    Client {
        /// Its number.
        client: ClientId,
        /// The scheduler's life.
        epoch: Epoch,
    },
    /// You are that worker.
    Worker {
        /// Its number.
        worker: WorkerId,
        /// The scheduler's life.
        epoch: Epoch,
    },
    /// Ask for results.
    Data,
    /// Go away, and why.
    Refused(String),
}

/// Why a hello is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HelloError {
    /// Somebody else's protocol.
    #[error(
        "the peer does not speak kvern's protocol: it starts with {0:02x?} instead of {MAGIC:02x?}"
    )]
    Magic(Vec<u8>),
    /// Another version.
    #[error(
        "the peer speaks version {theirs} of the protocol, this is version {ours}: use the same release of kvern on both"
    )]
    Version {
        /// The peer's.
        theirs: u16,
        /// This one's.
        ours: u16,
    },
    /// The right version, and yet unreadable.
    #[error("the peer's hello cannot be read: {0}")]
    Malformed(String),
}

/// A hello as bytes: magic, version, message. The first six bytes are the same in every version.
pub fn encode_hello(hello: &Hello) -> Vec<u8> {
    prefixed(hello)
}

/// What [`encode_hello`] made, if it was made by this version.
///
/// # Errors
/// [`HelloError`]; a wrong version is told apart from nonsense.
pub fn decode_hello(bytes: &[u8]) -> Result<Hello, HelloError> {
    unprefixed(bytes)
}

/// An answer as bytes, with the same six bytes before it: who is refused for its version can say so.
pub fn encode_answer(answer: &Answer) -> Vec<u8> {
    prefixed(answer)
}

/// What [`encode_answer`] made.
///
/// # Errors
/// [`HelloError`].
pub fn decode_answer(bytes: &[u8]) -> Result<Answer, HelloError> {
    unprefixed(bytes)
}

fn prefixed<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(PROTOCOL.to_le_bytes());
    // Serializing plain enums into a vector has no way to fail.
    bytes.extend(postcard::to_allocvec(message).unwrap_or_default());
    bytes
}

fn unprefixed<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, HelloError> {
    let (magic, rest) = bytes.split_at(bytes.len().min(4));
    if magic != MAGIC {
        return Err(HelloError::Magic(magic.to_vec()));
    }
    let [low, high, body @ ..] = rest else {
        return Err(HelloError::Malformed("it ends before its version".into()));
    };
    let theirs = u16::from_le_bytes([*low, *high]);
    if theirs != PROTOCOL {
        return Err(HelloError::Version {
            theirs,
            ours: PROTOCOL,
        });
    }
    whole(body).map_err(|e| HelloError::Malformed(e.why))
}
