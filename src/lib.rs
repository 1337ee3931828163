//! kvern facade.
