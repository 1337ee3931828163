//! `cargo xtask docs`: the API documentation builds without a warning.

use crate::command::{self, Command, Done, Failure};
use crate::parts;
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "docs",
    usage: "",
    about: "the API documentation builds without a warning",
    details:
        "
Runs rustdoc over our crates, a broken link or any other warning being an error. The result is in
the target folder, under `doc/kvern/index.html`. The examples in it run in `cargo xtask test docs`.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let mut rustdoc = process::cargo(workspace);
    rustdoc
        .args(["doc", "--no-deps"])
        .args(parts::WHOLE)
        .env("RUSTDOCFLAGS", "-D warnings");
    process::run(&mut rustdoc)?;
    Ok(Done::Ran)
}
