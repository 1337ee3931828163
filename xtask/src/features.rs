//! `cargo xtask features`: the facade builds with no feature, with each alone, and with all.

use crate::command::{self, Command, Done, Failure};
use crate::metadata::Package;
use crate::parts;
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "features",
    usage: "",
    about: "the facade builds without features, with each one alone, and with all",
    details: "
Checks the library of `kvern` once for every set of features below, so that no feature silently
needs another: none, each alone, the default ones, all.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let packages = crate::metadata::packages(workspace)?;
    let facade = parts::package(&packages, parts::FACADE)?;
    for set in sets(facade) {
        let mut check = process::cargo(workspace);
        check.args(["check", "--quiet", "--lib"]).args(set);
        process::run(&mut check)?;
    }
    Ok(Done::Ran)
}

/// Features that are checked beside other crates. Alone, with no dependency's feature but those it asks for, DataFusion would be checked
/// once more; `frame` is, since that is what users of frames build.
const BESIDE: &[&str] = &["ballista"];

/// Members that ask for features of the facade.
const ABOVE: &[&str] = &["kvern-cli", "kvern-e2e", "kvern-fuzz"];

/// The flags that choose each set.
fn sets(facade: &Package) -> Vec<Vec<String>> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let name = &facade.name;
    let features = || facade.features.iter().filter(|f| *f != "default");
    let mut sets = vec![words(&format!("--package {name} --no-default-features"))];
    for feature in features() {
        let mut of = format!("--package {name}");
        if BESIDE.contains(&feature.as_str()) {
            "--workspace".clone_into(&mut of);
            ABOVE
                .iter()
                .for_each(|above| of += &format!(" --exclude {above}"));
        }
        let alone = format!("{of} --no-default-features --features {name}/{feature}");
        sets.push(words(&alone));
    }
    sets.push(words(&format!("--package {name}")));
    // All of them with the whole workspace, whose dependencies are there from `lint`.
    let all: Vec<String> = features().map(|f| format!("{name}/{f}")).collect();
    sets.push(words(&format!("--workspace --features {}", all.join(","))));
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata;

    #[test]
    fn each_feature_stands_alone_once() {
        let json = r#"{"packages": [{"name": "kvern",
            "features": {"default": ["local"], "local": [], "array": [], "ballista": []}}]}"#;
        let flags: Vec<String> = sets(&metadata::parse(json).unwrap()[0])
            .into_iter()
            .map(|set| set.join(" "))
            .collect();
        assert_eq!(
            flags,
            [
                "--package kvern --no-default-features",
                "--package kvern --no-default-features --features kvern/array",
                "--workspace --exclude kvern-cli --exclude kvern-e2e --exclude kvern-fuzz --no-default-features --features kvern/ballista",
                "--package kvern --no-default-features --features kvern/local",
                "--package kvern",
                "--workspace --features kvern/array,kvern/ballista,kvern/local",
            ]
        );
    }
}
