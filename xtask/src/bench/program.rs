//! Our benchmark program: built once, then started anew for each turn.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::request::Request;
use super::row::{Role, Row};
use crate::command::Failure;
use crate::fixtures;
use crate::metadata::executable;
use crate::process;
use crate::workspace::Workspace;

/// The built program.
pub(super) struct Program {
    path: PathBuf,
    root: PathBuf,
}

/// One thing that it can measure.
pub(super) struct Entry {
    pub(super) case: String,
    pub(super) who: String,
    pub(super) about: String,
    role: Role,
}

impl Entry {
    /// Whether it is ours, and the program of another checkout has it as well.
    pub(super) fn is_also_in(&self, others: &[Self]) -> bool {
        let same = |other: &Self| other.case == self.case && other.who == self.who;
        self.role != Role::Limit && others.iter().any(same)
    }
}

impl Program {
    /// Builds it in release; cargo says where it is.
    pub(super) fn build(workspace: &Workspace, request: &Request) -> Result<Self, Failure> {
        // Frames have a program of their own, so that no other one links DataFusion.
        let (name, mut args) = match request.area.as_str() {
            "frame" => (
                "frame",
                vec!["build", "--profile", "frame", "--package", "kvern-frame"],
            ),
            _ => (
                "cases",
                vec![
                    "build",
                    "--release",
                    "--package",
                    "kvern",
                    "--features",
                    "plugins",
                ],
            ),
        };
        args.extend(["--bench", name]);
        if request.area == "memory" {
            // One of its cases starts the example.
            args.extend(["--example", "tour"]);
        }
        if request.area == "plugin" {
            fixtures::sample(workspace, true)?;
        }
        eprintln!("  $ cargo {}", args.join(" "));
        let mut build = process::cargo(workspace);
        build.args(args);
        build.args(["--message-format", "json-render-diagnostics"]);
        // What the compiler says while it works is for the reader, at once.
        let messages = process::output(build.stderr(Stdio::inherit()))?;
        let path = messages.lines().find_map(|line| executable(line, name));
        let path = path.ok_or_else(|| {
            Failure::new("cargo built the benchmark program and did not say where it is")
        })?;
        Ok(Self {
            path,
            root: workspace.root().to_path_buf(),
        })
    }

    /// What of the request it can measure.
    pub(super) fn entries(&self, request: &Request) -> Result<Vec<Entry>, Failure> {
        let list = process::output(Command::new(&self.path).arg("--list"))?;
        let mut entries = Vec::new();
        for line in list.lines() {
            let line: Value = serde_json::from_str(line).map_err(|error| {
                Failure::new(format!("the benchmark program lists `{line}`: {error}"))
            })?;
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            let entry = Entry {
                case: text("case"),
                who: text("who"),
                about: text("about"),
                role: Role::of(&text("role")),
            };
            if text("area") == request.area && request.wants(&entry.case) {
                entries.push(entry);
            }
        }
        if entries.is_empty() {
            return Err(Failure::new(format!(
                "no case of `{}` begins with {}; `cargo xtask bench {} --list` names all",
                request.area,
                request.cases.join(" or "),
                request.area
            )));
        }
        Ok(entries)
    }

    /// One turn.
    pub(super) fn run(&self, entry: &Entry, request: &Request) -> Result<Vec<Row>, Failure> {
        let mut command = Command::new(&self.path);
        command.args([&entry.case, &entry.who]);
        command.args(request.passed_on(&self.root));
        let lines = process::output(&mut command)?;
        lines
            .lines()
            .map(|line| Row::parse(line, entry.role))
            .collect()
    }
}
