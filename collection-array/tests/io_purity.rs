//! Readers and writers of files are plain code over bytes: of the core they know how files are made, and nothing else.

use std::path::{Path, PathBuf};

/// The one name of the core that they may use: what makes a file appear whole or not at all.
const ALLOWED: &str = "use kvern_core::unfinished::Unfinished;";

/// Lines that name the core otherwise.
fn findings(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim_start);
    let code = lines.filter(|l| !l.starts_with("//"));
    code.filter(|l| l.contains("kvern_core") && *l != ALLOWED)
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn readers_and_writers_know_no_task_and_no_graph() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/io"),
        &mut files,
    );
    assert!(files.len() > 5, "the sources were not found");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let found = findings(&text);
        assert!(found.is_empty(), "{}: {found:?}", file.display());
    }
}

#[test]
fn another_name_of_the_core_would_be_found() {
    assert_eq!(findings("    use kvern_core::Value;").len(), 1);
    assert_eq!(findings("fn f(x: &kvern_core::Value) {}").len(), 1);
    assert!(findings("use kvern_core::unfinished::Unfinished;\n// kvern_core::Value").is_empty());
}
