//! The same events give the same effects: nothing in this crate can ask the world anything, or walk a map in the order of a hash.

use std::path::{Path, PathBuf};

/// What must not stand in the sources, each word with what it would bring in. Written in halves, so that this table could stand in
/// them.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("std::", "time"), "a clock"),
    (concat!("Inst", "ant"), "a clock"),
    (concat!("System", "Time"), "a clock"),
    (concat!("std::", "thread"), "threads"),
    (concat!("std::", "net"), "the network"),
    (concat!("std::", "fs"), "files"),
    (concat!("std::", "env"), "the environment"),
    (concat!("std::", "process"), "processes"),
    (concat!("std::sync::", "atomic"), "state that others change"),
    (concat!("Mut", "ex"), "locks"),
    (concat!("Hash", "Map"), "a map in the order of a hash"),
    (concat!("Hash", "Set"), "a set in the order of a hash"),
    (concat!("Key", "Map"), "a map in the order of a hash"),
    (concat!("print", "ln!"), "output"),
    (concat!("toki", "o::"), "a runtime"),
    (concat!("uns", "afe {"), "unchecked code"),
];

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        panic!("{} cannot be read", folder.display());
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
}

fn findings(name: &str, text: &str) -> Vec<String> {
    let code = text
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.trim_start().starts_with("//"));
    let mut found = Vec::new();
    for (n, line) in code {
        for (word, what) in FORBIDDEN {
            if line.contains(word) {
                found.push(format!("{name}:{}: `{word}` brings in {what}", n + 1));
            }
        }
    }
    found
}

#[test]
fn the_machines_ask_the_world_nothing() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(files.len() > 20, "the sources were not found");
    let mut found = Vec::new();
    for file in files {
        match std::fs::read_to_string(&file) {
            Ok(text) => found.extend(findings(&file.display().to_string(), &text)),
            Err(e) => panic!("{}: {e}", file.display()),
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_is_forbidden_would_be_found() {
    for (word, _) in FORBIDDEN {
        assert_eq!(
            findings("x", &format!("    use {word};")).len(),
            1,
            "{word}"
        );
        assert!(findings("x", &format!("// {word}")).is_empty(), "{word}");
    }
}

#[test]
fn each_machine_has_one_door() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for machine in ["scheduler", "worker"] {
        let mut files = Vec::new();
        sources(&root.join(machine), &mut files);
        let mut doors = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let lines = text.lines().map(str::trim_start);
            let public = lines.filter(|l| l.starts_with("pub fn") && l.contains("&mut self"));
            doors.extend(public.map(str::to_owned));
        }
        assert_eq!(doors.len(), 1, "{doors:?}");
        assert!(doors[0].starts_with("pub fn handle("), "{doors:?}");
    }
}
