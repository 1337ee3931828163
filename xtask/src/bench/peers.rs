//! The peers: the scripts in `bench/peers`, run by an interpreter that has them installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::request::{AREAS, Request};
use super::row::{Role, Row};
use crate::command::Failure;
use crate::process;
use crate::workspace::Workspace;

/// Contestants of the scripts that are not compared here, by how their names begin, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "distributed-",
        "between processes: no match for a local backend",
    ),
    (
        "python-loop",
        "no scheduler at all: the interpreter's own floor",
    ),
];

/// The script of one area and who is in it.
pub(super) struct Peers {
    python: PathBuf,
    script: PathBuf,
    root: PathBuf,
    /// Case and peer.
    known: Vec<(String, String)>,
}

impl Peers {
    /// Asks the script of the area whom it knows.
    pub(super) fn find(
        workspace: &Workspace,
        python: &Path,
        request: &Request,
    ) -> Result<Self, Failure> {
        let script = AREAS
            .iter()
            .find(|area| area.0 == request.area)
            .map_or("", |area| area.1);
        if script.is_empty() {
            return Ok(Self {
                python: python.to_path_buf(),
                root: workspace.root().to_path_buf(),
                script: PathBuf::new(),
                known: Vec::new(),
            });
        }
        let script = workspace.root().join("bench/peers").join(script);
        let list = process::output(command(python, &script).arg("--list"))?;
        let known = list
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(_, peer)| chosen(peer, &request.peers))
            .map(|(case, peer)| (case.to_owned(), peer.to_owned()))
            .collect();
        Ok(Self {
            python: python.to_path_buf(),
            script,
            root: workspace.root().to_path_buf(),
            known,
        })
    }

    /// The peers of a case.
    pub(super) fn of(&self, case: &str) -> impl Iterator<Item = &String> {
        self.known
            .iter()
            .filter(move |known| known.0 == case)
            .map(|known| &known.1)
    }

    /// One turn.
    pub(super) fn run(
        &self,
        case: &str,
        peer: &str,
        request: &Request,
    ) -> Result<Vec<Row>, Failure> {
        let mut command = command(&self.python, &self.script);
        command.args(["--case", case, "--peer", peer]);
        command.args(request.passed_on(&self.root));
        let lines = process::output(&mut command)?;
        // The script takes beginnings of names, as we do; what it did besides is not of this case.
        let rows: Result<Vec<Row>, Failure> = lines
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| Row::parse(line, Role::Peer))
            .collect();
        let mut rows = rows?;
        rows.retain(|row| row.case == case);
        Ok(rows)
    }
}

fn chosen(peer: &str, asked: &[String]) -> bool {
    if asked.is_empty() {
        LEFT_OUT.iter().all(|out| !peer.starts_with(out.0))
    } else {
        asked.iter().any(|name| name == peer)
    }
}

fn command(python: &Path, script: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg(script);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_left_out_can_be_asked_for() {
        let asked = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        assert!(chosen("dask-threaded", &[]));
        assert!(!chosen("distributed-2x1", &[]));
        assert!(chosen("distributed-2x1", &asked(&["distributed-2x1"])));
        assert!(!chosen("dask-threaded", &asked(&["dask-sync"])));
    }
}
