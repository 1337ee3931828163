//! All cases that this program can run.

use std::error::Error;

use serde_json::json;

use crate::options::Options;
use crate::record::Record;
use crate::{array, bag, cluster, memory, plugin, tasks};

/// What may go wrong in a case.
pub(crate) type Outcome = Result<Vec<Record>, Box<dyn Error>>;

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// kvern's: what is compared.
    Ours,
    /// Another way in which kvern does it: shown, not compared.
    Variant,
    /// What could be reached here, measured beside it.
    Limit,
}

/// One case of one contestant.
pub(crate) struct Entry {
    pub(crate) area: &'static str,
    pub(crate) case: &'static str,
    pub(crate) who: &'static str,
    pub(crate) role: Role,
    /// One line for `--list`.
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Options) -> Outcome,
}

impl Entry {
    /// The entry as a line of JSON.
    pub(crate) fn describe(&self) -> serde_json::Value {
        let role = match self.role {
            Role::Ours => "ours",
            Role::Variant => "variant",
            Role::Limit => "limit",
        };
        json!({"area": self.area, "case": self.case, "who": self.who, "role": role, "about": self.about})
    }
}

/// All entries, area by area.
pub(crate) fn all() -> impl Iterator<Item = &'static Entry> {
    tasks::ENTRIES
        .iter()
        .chain(array::ENTRIES)
        .chain(bag::ENTRIES)
        .chain(memory::ENTRIES)
        .chain(plugin::ENTRIES)
        .chain(cluster::ENTRIES)
}

/// The entry of that case and contestant.
pub(crate) fn find(case: &str, who: &str) -> Result<&'static Entry, String> {
    all()
        .find(|entry| entry.case == case && entry.who == who)
        .ok_or_else(|| format!("there is no case {case} of {who}; --list names all"))
}
