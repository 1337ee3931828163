//! Chunked n-d arrays for kvern, over ndarray.

pub mod io;
