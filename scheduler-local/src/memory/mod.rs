//! Memory of the local backends: what may be used.

pub mod limits;
