//! A sample plugin: one operator of each kind, and those that a host must survive.
//!
//! `tensors` has operators over tensors, `tables` those over Arrow data, `texts` one over text, `trials` those that panic, wait, and ask for
//! memory. The same crate is loaded from its file, or linked with the feature `linked`.

mod tables;
mod tensors;
mod texts;
mod trials;

kvern_plugin::export_plugin!("sample");
