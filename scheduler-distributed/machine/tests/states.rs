//! The pictures of STATES.md are the tables of the machines.

use std::fmt::{Debug, Write as _};
use std::path::Path;

use kvern_machine::scheduler::state::EDGES;
use kvern_machine::worker::attempt::ATTEMPT_EDGES;
use kvern_machine::worker::object::OBJECT_EDGES;

fn picture<S: Debug>(edges: &[(S, S, &str)]) -> String {
    let mut text = "```mermaid\nstateDiagram-v2\n".to_owned();
    for (from, to, why) in edges {
        writeln!(text, "    {from:?} --> {to:?} : {why}").unwrap();
    }
    text + "```\n"
}

/// The page with this picture behind its mark.
fn with(page: &str, name: &str, picture: &str) -> String {
    let mark = format!("<!-- picture: {name} -->\n");
    let (before, rest) = page
        .split_once(&mark)
        .expect("the page has a mark for each picture");
    let (_, after) = rest.split_once("```\n").expect("a picture ends");
    format!("{before}{mark}{picture}{after}")
}

#[test]
fn the_pages_pictures_are_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("STATES.md");
    let there = std::fs::read_to_string(&path).unwrap();
    let page = with(&there, "task", &picture(EDGES));
    let page = with(&page, "attempt", &picture(ATTEMPT_EDGES));
    let page = with(&page, "object", &picture(OBJECT_EDGES));
    if std::env::var("STATES_PAGE").is_ok_and(|v| v == "write") {
        std::fs::write(&path, page).unwrap();
        return;
    }
    assert!(
        page == there,
        "STATES.md shows other changes of state than the tables have: run this test with STATES_PAGE=write"
    );
}
