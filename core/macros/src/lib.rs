//! Procedural macros of kvern-core.
