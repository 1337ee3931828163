//! What this machine can do at most: the figures that cases are held against, measured in the same call.

pub(crate) mod compute;
pub(crate) mod graph;
pub(crate) mod stream;
