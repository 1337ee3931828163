//! Rules for the pages that people read: the files that a page names exist.

use std::path::Path;

use crate::workspace::Workspace;

/// What a name in a page must end with to be taken for a file of ours.
const ENDS: &[&str] = &[".rs", ".toml", ".md", ".py", ".json", "/"];

/// The sentences about one page, each `PATH:LINE: …`.
pub(crate) fn violations(workspace: &Workspace, path: &str, text: &str) -> Vec<String> {
    let folder = workspace.root().join(path).parent().map(Path::to_path_buf);
    let exists = |name: &str| {
        let beside = folder
            .as_ref()
            .is_some_and(|folder| folder.join(name).exists());
        beside || workspace.root().join(name).exists()
    };
    (1..)
        .zip(text.lines())
        .flat_map(|(number, line)| names(line).map(move |name| (number, name)))
        .filter(|(_, name)| !exists(name))
        .map(|(number, name)| format!("{path}:{number}: there is no `{name}`, here or at the root"))
        .collect()
}

/// The names of files and folders that stand in backticks. Names with a hole, such as `src/NAME.rs`, are not ones.
fn names(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|name| {
        let is_path = name.contains('/') && ENDS.iter().any(|end| name.ends_with(end));
        let is_hole = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_uppercase());
        let has_hole = name
            .split(['/', '.', '_'])
            .any(|word| is_hole(word) && !KNOWN_CAPITALS.contains(&word));
        let is_plain = !name.contains(char::is_whitespace)
            && !name.contains(['*', '<', '~', '$', '%', ':'])
            && !name.starts_with('/');
        is_path && is_plain && !has_hole
    })
}

/// Words that are files' names although they are capitals.
const KNOWN_CAPITALS: &[&str] = &["README", "CHANGELOG", "ARCHITECTURE", "CONTRIBUTING"];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<&str> {
        names(line).collect()
    }

    #[test]
    fn names_in_backticks_are_files_unless_they_have_a_hole() {
        assert_eq!(
            found("see `core/src/key.rs` and `core/README.md` in `core/`"),
            ["core/src/key.rs", "core/README.md", "core/"]
        );
        assert_eq!(
            found("`src/NAME.rs`, `key.rs`, core/src/key.rs"),
            Vec::<&str>::new()
        );
        assert_eq!(
            found("`threads://` `~/.config/a.toml` `a/*.rs` `cat a/b.rs`"),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn a_file_that_is_gone_is_named_with_its_line() {
        let workspace = Workspace::locate().unwrap();
        let text =
            "# kvern\n`xtask/src/main.rs`, beside: `src/main.rs`, gone: `xtask/src/cellar.rs`\n";
        assert_eq!(
            violations(&workspace, "xtask/README.md", text),
            ["xtask/README.md:2: there is no `xtask/src/cellar.rs`, here or at the root"]
        );
    }
}
