//! Chunked n-d arrays for kvern, over ndarray.

pub mod dtype;
pub mod io;
pub mod kernels;
mod keys;
