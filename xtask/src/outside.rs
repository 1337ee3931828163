//! `cargo xtask outside`: kvern as a user has it, from crates outside the workspace.
//!
//! Inside, cargo unites the features that all members ask for, so what one of them forgets another brings. Here nobody does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use crate::command::{self, Command, Done, Failure};
use crate::process;
use crate::workspace::Workspace;

mod guide;

pub(crate) const COMMAND: Command = Command {
    name: "outside",
    usage: "",
    about: "one program for each feature alone, and the plugin guide, from crates outside the workspace",
    details: "
Builds and runs the programs of `tests/outside`, each with the one feature of its name, and follows
the guide in `plugins/sdk/README.md` to the letter: the plugin, the program that loads it under the
trust that the guide names, and the one that links it. What is built lies in `target/outside`.",
    run,
};

/// Where it is built, below the root.
const FOLDER: &str = "target/outside";

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let folder = workspace.root().join(FOLDER);
    fs::create_dir_all(&folder).map_err(|e| Failure::new(format!("{}: {e}", folder.display())))?;
    programs(workspace)?;
    guide::follow(workspace, &folder)?;
    Ok(Done::Ran)
}

/// The programs of `tests/outside`: the feature of each has its name.
fn programs(workspace: &Workspace) -> Result<(), Failure> {
    let home = workspace.root().join("tests/outside");
    same_versions(workspace, &home)?;
    for name in names(&workspace.read("tests/outside/Cargo.toml")?) {
        let mut run = cargo(workspace, &home);
        run.args(["run", "--quiet", "--bin", name]);
        if name != "none" {
            run.args(["--features", name]);
        }
        process::run(&mut run)?;
    }
    Ok(())
}

/// The names of the programs in that manifest.
fn names(manifest: &str) -> Vec<&str> {
    let bins = manifest.split("[[bin]]").skip(1);
    bins.filter_map(|bin| bin.split('"').nth(1)).collect()
}

/// Cargo in a folder outside the workspace. Debug information would only be written.
fn cargo(workspace: &Workspace, home: &Path) -> Process {
    let mut cargo = process::cargo(workspace);
    cargo
        .current_dir(home)
        .env(
            "CARGO_TARGET_DIR",
            workspace.root().join(FOLDER).join("build"),
        )
        .env("CARGO_PROFILE_DEV_DEBUG", "false");
    cargo
}

/// Gives a crate the versions of everything that the workspace has.
fn same_versions(workspace: &Workspace, home: &Path) -> Result<(), Failure> {
    write(&home.join("Cargo.lock"), &workspace.read("Cargo.lock")?)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let wrong = |e| Failure::new(format!("cannot write {}: {e}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    // Left as it is where nothing changes, so that nothing is built again.
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts;

    /// Those that are checked by another step, with the reason.
    const ELSEWHERE: &[(&str, &str)] = &[
        (
            "frame",
            "the guide's program has it; alone it is checked by `features`",
        ),
        (
            "ballista",
            "DataFusion would be built once more; it is checked by `features`",
        ),
    ];

    #[test]
    fn every_feature_of_the_facade_has_a_program() {
        let workspace = Workspace::locate().unwrap();
        let packages = crate::metadata::packages(&workspace).unwrap();
        let manifest = workspace.read("tests/outside/Cargo.toml").unwrap();
        let names = names(&manifest);
        for feature in &parts::package(&packages, parts::FACADE).unwrap().features {
            let elsewhere = ELSEWHERE.iter().any(|(name, _)| name == feature);
            let program = match feature.as_str() {
                "default" => "default-features",
                name => name,
            };
            assert!(
                elsewhere || names.contains(&program),
                "{feature}: {names:?}"
            );
        }
    }
}
