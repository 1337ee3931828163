//! `cargo xtask deny`: licences, advisories, sources and banned crates, by cargo-deny.

use crate::command::{self, Command, Done, Failure};
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "deny",
    usage: "",
    about: "what we depend on is licensed, alive and from crates.io, if cargo-deny is installed",
    details: "
Runs `cargo deny check` with the rules of deny.toml, where every exception stands with its reason.
The advisories need the network: without it they are skipped, and the rest is checked.
Without cargo-deny this is skipped: `cargo install cargo-deny --locked` installs it.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    if !process::has_cargo_tool(workspace, "deny") {
        return Ok(Done::Skipped(
            "cargo-deny is not installed: cargo install cargo-deny --locked".to_owned(),
        ));
    }
    let deny = |words: &[&str]| {
        let mut deny = process::cargo(workspace);
        deny.args(["deny", "--workspace", "--all-features"])
            .args(words);
        deny
    };
    process::run(&mut deny(&["check", "licenses", "bans", "sources"]))?;
    // The advisories are a repository on the network: to be out of reach of it is no fault of a change.
    if let Err(failure) = process::output(&mut deny(&["fetch", "db"])) {
        println!("{failure}");
        return Ok(Done::Skipped(
            "the advisories, whose database cannot be fetched; the other checks passed".to_owned(),
        ));
    }
    process::run(&mut deny(&["check", "advisories"]))?;
    Ok(Done::Ran)
}
