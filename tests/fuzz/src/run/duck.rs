//! DuckDB in a process of its own, which answers batches of queries over a pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use kvern_fuzz::compare::Answer;
use kvern_fuzz::make::Case;
use kvern_fuzz::ops::Dialect;
use kvern_fuzz::sql;
use kvern_fuzz::value::Val;
use serde_json::{Value as Json, json};

const SCRIPT: &str = include_str!("../duck.py");

/// The process.
pub(crate) struct Duck {
    python: PathBuf,
    child: Child,
    answers: BufReader<ChildStdout>,
}

/// What DuckDB said of a case: an answer, or its error.
pub(crate) type Said = Result<Answer, String>;

impl Duck {
    /// Starts it.
    pub(crate) fn start(python: PathBuf) -> Result<Self, String> {
        let mut child = Command::new(&python)
            .args(["-u", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{} cannot be started: {e}", python.display()))?;
        let out = child.stdout.take().ok_or("no pipe")?;
        Ok(Self {
            python,
            child,
            answers: BufReader::new(out),
        })
    }

    /// Its version, or why there is none.
    pub(crate) fn version(python: &PathBuf) -> Result<String, String> {
        let out = Command::new(python)
            .args(["-c", SCRIPT, "version"])
            .output()
            .map_err(|e| format!("{} cannot be started: {e}", python.display()))?;
        if !out.status.success() {
            let why = String::from_utf8_lossy(&out.stderr);
            let last = why.lines().last().unwrap_or_default();
            return Err(format!("{} has no DuckDB: {last}", python.display()));
        }
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// Asks for some cases; the answers are taken by [`Duck::answers`], in between other things can be done.
    pub(crate) fn ask(&mut self, cases: &[Case]) -> Result<(), String> {
        let jobs: Vec<Json> = cases
            .iter()
            .map(|case| {
                let setup: Vec<String> = case.tables.iter().flat_map(|t| t.setup()).collect();
                let names = case.names();
                let query = sql::query(&case.query, &names, Dialect::Duck);
                json!({"setup": setup, "query": query, "tables": names})
            })
            .collect();
        let input = self.child.stdin.as_mut().ok_or("no pipe")?;
        writeln!(input, "{}", Json::Array(jobs)).map_err(|e| format!("DuckDB has ended: {e}"))
    }

    /// The answers to what was asked first.
    pub(crate) fn answers(&mut self) -> Result<Vec<Said>, String> {
        let mut line = String::new();
        let n = self.answers.read_line(&mut line);
        let n = n.map_err(|e| format!("DuckDB cannot be heard: {e}"))?;
        if n == 0 {
            return Err("DuckDB has ended".into());
        }
        let json: Json = serde_json::from_str(&line).map_err(|e| format!("{e} in {line}"))?;
        let all = json.as_array().ok_or("no list came back")?;
        Ok(all.iter().map(said).collect())
    }

    /// One case alone. A process that ends over it is started again.
    pub(crate) fn one(&mut self, case: &Case) -> Said {
        let asked = self.ask(std::slice::from_ref(case));
        match asked.and_then(|()| self.answers()) {
            Ok(mut all) => all.pop().unwrap_or(Err("no answer".into())),
            Err(why) => {
                *self = Self::start(self.python.clone())?;
                Err(format!("DuckDB ended: {why}"))
            }
        }
    }

    /// Starts anew.
    pub(crate) fn again(&mut self) -> Result<(), String> {
        *self = Self::start(self.python.clone())?;
        Ok(())
    }
}

impl Drop for Duck {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(json: &Json) -> Said {
    if let Some(error) = json["error"].as_str() {
        return Err(error.to_owned());
    }
    let list = |j: &Json| j.as_array().cloned().unwrap_or_default();
    let columns = list(&json["columns"]);
    let columns = columns
        .iter()
        .map(|c| c.as_str().unwrap_or_default().to_owned());
    let rows = list(&json["rows"]);
    let rows = rows.iter().map(|row| list(row).iter().map(value).collect());
    Ok(Answer {
        columns: columns.collect(),
        rows: rows.collect(),
    })
}

fn value(json: &Json) -> Val {
    match json {
        Json::Null => Val::Null,
        Json::Bool(b) => Val::Bool(*b),
        Json::Array(items) => Val::List(items.iter().map(value).collect()),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(name, v)| (name.clone(), value(v)));
            Val::Struct(fields.collect())
        }
        Json::String(text) => {
            let mut letters = text.chars();
            let kind = letters.next().unwrap_or('?');
            let rest = letters.as_str();
            let read = match kind {
                's' => Some(Val::Text(rest.to_owned())),
                'i' => rest.parse().ok().map(Val::Int),
                'f' => u64::from_str_radix(rest, 16)
                    .ok()
                    .map(|b| Val::Float(f64::from_bits(b))),
                'd' => decimal(rest),
                'D' => rest.parse().ok().map(Val::Date),
                't' => rest.parse().ok().map(Val::Ts),
                _ => None,
            };
            read.unwrap_or_else(|| Val::Other(text.clone()))
        }
        other => Val::Other(other.to_string()),
    }
}

fn decimal(text: &str) -> Option<Val> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part}").parse().ok()?;
    Some(Val::Dec(digits, part.len() as i8))
}
