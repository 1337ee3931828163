//! The report as a whole, for people or for programs.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::findings::{Finding, Level};
use super::rows::Section;

pub(crate) fn as_text(sections: &[Section], findings: &[Finding]) -> String {
    let mut text = String::new();
    let names = sections
        .iter()
        .flat_map(|section| &section.rows)
        .map(|row| row.name.len());
    let width = names.max().unwrap_or(0);
    for section in sections {
        let _ = writeln!(text, "{}", section.title);
        for row in &section.rows {
            for (at, line) in row.text.lines().enumerate() {
                let name = if at == 0 { row.name } else { "" };
                let _ = writeln!(text, "  {name:<width$}  {line}");
            }
        }
        text.push('\n');
    }
    for finding in findings {
        let _ = writeln!(
            text,
            "{}: {}\n  {}",
            finding.level.name(),
            finding.what,
            finding.remedy
        );
    }
    if !findings.is_empty() {
        text.push('\n');
    }
    let count = |level: Level| {
        findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let _ = writeln!(
        text,
        "{}, {}",
        counted(count(Level::Problem), "problem"),
        counted(count(Level::Warning), "warning")
    );
    text
}

fn counted(count: usize, name: &str) -> String {
    match count {
        0 => format!("no {name}s"),
        1 => format!("1 {name}"),
        _ => format!("{count} {name}s"),
    }
}

/// Sections and rows by name, with `_` for blanks and without apostrophes.
pub(crate) fn as_json(sections: &[Section], findings: &[Finding]) -> Json {
    let name = |name: &str| name.replace(' ', "_").replace("'s", "");
    let mut object = Map::new();
    for section in sections {
        let rows = section
            .rows
            .iter()
            .map(|row| (name(row.name), row.json.clone()));
        object.insert(name(section.title), Json::Object(rows.collect()));
    }
    let findings = findings
        .iter()
        .map(|finding| json!({"level": finding.level.name(), "what": finding.what, "remedy": finding.remedy}));
    object.insert("findings".to_owned(), findings.collect());
    Json::Object(object)
}
