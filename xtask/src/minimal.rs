//! `cargo xtask minimal`: the oldest versions of dependencies that the manifests allow are enough.

use crate::command::{Command, Done, Failure};
use crate::metadata;
use crate::parts;
use crate::process;
use crate::scratch::Scratch;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "minimal",
    usage: "[--whole]",
    about: "the crates build with the oldest dependencies that their manifests allow",
    details: "
Resolves a copy of the workspace to the oldest version of each dependency that a manifest of ours names, and checks that it
builds. Crates that stand on DataFusion are left out, since it takes minutes: `--whole` has them too, and `cargo xtask
test full` runs that.",
    run,
};

/// What stands on DataFusion, as arguments of cargo.
const SMALL: &[&str] = &[
    "--workspace",
    "--exclude",
    "kvern-frame",
    "--exclude",
    "kvern-ballista",
    "--exclude",
    "kvern-e2e",
    "--exclude",
    "kvern-fuzz",
];

/// All files that a build reads: sources, manifests, and texts that sources include.
const READ: &[&str] = &["toml", "lock", "rs", "md", "in"];

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    match args {
        [] => check(workspace, SMALL),
        [flag] if flag == "--whole" => check(workspace, parts::WHOLE),
        [other, ..] => Err(Failure::new(format!(
            "`minimal` knows `--whole`, not `{other}`"
        ))),
    }
}

fn check(workspace: &Workspace, what: &[&str]) -> Result<Done, Failure> {
    let target = metadata::target_folder(workspace)?.join("minimal");
    // Always the same folder: what cargo has built for it is found again.
    let copy = Scratch::of(workspace, target.join("checkout"), READ)?;
    let oldest = copy.workspace();
    // An unstable option, for this call alone: no build script runs in it, which would see that it is allowed.
    process::run(
        process::cargo(&oldest)
            .args(["update", "--quiet", "-Z", "direct-minimal-versions"])
            .env("RUSTC_BOOTSTRAP", "1"),
    )?;
    process::run(
        process::cargo(&oldest)
            .arg("check")
            .args(what)
            .env("CARGO_TARGET_DIR", &target),
    )?;
    Ok(Done::Ran)
}
