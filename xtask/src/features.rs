//! `cargo xtask features`: the facade builds with no feature, with each alone, and with all; and a build of frames has what tests have.

use std::collections::{BTreeMap, BTreeSet};

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
needs another: none, each alone, the default ones, all. Before that: what tests build of DataFusion
and Arrow is what a program with the feature `frame` builds. A feature that another crate of the
workspace brings would be tested and not be there.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let packages = crate::metadata::packages(workspace)?;
    let facade = parts::package(&packages, parts::FACADE)?;
    let alone = ["--package", &facade.name, "--no-default-features"];
    let alone = built(workspace, &[&alone[..], &["--features", "frame"]].concat())?;
    let lacking = lacking(&alone, &built(workspace, parts::WHOLE)?);
    if !lacking.is_empty() {
        return Err(Failure::list(
            "features that tests have and the feature `frame` alone does not (the crate kvern-frame asks for them, or BROUGHT in \
             xtask/src/features.rs says why not)",
            &lacking,
        ));
    }
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

/// Crates below frames, by how their names begin.
const BELOW: &[&str] = &["datafusion", "arrow", "parquet", "sqlparser"];

/// Features that other crates of the workspace bring and that change nothing about frames: the crate (all: `*`), the feature, and the reason.
const BROUGHT: &[(&str, &str, &str)] = &[
    ("*", "default", "what it stands for is compared by itself"),
    ("*", "ffi", "plugins hand columns over; no frame does"),
    ("arrow-schema", "bitflags", "of `ffi`"),
    ("arrow", "ipc_compression", "Ballista packs what it moves"),
    ("datafusion", "compression", PACKED),
    ("datafusion", "bzip2", PACKED),
    ("datafusion", "flate2", PACKED),
    ("datafusion", "liblzma", PACKED),
    ("datafusion", "zstd", PACKED),
    ("datafusion-datasource", "async-compression", PACKED),
    ("datafusion-datasource", "bzip2", PACKED),
    ("datafusion-datasource", "compression", PACKED),
    ("datafusion-datasource", "flate2", PACKED),
    ("datafusion-datasource", "liblzma", PACKED),
    ("datafusion-datasource", "tokio-util", PACKED),
    ("datafusion-datasource", "zstd", PACKED),
    ("datafusion-datasource-arrow", "compression", PACKED),
];

const PACKED: &str = "kvern's own readers unpack files";

/// The crates below frames that a build has, each with its features.
type Built = BTreeMap<String, BTreeSet<String>>;

fn built(workspace: &Workspace, set: &[&str]) -> Result<Built, Failure> {
    let mut tree = process::cargo(workspace);
    tree.args(["tree", "--locked", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--format", "{p} [{f}]"]).args(set);
    Ok(read(&process::output(&mut tree)?))
}

/// Reads lines such as `arrow-data v59.3.2 [ffi,force]`.
fn read(tree: &str) -> Built {
    let mut built = Built::new();
    for line in tree.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        let features = line.split_once('[').and_then(|(_, l)| l.split_once(']'));
        let Some((features, _)) = features.filter(|_| BELOW.iter().any(|b| name.starts_with(b)))
        else {
            continue;
        };
        let features = features.split(',').filter(|f| !f.is_empty());
        let all = built.entry(name.to_owned()).or_default();
        all.extend(features.map(str::to_owned));
    }
    built
}

/// What the whole has of the crates that are in both, and the one alone has not.
fn lacking(alone: &Built, whole: &Built) -> Vec<String> {
    let brought = |name: &str, feature: &str| {
        let mut all = BROUGHT.iter();
        all.any(|(of, f, _)| (*of == "*" || *of == name) && *f == feature)
    };
    let mut out = Vec::new();
    for (name, has) in alone {
        let features = whole.get(name).into_iter().flat_map(|all| all - has);
        let features = features.filter(|f| !brought(name, f));
        out.extend(features.map(|feature| format!("{name}: {feature}")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata;

    #[test]
    fn what_only_tests_would_have() {
        let alone =
            read("kvern v0.1.0 (/x) [frame]\narrow v59.3.2 [csv] (*)\ndatafusion v55.2.0 []\n");
        let whole = "arrow v59.3.2 [csv,ffi]\ndatafusion v55.2.0 [default,nested_expressions,zstd]\nserde v1.0.0 [derive]\narrow-flight v59.3.2 [x]\n";
        assert_eq!(
            lacking(&alone, &read(whole)),
            ["datafusion: nested_expressions"]
        );
        assert_eq!(lacking(&alone, &alone), [""; 0]);
    }

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
