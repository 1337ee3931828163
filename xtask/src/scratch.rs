//! A copy of the workspace that a check may change.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// Some files of a workspace in a folder of their own, removed at the end.
pub(crate) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    /// The files with one of these extensions, in a folder that is not there yet.
    pub(crate) fn of(
        workspace: &Workspace,
        root: PathBuf,
        extensions: &[&str],
    ) -> Result<Self, Failure> {
        let copy = Self { root };
        for name in workspace.files(extensions)? {
            copy.write(&name, &workspace.read(&name)?)?;
        }
        Ok(copy)
    }

    /// The copy as a workspace.
    pub(crate) fn workspace(&self) -> Workspace {
        Workspace::at(self.root.clone())
    }

    /// Writes one file of the copy, named from its root.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on the copy: a folder that stays behind is untidy, not wrong.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}
