//! A world in one process from one seed: kvern's scheduler and worker machines with clients, a network and time around them, and
//! everything that goes wrong there.
//!
//! [`plan`] says what a seed is, [`world`] lets it happen, [`run`] runs seeds, finds the least that still fails, and reports.

pub mod client;
pub mod graphs;
pub mod net;
pub mod plan;
pub mod rng;
pub mod run;
pub mod world;
