//! Holds the manifests against the drawing, and says in a sentence what is wrong with an edge.

use super::drawing::{Crate, Drawing};
use crate::metadata::{Dependency, Kind, Package};

/// One sentence for each edge that the drawing does not have.
pub(crate) fn violations(drawing: &Drawing, packages: &[Package]) -> Vec<String> {
    let mut wrong = missing(drawing, packages);
    for package in packages {
        let Some(from) = drawing.get(&package.name) else {
            wrong.push(format!(
                "`{}` is not in the drawing in ARCHITECTURE.md: draw what it may depend on and say what it is, \
                 before others build on it",
                package.name
            ));
            continue;
        };
        wrong.extend(
            package
                .dependencies
                .iter()
                .filter_map(|dependency| violation(drawing, packages, from, dependency)),
        );
    }
    wrong
}

/// Crates drawn as built that are not there: the page must not describe a house that does not stand.
fn missing(drawing: &Drawing, packages: &[Package]) -> Vec<String> {
    let exists = |name: &str| packages.iter().any(|package| package.name == name);
    drawing
        .crates
        .iter()
        .filter(|one| one.planned == exists(&one.name))
        .map(|one| match one.planned {
            true => format!(
                "`{}` exists, but ARCHITECTURE.md draws it as planned: drop the word `planned`",
                one.name
            ),
            false => format!(
                "ARCHITECTURE.md draws `{}`, which the workspace does not have: mark it `planned` or rub it out",
                one.name
            ),
        })
        .collect()
}

fn violation(
    drawing: &Drawing,
    packages: &[Package],
    from: &Crate,
    dependency: &Dependency,
) -> Option<String> {
    let to = dependency.name.as_str();
    let ours = drawing.get(to).is_some() || packages.iter().any(|package| package.name == to);
    if !ours {
        return foreign(drawing, from, dependency);
    }
    let allowed = from.name == to
        || from.uses.iter().any(|name| name == to)
        || (dependency.kind == Kind::Dev && from.tests_with.iter().any(|name| name == to));
    if allowed {
        return None;
    }
    Some(format!(
        "`{}` depends on `{to}` ({}), an edge that the drawing in ARCHITECTURE.md does not have.\n{}\n{}",
        from.name,
        dependency.kind.table(),
        lesson(from),
        where_it_belongs(drawing, &from.name, to)
    ))
}

fn foreign(drawing: &Drawing, from: &Crate, dependency: &Dependency) -> Option<String> {
    let to = dependency.name.as_str();
    if from.never.iter().any(|name| name == to) && dependency.kind != Kind::Dev {
        return Some(never(drawing, from, to));
    }
    let owner = drawing
        .crates
        .iter()
        .find(|one| one.only_home_of.iter().any(|name| name == to))?;
    (owner.name != from.name).then(|| {
        format!(
            "`{}` depends on `{to}` ({}), which only `{}` may name, so that it can be replaced in one place.\n{}",
            from.name,
            dependency.kind.table(),
            owner.name,
            lesson(owner)
        )
    })
}

/// The sentence about a foreign crate that must not be anywhere below `from`.
pub(crate) fn never(drawing: &Drawing, from: &Crate, to: &str) -> String {
    let home = drawing.crates.iter().find(|one| {
        one.home_of
            .iter()
            .chain(&one.only_home_of)
            .any(|name| name == to)
    });
    let belongs = home.map_or(String::new(), |home| {
        let planned = if home.planned { " (planned)" } else { "" };
        format!(
            " Code that needs `{to}` belongs in `{}`{planned}.",
            home.name
        )
    });
    format!(
        "`{}` depends on `{to}`, which the drawing in ARCHITECTURE.md keeps out of its whole tree.\n{}{belongs}",
        from.name,
        lesson(from)
    )
}

fn lesson(one: &Crate) -> String {
    format!("`{}` {}.", one.name, one.is.trim_end_matches('.'))
}

fn where_it_belongs(drawing: &Drawing, from: &str, to: &str) -> String {
    if drawing.reaches(to, from) {
        return format!(
            "The flow is the other way, `{to}` -> `{from}`: code that needs both belongs in `{to}`."
        );
    }
    match drawing.above_both(from, to).as_slice() {
        [] => "No crate may name both: draw a new one above them, and say in ARCHITECTURE.md what it is.".to_owned(),
        above => format!(
            "They are strangers to each other: code that needs both belongs above them, in `{}`.",
            above.join("` or `")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::drawing;
    use crate::metadata;

    const PAGE: &str = "```layers
facade -> local array core
    is the roof
    tests with suite
suite -> core
    is a suite
planned host -> core
    is the loader
    only home of libloading
local -> core
    is the pool
    tests with suite
    home of rayon
array -> core
    is made of chunks
core
    is the ground: it knows no kind of data
    never rayon
```";

    /// The sentences for a workspace of these edges, each `from to kind`.
    fn sentences(edges: &[&str]) -> Vec<String> {
        let drawing = drawing::parse(PAGE).unwrap();
        let packages = ["facade", "suite", "local", "array", "core"].map(|name| {
            let edges = edges.iter().filter_map(|edge| {
                let words: Vec<_> = edge.split(' ').collect();
                let kind = match words[2] {
                    "normal" => "null".to_owned(),
                    kind => format!("\"{kind}\""),
                };
                (words[0] == name).then(|| format!(r#"{{"name": "{}", "kind": {kind}}}"#, words[1]))
            });
            let edges: Vec<_> = edges.collect();
            format!(
                r#"{{"name": "{name}", "dependencies": [{}]}}"#,
                edges.join(",")
            )
        });
        let json = format!(r#"{{"packages": [{}]}}"#, packages.join(","));
        violations(&drawing, &metadata::parse(&json).unwrap())
    }

    fn sentence(edge: &str) -> String {
        let mut all = sentences(&[edge]);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn drawn_edges_pass() {
        let drawn = [
            "facade array normal",
            "facade suite dev",
            "local core normal",
            "local rayon normal",
        ];
        assert_eq!(sentences(&drawn), Vec::<String>::new());
        assert_eq!(
            sentences(&["core serde normal", "core rayon dev"]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn an_edge_upwards_is_told_its_direction() {
        assert_eq!(
            sentence("core array normal"),
            "`core` depends on `array` ([dependencies]), an edge that the drawing in ARCHITECTURE.md does not have.\n\
             `core` is the ground: it knows no kind of data.\n\
             The flow is the other way, `array` -> `core`: code that needs both belongs in `array`."
        );
    }

    #[test]
    fn an_edge_between_strangers_is_told_who_knows_both() {
        let sentence = sentence("local array build");
        assert!(sentence.contains("([build-dependencies])"), "{sentence}");
        assert!(sentence.ends_with(
            "strangers to each other: code that needs both belongs above them, in `facade`."
        ));
    }

    #[test]
    fn an_edge_for_tests_does_not_carry_code() {
        assert_eq!(sentences(&["local suite dev"]), Vec::<String>::new());
        assert!(sentence("local suite normal").contains("([dependencies])"));
        assert!(sentence("array suite dev").contains("([dev-dependencies])"));
    }

    #[test]
    fn a_foreign_crate_that_is_kept_out_is_told_its_home() {
        assert_eq!(
            sentence("core rayon build"),
            "`core` depends on `rayon`, which the drawing in ARCHITECTURE.md keeps out of its whole tree.\n\
             `core` is the ground: it knows no kind of data. Code that needs `rayon` belongs in `local`."
        );
        let sentence = sentence("array libloading normal");
        assert!(sentence.contains("only `host` may name"), "{sentence}");
    }

    #[test]
    fn the_drawing_and_the_workspace_hold_the_same_crates() {
        let drawing = drawing::parse(PAGE).unwrap();
        let json = r#"{"packages": [{"name": "host"}, {"name": "cellar"}]}"#;
        let all = violations(&drawing, &metadata::parse(json).unwrap()).join("\n");
        assert!(
            all.contains("`host` exists, but ARCHITECTURE.md draws it as planned"),
            "{all}"
        );
        assert!(
            all.contains("draws `array`, which the workspace does not have"),
            "{all}"
        );
        assert!(all.contains("`cellar` is not in the drawing"), "{all}");
    }
}
