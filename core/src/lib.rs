//! The graph, operator and scheduler protocol that every kvern crate stands on.
pub mod config;
pub mod text;
pub mod url;
