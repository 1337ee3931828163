//! `cargo xtask layers`: the crates depend on each other only as the drawing in `ARCHITECTURE.md` says.
//!
//! The drawing is the one truth: [`drawing`] reads it, [`edges`] holds the manifests against it, [`tree`]
//! looks below the manifests where the drawing limits a whole dependency tree, [`floors`] looks inside a crate, and [`prove`] breaks a copy
//! of the workspace to show that the check can fail.

mod drawing;
mod edges;
mod floors;
mod prove;
mod tree;

use drawing::Drawing;

use crate::command::{Command, Done, Failure};
use crate::metadata::Package;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "layers",
    usage: "[--prove]",
    about: "crates depend only on what the drawing in ARCHITECTURE.md allows",
    details: "
Reads the block marked `layers` in ARCHITECTURE.md and fails on every dependency between our crates,
and on every foreign crate, that the block does not allow; each failure says where such code belongs.
The same holds of the floors inside a crate, the folders of its sources, where the block draws them.

--prove  also copy the workspace, give the copy forbidden dependencies, and fail unless the check
         refuses each of them",
    run,
};

const DRAWING: &str = "ARCHITECTURE.md";

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    let prove = match args {
        [] => false,
        [flag] if flag == "--prove" => true,
        [other, ..] => {
            return Err(Failure::new(format!(
                "`layers` knows `--prove`, not `{other}`"
            )));
        }
    };
    check(workspace)?;
    if prove {
        for sentence in prove::refusals(workspace)? {
            println!("refused, as it must be: {sentence}");
        }
    }
    Ok(Done::Ran)
}

/// The whole check; the failure holds one sentence for each violation.
fn check(workspace: &Workspace) -> Result<(), Failure> {
    let drawing = drawing::parse(&workspace.read(DRAWING)?)?;
    let packages = crate::metadata::packages(workspace)?;
    let mut wrong = edges::violations(&drawing, &packages);
    // A circle or an unknown crate would make cargo fail below with words that teach less.
    if wrong.is_empty() {
        wrong = tree::violations(workspace, &drawing)?;
        wrong.extend(floors::violations(workspace, &drawing, &packages)?);
    }
    if wrong.is_empty() {
        println!("{}", summary(&drawing, &packages));
        return Ok(());
    }
    Err(Failure::list("dependencies against the drawing", &wrong))
}

fn summary(drawing: &Drawing, packages: &[Package]) -> String {
    let ours = |name: &str| packages.iter().any(|package| package.name == name);
    let edges = packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| ours(&dependency.name))
        .count();
    format!(
        "{} crates and {edges} edges between them, all in the drawing ({} crates drawn)",
        packages.len(),
        drawing.crates.len()
    )
}
