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

/// What examples are given, so that a run does not depend on what else is on the machine.
const ARGUMENTS: &[(&str, &[&str])] = &[("words", &["core"])];

/// Draws the picture here and on a cluster of two workers, and compares. In a folder of its own for temporary files: another checkout may
/// be drawing the same.
fn on_a_cluster(program: impl Fn() -> std::process::Command, picture: &str) -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("kvern-examples-{}", std::process::id()));
    let wrong = |e: std::io::Error| Failure::new(format!("{}: {e}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(wrong)?;
    let draw = |url: &str| {
        process::run(program().arg(url).env("TMPDIR", &folder))?;
        let path = folder.join(picture);
        let read = std::fs::read(&path).and_then(|bytes| {
            // So that the next one cannot be this one.
            std::fs::remove_file(&path)?;
            Ok(bytes)
        });
        read.map_err(|e| Failure::new(format!("{}: {e}", path.display())))
    };
    let here = draw("threads://");
    let there = here.and_then(|h| Ok((h, draw("cluster://?workers=2")?)));
    std::fs::remove_dir_all(&folder).map_err(wrong)?;
    let (here, there) = there?;
    if here == there {
        return Ok(());
    }
    let words = format!("{picture} is another picture on a cluster");
    Err(Failure::new(words))
}

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let packages = crate::metadata::packages(workspace)?;
    let facade = parts::package(&packages, parts::FACADE)?;
    let mut found = false;
    for example in facade.examples() {
        found = true;
        let frames = example.required_features.iter().any(|f| f == "frame");
        let mut run = if frames {
            // In release DataFusion takes 20 minutes to build. With the features of the whole workspace it is there from the tests.
            let mut build = process::cargo(workspace);
            build.arg("build").args(parts::WHOLE).arg("--examples");
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
                on_a_cluster(plain, picture)?;
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
            if let Some((_, arguments)) = ARGUMENTS.iter().find(|a| a.0 == example.name) {
                run.arg("--").args(*arguments);
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
