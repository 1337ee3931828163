//! What is in the way, in plain words, and what to do about it.

use kvern::core::text::format_bytes;
use kvern::scheduler_local::limits::LimitSource;

use super::facts::Facts;
use super::spill::FileSystem;
use super::trial::Trial;
use super::unfinished::Fate;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Something will not work.
    Problem,
    /// Something works worse than it could.
    Warning,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
        }
    }
}

/// Something that is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

/// Fewer open files than this are soon used up by spill files and connections.
const FEW_FILES: u64 = 1024;

/// What is in the way, problems first.
pub(crate) fn of(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |level, what: String, remedy: &str| {
        findings.push(Finding {
            level,
            what,
            remedy: remedy.to_owned(),
        });
    };
    build(facts, &mut add);
    memory(facts, &mut add);
    spill(facts, &mut add);
    unfinished(facts, &mut add);
    findings.sort_by_key(|finding| finding.level);
    findings
}

fn unfinished(facts: &Facts, add: &mut impl FnMut(Level, String, &str)) {
    for (folder, why) in &facts.unfinished.folders {
        if let Some(why) = why {
            let what = format!(
                "The folder {} cannot be looked into: {why}",
                folder.display()
            );
            add(Level::Problem, what, "Name a folder that can be read");
        }
    }
    let found = facts.unfinished.found.iter();
    let there: Vec<_> = found.filter(|(_, fate)| *fate != Fate::Removed).collect();
    let bytes = there.iter().map(|(left, _)| left.bytes).sum();
    if !there.is_empty() {
        let what = format!(
            "Killed writers have left {} unfinished {} ({})",
            there.len(),
            if there.len() == 1 {
                "file or folder"
            } else {
                "files and folders"
            },
            format_bytes(bytes)
        );
        let remedy = "The next write to the same name removes what is left of it; `kvern doctor --clean` removes all that is listed above";
        add(Level::Warning, what, remedy);
    }
}

fn build(facts: &Facts, add: &mut impl FnMut(Level, String, &str)) {
    if let Some(error) = &facts.config.error {
        add(
            Level::Problem,
            format!("The configuration is wrong: {error}."),
            "Mend it where it says; until then no session opens, and this report shows the defaults.",
        );
    }
    for error in [
        facts.build.backends.as_ref().err(),
        facts.build.operators.as_ref().err(),
    ]
    .into_iter()
    .flatten()
    {
        add(
            Level::Problem,
            format!("This program is put together wrongly: {error}."),
            "Remove one of the two crates from the program, or rename what both declare.",
        );
    }
    if facts.build.backends.as_ref().is_ok_and(Vec::is_empty) {
        add(
            Level::Problem,
            "No backend is linked, so nothing can be computed.".to_owned(),
            "Build kvern with the feature `local`, or link a crate that has a backend.",
        );
    }
    if let Trial::Failed(error) = &facts.trial {
        add(
            Level::Problem,
            format!("A small graph could not be computed: {error}."),
            "If `scheduler` is set, see `kvern config where scheduler`; sync:// needs the least.",
        );
    }
    if facts.build.debug {
        add(
            Level::Warning,
            "This is a debug build: it computes many times slower than a release build.".to_owned(),
            "Build with `--release`.",
        );
    }
    if let (Some(workers), Some(cores)) = (facts.config.workers, facts.machine.usable_cores)
        && workers > cores as u64
    {
        add(
            Level::Warning,
            format!(
                "threads.workers is {workers}, and this process may use {cores} cores: threads will wait for each other."
            ),
            "Set threads.workers to \"auto\".",
        );
    }
    if let Some(files) = facts.machine.open_files.filter(|files| *files < FEW_FILES) {
        add(
            Level::Warning,
            format!(
                "This process may open {files} files at once: a long run that spills may need more."
            ),
            "Run `ulimit -n 4096` in the shell before.",
        );
    }
}

fn memory(facts: &Facts, add: &mut impl FnMut(Level, String, &str)) {
    let Some(binding) = facts.memory.binding() else {
        add(
            Level::Warning,
            "This system does not say how much memory there is, so a share of it means nothing."
                .to_owned(),
            "Set memory.limit to a number of bytes, such as 4GiB.",
        );
        return;
    };
    let wanted = facts.config.memory.of(binding.bytes);
    if wanted > binding.bytes {
        let end = match binding.source {
            LimitSource::Machine => "the system would swap or end it",
            LimitSource::ControlGroup(_) => "the system would end it",
            _ => "allocations would fail",
        };
        add(
            Level::Warning,
            format!(
                "memory.limit is {}, more than the {} that this process may use ({}): before it spills, {end}.",
                format_bytes(wanted),
                format_bytes(binding.bytes),
                binding.source
            ),
            "Set memory.limit to a share, such as 70%.",
        );
    } else if let Some(free) = facts.memory.free.filter(|free| *free < wanted) {
        add(
            Level::Warning,
            format!(
                "memory.limit is {}, and {} are free now: other programs hold the rest.",
                format_bytes(wanted),
                format_bytes(free)
            ),
            "Close other programs, or set memory.limit lower.",
        );
    }
}

fn spill(facts: &Facts, add: &mut impl FnMut(Level, String, &str)) {
    if !facts.config.may_spill {
        return;
    }
    let directory = facts.spill.directory.display();
    if let Some(error) = &facts.spill.unwritable {
        add(
            Level::Problem,
            format!("The spill folder {directory} cannot be written to: {error}."),
            "Set spill.directory to a folder on a disk with room, or memory.spill to false.",
        );
        return;
    }
    match facts.spill.system {
        Some(FileSystem::Memory(name)) => add(
            Level::Warning,
            format!(
                "The spill folder {directory} is itself in memory ({name}): spilling there frees nothing."
            ),
            "Set spill.directory to a folder on a disk.",
        ),
        Some(FileSystem::Network(name)) => add(
            Level::Warning,
            format!(
                "The spill folder {directory} is on another machine ({name}): spilling goes over the network."
            ),
            "Set spill.directory to a folder on a disk of this machine.",
        ),
        _ => {}
    }
    let wanted = facts
        .memory
        .binding()
        .map(|binding| facts.config.memory.of(binding.bytes));
    if let (Some(free), Some(wanted)) = (facts.spill.free, wanted)
        && free < wanted
    {
        add(
            Level::Warning,
            format!(
                "The spill folder {directory} has room for {}, less than memory.limit ({}): a run that spills much may fill it.",
                format_bytes(free),
                format_bytes(wanted)
            ),
            "Make room, or set spill.directory to a folder with more.",
        );
    }
}

#[cfg(test)]
mod tests;
