//! The command line of `cargo xtask bench`.

use std::path::{Path, PathBuf};

use crate::command::Failure;
use crate::text;

/// The areas that there are, and the script of the peers for each; empty where nobody else has such a thing.
pub(super) const AREAS: &[(&str, &str)] = &[
    ("tasks", "bench_tasks.py"),
    ("array", "bench_arrays.py"),
    ("bag", "bench_bag.py"),
    ("memory", "bench_memory.py"),
    ("plugin", ""),
    ("cluster", "bench_cluster.py"),
    ("frame", "bench_frame.py"),
];

/// What was asked.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) area: String,
    /// Beginnings of case names; empty: all.
    pub(super) cases: Vec<String>,
    pub(super) python: Option<PathBuf>,
    /// Another checkout, whose program takes turns with ours.
    pub(super) against: Option<PathBuf>,
    /// Names of peers; empty: all.
    pub(super) peers: Vec<String>,
    pub(super) json: Option<PathBuf>,
    pub(super) rounds: usize,
    pub(super) runs: Option<usize>,
    pub(super) scale: f64,
    pub(super) patience: f64,
    pub(super) list: bool,
}

impl Request {
    /// Whether this case was asked for.
    pub(super) fn wants(&self, case: &str) -> bool {
        self.cases.is_empty()
            || self
                .cases
                .iter()
                .any(|start| case.starts_with(start.as_str()))
    }

    /// What our program and the scripts both understand.
    pub(super) fn passed_on(&self, root: &Path) -> Vec<String> {
        let mut args = vec![
            "--scale".to_owned(),
            self.scale.to_string(),
            "--patience".to_owned(),
            self.patience.to_string(),
            // As long as for waiting, for repeating what others disturbed.
            "--budget".to_owned(),
            self.patience.to_string(),
            // Files that are made once and read by all.
            "--data-dir".to_owned(),
            root.join("target/bench-data").display().to_string(),
        ];
        if let Some(runs) = self.runs {
            args.extend(["--runs".to_owned(), runs.to_string()]);
        }
        args
    }
}

pub(super) fn parse(args: &[String]) -> Result<Request, Failure> {
    let mut request = Request {
        area: String::new(),
        cases: Vec::new(),
        python: None,
        against: None,
        peers: Vec::new(),
        json: None,
        rounds: 3,
        runs: None,
        scale: 1.0,
        patience: 20.0,
        list: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || {
            args.next()
                .ok_or_else(|| Failure::new(format!("`{arg}` needs a value after it")))
        };
        match arg.as_str() {
            "--list" => request.list = true,
            "--peers" => request.python = Some(value()?.into()),
            "--peer" => request.peers.extend(value()?.split(',').map(str::to_owned)),
            "--against" => request.against = Some(checkout(value()?)?),
            "--json" => request.json = Some(value()?.into()),
            "--rounds" => request.rounds = number(arg, value()?, 1.0)? as usize,
            "--runs" => request.runs = Some(number(arg, value()?, 1.0)? as usize),
            "--scale" => request.scale = number(arg, value()?, 0.0)?,
            "--patience" => request.patience = number(arg, value()?, 0.0)?,
            word if word.starts_with('-') => {
                let known = [
                    "--list",
                    "--peers",
                    "--peer",
                    "--against",
                    "--json",
                    "--rounds",
                    "--runs",
                    "--scale",
                    "--patience",
                ];
                return Err(Failure::new(text::unknown(
                    "option",
                    word,
                    known.into_iter(),
                )));
            }
            area if request.area.is_empty() => area.clone_into(&mut request.area),
            case => request.cases.push(case.to_owned()),
        }
    }
    let areas = || AREAS.iter().map(|area| area.0);
    if request.area.is_empty() {
        let areas: Vec<_> = areas().collect();
        return Err(Failure::new(format!(
            "`bench` needs an area: {}",
            areas.join(", ")
        )));
    }
    if areas().all(|area| area != request.area) {
        return Err(Failure::new(text::unknown("area", &request.area, areas())));
    }
    Ok(request)
}

/// The folder of another checkout.
fn checkout(path: &str) -> Result<PathBuf, Failure> {
    let root = PathBuf::from(path);
    if root.join("xtask/Cargo.toml").is_file() {
        return Ok(root);
    }
    Err(Failure::new(format!(
        "`--against {path}`: no checkout of kvern is there; `git worktree add {path} COMMIT` makes one"
    )))
}

fn number(option: &str, text: &str, least: f64) -> Result<f64, Failure> {
    match text.parse::<f64>() {
        Ok(number) if number >= least && number.is_finite() => Ok(number),
        _ => Err(Failure::new(format!(
            "`{option} {text}`: not a number of {least} or more"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&args).map_err(|failure| failure.to_string())
    }

    #[test]
    fn area_first_then_cases_and_options_anywhere() {
        let request =
            parsed("tasks a1 --rounds 5 a4_stencil --peer dask,numpy-1t --json x").unwrap();
        assert_eq!(request.area, "tasks");
        assert!(request.wants("a1_independent") && request.wants("a4_stencil"));
        assert!(!request.wants("a2_chain"));
        assert_eq!(request.rounds, 5);
        assert_eq!(request.peers, ["dask", "numpy-1t"]);
        assert_eq!(request.json, Some("x".into()));
    }

    #[test]
    fn mistakes_are_explained() {
        for (line, what) in [
            ("", "needs an area: tasks"),
            ("arrays", "did you mean `array`?"),
            ("tasks --rouds 3", "did you mean `--rounds`?"),
            (
                "tasks --rounds 0",
                "`--rounds 0`: not a number of 1 or more",
            ),
            ("tasks --json", "`--json` needs a value"),
            (
                "tasks --against /nowhere",
                "`--against /nowhere`: no checkout of kvern is there",
            ),
        ] {
            let sentence = parsed(line).unwrap_err();
            assert!(sentence.contains(what), "`{line}`: {sentence}");
        }
    }
}
