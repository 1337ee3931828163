//! Floors inside a crate: a folder of its sources, or a file beside them, names those below it, and no others.
//!
//! Sources are read as words, without comments, texts and tests. A path that begins with `crate` or climbs out of its folder with `super` has to
//! begin with a floor: what a crate shows at its face comes from all floors, so code inside it imports from where a thing is.

use std::collections::BTreeSet;

use super::drawing::{Crate, Drawing};
use crate::command::Failure;
use crate::metadata::Package;
use crate::workspace::Workspace;

/// One sentence for each name that a floor has from a floor that is not below it.
pub(crate) fn violations(
    workspace: &Workspace,
    drawing: &Drawing,
    packages: &[Package],
) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    let files = workspace.files(&["rs"])?;
    for one in drawing.crates.iter().filter(|one| !one.floors.is_empty()) {
        let Some(package) = packages.iter().find(|package| package.name == one.name) else {
            continue;
        };
        let manifest = workspace.name_of(&package.manifest);
        let folder = manifest.trim_end_matches("/Cargo.toml");
        let sources = format!("{folder}/src/");
        let inside = files.iter().filter_map(|file| {
            let path = file.strip_prefix(&sources)?;
            Some((file.as_str(), path))
        });
        let mut texts = Vec::new();
        for (file, path) in inside {
            texts.push((file, path, workspace.read(file)?));
        }
        let macros: BTreeSet<String> = texts.iter().flat_map(|t| exported(&t.2)).collect();
        for floor in one.floors.iter().flatten() {
            if !texts.iter().any(|t| floor_of(t.1) == floor) {
                wrong.push(format!(
                    "ARCHITECTURE.md draws the floor `{floor}` in `{}`, and there is no `{sources}{floor}`",
                    one.name
                ));
            }
        }
        for (file, path, text) in &texts {
            let floor = floor_of(path);
            if step(one, floor).is_none() {
                continue;
            }
            wrong.extend(
                names(path, text, &macros)
                    .into_iter()
                    .filter_map(|name| sentence(one, file, floor, &name)),
            );
        }
    }
    Ok(wrong)
}

/// What is wrong with that name in that floor, if anything.
fn sentence(one: &Crate, file: &str, floor: &str, name: &str) -> Option<String> {
    let order = || {
        let steps: Vec<String> = one.floors.iter().map(|s| s.join(" ")).collect();
        steps.join(" < ")
    };
    match (step(one, floor), step(one, name)) {
        _ if floor == name => None,
        (Some(from), Some(to)) if to < from => None,
        (_, Some(_)) => Some(format!(
            "{file}: the floor `{floor}` of `{}` names `{name}`, which is not below it ({}). Move what both need down, or turn the arrow \
             around with a trait.",
            one.name,
            order()
        )),
        (_, None) => Some(format!(
            "{file}: names `crate::{name}`, which is no floor of `{}` ({}): import it from the floor that has it.",
            one.name,
            order()
        )),
    }
}

/// On which step of the stairs a floor is.
fn step(one: &Crate, floor: &str) -> Option<usize> {
    one.floors.iter().position(|s| s.iter().any(|f| f == floor))
}

/// The folder, or the file beside the folders, that a file belongs to.
fn floor_of(path: &str) -> &str {
    let first = path.split_once('/').map_or(path, |(folder, _)| folder);
    first.trim_end_matches(".rs")
}

/// The first steps of all paths that leave the file's folder, each once.
fn names(path: &str, text: &str, macros: &BTreeSet<String>) -> BTreeSet<String> {
    if is_test(path) {
        return BTreeSet::new();
    }
    let words = words(&without_tests(text));
    let here = module(path);
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at < words.len() {
        let after_dollar = at > 0 && words[at - 1] == "$";
        let inside_path = at > 0 && words[at - 1] == "::";
        let mut from = match words[at].as_str() {
            "crate" if !after_dollar && !inside_path => Vec::new(),
            "super" if !inside_path => {
                let mut from = here.clone();
                from.pop();
                from
            }
            _ => {
                at += 1;
                continue;
            }
        };
        at += 1;
        while words.get(at).is_some_and(|w| w == "::")
            && words.get(at + 1).is_some_and(|w| w == "super")
        {
            from.pop();
            at += 2;
        }
        if words.get(at).is_none_or(|w| w != "::") {
            continue;
        }
        match from.first() {
            Some(floor) => {
                found.insert((*floor).to_owned());
            }
            None => found.extend(firsts(&words[at + 1..])),
        }
    }
    found.retain(|name| !macros.contains(name));
    found
}

/// The first steps of a path, or of each path of a group in braces.
fn firsts(words: &[String]) -> Vec<String> {
    if words.first().is_none_or(|w| w != "{") {
        return words.first().cloned().into_iter().collect();
    }
    let (mut depth, mut fresh, mut all) = (0, true, Vec::new());
    for word in words {
        match word.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            "," if depth == 1 => fresh = true,
            _ if depth == 1 && fresh => {
                all.push(word.clone());
                fresh = false;
            }
            _ => {}
        }
    }
    all
}

/// The module of a file, from the crate's root: `graph/layer/mod.rs` is `graph`, `layer`.
fn module(path: &str) -> Vec<&str> {
    let mut steps: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    if steps.last() == Some(&"mod") {
        steps.pop();
    }
    steps
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next();
    matches!(name, Some("tests.rs" | "models.rs"))
}

/// Tests of a file stand at its end, and may use what they like.
fn without_tests(text: &str) -> String {
    let ends = ["\n#[cfg(test)]\nmod ", "\n#[cfg(all(test"];
    let end = ends.iter().filter_map(|mark| text.find(mark)).min();
    text[..end.unwrap_or(text.len())].to_owned()
}

/// The macros that a file puts at the crate's face whatever its floor.
fn exported(text: &str) -> Vec<String> {
    let marked = text.split("#[macro_export]").skip(1);
    marked
        .filter_map(|rest| {
            let (_, name) = rest.split_once("macro_rules!")?;
            let name = name.trim_start();
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_')?;
            Some(name[..end].to_owned())
        })
        .collect()
}

/// Names, `::`, and single signs; no comments, no texts.
fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut words, mut at) = (Vec::new(), 0);
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        if c == '/' && next == Some('/') {
            while chars.get(at).is_some_and(|&c| c != '\n') {
                at += 1;
            }
        } else if c == '"' {
            at += 1;
            while let Some(&c) = chars.get(at) {
                at += if c == '\\' { 2 } else { 1 };
                if c == '"' {
                    break;
                }
            }
        } else if c == '\'' && next == Some('"') {
            // The sign of a text as a single sign.
            at += 3;
        } else if c.is_alphanumeric() || c == '_' {
            let start = at;
            while chars
                .get(at)
                .is_some_and(|&c| c.is_alphanumeric() || c == '_')
            {
                at += 1;
            }
            let word: String = chars[start..at].iter().collect();
            match raw_text(&word, &chars[at..]) {
                Some(length) => at += length,
                None => words.push(word),
            }
        } else if c == ':' && next == Some(':') {
            words.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                words.push(c.to_string());
            }
            at += 1;
        }
    }
    words
}

/// How long the text `r#"…"#` is that begins with this word, from behind the word.
fn raw_text(word: &str, rest: &[char]) -> Option<usize> {
    let marks = rest.iter().take_while(|&&c| c == '#').count();
    if !matches!(word, "r" | "br") || rest.get(marks) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = format!("\"{}", "#".repeat(marks)).chars().collect();
    let body = &rest[marks + 1..];
    let length = body.windows(end.len()).position(|w| w == end)?;
    Some(marks + 1 + length + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let macros = BTreeSet::from(["register".to_owned()]);
        names(path, text, &macros).into_iter().collect()
    }

    #[test]
    fn finds_what_a_file_names_outside_its_folder() {
        let text = r###"
            //! [link](crate::comment::X)
            use crate::base::error::{Error, Result};
            use crate::{graph::Graph, value::{Value, TypeEntry}};
            use super::other::Thing;
            use super::super::session::Session;
            fn f() -> crate::Top { let t = "crate::text::X"; let q = '"'; let r = r##"crate::raw::X " "##; $crate::by_macro::y(); crate::register!(t); std::crate_::x() }
            #[cfg(test)]
            mod inline {}
        "###;
        assert_eq!(
            found("graph/plan.rs", text),
            ["Top", "base", "graph", "session", "value"]
        );
        assert_eq!(
            found(
                "graph/plan.rs",
                "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::session::X;\n}\n"
            ),
            Vec::<String>::new()
        );
        assert_eq!(found("graph/mod.rs", "use super::value::X;"), ["value"]);
        assert_eq!(
            found("graph/layer/mod.rs", "use super::plan::X;"),
            ["graph"]
        );
        assert_eq!(
            found("graph/tests.rs", "use crate::session::X;"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_floor_may_name_what_is_below_it() {
        let one = Crate {
            name: "core".into(),
            floors: vec![
                vec!["base".into()],
                vec!["settings".into(), "value".into()],
                vec!["graph".into()],
            ],
            ..Crate::default()
        };
        let said = |floor, name| sentence(&one, "f.rs", floor, name);
        assert_eq!(said("graph", "base"), None);
        assert_eq!(said("graph", "value"), None);
        assert_eq!(said("value", "value"), None);
        for (floor, name) in [("value", "settings"), ("value", "graph"), ("base", "graph")] {
            let said = said(floor, name).unwrap();
            assert!(
                said.contains("not below it (base < settings value < graph)"),
                "{said}"
            );
        }
        assert!(said("value", "Error").unwrap().contains("is no floor"));
    }
}
