//! Limits of the control groups that this process is in, of versions 1 and 2.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{Limit, LimitSource};

/// Version 1 says "no limit" with the largest number of whole pages that fits; nobody has this much.
const NO_LIMIT: u64 = 1 << 60;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::One => &["memory.limit_in_bytes"],
            // Above `memory.high` a process is not killed but slowed down until it gives memory back.
            Self::Two => &["memory.max", "memory.high"],
        }
    }
}

/// Where a hierarchy is mounted, and which of its groups is seen there.
struct Mount {
    version: Version,
    group: PathBuf,
    at: PathBuf,
}

pub(super) fn limits(root: &Path) -> Vec<Limit> {
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
    let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let mut limits = Vec::new();
    for mount in mounts.lines().filter_map(mount_of) {
        if let Some(group) = groups
            .lines()
            .find_map(|line| group_of(line, mount.version))
        {
            along(root, &mount, &group, &mut limits);
        }
    }
    limits
}

/// A line such as `4:memory:/a/b` (version 1) or `0::/a/b` (version 2).
fn group_of(line: &str, version: Version) -> Option<PathBuf> {
    let mut parts = line.splitn(3, ':');
    let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = match version {
        Version::One => controllers.split(',').any(|name| name == "memory"),
        Version::Two => id == "0" && controllers.is_empty(),
    };
    ours.then(|| PathBuf::from(path))
}

/// A line such as `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`: the group that is mounted
/// is its fourth word, the place the fifth; after the dash stand file system, source and options.
fn mount_of(line: &str) -> Option<Mount> {
    let (place, system) = line.split_once(" - ")?;
    let mut system = system.split(' ');
    let version = match system.next()? {
        "cgroup2" => Version::Two,
        "cgroup" if system.nth(1)?.split(',').any(|option| option == "memory") => Version::One,
        _ => return None,
    };
    let mut place = place.split(' ').skip(3);
    Some(Mount {
        version,
        group: unescaped(place.next()?),
        at: unescaped(place.next()?),
    })
}

/// Blanks in paths are written `\040` there.
fn unescaped(path: &str) -> PathBuf {
    let mut parts = path.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok())
        {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain.into()
}

/// From the group of this process up to the group that is mounted.
fn along(root: &Path, mount: &Mount, group: &Path, limits: &mut Vec<Limit>) {
    // In a container the group may be named as the machine outside sees it, which the mount inside does not show; what
    // is mounted is then the container's own group.
    let below = group
        .strip_prefix(&mount.group)
        .ok()
        .filter(|below| {
            below
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
        })
        .unwrap_or(Path::new(""));
    for folder in below.ancestors() {
        for name in mount.version.files() {
            let file = mount.at.join(folder).join(name);
            let inside = root.join(file.strip_prefix("/").unwrap_or(&file));
            let text = fs::read_to_string(inside).unwrap_or_default();
            // `max` is no number, and no limit.
            let bytes = text
                .trim()
                .parse::<u64>()
                .ok()
                .filter(|bytes| *bytes < NO_LIMIT);
            limits.extend(bytes.map(|bytes| Limit {
                bytes,
                source: LimitSource::ControlGroup(file.clone()),
            }));
        }
    }
}
