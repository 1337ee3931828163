//! What this process may use: the least of the machine's memory, the limits of its control groups, and its own.
//!
//! A container on a machine of 256 GB with a limit of 2 GB sees 256 GB in `/proc/meminfo`, and is killed at 2 GB: so a
//! budget must be a share of the least of all limits. Control groups of both versions are read, each along the whole
//! path from the group of this process up to the mount, because a parent's limit binds as much as its own.
//!
//! The files are those of Linux (`proc_meminfo(5)`, `proc_pid_cgroup(5)`, `proc_pid_mountinfo(5)`, and cgroup-v1
//! `memory` and cgroup-v2 of the kernel's documentation). On other systems nothing is found.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

mod cgroups;
#[cfg(test)]
mod tests;

/// A bound on the memory of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The bound.
    pub bytes: u64,
    /// Who sets it.
    pub source: LimitSource,
}

/// Who sets a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitSource {
    /// The memory that the machine has.
    Machine,
    /// A control group: this file says so.
    ControlGroup(PathBuf),
    /// A resource limit of the process, by its name in `setrlimit(2)`.
    Resource(&'static str),
}

impl fmt::Display for LimitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("the machine's memory"),
            Self::ControlGroup(file) => write!(f, "the control group limit in {}", file.display()),
            Self::Resource(name) => write!(f, "the resource limit {name}"),
        }
    }
}

/// The bytes that this process may use at most, or `None` where the system does not say.
///
/// This is what a share such as `70%` of `memory.limit` is a share of. It does not change with what is free right now;
/// a limit that is changed while the process runs is seen at the next call.
///
/// ```
/// if let Some(bytes) = kvern_store::limits::available_memory() {
///     assert!(bytes > 0);
/// }
/// ```
pub fn available_memory() -> Option<u64> {
    least(&limits()).map(|limit| limit.bytes)
}

/// All bounds on the memory of this process that can be found: the machine first, then from the innermost control
/// group outwards, then the process's own.
pub fn limits() -> Vec<Limit> {
    limits_under(Path::new("/"))
}

/// The bound that binds: the least, and of equal ones the first.
pub fn least(limits: &[Limit]) -> Option<&Limit> {
    limits.iter().min_by_key(|limit| limit.bytes)
}

/// As [`limits`], with another folder in the place of `/`.
pub fn limits_under(root: &Path) -> Vec<Limit> {
    let mut limits = Vec::new();
    limits.extend(machine(root));
    limits.extend(cgroups::limits(root));
    limits.extend(resources(root));
    limits
}

/// The bytes that could be taken right now without swapping (`MemAvailable`), or `None` where the system does not say.
pub fn free_memory() -> Option<u64> {
    meminfo(Path::new("/"), "MemAvailable")
}

fn machine(root: &Path) -> Option<Limit> {
    let bytes = meminfo(root, "MemTotal")?;
    Some(Limit {
        bytes,
        source: LimitSource::Machine,
    })
}

/// A line such as `MemTotal:       24683656 kB`.
fn meminfo(root: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim()
        .strip_suffix("kB")?
        .trim_end()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// Lines such as `Max address space         unlimited            unlimited            bytes`: name, soft, hard, unit.
fn resources(root: &Path) -> Vec<Limit> {
    const NAMES: [(&str, &str); 2] = [
        ("Max address space", "RLIMIT_AS"),
        ("Max data size", "RLIMIT_DATA"),
    ];
    let text = fs::read_to_string(root.join("proc/self/limits")).unwrap_or_default();
    let soft = |line: &str, title: &str| {
        line.strip_prefix(title)?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    };
    NAMES
        .iter()
        .filter_map(|(title, name)| {
            let bytes = text.lines().find_map(|line| soft(line, title))?;
            Some(Limit {
                bytes,
                source: LimitSource::Resource(name),
            })
        })
        .collect()
}

/// 70 % of what this process may use.
pub fn default_budget() -> u64 {
    available_memory().map_or(u64::MAX, |b| b / 10 * 7)
}
