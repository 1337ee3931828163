//! The graph, operator and scheduler protocol that every kvern crate stands on.
