//! One machine that is well, and each thing that can be in the way of it.

use std::path::PathBuf;

use kvern::core::text::ByteAmount;
use kvern::scheduler_local::limits::Limit;

use super::super::facts::{Build, Configured, Memory};
use super::super::machine::Machine;
use super::super::spill::Spill;
use super::super::unfinished::Unfinished;
use super::*;

const GIB: u64 = 1 << 30;

fn well() -> Facts {
    Facts {
        build: Build {
            debug: false,
            features: vec![("local", true)],
            backends: Ok(vec![("sync".to_owned(), "One task at a time.".to_owned())]),
            operators: Ok(Vec::new()),
        },
        machine: Machine {
            kernel: None,
            processor: None,
            cores: Some(4),
            usable_cores: Some(4),
            vector_units: Vec::new(),
            open_files: Some(20_000),
        },
        memory: Memory {
            limits: vec![Limit {
                bytes: 16 * GIB,
                source: LimitSource::Machine,
            }],
            free: Some(15 * GIB),
        },
        spill: Spill {
            directory: PathBuf::from("/scratch"),
            unwritable: None,
            free: Some(100 * GIB),
            total: Some(200 * GIB),
            system: Some(FileSystem::Disk("ext4")),
        },
        config: Configured {
            error: None,
            files: Vec::new(),
            workers: None,
            memory: ByteAmount::Share(0.7),
            memory_source: "default".to_owned(),
            may_spill: true,
        },
        trial: Trial::Skipped("this machine is made up"),
        unfinished: Unfinished::default(),
    }
}

/// The one finding after a change to a machine that is well.
fn after(change: impl FnOnce(&mut Facts)) -> (Level, String) {
    let mut facts = well();
    change(&mut facts);
    let mut findings = of(&facts);
    assert_eq!(findings.len(), 1, "{findings:?}");
    let finding = findings.remove(0);
    assert!(
        finding.what.ends_with('.') && finding.remedy.ends_with('.'),
        "{finding:?}"
    );
    (finding.level, finding.what)
}

#[test]
fn a_machine_that_is_well_has_no_findings() {
    assert_eq!(of(&well()), []);
}

#[test]
fn problems_are_what_will_not_work() {
    let cases: [(&str, (Level, String)); 5] = [
        (
            "Permission denied",
            after(|f| f.spill.unwritable = Some("Permission denied".to_owned())),
        ),
        (
            "memory.limt",
            after(|f| f.config.error = Some("\"memory.limt\" is no key".to_owned())),
        ),
        ("No backend", after(|f| f.build.backends = Ok(Vec::new()))),
        (
            "could not be computed: no",
            after(|f| f.trial = Trial::Failed("no".to_owned())),
        ),
        (
            "a and b",
            after(|f| f.build.operators = Err("a and b both have x".to_owned())),
        ),
    ];
    for (part, (level, what)) in cases {
        assert_eq!(level, Level::Problem);
        assert!(what.contains(part), "{what}");
    }
}

#[test]
fn warnings_are_what_works_worse() {
    let group = Limit {
        bytes: 2 * GIB,
        source: LimitSource::ControlGroup("/sys/fs/cgroup/memory.max".into()),
    };
    let cases: [(&str, (Level, String)); 9] = [
        ("debug build", after(|f| f.build.debug = true)),
        (
            "threads.workers is 5, and this process may use 4 cores",
            after(|f| f.config.workers = Some(5)),
        ),
        (
            "may open 256 files",
            after(|f| f.machine.open_files = Some(256)),
        ),
        (
            "does not say how much memory",
            after(|f| f.memory.limits.clear()),
        ),
        (
            "4GiB are free now",
            after(|f| f.memory.free = Some(4 * GIB)),
        ),
        (
            "memory.limit is 4GiB, more than the 2GiB that this process may use (the control group limit in /sys/fs/cgroup/memory.max)",
            after(|f| {
                f.config.memory = ByteAmount::Exact(4 * GIB);
                f.memory.limits.push(group);
            }),
        ),
        (
            "is itself in memory (tmpfs)",
            after(|f| f.spill.system = Some(FileSystem::Memory("tmpfs"))),
        ),
        (
            "on another machine (nfs)",
            after(|f| f.spill.system = Some(FileSystem::Network("nfs"))),
        ),
        (
            "has room for 1GiB, less than memory.limit (11.2GiB)",
            after(|f| f.spill.free = Some(GIB)),
        ),
    ];
    for (part, (level, what)) in cases {
        assert_eq!(level, Level::Warning);
        assert!(what.contains(part), "{what}");
    }
}

#[test]
fn without_spill_its_folder_does_not_matter() {
    let mut facts = well();
    facts.config.may_spill = false;
    facts.spill.unwritable = Some("gone".to_owned());
    assert_eq!(of(&facts), []);
}

#[test]
fn problems_stand_first() {
    let mut facts = well();
    facts.build.debug = true;
    facts.spill.unwritable = Some("gone".to_owned());
    let levels: Vec<Level> = of(&facts).iter().map(|finding| finding.level).collect();
    assert_eq!(levels, [Level::Problem, Level::Warning]);
}
