//! All cases that this program can run.

use serde_json::json;

/// One case of one contestant.
pub(crate) struct Entry {
    pub(crate) case: &'static str,
    pub(crate) who: &'static str,
    /// `ours` or `variant`.
    role: &'static str,
    /// One line for `--list`.
    about: &'static str,
}

/// The streaming task is what a session of this machine chooses; the tasks are shown beside it.
pub(crate) const ENTRIES: &[Entry] = &[
    ours(
        "c_tpch_q01",
        "TPC-H q1: 8 aggregates over 6 M rows, 4 groups",
    ),
    tasks("c_tpch_q01"),
    ours("c_tpch_q03", "TPC-H q3: join of 3 tables, top 10"),
    tasks("c_tpch_q03"),
    ours("c_tpch_q05", "TPC-H q5: join of 6 tables, 5 groups"),
    tasks("c_tpch_q05"),
    ours("c_tpch_q06", "TPC-H q6: one sum over 4 columns, filtered"),
    tasks("c_tpch_q06"),
    ours("d_h2o_q01", "sum v1 by id1: 100 groups"),
    tasks("d_h2o_q01"),
    ours("d_h2o_q02", "sum v1 by id1, id2: 1e4 groups"),
    tasks("d_h2o_q02"),
    ours("d_h2o_q03", "sum v1, mean v3 by id3, text: 1e5 groups"),
    tasks("d_h2o_q03"),
    ours("d_h2o_q04", "3 means by id4: 100 groups"),
    tasks("d_h2o_q04"),
    ours("d_h2o_q05", "3 sums by id6: 1e5 groups"),
    tasks("d_h2o_q05"),
    ours("d_csv_groupby", "mean v3 by id1, read from CSV"),
    tasks("d_csv_groupby"),
];

const fn ours(case: &'static str, about: &'static str) -> Entry {
    Entry {
        case,
        who: "kvern",
        role: "ours",
        about,
    }
}

const fn tasks(case: &'static str) -> Entry {
    Entry {
        case,
        who: "kvern-tasks",
        role: "variant",
        about: "the same cut into tasks (Way::Tasks)",
    }
}

impl Entry {
    /// The entry as a line of JSON.
    pub(crate) fn describe(&self) -> serde_json::Value {
        json!({"area": "frame", "case": self.case, "who": self.who, "role": self.role, "about": self.about})
    }
}

/// The entry of that case and contestant.
pub(crate) fn find(case: &str, who: &str) -> Result<&'static Entry, String> {
    ENTRIES
        .iter()
        .find(|e| e.case == case && e.who == who)
        .ok_or_else(|| format!("there is no case {case} of {who}; --list names all"))
}
