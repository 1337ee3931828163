//! `array`: the array cases of the peers, at their sizes.

mod cases;
mod data;
mod limits;

use kvern_core::{Result, Session};

use crate::catalog::{Entry, Outcome, Role};
use crate::options::Options;

/// The cases of this area.
pub(crate) const ENTRIES: &[Entry] = &[
    ours(
        "b1_trig_sum",
        "sum of sin(x)^2 + cos(y)^2, two of 8000 x 8000",
        cases::trig_sum,
    ),
    limit("b1_trig_sum", limits::trig_sum),
    ours(
        "b2_standardize_sum",
        "((x - mean) / std).sum() by column, 20000 x 2000",
        cases::standardize_sum,
    ),
    limit("b2_standardize_sum", limits::standardize_sum),
    ours("b3_xtx", "x.T @ x, 6000 x 6000", cases::xtx),
    limit("b3_xtx", limits::xtx),
    ours(
        "b4_rechunk_sum",
        "20 row chunks to 20 column chunks, 20000 x 2000",
        cases::rechunk_sum,
    ),
    limit("b4_rechunk_sum", limits::rechunk_sum),
    ours(
        "b10_mask_sum",
        "the sum of what is above 0.5, of 5e7",
        cases::mask_sum,
    ),
    limit("b10_mask_sum", limits::mask_sum),
    ours(
        "b11_small_chunk_add_sum",
        "(ones + 1).sum() in 100 x 100 chunks of 80 KB",
        cases::small_chunk_add_sum,
    ),
    limit("b11_small_chunk_add_sum", limits::small_chunk_add_sum),
];

const fn ours(case: &'static str, about: &'static str, run: fn(&Options) -> Outcome) -> Entry {
    Entry {
        area: "array",
        case,
        who: "kvern",
        role: Role::Ours,
        about,
        run,
    }
}

const fn limit(case: &'static str, run: fn(&Options) -> Outcome) -> Entry {
    Entry {
        area: "array",
        case,
        who: "limit-2t",
        role: Role::Limit,
        about: "what two threads of this machine need at least",
        run,
    }
}

/// Two workers, as for every peer.
fn session() -> Result<Session> {
    Session::open("threads://?workers=2")
}
