//! The words that Rust programmers use most: every identifier in every Rust source file below some folders, counted in one pass.
//!
//! ```text
//! cargo run --release --example words                 the sources of this machine's cargo registry, or else of this program
//! cargo run --release --example words ~/src ~/work    these folders
//! ```

use std::path::PathBuf;
use std::time::Instant;

use kvern::bag::{InvalidUtf8, TextOptions, read_text_with};
use kvern::prelude::*;

/// Calls `out` with the identifiers of a line, words of comments and texts included.
fn identifiers(line: &str, out: &mut dyn FnMut(&str)) {
    let inside = |c: char| c == '_' || c.is_alphanumeric();
    for word in line.split(|c| !inside(c)) {
        if word.starts_with(|c: char| c == '_' || c.is_alphabetic()) {
            out(word);
        }
    }
}

fn main() -> kvern::Result<()> {
    let mut folders: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    if folders.is_empty() {
        folders.push(sources());
    }
    let patterns: Vec<PathBuf> = folders.iter().map(|f| f.join("**/*.rs")).collect();
    let begun = Instant::now();
    let options = TextOptions::new().invalid_utf8(InvalidUtf8::Lossy);
    let lines = read_text_with(&patterns, &options)?;
    println!("{} files of {folders:?}", lines.npartitions());

    let session = Session::open("threads")?;
    let names = lines.emit(identifiers);
    let top = names.frequencies().topk_by_key(20, |pair| pair.1);
    let longest = lines
        .map(|line| line.trim_end().chars().count() as u64)
        .max();
    let (top, all, longest) = session.compute((&top, &names.count(), &longest))?;

    println!(
        "{all} identifiers; the longest line has {} characters",
        longest.unwrap_or(0)
    );
    for (name, n) in top {
        println!("{n:>10}  {name}");
    }
    println!("{:.2} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// The sources of all crates that cargo has fetched here; of this crate where there are none.
fn sources() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let registry = home.map(|h| h.join("registry/src"));
    registry
        .filter(|r| r.is_dir())
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")))
}
