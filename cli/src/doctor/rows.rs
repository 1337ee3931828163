//! The rows of the report: each names and shows one fact, as people read it and as programs do.

use std::fmt::Write;

use kvern::core::text::format_bytes;
use kvern::scheduler_local::limits::LimitSource;
use serde_json::{Value as Json, json};

use super::facts::{Build, Configured, Facts, Memory};
use super::machine::Machine;
use super::spill::Spill;
use super::trial::Trial;
use super::unfinished::{Fate, Unfinished};

/// Rows under a title.
pub(crate) struct Section {
    pub(super) title: &'static str,
    pub(super) rows: Vec<Row>,
}

/// A name and a value, as people read it and as programs do.
pub(crate) struct Row {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) json: Json,
}

/// A row in which both read the same.
fn row(name: &'static str, text: impl Into<String>) -> Row {
    let text = text.into();
    Row {
        name,
        json: json!(text),
        text,
    }
}

fn with_json(name: &'static str, text: impl Into<String>, json: Json) -> Row {
    Row {
        name,
        text: text.into(),
        json,
    }
}

fn unknown() -> String {
    "not known".to_owned()
}

fn bytes(name: &'static str, bytes: Option<u64>) -> Row {
    with_json(name, bytes.map_or_else(unknown, format_bytes), json!(bytes))
}

pub(crate) fn sections(facts: &Facts) -> Vec<Section> {
    let section = |title, rows| Section { title, rows };
    vec![
        section("kvern", build(&facts.build, &facts.trial)),
        section("machine", machine(&facts.machine)),
        section("memory", memory(&facts.memory, &facts.config)),
        section("spill", spill(&facts.spill)),
        section("configuration", config(&facts.config)),
        section("unfinished files", unfinished(&facts.unfinished)),
    ]
}

/// What killed writers have left.
fn unfinished(of: &Unfinished) -> Vec<Row> {
    let folders: Vec<String> = of
        .folders
        .iter()
        .map(|(folder, why)| match why {
            None => folder.display().to_string(),
            Some(why) => format!("{} (cannot be read: {why})", folder.display()),
        })
        .collect();
    let json_folders = of.folders.iter().map(|(folder, _)| json!(folder));
    let mut lines = Vec::new();
    let mut items = Vec::new();
    for (left, fate) in &of.found {
        let age = left.age.map(|age| age.as_secs());
        let fate = match fate {
            Fate::Stays => String::new(),
            Fate::Removed => "; removed".to_owned(),
            Fate::Cannot(why) => format!("; cannot be removed: {why}"),
        };
        lines.push(format!(
            "{} ({}, {}){fate}",
            left.path.display(),
            format_bytes(left.bytes),
            age.map_or_else(unknown, old)
        ));
        items.push(json!({
            "path": left.path,
            "target": left.target,
            "bytes": left.bytes,
            "seconds_old": age,
            "removed": fate == "; removed",
        }));
    }
    let text = match lines.is_empty() {
        true => "nothing".to_owned(),
        false => lines.join("\n"),
    };
    vec![
        with_json("looked into", folders.join("\n"), json_folders.collect()),
        with_json("left by the dead", text, Json::Array(items)),
    ]
}

/// `3 h old`.
fn old(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s old"),
        120..=7199 => format!("{} min old", seconds / 60),
        7200..=172_799 => format!("{} h old", seconds / 3600),
        _ => format!("{} days old", seconds / 86_400),
    }
}

fn build(build: &Build, of: &Trial) -> Vec<Row> {
    let names = |on: bool| {
        let chosen = build.features.iter().filter(|(_, there)| *there == on);
        chosen.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    let mut features = listed(&names(true));
    if !names(false).is_empty() {
        let _ = write!(features, " (not: {})", names(false).join(", "));
    }
    let profile = if build.debug { "debug" } else { "release" };
    vec![
        row("version", kvern::about::VERSION),
        with_json(
            "build",
            format!(
                "{profile}, {} {}",
                std::env::consts::ARCH,
                std::env::consts::OS
            ),
            json!({"profile": profile, "arch": std::env::consts::ARCH, "os": std::env::consts::OS}),
        ),
        with_json("features", features, json!(names(true))),
        backends(build),
        operators(build),
        trial(of),
    ]
}

fn backends(build: &Build) -> Row {
    let all = match &build.backends {
        Ok(all) => all,
        Err(error) => return with_json("backends", error, Json::Null),
    };
    let width = all
        .iter()
        .map(|(scheme, _)| scheme.len() + 3)
        .max()
        .unwrap_or(0);
    let line =
        |(scheme, about): &(String, String)| format!("{:<width$}  {about}", format!("{scheme}://"));
    let lines: Vec<String> = all.iter().map(line).collect();
    let text = if lines.is_empty() {
        "none".to_owned()
    } else {
        lines.join("\n")
    };
    let json = all
        .iter()
        .map(|(scheme, about)| json!({"scheme": scheme, "about": about}));
    with_json("backends", text, json.collect())
}

/// How many operators each crate has; programs get them all by name.
fn operators(build: &Build) -> Row {
    let all = match &build.operators {
        Ok(all) => all,
        Err(error) => return with_json("operators", error, Json::Null),
    };
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for (_, _, source) in all {
        match counts.iter_mut().find(|(name, _)| name == source) {
            Some((_, count)) => *count += 1,
            None => counts.push((source, 1)),
        }
    }
    counts.sort_unstable();
    let of_each: Vec<String> = counts
        .iter()
        .map(|(source, count)| format!("{count} of {source}"))
        .collect();
    let json = all
        .iter()
        .map(|(name, version, source)| json!({"name": name, "version": version, "source": source}));
    with_json("operators", listed(&of_each), json.collect())
}

fn trial(trial: &Trial) -> Row {
    match trial {
        Trial::Done {
            scheme,
            threads,
            memory_budget,
            took,
        } => {
            let threads_text = if *threads == 1 {
                "1 thread".to_owned()
            } else {
                format!("{threads} threads")
            };
            let memory = memory_budget.map_or_else(String::new, |bytes| {
                format!(", {} of memory", format_bytes(bytes))
            });
            let seconds = took.as_secs_f64();
            with_json(
                "trial",
                format!(
                    "{scheme}:// ({threads_text}{memory}) computed a small graph in {:.1} ms",
                    seconds * 1e3
                ),
                json!({"done": true, "scheme": scheme, "threads": threads, "memory_budget": memory_budget, "seconds": seconds}),
            )
        }
        Trial::Failed(error) => with_json(
            "trial",
            "failed, see below",
            json!({"done": false, "error": error}),
        ),
        Trial::Skipped(why) => with_json(
            "trial",
            format!("not done: {why}"),
            json!({"done": false, "why": why}),
        ),
    }
}

fn machine(machine: &Machine) -> Vec<Row> {
    let usable = machine
        .usable_cores
        .map_or_else(unknown, |count| count.to_string());
    let cores = match machine.cores {
        Some(cores) if Some(cores) != machine.usable_cores => {
            format!("{cores}, of which this process may use {usable}")
        }
        _ => usable,
    };
    let files = machine
        .open_files
        .map_or_else(|| "no limit".to_owned(), |files| format!("{files} at once"));
    vec![
        with_json(
            "kernel",
            machine.kernel.clone().unwrap_or_else(unknown),
            json!(machine.kernel),
        ),
        with_json(
            "processor",
            machine.processor.clone().unwrap_or_else(unknown),
            json!(machine.processor),
        ),
        with_json(
            "cores",
            cores,
            json!({"machine": machine.cores, "usable": machine.usable_cores}),
        ),
        with_json(
            "vector units",
            listed(&machine.vector_units),
            json!(machine.vector_units),
        ),
        with_json("open files", files, json!(machine.open_files)),
    ]
}

fn memory(memory: &Memory, config: &Configured) -> Vec<Row> {
    let total = memory
        .limits
        .iter()
        .find(|limit| limit.source == LimitSource::Machine)
        .map(|limit| limit.bytes);
    let others: Vec<_> = memory
        .limits
        .iter()
        .filter(|limit| limit.source != LimitSource::Machine)
        .collect();
    let lines: Vec<String> = others
        .iter()
        .map(|limit| format!("{} by {}", format_bytes(limit.bytes), limit.source))
        .collect();
    let json = others
        .iter()
        .map(|limit| json!({"bytes": limit.bytes, "source": limit.source.to_string()}))
        .collect();
    let lines = if lines.is_empty() {
        "none".to_owned()
    } else {
        lines.join("\n")
    };
    let usable = memory.binding().map(|limit| limit.bytes);
    let limit = usable.map(|usable| config.memory.of(usable));
    let shown = limit.map_or_else(|| config.memory.to_string(), format_bytes);
    vec![
        bytes("total", total),
        bytes("free", memory.free),
        with_json("limits", lines, Json::Array(json)),
        bytes("usable", usable),
        with_json(
            "kvern's limit",
            format!(
                "{shown} (memory.limit = {}, {})",
                config.memory, config.memory_source
            ),
            json!({"bytes": limit, "setting": config.memory.to_string(), "source": config.memory_source}),
        ),
    ]
}

fn spill(spill: &Spill) -> Vec<Row> {
    let system = spill.system.map(super::spill::FileSystem::name);
    let folder = spill.directory.display();
    vec![
        with_json(
            "folder",
            system.map_or_else(
                || folder.to_string(),
                |system| format!("{folder} ({system})"),
            ),
            json!(spill.directory.to_string_lossy()),
        ),
        bytes("free", spill.free),
        bytes("total", spill.total),
        with_json(
            "writable",
            spill
                .unwritable
                .as_ref()
                .map_or_else(|| "yes".to_owned(), |error| format!("no: {error}")),
            json!(spill.unwritable.is_none()),
        ),
    ]
}

fn config(config: &Configured) -> Vec<Row> {
    let line = |(path, there): &(std::path::PathBuf, bool)| {
        format!(
            "{} ({})",
            path.display(),
            if *there { "read" } else { "not there" }
        )
    };
    let json = config
        .files
        .iter()
        .map(|(path, there)| json!({"path": path.to_string_lossy(), "exists": there}));
    let files: Vec<String> = config.files.iter().map(line).collect();
    vec![
        with_json("files", files.join("\n"), json.collect()),
        with_json(
            "state",
            if config.error.is_none() {
                "good; `kvern config list` shows it"
            } else {
                "wrong, see below"
            },
            json!({"good": config.error.is_none(), "error": config.error}),
        ),
    ]
}

fn listed<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => "none".to_owned(),
        words => words
            .iter()
            .map(AsRef::as_ref)
            .collect::<Vec<_>>()
            .join(", "),
    }
}
