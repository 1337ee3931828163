//! What travels between clients, the scheduler and workers: plain enums, batched, encoded with postcard.
//!
//! A connection starts with a [`Hello`] and its [`Answer`]; after that each frame holds a `Vec` of messages of one enum
//! ([`encode`], [`decode`]). Frame lengths, limits and encryption are the shell's.

mod client;
mod codec;
mod data;
mod hello;
mod worker;

pub use client::{AboutWorker, FromClient, Interest, Progressed, ToClient};
pub use codec::{DecodeError, MOST_BYTES, MOST_NAMES, Packer, TooLarge, decode, encode};
pub use data::{DataReply, DataRequest};
pub use hello::{
    Answer, Hello, HelloError, MAGIC, PROTOCOL, Role, decode_answer, decode_hello, encode_answer,
    encode_hello,
};
pub use worker::{Assign, FromWorker, Input, Source, Spilled, ToWorker};
