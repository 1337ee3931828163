//! Where the workspace is, and which files in it are ours.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The root folder of a kvern workspace.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace that this program was built from.
    pub(crate) fn locate() -> Result<Self, Failure> {
        // `cargo run` sets the variable to where the sources are now; the compiled-in value is for
        // a binary that is started by hand.
        let own = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own.parent().unwrap_or(&own).to_path_buf();
        if root.join("Cargo.toml").is_file() {
            Ok(Self { root })
        } else {
            Err(Failure::new(format!(
                "no Cargo.toml in `{}`: run this as `cargo xtask` inside the repository",
                root.display()
            )))
        }
    }

    /// A workspace somewhere else, such as a copy that a test broke on purpose.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The text of one file, named from the root.
    pub(crate) fn read(&self, path: &str) -> Result<String, Failure> {
        std::fs::read_to_string(self.root.join(path))
            .map_err(|error| Failure::new(format!("cannot read `{path}`: {error}")))
    }

    /// Our files with one of these extensions, named from the root with `/`, sorted.
    pub(crate) fn files(&self, extensions: &[&str]) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        self.walk(&self.root, extensions, &mut found)
            .map_err(|error| Failure::new(format!("cannot list the workspace: {error}")))?;
        found.sort();
        Ok(found)
    }

    fn walk(
        &self,
        folder: &Path,
        extensions: &[&str],
        found: &mut Vec<String>,
    ) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if !is_foreign(&name) {
                    self.walk(&path, extensions, found)?;
                }
            } else if extensions.contains(&extension(&name)) {
                found.push(self.name_of(&path));
            }
        }
        Ok(())
    }

    /// A path below the root, as we write it in messages.
    pub(crate) fn name_of(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let words: Vec<_> = below
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        words.join("/")
    }
}

/// Folders that hold no sources of ours: build products, version control, virtual environments.
fn is_foreign(name: &str) -> bool {
    name == ".git" || name == "target" || name.starts_with("target-") || name.ends_with("venv")
}

/// What stands behind the last dot; a name without a dot is its own extension, as `run` is.
fn extension(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_our_files_and_no_build_products() {
        let files = Workspace::locate().unwrap().files(&["rs", "run"]).unwrap();
        assert!(files.contains(&"xtask/src/workspace.rs".to_owned()));
        assert!(files.contains(&".ci/run".to_owned()));
        let foreign = |name: &&String| name.starts_with("target") || name.starts_with(".git/");
        assert_eq!(files.iter().find(foreign), None);
    }
}
