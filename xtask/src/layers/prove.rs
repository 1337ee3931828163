//! Shows that the check can fail: breaks copies of the real workspace and reads what it says.

use std::path::{Path, PathBuf};

use crate::command::Failure;
use crate::workspace::Workspace;

/// A dependency that must be refused, and words that the refusal must hold.
struct Breach {
    manifest: &'static str,
    line: &'static str,
    says: &'static str,
}

const BREACHES: &[Breach] = &[
    Breach {
        manifest: "core/Cargo.toml",
        line: "kvern-array = { workspace = true }",
        says: "code that needs both belongs in `kvern-array`",
    },
    Breach {
        manifest: "scheduler-local/Cargo.toml",
        line: "kvern-array = { workspace = true, optional = true }",
        says: "They are strangers to each other",
    },
    Breach {
        manifest: "core/Cargo.toml",
        line: "rayon = { workspace = true }",
        says: "Code that needs `rayon` belongs in `kvern-scheduler-local`",
    },
];

/// The refusal of each breach in turn; a failure if the check lets one pass.
pub(crate) fn refusals(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let copy = Scratch::of(workspace)?;
    let mut sentences = Vec::new();
    for breach in BREACHES {
        let path = copy.root.join(breach.manifest);
        let whole = workspace.read(breach.manifest)?;
        let broken = whole.replacen(
            "[dependencies]\n",
            &format!("[dependencies]\n{}\n", breach.line),
            1,
        );
        write(&path, &broken)?;
        let verdict = super::check(&Workspace::at(copy.root.clone()));
        write(&path, &whole)?;
        match verdict {
            Err(failure) if failure.to_string().contains(breach.says) => {
                sentences.push(failure.to_string());
            }
            Err(failure) => {
                return Err(Failure::new(format!(
                    "`{}` in {} was refused, but without saying \"{}\":\n{failure}",
                    breach.line, breach.manifest, breach.says
                )));
            }
            Ok(()) => {
                return Err(Failure::new(format!(
                    "the check let `{}` in {} pass",
                    breach.line, breach.manifest
                )));
            }
        }
    }
    Ok(sentences)
}

/// The manifests, sources and drawing of a workspace in a folder of their own, removed at the end.
struct Scratch {
    root: PathBuf,
}

impl Scratch {
    fn of(workspace: &Workspace) -> Result<Self, Failure> {
        let root = std::env::temp_dir().join(format!("kvern-layers-{}", std::process::id()));
        let copy = Self { root };
        for name in workspace.files(&["toml", "lock", "rs"])? {
            write(&copy.root.join(&name), &workspace.read(&name)?)?;
        }
        write(
            &copy.root.join(super::DRAWING),
            &workspace.read(super::DRAWING)?,
        )?;
        Ok(copy)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on the copy: a folder that stays behind is untidy, not wrong.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_as_it_is_passes() {
        super::super::check(&Workspace::locate().unwrap()).unwrap();
    }

    #[test]
    fn every_breach_of_the_real_workspace_is_refused() {
        let sentences = refusals(&Workspace::locate().unwrap()).unwrap();
        assert_eq!(sentences.len(), BREACHES.len());
    }
}
