//! `kvern doctor`: what this build and this machine have, and what is in the way.
//!
//! `facts` are found out once; `rows` and `report` show them, `findings` judges them, and neither looks at the machine again.

mod facts;
mod findings;
mod machine;
mod report;
mod rows;
mod spill;
mod trial;
mod unfinished;

use std::path::PathBuf;

use crate::output::{FAILED, Output};
use facts::Facts;
use findings::Level;

/// What the doctor is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) json: bool,
    /// Whether what killed writers have left is removed.
    pub(crate) clean: bool,
    /// Where that is looked for.
    pub(crate) folders: Vec<PathBuf>,
}

/// `kvern doctor`.
pub(crate) fn run(asked: &Asked) -> Output {
    let facts = Facts::find(asked);
    let findings = findings::of(&facts);
    let sections = rows::sections(&facts);
    let mut output = if asked.json {
        Output::json(&report::as_json(&sections, &findings))
    } else {
        Output::success(report::as_text(&sections, &findings))
    };
    if findings
        .iter()
        .any(|finding| finding.level == Level::Problem)
    {
        output.status = FAILED;
    }
    output
}
