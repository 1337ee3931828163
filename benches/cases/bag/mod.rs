//! `bag`: text and JSON lines, from files that are made once and read by all contestants.

mod cases;
mod data;
mod limits;

use kvern_core::{Result, Session};

use crate::catalog::{Entry, Outcome, Role};
use crate::options::Options;

/// The cases of this area.
pub(crate) const ENTRIES: &[Entry] = &[
    ours(
        "d_wordcount",
        "read_text.words.frequencies.topk(10), 500 MB in 16 files",
        cases::wordcount,
    ),
    variant(
        "d_wordcount",
        "kvern-strings",
        "the same over a String a word",
        cases::wordcount_strings,
    ),
    limit("d_wordcount", limits::wordcount),
    ours(
        "d_jsonl_foldby",
        "read_json.filter.foldby.topk(10), 1e6 records in 10 files",
        cases::foldby,
    ),
    limit("d_jsonl_foldby", limits::foldby),
    ours(
        "d_jsonl_pluck",
        "read_json.filter.map(name).frequencies, the same files",
        cases::pluck,
    ),
    variant(
        "d_jsonl_pluck",
        "kvern-untyped",
        "the same by serde_json::Value and pluck",
        cases::pluck_untyped,
    ),
    limit("d_jsonl_pluck", limits::pluck),
];

const fn ours(case: &'static str, about: &'static str, run: fn(&Options) -> Outcome) -> Entry {
    entry(case, "kvern", Role::Ours, about, run)
}

const fn variant(
    case: &'static str,
    who: &'static str,
    about: &'static str,
    run: fn(&Options) -> Outcome,
) -> Entry {
    entry(case, who, Role::Variant, about, run)
}

const fn limit(case: &'static str, run: fn(&Options) -> Outcome) -> Entry {
    let about = "a loop written by hand over rayon, two threads";
    entry(case, "rayon-loop", Role::Limit, about, run)
}

const fn entry(
    case: &'static str,
    who: &'static str,
    role: Role,
    about: &'static str,
    run: fn(&Options) -> Outcome,
) -> Entry {
    Entry {
        area: "bag",
        case,
        who,
        role,
        about,
        run,
    }
}

/// Two workers, as for every peer.
fn session() -> Result<Session> {
    Session::open("threads://?workers=2")
}
