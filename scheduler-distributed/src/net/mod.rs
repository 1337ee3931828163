//! Sockets: frames, first words, and who may listen where.

pub(crate) mod address;
pub(crate) mod frame;
pub(crate) mod guests;
pub(crate) mod hello;
pub(crate) mod pipe;
