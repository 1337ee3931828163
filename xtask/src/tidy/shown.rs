//! Rule for the interface that newcomers meet: each function of it shows how it is used.

use crate::command::Failure;
use crate::workspace::Workspace;

/// The files that hold it: functions of sessions, tasks, arrays, bags and frames. A folder stands for the files in it.
const INTERFACE: &[&str] = &[
    "core/src/graph/annotations.rs",
    "core/src/session/delayed/mod.rs",
    "core/src/session/futures/",
    "core/src/session/mod.rs",
    "collection-array/src/array/",
    "collection-bag/src/bag/",
    "collection-bag/src/item.rs",
    "collection-bag/src/read/source.rs",
    "collection-bag/src/skipped.rs",
    "collection-bag/src/text.rs",
    "collection-frame/src/frame/",
    "collection-frame/src/function.rs",
    "collection-frame/src/read/csv/options.rs",
    "collection-frame/src/read/parquet.rs",
    "src/bridge.rs",
    "src/plugins.rs",
    "src/progress.rs",
];

/// What is for those who build backends and collections, and what the example of its type shows.
const WITHOUT: &[(&str, &[&str])] = &[
    ("core/src/session/delayed/mod.rs", &["of_layer", "layer"]),
    ("core/src/session/futures/mod.rs", &["of", "handle"]),
    (
        "core/src/session/mod.rs",
        &["passes", "scheduler", "submit_plan", "subscribe"],
    ),
    ("collection-array/src/array/mod.rs", &["splits"]),
    ("collection-bag/src/compute.rs", &["reference"]),
    ("collection-bag/src/read/source.rs", &["new"]),
    (
        "collection-frame/src/frame/mod.rs",
        &["from_logical_plan", "logical_plan"],
    ),
    ("collection-frame/src/read/csv/options.rs", &["new"]),
    (
        "collection-frame/src/read/parquet.rs",
        &["column_type", "new"],
    ),
    ("src/plugins.rs", &["load", "load_with"]),
];

/// The sentences about all of them.
pub(crate) fn violations(workspace: &Workspace, files: &[String]) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    for path in INTERFACE {
        if !files.iter().any(|f| belongs(f, path)) {
            wrong.push(format!(
                "xtask/src/tidy/shown.rs names `{path}`, which does not exist"
            ));
        }
    }
    for file in files
        .iter()
        .filter(|f| INTERFACE.iter().any(|i| belongs(f, i)))
    {
        wrong.extend(of_file(file, &workspace.read(file)?));
    }
    Ok(wrong)
}

fn belongs(file: &str, path: &str) -> bool {
    match path.strip_suffix('/') {
        Some(folder) => file.rsplit_once('/').is_some_and(|(of, _)| of == folder),
        None => file == path,
    }
}

fn of_file(file: &str, text: &str) -> Vec<String> {
    let without = WITHOUT
        .iter()
        .find(|(of, _)| *of == file)
        .map_or(&[][..], |w| w.1);
    let bare = unshown(text);
    let mut wrong: Vec<String> = bare
        .iter()
        .filter(|(_, name)| !without.contains(&name.as_str()))
        .map(|(line, name)| {
            format!("{file}:{line}: `{name}` is public and its documentation has no example")
        })
        .collect();
    for name in without
        .iter()
        .filter(|n| bare.iter().all(|(_, bare)| bare != *n))
    {
        wrong.push(format!(
            "xtask/src/tidy/shown.rs excuses `{name}` of {file}, and nothing needs it any more"
        ));
    }
    wrong
}

/// The public functions without an example, with their lines. A twin whose name ends in `_in` is shown by the other.
fn unshown(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut shown, mut hidden) = (false, false);
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line == "mod tests {" {
            break;
        }
        if let Some(doc) = line.strip_prefix("///") {
            shown |= doc.trim_start().starts_with("```");
            continue;
        }
        if line.starts_with("#[") {
            // An example that a macro writes counts.
            shown |= line.starts_with("#[doc = example!");
            hidden |= line == "#[doc(hidden)]";
            continue;
        }
        if let Some(name) = function(line)
            && !shown
            && !hidden
            && !name.ends_with("_in")
        {
            found.push((number, name.to_owned()));
        }
        // The lines of an attribute that takes several do not end what stands above it.
        if !line.ends_with(',') && !line.ends_with('"') && line != ")]" {
            (shown, hidden) = (false, false);
        }
    }
    found
}

/// The name of a public function that begins in this line.
fn function(line: &str) -> Option<&str> {
    let mut rest = line.strip_prefix("pub ")?;
    for word in ["const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let rest = rest.strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        unshown(text).into_iter().map(|f| f.1).collect()
    }

    #[test]
    fn a_function_without_an_example_is_named() {
        let text = "
            /// Does it.
            ///
            /// ```
            /// a();
            /// ```
            #[must_use]
            pub fn a() {}

            /// Does it.
            pub const fn b() {}

            /// As `a`.
            pub async fn a_in(session: &Session) {}

            #[doc(hidden)]
            pub fn c() {}

            pub fn d<T>() {}

            pub(crate) fn e() {}

            #[doc = example!(\"f()\", 1)]
            #[allow(
                some_lint,
                reason = \"none\"
            )]
            pub fn f() {}
            mod tests {
                pub fn g() {}
        ";
        assert_eq!(names(text), ["b", "d"]);
    }

    #[test]
    fn an_excuse_that_is_not_needed_is_named() {
        let shown = "/// ```\n/// ```\npub fn splits() {}\n";
        let [sentence] = of_file("collection-array/src/array/mod.rs", shown)
            .try_into()
            .unwrap();
        assert!(sentence.contains("excuses `splits`"), "{sentence}");
        assert_eq!(
            of_file("collection-array/src/array/mod.rs", "pub fn splits() {}"),
            [""; 0]
        );
    }

    #[test]
    fn a_folder_stands_for_its_files_only() {
        assert!(belongs("a/b/c.rs", "a/b/") && belongs("a/b/c.rs", "a/b/c.rs"));
        assert!(!belongs("a/b/d/c.rs", "a/b/") && !belongs("a/b/c.rs", "a/b/cc.rs"));
    }
}
