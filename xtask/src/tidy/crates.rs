//! Rules for the papers of one crate.

use crate::command::Failure;
use crate::metadata::Package;
use crate::workspace::Workspace;

const LICENSE: &str = "MIT OR Apache-2.0";

/// The sentences about one crate.
pub(crate) fn violations(workspace: &Workspace, package: &Package) -> Result<Vec<String>, Failure> {
    let manifest = workspace.name_of(&package.manifest);
    let mut wrong = fields(&manifest, package);
    let text = workspace.read(&manifest)?;
    if text
        .lines()
        .any(|line| line.replace(' ', "").starts_with("version.workspace"))
    {
        wrong.push(format!(
            "{manifest}: takes its version from the workspace; each crate has its own"
        ));
    }
    if package.has_library() && !shows_all_features(&text) {
        wrong.push(format!(
            "{manifest}: `[package.metadata.docs.rs]` with `all-features = true` is missing, so docs.rs would leave things out"
        ));
    }
    let folder = package.manifest.parent().unwrap_or(workspace.root());
    for paper in ["README.md", "CHANGELOG.md"] {
        if !folder.join(paper).is_file() {
            wrong.push(format!("{manifest}: there is no {paper} beside it"));
        }
    }
    Ok(wrong)
}

/// Whether docs.rs is told to show what features bring.
fn shows_all_features(manifest: &str) -> bool {
    let mut lines = manifest
        .lines()
        .skip_while(|l| l.trim() != "[package.metadata.docs.rs]");
    lines.next();
    lines
        .take_while(|l| !l.starts_with('['))
        .any(|l| l.replace(' ', "") == "all-features=true")
}

fn fields(manifest: &str, package: &Package) -> Vec<String> {
    let mut wrong = Vec::new();
    if package.license.as_deref() != Some(LICENSE) {
        let found = package.license.as_deref().unwrap_or("nothing");
        wrong.push(format!(
            "{manifest}: the licence is {found}, and must be {LICENSE}"
        ));
    }
    for (field, value) in [
        ("description", &package.description),
        ("readme", &package.readme),
    ] {
        if value.as_deref().is_none_or(str::is_empty) {
            wrong.push(format!("{manifest}: `{field}` is missing"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata;

    #[test]
    fn docs_without_features_are_noticed() {
        let all = "[package]\nname = \"a\"\n\n[package.metadata.docs.rs]\nall-features = true\n\n[lints]\n";
        assert!(shows_all_features(all));
        assert!(!shows_all_features(&all.replace("true", "false")));
        assert!(!shows_all_features(&all.replace("docs.rs", "other")));
        let elsewhere = "[package.metadata.docs.rs]\n\n[other]\nall-features = true\n";
        assert!(!shows_all_features(elsewhere));
    }

    #[test]
    fn papers_that_are_missing_are_named() {
        let json = r#"{"packages": [
            {"name": "good", "license": "MIT OR Apache-2.0", "description": "Good.", "readme": "README.md"},
            {"name": "bad", "license": "MIT", "description": ""}]}"#;
        let packages = metadata::parse(json).unwrap();
        assert_eq!(
            fields("good/Cargo.toml", &packages[0]),
            Vec::<String>::new()
        );
        assert_eq!(
            fields("bad/Cargo.toml", &packages[1]),
            [
                "bad/Cargo.toml: the licence is MIT, and must be MIT OR Apache-2.0",
                "bad/Cargo.toml: `description` is missing",
                "bad/Cargo.toml: `readme` is missing",
            ]
        );
    }
}
