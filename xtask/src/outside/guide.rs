//! The guide to plugins, followed: its files are written as they stand there, and its commands are run.

use super::{Failure, Path, PathBuf, Process, Workspace, cargo, fs, process, same_versions, write};

/// The guide, below the root.
const GUIDE: &str = "plugins/sdk/README.md";

/// The crates that the guide takes from the registry.
const OURS: &[(&str, &str)] = &[("kvern", "."), ("kvern-plugin", "plugins/sdk")];

/// What the guide's program must print.
const PRINTED: &[&str] = &["[0, 2.5, 5, 7.5]", "-10.0", "\"Rome\""];

pub(super) fn follow(workspace: &Workspace, folder: &Path) -> Result<(), Failure> {
    let text = workspace.read(GUIDE)?;
    let home = folder.join("guide");
    for (path, content) in files(&text) {
        write(&home.join(path), &content)?;
    }
    // Our crates are here and not in the registry.
    let mut patches = String::from("[patch.crates-io]\n");
    for (name, path) in OURS {
        let path = workspace.root().join(path);
        patches += &format!("{name} = {{ path = {:?} }}\n", path.display().to_string());
    }
    write(&home.join(".cargo/config.toml"), &patches)?;

    let sample = home.join("sample");
    same_versions(workspace, &sample)?;
    // Where the guide names the file, and apart from the program that links it: the same file without its root would take its place.
    let built = sample.join("built");
    let mut build = cargo(workspace, &sample);
    build.args(["build", "--quiet"]);
    process::run(build.env("CARGO_TARGET_DIR", &built))?;
    link(&built, &sample.join("target"))?;

    let program = home.join("program");
    same_versions(workspace, &program)?;
    let mut run = cargo(workspace, &program);
    run.args(["run", "--quiet"]).envs(trust(&text)?);
    prints("the program that loads the plugin", &mut run)?;

    let linking = home.join("linking");
    let (manifest, source) = (
        read(&program, "Cargo.toml")?,
        read(&program, "src/main.rs")?,
    );
    write(
        &linking.join("Cargo.toml"),
        &linked_manifest(&manifest, &text)?,
    )?;
    write(&linking.join("src/main.rs"), &linked_source(&source)?)?;
    same_versions(workspace, &linking)?;
    let mut run = cargo(workspace, &linking);
    prints("the program that links it", run.args(["run", "--quiet"]))
}

/// The files in the guide: a line that ends in "**PATH**:", and the block after it, without what documentation hides.
fn files(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let path = line.strip_suffix("**:").and_then(|l| l.rsplit("**").next());
        let Some(path) = path else { continue };
        let block = lines
            .by_ref()
            .skip_while(|l| !l.starts_with("```"))
            .skip(1)
            .take_while(|l| *l != "```")
            .filter(|l| !l.starts_with("# ") || path.ends_with(".toml"));
        found.push((path, block.map(|l| format!("{l}\n")).collect()));
    }
    found
}

/// The variables that the guide sets for its program.
fn trust(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let line = text
        .lines()
        .find(|l| l.starts_with("KVERN_PLUGINS_TRUST="))
        .ok_or_else(|| Failure::new(format!("{GUIDE} sets no KVERN_PLUGINS_TRUST")))?;
    let pairs = line.split(' ').filter_map(|word| word.split_once('='));
    Ok(pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
}

/// The program's manifest with the dependency that the guide adds.
fn linked_manifest(manifest: &str, text: &str) -> Result<String, Failure> {
    let start = text
        .find("sample = { path = ")
        .ok_or_else(|| Failure::new(format!("{GUIDE} does not link its sample")))?;
    let line = text[start..].split('`').next().unwrap_or_default();
    let manifest = manifest.replace("name = \"program\"", "name = \"linking\"");
    Ok(format!("{manifest}{line}\n"))
}

/// The program with the line that the guide adds, and the registry that takes the place of the file.
fn linked_source(source: &str) -> Result<String, Failure> {
    let start = source.find("kvern::plugins::load(");
    let end = start.and_then(|s| Some(s + source[s..].find(")?")? + 2));
    let (Some(start), Some(end)) = (start, end) else {
        let words = format!("the program of {GUIDE} does not call kvern::plugins::load");
        return Err(Failure::new(words));
    };
    Ok(format!(
        "use sample as _;\n{}kvern::core::Registry::linked()?{}",
        &source[..start],
        &source[end..]
    ))
}

fn prints(what: &str, run: &mut Process) -> Result<(), Failure> {
    let printed = process::output(run)?;
    print!("{printed}");
    match PRINTED.iter().find(|p| !printed.contains(**p)) {
        None => Ok(()),
        Some(missing) => Err(Failure::new(format!(
            "{what} did not print {missing}, but:\n{printed}"
        ))),
    }
}

fn read(folder: &Path, name: &str) -> Result<String, Failure> {
    let path: PathBuf = folder.join(name);
    fs::read_to_string(&path)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))
}

/// A link at `at` to the folder `to`.
fn link(to: &Path, at: &Path) -> Result<(), Failure> {
    if fs::read_link(at).is_ok_and(|there| there == to) {
        return Ok(());
    }
    let _ = fs::remove_file(at);
    std::os::unix::fs::symlink(to, at)
        .map_err(|e| Failure::new(format!("cannot link {}: {e}", at.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_a_plugin_and_a_program() {
        let text = Workspace::locate().unwrap().read(GUIDE).unwrap();
        let names: Vec<&str> = files(&text).iter().map(|f| f.0).collect();
        assert_eq!(
            names,
            [
                "sample/Cargo.toml",
                "sample/src/lib.rs",
                "program/Cargo.toml",
                "program/src/main.rs"
            ]
        );
        let (_, source) = &files(&text)[1];
        assert!(source.starts_with("use kvern_plugin"), "{source}");
        assert!(!source.contains("fn main"), "{source}");
        assert_eq!(trust(&text).unwrap().len(), 2);
        let linked = linked_source(&files(&text)[3].1).unwrap();
        assert!(
            linked.contains("Arc::new(kvern::core::Registry::linked()?)"),
            "{linked}"
        );
    }
}
