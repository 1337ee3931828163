//! `cargo xtask wasm`: the core builds where there are no threads, files or sockets.

use std::path::Path;

use crate::command::{self, Command, Done, Failure};
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "wasm",
    usage: "",
    about: "the core builds for WebAssembly, if that target is installed",
    details: "
Checks `kvern-core` for wasm32-unknown-unknown: a core that builds there leans on no async runtime
and on no operating system. Without the target this is skipped: `rustup target add
wasm32-unknown-unknown` installs it.",
    run,
};

const TARGET: &str = "wasm32-unknown-unknown";

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let mut where_is_it = std::process::Command::new("rustc");
    where_is_it
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(workspace.root());
    let libraries = process::output(&mut where_is_it)?;
    if !Path::new(libraries.trim()).is_dir() {
        return Ok(Done::Skipped(format!(
            "the target is not installed: rustup target add {TARGET}"
        )));
    }
    let check = ["check", "--package", "kvern-core", "--target", TARGET];
    process::run(process::cargo(workspace).args(check))?;
    Ok(Done::Ran)
}
