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
    let packages = workspace.packages()?;
    let facade = parts::package(&packages, parts::FACADE)?;
    for set in sets(facade) {
        let mut check = process::cargo(workspace);
        check.args(["check", "--quiet", "--lib"]).args(set);
        process::run(&mut check)?;
    }
    Ok(Done::Ran)
}

/// The flags that choose each set.
fn sets(facade: &Package) -> Vec<Vec<String>> {
    let only = || vec!["--package".to_owned(), facade.name.clone()];
    let none = || [only(), vec!["--no-default-features".to_owned()]].concat();
    let mut sets = vec![none()];
    for feature in facade.features.iter().filter(|name| *name != "default") {
        let mut alone = none();
        alone.extend(["--features".to_owned(), feature.clone()]);
        sets.push(alone);
    }
    sets.push(only());
    // All of them with the whole workspace, whose dependencies are there from `lint`: alone, DataFusion would be checked once more.
    let all = facade.features.iter().filter(|name| *name != "default");
    let all: Vec<String> = all.map(|name| format!("{}/{name}", facade.name)).collect();
    let whole = ["--workspace", "--features", &all.join(",")];
    sets.push(whole.map(str::to_owned).to_vec());
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata;

    #[test]
    fn each_feature_stands_alone_once() {
        let json = r#"{"packages": [{"name": "kvern",
            "features": {"default": ["local"], "local": [], "array": []}}]}"#;
        let flags: Vec<String> = sets(&metadata::parse(json).unwrap()[0])
            .into_iter()
            .map(|set| set.join(" "))
            .collect();
        assert_eq!(
            flags,
            [
                "--package kvern --no-default-features",
                "--package kvern --no-default-features --features array",
                "--package kvern --no-default-features --features local",
                "--package kvern",
                "--workspace --features kvern/array,kvern/local",
            ]
        );
    }
}
