//! The command line of the benchmark program.

use std::path::PathBuf;

/// What the caller wants.
pub(crate) enum Request {
    List,
    Run {
        case: String,
        who: String,
        options: Options,
    },
}

/// How a case is run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Timed runs; `None`: what the case finds right.
    pub(crate) runs: Option<usize>,
    /// Problem sizes are multiplied by this: 1 but for smoke tests.
    pub(crate) scale: f64,
    /// Seconds to wait for a quiet machine before the first run.
    pub(crate) patience: f64,
    /// Seconds to spend on repeating runs that others disturbed.
    pub(crate) budget: f64,
    /// Where files are that are made once and read by all contestants.
    pub(crate) data_dir: PathBuf,
}

impl Options {
    /// A size, scaled, and not below `least`.
    pub(crate) fn size(&self, full: usize, least: usize) -> usize {
        ((full as f64 * self.scale) as usize).max(least)
    }

    /// The length of one side of a square whose area is scaled, a multiple of `quantum`.
    pub(crate) fn side(&self, full: usize, quantum: usize) -> usize {
        let side = (full as f64 * self.scale.sqrt()) as usize;
        (side / quantum * quantum).max(quantum)
    }
}

/// Reads `--list` or `CASE WHO [--runs N] [--scale X] [--patience S] [--budget S] [--data-dir DIR]`.
pub(crate) fn parse(args: &[String]) -> Result<Request, String> {
    let mut options = Options {
        runs: None,
        scale: 1.0,
        patience: 20.0,
        budget: 20.0,
        data_dir: PathBuf::from("target/bench-data"),
    };
    let mut names = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || -> Result<f64, String> {
            let text = args
                .next()
                .ok_or_else(|| format!("{arg} needs a number after it"))?;
            match text.parse() {
                Ok(n) if n >= 0.0 => Ok(n),
                _ => Err(format!("{arg} {text}: not a number of 0 or more")),
            }
        };
        match arg.as_str() {
            // `cargo bench` adds it; without a case there is nothing to do.
            "--bench" | "--list" => {}
            "--runs" => options.runs = Some(number()?.max(1.0) as usize),
            "--data-dir" => {
                options.data_dir = args
                    .next()
                    .ok_or("--data-dir needs a folder after it")?
                    .into();
            }
            "--scale" => options.scale = number()?,
            "--patience" => options.patience = number()?,
            "--budget" => options.budget = number()?,
            name if !name.starts_with('-') => names.push(name.to_owned()),
            other => return Err(format!("unknown option {other}")),
        }
    }
    match &names[..] {
        [] => Ok(Request::List),
        [case, who] => Ok(Request::Run {
            case: case.clone(),
            who: who.clone(),
            options,
        }),
        other => Err(format!("expected CASE WHO, got {}", other.join(" "))),
    }
}
