//! Python with a package, for tests that hold kvern against it: a virtual environment in the user's cache folder.

use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};

/// A package of PyPI and its version.
pub(crate) type Package = (&'static str, &'static str);

/// An interpreter that has the package: that of the environment, which is made where it is not there. The error says why there is none.
pub(crate) fn with(package: Package) -> Result<PathBuf, String> {
    let (name, version) = package;
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = cache
        .or(home)
        .ok_or_else(|| format!("no folder for an environment with {name}: HOME is not set"))?;
    let folder = cache.join("kvern").join(format!("{name}-{version}"));
    let python = interpreter(&folder);
    if has(&python, package) {
        return Ok(python);
    }
    println!("installing {name} {version} into {}", folder.display());
    // Elsewhere first: two that make it at once do not meet, and a half made one is never found.
    let making = folder.with_extension(format!("{}.new", std::process::id()));
    let made = make(&making, package);
    if made.is_ok() {
        let _ = std::fs::remove_dir_all(&folder);
        let _ = std::fs::rename(&making, &folder);
    }
    let _ = std::fs::remove_dir_all(&making);
    made?;
    if has(&python, package) {
        return Ok(python);
    }
    Err(format!(
        "{} has no {name} {version} after it was installed",
        python.display()
    ))
}

fn make(folder: &Path, (name, version): Package) -> Result<(), String> {
    let system = ["python3", "python"]
        .into_iter()
        .find(|name| succeeds(Program::new(name).arg("--version")).is_ok());
    let system = system
        .ok_or_else(|| format!("there is no python3, which {name} comes with (package python3)"))?;
    let venv = succeeds(Program::new(system).args(["-m", "venv"]).arg(folder));
    venv.map_err(|why| format!("{system} makes no virtual environment: {why}"))?;
    let package = format!("{name}=={version}");
    let mut pip = Program::new(interpreter(folder));
    pip.args(["-m", "pip", "install", "--quiet"]);
    pip.arg("--disable-pip-version-check");
    succeeds(pip.arg(&package)).map_err(|why| format!("{package} cannot be installed: {why}"))
}

fn interpreter(folder: &Path) -> PathBuf {
    match cfg!(windows) {
        true => folder.join("Scripts").join("python.exe"),
        false => folder.join("bin").join("python"),
    }
}

fn has(python: &Path, (name, version): Package) -> bool {
    // Not all packages have a module: some bring a program.
    let script = format!(
        "import importlib.metadata as m, importlib.util as u, sys; u.find_spec('{name}') and __import__('{name}'); \
         sys.exit(m.version('{name}') != '{version}')"
    );
    succeeds(Program::new(python).args(["-c", &script])).is_ok()
}

/// Runs it quietly. The error is the last line that it wrote.
fn succeeds(program: &mut Program) -> Result<(), String> {
    let output = program
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().rfind(|line| !line.trim().is_empty());
    Err(last.map_or_else(|| output.status.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_by_its_last_words() {
        let mut shell = Program::new("sh");
        shell.args(["-c", "echo first >&2; echo the reason >&2; exit 3"]);
        assert_eq!(succeeds(&mut shell).unwrap_err(), "the reason");
        assert!(!has(Path::new("/nowhere/python"), ("duckdb", "1")));
    }
}
