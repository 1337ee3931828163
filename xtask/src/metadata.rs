//! The few facts that we need from `cargo metadata`.

use std::path::PathBuf;

use serde_json::Value;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// A member of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: PathBuf,
    pub(crate) rust_version: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) readme: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    pub(crate) features: Vec<String>,
    /// Whether it may go to a registry.
    pub(crate) publish: bool,
}

/// An edge that a manifest declares, used or not: optional and platform-bound ones count.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// The package's own name, whatever the manifest renames it to.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// Which table of the manifest an edge stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

impl Kind {
    /// The table's heading in a manifest.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Normal => "[dependencies]",
            Self::Build => "[build-dependencies]",
            Self::Dev => "[dev-dependencies]",
        }
    }
}

/// Something that cargo builds: a library, a program, a test, an example.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kinds: Vec<String>,
    pub(crate) required_features: Vec<String>,
}

impl Package {
    /// Whether other code (and a doc test) can depend on it.
    pub(crate) fn has_library(&self) -> bool {
        let is_library = |kind: &String| kind.ends_with("lib") || kind == "proc-macro";
        self.targets
            .iter()
            .any(|target| target.kinds.iter().any(is_library))
    }

    /// Whether it is macros that the compiler runs.
    pub(crate) fn is_macros(&self) -> bool {
        self.of_kind("proc-macro").next().is_some()
    }

    /// Its declared examples.
    pub(crate) fn examples(&self) -> impl Iterator<Item = &Target> {
        self.of_kind("example")
    }

    /// The names of its integration tests.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &str> {
        self.of_kind("test").map(|target| target.name.as_str())
    }

    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Target> {
        self.targets
            .iter()
            .filter(move |target| target.kinds.iter().any(|k| k == kind))
    }
}

/// The members of the workspace as their manifests describe them. Nothing is resolved or downloaded, so this
/// works even when the dependencies go round in a circle.
pub(crate) fn packages(workspace: &Workspace) -> Result<Vec<Package>, Failure> {
    parse(&written(workspace)?)
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder(workspace: &Workspace) -> Result<PathBuf, Failure> {
    string(&root(&written(workspace)?)?, "target_directory")
        .map(PathBuf::from)
        .ok_or_else(|| Failure::new("cargo metadata names no target folder"))
}

/// All that cargo says of the members, as it is.
pub(crate) fn whole(workspace: &Workspace) -> Result<Value, Failure> {
    root(&written(workspace)?)
}

fn written(workspace: &Workspace) -> Result<String, Failure> {
    process::output(process::cargo(workspace).args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]))
}

/// Reads the members out of what `cargo metadata --no-deps` wrote.
pub(crate) fn parse(json: &str) -> Result<Vec<Package>, Failure> {
    list(&root(json)?, "packages").map(package).collect()
}

fn root(json: &str) -> Result<Value, Failure> {
    serde_json::from_str(json)
        .map_err(|error| Failure::new(format!("cargo metadata wrote no JSON: {error}")))
}

fn package(value: &Value) -> Result<Package, Failure> {
    let name = string(value, "name")
        .ok_or_else(|| Failure::new("cargo metadata lists a package without a name"))?;
    let mut features: Vec<String> = value
        .get("features")
        .and_then(Value::as_object)
        .map(|map| map.keys().cloned().collect())
        .unwrap_or_default();
    features.sort();
    Ok(Package {
        name,
        manifest: string(value, "manifest_path").unwrap_or_default().into(),
        rust_version: string(value, "rust_version"),
        license: string(value, "license"),
        description: string(value, "description"),
        readme: string(value, "readme"),
        dependencies: list(value, "dependencies").filter_map(dependency).collect(),
        targets: list(value, "targets").filter_map(target).collect(),
        features,
        // Nothing said: to any registry. A list names those that may have it.
        publish: value
            .get("publish")
            .and_then(Value::as_array)
            .is_none_or(|registries| !registries.is_empty()),
    })
}

fn dependency(value: &Value) -> Option<Dependency> {
    let kind = match string(value, "kind").as_deref() {
        Some("dev") => Kind::Dev,
        Some("build") => Kind::Build,
        _ => Kind::Normal,
    };
    Some(Dependency {
        name: string(value, "name")?,
        kind,
    })
}

fn target(value: &Value) -> Option<Target> {
    Some(Target {
        name: string(value, "name")?,
        kinds: strings(value, "kind"),
        required_features: strings(value, "required-features"),
    })
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn strings(value: &Value, field: &str) -> Vec<String> {
    list(value, field)
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn string(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

/// The program of that name, if this message of cargo is about it.
pub(crate) fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    (message["target"]["name"] == name).then_some(())?;
    message["executable"].as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_the_messages() {
        let other = r#"{"reason":"compiler-artifact","target":{"name":"kvern"},"executable":null}"#;
        let ours =
            r#"{"reason":"compiler-artifact","target":{"name":"cases"},"executable":"t/cases-1"}"#;
        assert_eq!(executable(other, "cases"), None);
        assert_eq!(executable(ours, "cases"), Some("t/cases-1".into()));
        assert_eq!(executable(ours, "frame"), None);
        assert_eq!(executable("not a message", "cases"), None);
    }
}
