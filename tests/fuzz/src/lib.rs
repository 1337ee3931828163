//! Random queries by seed, and what they must give: the parts of the differential fuzz of frames that know neither kvern nor DuckDB.
//!
//! [`make`] says what a seed is: tables ([`table`]) and a query ([`query`]). [`sql`] writes it in both dialects by the operations of
//! [`ops`]; [`dialect`] lists where the two cannot be made to mean the same. [`compare`] holds answers against each other, [`shrink`] makes
//! a failing case small. The program beside this library runs them.

#![expect(
    clippy::explicit_auto_deref,
    reason = "without the star a random pick is taken for one of unsized texts"
)]

pub mod compare;
pub mod dialect;
mod edit;
pub mod make;
pub mod ops;
pub mod prove;
pub mod query;
pub mod rng;
pub mod shrink;
pub mod sql;
pub mod table;
pub mod value;
