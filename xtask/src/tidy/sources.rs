//! Rules for the text of one file.

use super::exceptions;

/// Above this a file does more than one job.
pub(crate) const MAX_LINES: usize = 600;

/// Above this a lib.rs is not the map of its crate but a place in it.
const MAX_MAP_LINES: usize = 150;

/// What must not stand in code, and what to do instead. Written in halves, so that this table may
/// stand in code.
const LEFTOVERS: &[(&str, &str)] = &[
    (
        concat!("todo", "!("),
        "finish it, or return an error that says what is missing",
    ),
    (
        concat!("unimplemented", "!("),
        "finish it, or return an error that says what is missing",
    ),
    (
        concat!("dbg", "!("),
        "it was for you; the reader needs a test or an event",
    ),
    (concat!("#[", "ignore]"), "say why: #[ignore = \"…\"]"),
];

/// Where somebody's files are; nobody else has them.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("C:", "\\"),
];

/// Whose home an example may use.
const EXAMPLE_HOME: &str = concat!("/ho", "me/a");

/// Sources that must not compile: the compiler's answer to them, with its line numbers, is what is tested.
const SPECIMENS: &str = "/tests/fail/";

/// The sentences about one file, each `PATH:LINE: …`.
pub(crate) fn violations(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let count = lines(text);
    let limit = exceptions::max_lines(path);
    if path.ends_with(".rs") {
        if !text.starts_with("//!") && !path.contains(SPECIMENS) {
            wrong.push(format!(
                "{path}:1: starts without a `//!` line that says this file's one job"
            ));
        }
        if count > limit {
            wrong.push(format!(
                "{path}:{count}: {count} lines, and {limit} are allowed: split it by what it does"
            ));
        }
        let code = text.lines().filter(|line| !is_comment(line)).count();
        if path.ends_with("/lib.rs") && code > MAX_MAP_LINES {
            wrong.push(format!(
                "{path}:{count}: {code} lines that are not documentation, and {MAX_MAP_LINES} are allowed: \
                 a lib.rs is the map, the work belongs in modules"
            ));
        }
        wrong.extend(leftovers(path, text));
    }
    for (number, line) in numbered(text) {
        if let Some(found) = machine_path(line) {
            wrong.push(format!(
                "{path}:{number}: `{found}` is a place on one machine; nobody else has it \
                 (an example may live in `{EXAMPLE_HOME}`)"
            ));
        }
    }
    wrong
}

pub(crate) fn lines(text: &str) -> usize {
    text.lines().count()
}

fn machine_path(line: &str) -> Option<&'static str> {
    let real = |place: &&str| {
        line.match_indices(*place).any(|(at, _)| {
            let after = line[at..].strip_prefix(EXAMPLE_HOME);
            after.is_none_or(|rest| rest.starts_with(char::is_alphanumeric))
        })
    };
    MACHINE_PATHS.iter().find(|place| real(place)).copied()
}

fn leftovers(path: &str, text: &str) -> Vec<String> {
    numbered(text)
        .filter(|(_, line)| !is_comment(line))
        .flat_map(|(number, line)| {
            LEFTOVERS
                .iter()
                .filter(|(what, _)| line.contains(what))
                .map(move |(what, instead)| format!("{path}:{number}: `{what}`: {instead}"))
        })
        .collect()
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "//! Adds.\n\nfn add() {}\n";

    fn only(path: &str, text: &str) -> String {
        let mut wrong = violations(path, text);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        wrong.remove(0)
    }

    #[test]
    fn a_good_file_passes() {
        assert_eq!(violations("core/src/add.rs", GOOD), Vec::<String>::new());
        assert_eq!(violations("README.md", "# kvern\n"), Vec::<String>::new());
    }

    #[test]
    fn a_file_without_a_header_is_named() {
        assert!(
            only("core/src/add.rs", "fn add() {}\n")
                .starts_with("core/src/add.rs:1: starts without")
        );
        let specimen = violations("core/macros/tests/fail/add.rs", "fn add() {}\n");
        assert_eq!(specimen, Vec::<String>::new());
    }

    #[test]
    fn a_long_file_is_named_with_both_numbers() {
        let text = format!("{GOOD}{}", "// more\n".repeat(MAX_LINES));
        assert!(only("core/src/add.rs", &text).contains("603 lines, and 600 are allowed"));
    }

    #[test]
    fn a_lib_that_works_is_named_and_its_documentation_is_not_counted() {
        let map = format!(
            "//! Map.\n{}",
            "/// Words.\npub mod a;\n".repeat(MAX_MAP_LINES)
        );
        assert_eq!(violations("core/src/lib.rs", &map), Vec::<String>::new());
        let work = format!("{map}fn work() {{}}\n");
        assert!(only("core/src/lib.rs", &work).contains("151 lines that are not documentation"));
    }

    #[test]
    fn leftovers_are_named_with_their_line_but_may_be_spoken_of() {
        for (what, _) in LEFTOVERS {
            let text = format!("{GOOD}// {what}\nfn f() {{ {what}) }}\n");
            assert!(only("core/src/add.rs", &text).starts_with("core/src/add.rs:5: "));
        }
    }

    #[test]
    fn machine_paths_are_found_in_any_text() {
        for place in MACHINE_PATHS {
            let text = format!("# kvern\nsee {place}notes.md\n");
            assert!(only("README.md", &text).starts_with("README.md:2: "));
        }
        let example = format!("see {EXAMPLE_HOME}/notes.md\n");
        assert_eq!(violations("README.md", &example), Vec::<String>::new());
        let person = format!("see {EXAMPLE_HOME}nna/notes.md\n");
        assert!(only("README.md", &person).starts_with("README.md:1: "));
    }
}
