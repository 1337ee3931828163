//! The suite of named cases that every kvern scheduler backend must pass.
//!
//! A backend's author writes one macro call, [`conformance!`], in a test file of the backend's crate. What is asked is
//! listed in [`CASES`] and said case by case in [`cases`]. [`decorators`] are wrappers over any backend that must pass, too: one
//! counts and times the protocol's calls, one disturbs them, one records them for another backend to repeat.
//!
//! ```no_run
//! // In a test file of the backend's crate. Cases that need what a backend does not say of itself are skipped.
//! kvern_conformance::conformance!(sync, open = || kvern_core::Session::open("sync://").unwrap().scheduler().clone());
//! # fn main() {}
//! ```

pub mod cases;
pub mod decorators;
pub mod graphs;
pub mod ops;

mod case;
mod check;
mod fixture;
mod macros;
mod probe;
mod rng;
mod tracked;
mod watch;

pub use case::{Case, Need, Verdict};
pub use cases::CASES;
pub use fixture::{Fixture, Limited, Limits};
pub use probe::{Gate, Probe, eventually};

/// Runs the case of that name: what each test of [`conformance!`] calls.
///
/// # Panics
/// If the case fails, takes too long, or does not exist.
pub fn test(name: &str, fixture: &Fixture) {
    match cases::find(name) {
        Some(case) => drop(case.check(fixture)),
        None => panic!("there is no case {name}"),
    }
}
