//! What needs kvern or DuckDB: sessions, frames, and the process that DuckDB is in.

pub(crate) mod batches;
pub(crate) mod calls;
pub(crate) mod duck;
pub(crate) mod files;
pub(crate) mod seeds;
pub(crate) mod ways;
