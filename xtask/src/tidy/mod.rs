//! `cargo xtask tidy`: house rules that no compiler checks.
//!
//! [`sources`] holds the rules for a file's text, [`crates`] those for a crate's manifest and folder,
//! [`papers`] those for the pages that people read, [`shown`] that what newcomers meet has examples, [`exceptions`] what may break a rule, and why.

mod crates;
mod exceptions;
mod papers;
mod shown;
mod sources;

use crate::command::{self, Command, Done, Failure};
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    usage: "",
    about: "house rules: headers, sizes, papers, no machine paths, nothing left to do",
    details: "
Every Rust file starts with a `//!` line that says its one job, and has at most 600 lines; a lib.rs
is a map of at most 150 lines that are not documentation; no `todo!`, `unimplemented!`, `dbg!`, nor
a test that is ignored without a reason; no path of somebody's machine in any text; a page (but for
changelogs) names only files that exist; every crate has a version of its own, licence, description,
README.md and CHANGELOG.md, and tells docs.rs to show all features; the functions of sessions, tasks,
arrays, bags and frames have an example each. Exceptions stand with their reasons in xtask/src/tidy/exceptions.rs, and
an exception that nothing needs any more is an error too.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let mut wrong = Vec::new();
    let files = workspace.files(&["rs", "toml", "md", "py", "sh", "json", "run"])?;
    for name in &files {
        let text = workspace.read(name)?;
        wrong.extend(sources::violations(name, &text));
        if name.ends_with(".md") && !name.ends_with("CHANGELOG.md") {
            wrong.extend(papers::violations(workspace, name, &text));
        }
    }
    wrong.extend(exceptions::stale(workspace));
    wrong.extend(shown::violations(workspace, &files)?);
    for package in crate::metadata::packages(workspace)? {
        wrong.extend(crates::violations(workspace, &package)?);
    }
    if wrong.is_empty() {
        println!("{} files, nothing to say", files.len());
        return Ok(Done::Ran);
    }
    Err(Failure::list("broken house rules", &wrong))
}
