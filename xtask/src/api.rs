//! `cargo xtask api`: the public interface of each crate, as a text file that a change to it has to change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use crate::command::{Command, Done, Failure};
use crate::metadata::{self, Package};
use crate::parts;
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "api",
    usage: "[--write]",
    about: "each crate's public interface is what its public-api.txt says",
    details: "
Has rustdoc describe the public interface of each library that users or authors of plugins and backends depend on, and compares it
with `public-api.txt` in the crate's folder: nothing becomes public, changes or goes without a line in a change that somebody reads.

--write  write the files as the interface is now",
    run,
};

/// The file in each crate's folder.
const FILE: &str = "public-api.txt";

/// How many lines of each difference are shown.
const SHOWN: usize = 20;

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    let write = match args {
        [] => false,
        [flag] if flag == "--write" => true,
        [other, ..] => {
            return Err(Failure::new(format!(
                "`api` knows `--write`, not `{other}`"
            )));
        }
    };
    let target = metadata::target_folder(workspace)?;
    let reader = reader(workspace, &target)?;
    describe(workspace, &target)?;
    let mut differ = Vec::new();
    for package in metadata::packages(workspace)?
        .iter()
        .filter(|p| is_for_users(p))
    {
        let is = text(&reader, &target, package)?;
        let folder = package.manifest.parent().unwrap_or(workspace.root());
        let path = folder.join(FILE);
        if write {
            std::fs::write(&path, &is).map_err(|error| {
                Failure::new(format!("cannot write `{}`: {error}", path.display()))
            })?;
        } else {
            let was = std::fs::read_to_string(&path).unwrap_or_default();
            differ.extend(difference(&package.name, &was, &is));
        }
    }
    match differ.is_empty() {
        true => Ok(Done::Ran),
        false => Err(Failure::list(
            "public interfaces that are not what their public-api.txt says (if that is meant: `cargo xtask api --write`)",
            &differ,
        )),
    }
}

/// Whether somebody outside the workspace depends on it.
fn is_for_users(package: &Package) -> bool {
    package.publish && package.has_library() && !package.is_macros()
}

/// Has rustdoc write JSON for all crates.
fn describe(workspace: &Workspace, target: &Path) -> Result<(), Failure> {
    // rustdoc gives JSON only where unstable options are allowed. Build scripts must not see the permission: they would build other code.
    let wrapper = target.join("rustdoc-json.sh");
    let script = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n";
    std::fs::create_dir_all(target)
        .and_then(|()| std::fs::write(&wrapper, script))
        .and_then(|()| executable(&wrapper))
        .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", wrapper.display())))?;
    let mut rustdoc = process::cargo(workspace);
    rustdoc
        .args(["doc", "--no-deps", "--lib"])
        .args(parts::WHOLE)
        .env("RUSTDOC", &wrapper)
        .env(
            "RUSTDOCFLAGS",
            "-Z unstable-options --output-format json --cap-lints allow",
        );
    process::run(&mut rustdoc)
}

#[cfg(unix)]
fn executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Builds the program that reads the JSON.
fn reader(workspace: &Workspace, target: &Path) -> Result<PathBuf, Failure> {
    let folder = target.join("api");
    let manifest = workspace.root().join("xtask/api/Cargo.toml");
    let mut build = process::cargo(workspace);
    build.args(["build", "--quiet", "--locked", "--manifest-path"]);
    build
        .arg(manifest)
        .env("CARGO_TARGET_DIR", &folder)
        .env_remove("RUSTFLAGS");
    process::run(&mut build)?;
    Ok(folder.join("debug/kvern-public-api"))
}

/// The interface of one crate, a line an item.
fn text(reader: &Path, target: &Path, package: &Package) -> Result<String, Failure> {
    let name = package.name.replace('-', "_");
    let json = target.join("doc").join(format!("{name}.json"));
    process::output(Program::new(reader).arg(json))
}

/// What is new and what is gone, if something is.
fn difference(name: &str, was: &str, is: &str) -> Option<String> {
    if was == is {
        return None;
    }
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (was.lines().collect(), is.lines().collect());
    let gone = old.difference(&new).map(|line| format!("    - {line}"));
    let added = new.difference(&old).map(|line| format!("    + {line}"));
    let all: Vec<String> = gone.chain(added).collect();
    let mut out = format!("{name}: {} lines", all.len());
    for line in all.iter().take(SHOWN) {
        out.push('\n');
        out.push_str(line);
    }
    if all.len() > SHOWN {
        out.push_str(&format!("\n    … and {} more", all.len() - SHOWN));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_and_what_is_new_is_told() {
        assert_eq!(difference("a", "x\ny\n", "x\ny\n"), None);
        let told = difference("a", "x\ny\n", "x\nz\n").unwrap();
        assert_eq!(told, "a: 2 lines\n    - y\n    + z");
        // The same lines in another order are a difference without lines.
        assert_eq!(difference("a", "x\ny\n", "y\nx\n").unwrap(), "a: 0 lines");
        let many: String = (0..30).map(|i| format!("{i}\n")).collect();
        let told = difference("a", "", &many).unwrap();
        assert!(told.ends_with("… and 10 more"), "{told}");
    }
}
