//! `cargo xtask msrv`: the workspace builds with the oldest Rust that it promises.

use std::process::{Command as Process, Stdio};

use crate::command::{self, Command, Done, Failure};
use crate::parts;
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "msrv",
    usage: "",
    about: "everything builds with the oldest promised Rust, if that is installed",
    details: "
Checks the workspace with the toolchain that `rust-version` in the root Cargo.toml promises. Skipped
where this toolchain is already the one in use (the other steps then show the same), or is not
installed.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let packages = crate::metadata::packages(workspace)?;
    let promised = parts::package(&packages, parts::FACADE)?
        .rust_version
        .clone()
        .ok_or_else(|| Failure::new("the root Cargo.toml promises no rust-version"))?;
    let used = process::output(Process::new("rustc").arg("--version"))?;
    if is_release(&used, &promised) {
        return Ok(Done::Skipped(format!(
            "Rust {promised} is the toolchain in use: the other steps show it"
        )));
    }
    let installed = rustup(&promised, &["rustc", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !installed {
        return Ok(Done::Skipped(format!(
            "Rust {promised} is not installed: rustup toolchain install {promised} --profile minimal"
        )));
    }
    let mut check = rustup(&promised, &["cargo", "check", "--workspace"]);
    process::run(check.current_dir(workspace.root()))?;
    Ok(Done::Ran)
}

/// A program of that toolchain, and of no newer one that rustup would install for it.
fn rustup(toolchain: &str, words: &[&str]) -> Process {
    let mut rustup = Process::new("rustup");
    rustup
        .args(["run", toolchain])
        .args(words)
        .env_remove("RUSTUP_TOOLCHAIN");
    rustup
}

/// Whether `rustc 1.95.3 (…)` is a release of `1.95`.
fn is_release(rustc_says: &str, promised: &str) -> bool {
    let used = rustc_says.split_whitespace().nth(1).unwrap_or_default();
    used.strip_prefix(promised)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_told_apart_by_whole_numbers() {
        assert!(is_release("rustc 1.95.0 (5980761 2026-04-14)", "1.95"));
        assert!(is_release("rustc 1.95.0 (5980761 2026-04-14)", "1.95.0"));
        assert!(!is_release("rustc 1.96.0 (5980761 2026-04-14)", "1.95"));
        assert!(!is_release("rustc 1.95.0 (5980761 2026-04-14)", "1.9"));
        assert!(!is_release("", "1.95"));
    }
}
