//! `memory`: work that is larger than its budget. The figure is the peak RSS of the process.

mod cases;
mod tour;

use crate::catalog::{Entry, Outcome, Role};
use crate::options::Options;

/// The cases of this area.
pub(crate) const ENTRIES: &[Entry] = &[
    entry(
        "m1_mean",
        Role::Ours,
        "kvern",
        "the mean of 4 GB that a function makes, under 256 MiB",
        cases::mean,
    ),
    entry(
        "m1_mean",
        Role::Variant,
        "kvern-fused",
        "the same of arange, which is never whole even by the chunk",
        cases::mean_fused,
    ),
    entry(
        "m2_hold",
        Role::Ours,
        "kvern",
        "2 GB persisted under 256 MiB, then abs(x - x.mean()).sum()",
        cases::hold,
    ),
    entry(
        "m3_rechunk",
        Role::Ours,
        "kvern",
        "2 GB from rows to columns under 512 MiB",
        cases::rechunk,
    ),
    entry(
        "m4_tour",
        Role::Ours,
        "kvern",
        "the example `tour` under 256 MiB",
        tour::tour,
    ),
];

const fn entry(
    case: &'static str,
    role: Role,
    who: &'static str,
    about: &'static str,
    run: fn(&Options) -> Outcome,
) -> Entry {
    Entry {
        area: "memory",
        case,
        who,
        role,
        about,
        run,
    }
}
