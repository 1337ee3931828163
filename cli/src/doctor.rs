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

use crate::output::{FAILED, Output};
use facts::Facts;
use findings::Level;

/// `kvern doctor`.
pub(crate) fn run(json: bool) -> Output {
    let facts = Facts::find();
    let findings = findings::of(&facts);
    let sections = rows::sections(&facts);
    let mut output = if json {
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
