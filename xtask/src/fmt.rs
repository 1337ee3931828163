//! `cargo xtask fmt`: whether every file is formatted.

use crate::command::{self, Command, Done, Failure};
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "fmt",
    usage: "",
    about: "every file is formatted (`cargo fmt --all` repairs it)",
    details: "Runs `cargo fmt --all -- --check` with the rules of rustfmt.toml. Changes nothing.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    process::run(process::cargo(workspace).args(["fmt", "--all", "--", "--check"]))?;
    Ok(Done::Ran)
}
