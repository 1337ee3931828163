//! `cargo xtask minimal`: the oldest versions of dependencies that the manifests allow are those that are tested.

use serde_json::Value;

use crate::command::{Command, Done, Failure};
use crate::metadata;
use crate::parts;
use crate::process;
use crate::scratch::Scratch;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "minimal",
    usage: "[--whole]",
    about: "no manifest allows an older dependency than the one that is tested",
    details: "
Compares what each manifest asks of a dependency with the version in Cargo.lock, which is what all tests run with: the oldest that is
allowed has to be that one.

--whole  also resolve a copy of the workspace to the oldest versions of what our manifests name, with the newest of
         everything below, and check that all of it builds (minutes); `cargo xtask test full` does that",
    run,
};

/// All files that a build reads: sources, manifests, and texts that sources include.
const READ: &[&str] = &["toml", "lock", "rs", "md", "in"];

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    let whole = match args {
        [] => false,
        [flag] if flag == "--whole" => true,
        [other, ..] => {
            return Err(Failure::new(format!(
                "`minimal` knows `--whole`, not `{other}`"
            )));
        }
    };
    let older = older(&metadata::whole(workspace)?, &workspace.read("Cargo.lock")?);
    if !older.is_empty() {
        return Err(Failure::list(
            "manifests that allow what nobody has tested",
            &older,
        ));
    }
    if whole {
        build(workspace)?;
    }
    Ok(Done::Ran)
}

/// What our manifests, as cargo describes them, allow and Cargo.lock does not have.
fn older(manifests: &Value, lock: &str) -> Vec<String> {
    let all = |value: &Value, field: &str| value[field].as_array().cloned().unwrap_or_default();
    let locked = locked(lock);
    let mut found = Vec::new();
    for member in all(manifests, "packages") {
        let foreign = all(&member, "dependencies");
        // What is at a path is ours.
        for asked in foreign.iter().filter(|d| d["path"].is_null()) {
            let name = asked["name"].as_str().unwrap_or_default();
            let req = asked["req"].as_str().unwrap_or_default();
            let by = member["name"].as_str().unwrap_or_default();
            let Some(least) = Version::least(req) else {
                found.push(format!(
                    "{by}: `{name}` is asked for as `{req}`: name a whole version"
                ));
                continue;
            };
            let versions = locked.iter().filter(|(n, _)| *n == name);
            let fitting: Vec<&str> = versions
                .map(|(_, v)| *v)
                .filter(|v| Version::of(v).is_some_and(|v| v.fits(least)))
                .collect();
            if !fitting.iter().any(|v| Version::of(v) == Some(least)) {
                let tested = fitting.join(", ");
                found.push(format!(
                    "{by}: `{name}` is asked for as `{req}`, and tested is {tested}"
                ));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Names and versions in a lock file.
fn locked(lock: &str) -> Vec<(&str, &str)> {
    let names = lock.lines().filter_map(|line| value(line, "name"));
    // The file's own version is a number without quotation marks.
    let versions = lock.lines().filter_map(|line| value(line, "version"));
    names.zip(versions).collect()
}

/// What `key = "value"` says.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(key)?;
    rest.strip_prefix(" = \"")?.strip_suffix('"')
}

/// The three numbers of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version([u64; 3]);

impl Version {
    fn of(text: &str) -> Option<Self> {
        let numbers = text.split(['+', '-']).next()?;
        let mut numbers = numbers.split('.').map(|n| n.parse().ok());
        let version = Self([numbers.next()??, numbers.next()??, numbers.next()??]);
        numbers.next().is_none().then_some(version)
    }

    /// The oldest that `^1.2.3` or `=1.2.3` allows; `None` for what leaves numbers out.
    fn least(req: &str) -> Option<Self> {
        Self::of(req.trim_start_matches(['^', '=']))
    }

    /// Whether cargo takes it for one that keeps the promises of the other.
    fn fits(self, least: Self) -> bool {
        let ([a, b, _], [x, y, _]) = (self.0, least.0);
        a == x && (a > 0 || b == y)
    }
}

fn build(workspace: &Workspace) -> Result<(), Failure> {
    let target = metadata::target_folder(workspace)?.join("minimal");
    // Always the same folder: what cargo has built for it is found again.
    let copy = Scratch::of(workspace, target.join("checkout"), READ)?;
    let oldest = copy.workspace();
    // An unstable option, for this call alone: no build script runs in it, which would see that it is allowed.
    process::run(
        process::cargo(&oldest)
            .args(["update", "--quiet", "-Z", "direct-minimal-versions"])
            .env("RUSTC_BOOTSTRAP", "1"),
    )?;
    process::run(
        process::cargo(&oldest)
            .arg("check")
            .args(parts::WHOLE)
            .env("CARGO_TARGET_DIR", &target),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_older_than_the_tested_one_are_told() {
        let lock = "[[package]]\nname = \"b\"\nversion = \"1.4.2\"\n\n[[package]]\nname = \"b\"\nversion = \"0.3.7+meta\"\n";
        let asked = |req: &str| {
            let manifests = json!({"packages": [{"name": "a", "dependencies": [
                {"name": "b", "req": req},
                {"name": "ours", "req": "^0.1.0", "path": "/ours"},
            ]}]});
            older(&manifests, lock)
        };
        assert_eq!(asked("^1.4.2"), [""; 0]);
        assert_eq!(asked("=0.3.7"), [""; 0]);
        assert_eq!(
            asked("^1.4.0"),
            ["a: `b` is asked for as `^1.4.0`, and tested is 1.4.2"]
        );
        assert_eq!(asked("^0.3.1").len(), 1);
        assert!(asked("^1")[0].contains("name a whole version"));
        assert!(asked("^2.0.0")[0].contains("tested is "));
    }
}
