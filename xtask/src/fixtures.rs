//! `cargo xtask fixtures`: plugins as files, good and bad, for the tests of those who load them.

use std::fs;
use std::path::Path;

use crate::command::{self, Command, Done, Failure};
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "fixtures",
    usage: "",
    about: "builds the plugins that tests load: the sample, an old one, and those to be refused",
    details: "
Builds `plugins/sample` and the workspace `plugins/fixtures` and puts the files into `target/plugins`:
sample.so, abort.so, and one for each feature of `plugins/fixtures/raw`. `cargo xtask test` does so
before the tests of the whole workspace, and of the part `plugins`.",
    run: |workspace, args| {
        command::no_arguments(COMMAND.name, args)?;
        build(workspace)?;
        Ok(Done::Ran)
    },
};

/// Where the files are, below the root.
const FOLDER: &str = "target/plugins";

/// Builds all of them.
pub(crate) fn build(workspace: &Workspace) -> Result<(), Failure> {
    sample(workspace, false)?;
    let own = workspace.root().join(FOLDER).join("build");
    let cargo = |args: &[&str]| {
        let mut build = process::cargo(workspace);
        build
            .args(["build", "--quiet", "--locked"])
            .args(["--manifest-path", "plugins/fixtures/Cargo.toml"])
            .env("CARGO_TARGET_DIR", &own)
            .args(args);
        process::run(&mut build)
    };
    cargo(&["--package", "abort"])?;
    keep(workspace, &own.join("debug/libabort.so"), "abort.so")?;
    for feature in features(workspace)? {
        cargo(&["--package", "raw", "--features", &feature])?;
        keep(
            workspace,
            &own.join("debug/libraw.so"),
            &format!("{feature}.so"),
        )?;
    }
    Ok(())
}

/// The sample alone: `sample.so`, or `release/sample.so`.
pub(crate) fn sample(workspace: &Workspace, release: bool) -> Result<(), Failure> {
    let mut build = process::cargo(workspace);
    build.args(["build", "--quiet", "--package", "kvern-plugin-sample"]);
    let (profile, name) = match release {
        true => ("release", "release/sample.so"),
        false => ("debug", "sample.so"),
    };
    if release {
        build.arg("--release");
    }
    let target = workspace.root().join("target");
    build.env("CARGO_TARGET_DIR", &target);
    process::run(&mut build)?;
    keep(
        workspace,
        &target.join(profile).join("libkvern_plugin_sample.so"),
        name,
    )
}

/// The features of the fixture that has one file for each.
fn features(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let text = workspace.read("plugins/fixtures/raw/Cargo.toml")?;
    let listed = text.split("[features]").nth(1).unwrap_or_default();
    // Up to the next table.
    let listed = listed.split("\n[").next().unwrap_or_default();
    let names = listed.lines().filter_map(|line| line.split_once(" = "));
    Ok(names.map(|(name, _)| name.trim().to_owned()).collect())
}

/// Copies a built file to its place, whole or not at all: a test may be reading the one that is there.
fn keep(workspace: &Workspace, built: &Path, name: &str) -> Result<(), Failure> {
    let place = workspace.root().join(FOLDER).join(name);
    let failed = |e: std::io::Error| {
        Failure::new(format!(
            "cannot put {} at {}: {e}",
            built.display(),
            place.display()
        ))
    };
    let same = || Some(fs::read(built).ok()? == fs::read(&place).ok()?);
    if same() == Some(true) {
        return Ok(());
    }
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let new = place.with_extension("new");
    fs::copy(built, &new).map_err(failed)?;
    fs::rename(&new, &place).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_age_and_defect_is_a_feature() {
        let found = features(&Workspace::locate().unwrap()).unwrap();
        for name in ["old", "future", "major", "noroot", "duplicate"] {
            assert!(found.iter().any(|f| f == name), "{found:?}");
        }
    }
}
