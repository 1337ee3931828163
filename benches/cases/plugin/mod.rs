//! `plugin`: what an operator costs that is loaded from a file, beside the same one behind a trait object, on one thread.

mod calls;
mod kernels;
mod load;

use crate::catalog::{Entry, Role};

/// The cases of this area.
pub(crate) const ENTRIES: &[Entry] = &[
    entry(
        "p1_tensor",
        "kvern",
        Role::Ours,
        "a tensor times a number, by the sample plugin: 1, 1,000 and 100,000 elements",
        calls::tensor,
    ),
    entry(
        "p1_tensor",
        "direct",
        Role::Limit,
        "the same loop behind a trait object",
        calls::tensor_limit,
    ),
    entry(
        "p2_arrow",
        "kvern",
        Role::Ours,
        "an Arrow array times a number, by the sample plugin: 1, 1,000 and 100,000 values",
        calls::arrow,
    ),
    entry(
        "p2_arrow",
        "direct",
        Role::Limit,
        "the same loop behind a trait object",
        calls::arrow_limit,
    ),
    entry(
        "p3_load",
        "kvern",
        Role::Ours,
        "checking, copying, opening and registering the sample, for the first time in a process",
        load::load,
    ),
];

const fn entry(
    case: &'static str,
    who: &'static str,
    role: Role,
    about: &'static str,
    run: fn(&crate::options::Options) -> crate::catalog::Outcome,
) -> Entry {
    Entry {
        area: "plugin",
        case,
        who,
        role,
        about,
        run,
    }
}
