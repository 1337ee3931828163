//! What stands below a crate, where the drawing limits its whole tree: `cargo tree` knows.

use std::collections::BTreeSet;

use super::drawing::{Crate, Drawing};
use super::edges;
use crate::command::Failure;
use crate::process;
use crate::workspace::Workspace;

/// One sentence for each forbidden crate in a tree, and for each tree that is too big.
pub(crate) fn violations(workspace: &Workspace, drawing: &Drawing) -> Result<Vec<String>, Failure> {
    let limited = |one: &&Crate| !one.planned && (!one.never.is_empty() || one.at_most.is_some());
    let mut wrong = Vec::new();
    for one in drawing.crates.iter().filter(limited) {
        let tree = below(&tree(workspace, &one.name)?);
        wrong.extend(judge(drawing, one, &tree));
    }
    Ok(wrong)
}

/// The normal edges of one crate, with all its features, on every platform.
fn tree(workspace: &Workspace, package: &str) -> Result<String, Failure> {
    process::output(process::cargo(workspace).args([
        "tree",
        "--package",
        package,
        "--all-features",
        "--target",
        "all",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))
}

/// The crates of a listing by `NAME VERSION`, without the one on top.
fn below(listing: &str) -> BTreeSet<(String, String)> {
    let name_and_version = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    listing
        .lines()
        .skip(1)
        .filter_map(name_and_version)
        .collect()
}

fn judge(drawing: &Drawing, one: &Crate, tree: &BTreeSet<(String, String)>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, _) in tree.iter().filter(|(name, _)| one.never.contains(name)) {
        wrong.push(format!(
            "{}\n`cargo tree --package {} --all-features --edges normal --invert {name}` shows who brings it.",
            edges::never(drawing, one, name),
            one.name
        ));
    }
    if let Some(limit) = one.at_most.filter(|limit| tree.len() > *limit) {
        let names: Vec<_> = tree
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        wrong.push(format!(
            "`{}` stands on {} crates, {} more than the {limit} that the drawing in ARCHITECTURE.md allows.\n\
             Every user of kvern compiles them: drop one, or move the code that needs it up a floor. There are: {}",
            one.name,
            tree.len(),
            tree.len() - limit,
            names.join(", ")
        ));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::drawing;

    const PAGE: &str = "```layers
pool -> core
    is the pool
    home of rayon
core
    is the ground
    never rayon
    at most 2 crates
```";

    const LISTING: &str = "\
core v0.1.0 (/somewhere)
serde v1.0.0
serde_derive v1.0.0 (proc-macro)
serde v1.0.0 (*)
";

    #[test]
    fn counts_each_crate_once_and_not_the_top() {
        let drawing = drawing::parse(PAGE).unwrap();
        let core = drawing.get("core").unwrap();
        assert_eq!(below(LISTING).len(), 2);
        assert_eq!(judge(&drawing, core, &below(LISTING)), Vec::<String>::new());
    }

    #[test]
    fn a_tree_too_big_lists_itself() {
        let drawing = drawing::parse(PAGE).unwrap();
        let listing = format!("{LISTING}postcard v1.0.0\n");
        let wrong = judge(&drawing, drawing.get("core").unwrap(), &below(&listing));
        assert_eq!(wrong.len(), 1);
        assert!(
            wrong[0].contains("stands on 3 crates, 1 more than the 2"),
            "{}",
            wrong[0]
        );
        assert!(wrong[0].ends_with("postcard v1.0.0, serde v1.0.0, serde_derive v1.0.0"));
    }

    #[test]
    fn a_forbidden_crate_deep_in_the_tree_is_found() {
        let drawing = drawing::parse(PAGE).unwrap();
        let listing = LISTING.replace("serde_derive", "rayon");
        let wrong = judge(&drawing, drawing.get("core").unwrap(), &below(&listing));
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].contains("belongs in `pool`"), "{}", wrong[0]);
        assert!(wrong[0].contains("--invert rayon"), "{}", wrong[0]);
    }
}
