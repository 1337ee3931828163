//! The cases, by family. Each is a function that panics if the backend does not do what its sentence says.

pub mod cancel;
pub mod concurrency;
pub mod dags;
pub mod determinism;
pub mod errors;
pub mod events;
pub mod growth;
pub mod handles;
pub mod memory;
pub mod priority;

use crate::case::{Case, Need};

macro_rules! list {
    ($($family:ident { $($case:ident [$($need:ident)*];)* })*) => {
        /// All cases, in the order in which they are best read.
        pub const CASES: &[Case] = &[$($(
            Case {
                name: concat!(stringify!($family), "::", stringify!($case)),
                needs: &[$(Need::$need),*],
                run: $family::$case,
            },
        )*)*];
    };
}

crate::__kvern_cases!([list]);

/// The case of that name (`family::name`).
pub fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|c| c.name == name)
}
