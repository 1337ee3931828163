//! The drawing of the crates, read out of the block marked `layers` in `ARCHITECTURE.md`.
//!
//! ```text
//! # a comment
//! kvern-core -> kvern-macros            a crate, and what it may be built from
//!     tests with kvern-conformance      what only its tests may use
//!     is the ground: …                  why, quoted to whoever breaks the rule
//!     never tokio rayon                 crates that its whole tree must not hold
//!     at most 15 crates                 how many its whole tree may hold, itself not counted
//!     floors base < value < graph           folders of its sources: each may name those before it
//!     home of postcard                  where code that needs this crate belongs
//!     only home of libloading           the same, and nobody else may name it
//! planned kvern-frame -> kvern-core     drawn, but not built yet
//! ```

use crate::command::Failure;

/// All crates that the house has or will have.
#[derive(Debug, Default)]
pub(crate) struct Drawing {
    pub(crate) crates: Vec<Crate>,
}

/// One crate of the drawing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) planned: bool,
    pub(crate) uses: Vec<String>,
    pub(crate) tests_with: Vec<String>,
    /// Follows the crate's name in a sentence: "is the ground: …".
    pub(crate) is: String,
    pub(crate) never: Vec<String>,
    pub(crate) at_most: Option<usize>,
    pub(crate) home_of: Vec<String>,
    pub(crate) only_home_of: Vec<String>,
    /// Folders of its sources, lowest first; those of one step are strangers to each other.
    pub(crate) floors: Vec<Vec<String>>,
}

impl Drawing {
    pub(crate) fn get(&self, name: &str) -> Option<&Crate> {
        self.crates.iter().find(|one| one.name == name)
    }

    /// Whether one may reach the other, directly or through crates between them.
    pub(crate) fn reaches(&self, from: &str, to: &str) -> bool {
        // The drawing has no circles (`parse` refuses them), so this ends.
        self.get(from).is_some_and(|one| {
            one.uses
                .iter()
                .any(|next| next == to || self.reaches(next, to))
        })
    }

    /// The crates whose code may name both, lowest first; only built ones.
    pub(crate) fn above_both(&self, a: &str, b: &str) -> Vec<&str> {
        let names =
            |one: &Crate, other: &str| one.name == other || one.uses.iter().any(|u| u == other);
        self.crates
            .iter()
            .filter(|one| !one.planned && names(one, a) && names(one, b))
            .map(|one| one.name.as_str())
            .collect()
    }
}

/// Reads the block out of the page.
pub(crate) fn parse(page: &str) -> Result<Drawing, Failure> {
    let mut drawing = Drawing::default();
    let mut inside = false;
    for (number, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            inside = line.trim_end() == "```layers";
            continue;
        }
        if !inside || line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        read_line(&mut drawing, line)
            .map_err(|what| Failure::new(format!("ARCHITECTURE.md:{}: {what}", number + 1)))?;
    }
    if drawing.crates.is_empty() {
        return Err(Failure::new(
            "ARCHITECTURE.md has no drawing: it belongs in a block that starts with ```layers",
        ));
    }
    check_names(&drawing)?;
    Ok(drawing)
}

fn read_line(drawing: &mut Drawing, line: &str) -> Result<(), String> {
    if !line.starts_with(' ') {
        let one = head(line)?;
        if drawing.get(&one.name).is_some() {
            return Err(format!("`{}` is drawn twice", one.name));
        }
        drawing.crates.push(one);
        return Ok(());
    }
    let one = drawing
        .crates
        .last_mut()
        .ok_or("an indented line before the first crate")?;
    let line = line.trim();
    let names = |list: &str| {
        list.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    if let Some(list) = line.strip_prefix("tests with ") {
        one.tests_with.extend(names(list));
    } else if let Some(list) = line.strip_prefix("never ") {
        one.never.extend(names(list));
    } else if let Some(list) = line.strip_prefix("home of ") {
        one.home_of.extend(names(list));
    } else if let Some(list) = line.strip_prefix("only home of ") {
        one.only_home_of.extend(names(list));
    } else if let Some(stairs) = line.strip_prefix("floors ") {
        one.floors = stairs.split('<').map(names).collect();
        if one.floors.iter().any(Vec::is_empty) {
            return Err(format!("`{line}` is not `floors LOWEST < NEXT < …`"));
        }
    } else if let Some(rest) = line.strip_prefix("at most ") {
        let count = rest
            .strip_suffix(" crates")
            .and_then(|count| count.parse().ok());
        one.at_most = Some(count.ok_or_else(|| format!("`{line}` is not `at most N crates`"))?);
    } else if line.starts_with("is ") {
        line.clone_into(&mut one.is);
    } else {
        return Err(format!(
            "`{line}` starts with none of: tests with, is, never, at most, floors, home of, only home of"
        ));
    }
    Ok(())
}

/// `[planned] NAME [-> NAME …]`
fn head(line: &str) -> Result<Crate, String> {
    let (left, right) = line.split_once("->").unwrap_or((line, ""));
    let (planned, name) = match left.trim().strip_prefix("planned ") {
        Some(name) => (true, name.trim()),
        None => (false, left.trim()),
    };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(format!("`{line}` is not `NAME -> NAME NAME …`"));
    }
    Ok(Crate {
        name: name.to_owned(),
        planned,
        uses: right.split_whitespace().map(str::to_owned).collect(),
        ..Crate::default()
    })
}

/// Every arrow ends at a crate that stands further down the page, so the drawing cannot hold a circle.
fn check_names(drawing: &Drawing) -> Result<(), Failure> {
    for (place, one) in drawing.crates.iter().enumerate() {
        for name in &one.uses {
            if !drawing.crates[place + 1..]
                .iter()
                .any(|below| below.name == *name)
            {
                return Err(Failure::new(format!(
                    "ARCHITECTURE.md draws `{} -> {name}`, but does not draw `{name}` further down: arrows point down",
                    one.name
                )));
            }
        }
        if let Some(name) = one
            .tests_with
            .iter()
            .find(|name| drawing.get(name).is_none())
        {
            return Err(Failure::new(format!(
                "ARCHITECTURE.md lets `{}` test with `{name}`, which it does not draw",
                one.name
            )));
        }
        if one.is.is_empty() {
            return Err(Failure::new(format!(
                "ARCHITECTURE.md does not say what `{}` is: add a line `is …` below it",
                one.name
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
Words.
```layers
# the roof
facade -> array core
    is the roof
    tests with suite
suite -> core
    is a suite
planned frame -> core
    is a plan
    only home of arrow
array -> core
    is a floor
core
    is the ground
    never tokio rayon
    at most 15 crates
    floors base < settings value < graph
```
```text
not -> drawn
```
";

    fn refused(page: &str) -> String {
        match parse(page) {
            Ok(drawing) => panic!("read as {drawing:?}"),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn reads_each_kind_of_line_and_nothing_outside_the_block() {
        let drawing = parse(PAGE).unwrap();
        let names: Vec<_> = drawing.crates.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["facade", "suite", "frame", "array", "core"]);
        assert_eq!(drawing.get("facade").unwrap().uses, ["array", "core"]);
        assert_eq!(drawing.get("facade").unwrap().tests_with, ["suite"]);
        assert!(drawing.get("frame").unwrap().planned);
        assert_eq!(drawing.get("frame").unwrap().only_home_of, ["arrow"]);
        let core = drawing.get("core").unwrap();
        assert_eq!(core.is, "is the ground");
        assert_eq!(core.never, ["tokio", "rayon"]);
        assert_eq!(core.at_most, Some(15));
        assert_eq!(
            core.floors,
            [vec!["base"], vec!["settings", "value"], vec!["graph"]]
        );
    }

    #[test]
    fn reaches_through_crates_between() {
        let drawing = parse(PAGE).unwrap();
        assert!(drawing.reaches("facade", "core"));
        assert!(!drawing.reaches("core", "facade"));
        assert!(!drawing.reaches("array", "suite"));
    }

    #[test]
    fn refuses_arrows_that_point_up() {
        let page = PAGE.replace("\ncore\n", "\ncore -> array\n");
        assert!(refused(&page).contains("`core -> array`"));
    }

    #[test]
    fn refuses_lines_it_cannot_read_with_their_number() {
        let page = PAGE.replace("at most 15 crates", "at most some crates");
        assert!(
            refused(&page).starts_with("ARCHITECTURE.md:17: "),
            "{}",
            refused(&page)
        );
        let page = PAGE.replace("is the roof", "has a roof");
        assert!(refused(&page).contains("`has a roof`"));
        assert!(refused("no drawing").contains("```layers"));
        assert!(refused(&PAGE.replace("suite -> core", "core -> suite")).contains("twice"));
    }
}
