//! `cargo xtask examples`: every example of the facade runs to its end, in release where that does not take long to build.

use crate::command::{self, Command, Done, Failure};
use crate::parts;
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "examples",
    usage: "",
    about: "every example of the facade runs to its end",
    details: "
Runs the examples that the root manifest declares, which are what a user of `kvern` sees first, one
after another, without a terminal and without input. An example checks its own answer and fails if
it is wrong. Examples of single crates are tools of their developers: they are built, not run.",
    run,
};

/// Examples that take a URL of a backend and draw a picture, which must not depend on it: their names and what they draw.
const PICTURES: &[(&str, &str)] = &[("crossing", "kvern-crossing.png")];

/// Draws the picture here and on a cluster of two workers, and compares.
fn on_a_cluster(
    program: impl Fn() -> std::process::Command,
    picture: &std::path::Path,
) -> Result<(), Failure> {
    let mut drawn = Vec::new();
    for url in ["threads://", "cluster://?workers=2"] {
        process::run(program().arg(url))?;
        let read = std::fs::read(picture).and_then(|bytes| {
            // So that the next one cannot be this one.
            std::fs::remove_file(picture)?;
            Ok(bytes)
        });
        drawn.push(read.map_err(|e| Failure::new(format!("{}: {e}", picture.display())))?);
    }
    if drawn[0] == drawn[1] {
        return Ok(());
    }
    let words = format!("{} is another picture on a cluster", picture.display());
    Err(Failure::new(words))
}

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let packages = workspace.packages()?;
    let facade = parts::package(&packages, parts::FACADE)?;
    let mut found = false;
    for example in facade.examples() {
        found = true;
        let frames = example.required_features.iter().any(|f| f == "frame");
        let mut run = if frames {
            // In release DataFusion takes 20 minutes to build. With the features of the whole workspace it is there from the tests.
            let mut build = process::cargo(workspace);
            build.args(["build", "--workspace", "--examples"]);
            process::run(&mut build)?;
            let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
            let built = workspace.root().join(target).join("debug/examples");
            let program = built.join(&example.name);
            let plain = || {
                let mut run = std::process::Command::new(&program);
                run.current_dir(workspace.root());
                run
            };
            if let Some((_, picture)) = PICTURES.iter().find(|p| p.0 == example.name) {
                on_a_cluster(plain, &std::env::temp_dir().join(picture))?;
                continue;
            }
            plain()
        } else {
            let mut run = process::cargo(workspace);
            run.args(["run", "--release", "--package", &facade.name]);
            run.args(["--example", &example.name]);
            if !example.required_features.is_empty() {
                run.args(["--features", &example.required_features.join(",")]);
            }
            run
        };
        process::run(&mut run)?;
    }
    Ok(match found {
        true => Done::Ran,
        false => Done::Skipped("the root manifest declares no example".to_owned()),
    })
}
