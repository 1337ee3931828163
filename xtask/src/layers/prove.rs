//! Shows that the check can fail: breaks copies of the real workspace and reads what it says.

use std::path::{Path, PathBuf};

use crate::command::Failure;
use crate::workspace::Workspace;

/// An edit that must be refused, and words that the refusal must hold.
struct Breach {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    says: &'static str,
}

const BREACHES: &[Breach] = &[
    Breach {
        file: "core/Cargo.toml",
        from: "[dependencies]\n",
        to: "[dependencies]\nkvern-array = { workspace = true }\n",
        says: "code that needs both belongs in `kvern-array`",
    },
    Breach {
        file: "scheduler-local/Cargo.toml",
        from: "[dependencies]\n",
        to: "[dependencies]\nkvern-array = { workspace = true, optional = true }\n",
        says: "They are strangers to each other",
    },
    Breach {
        file: "core/Cargo.toml",
        from: "[dependencies]\n",
        to: "[dependencies]\nrayon = { workspace = true }\n",
        says: "Code that needs `rayon` belongs in `kvern-scheduler-local`",
    },
    Breach {
        file: "core/src/value/mod.rs",
        from: "use crate::base::error",
        to: "use crate::graph::Graph;\nuse crate::base::error",
        says: "the floor `value` of `kvern-core` names `graph`, which is not below it",
    },
    Breach {
        file: "core/src/graph/plan.rs",
        from: "use crate::base::error::{Error, ErrorKind, Result};",
        to: "use crate::{Error, ErrorKind, Result};",
        says: "names `crate::Error`, which is no floor",
    },
    // What only the whole tree shows is proved by a stricter drawing.
    Breach {
        file: super::DRAWING,
        from: "    never tokio async-std smol arrow ndarray rayon\n    at most",
        to: "    never serde_core\n    at most",
        says: "--invert serde_core` shows who brings it",
    },
    Breach {
        file: super::DRAWING,
        from: "    at most 17 crates\n",
        to: "    at most 1 crates\n",
        says: "more than the 1 that the drawing in ARCHITECTURE.md allows",
    },
];

/// The refusal of each breach in turn; a failure if the check lets one pass.
pub(crate) fn refusals(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let copy = Scratch::of(workspace)?;
    let broken = Workspace::at(copy.root.clone());
    BREACHES
        .iter()
        .map(|breach| {
            let whole = workspace.read(breach.file)?;
            let path = copy.root.join(breach.file);
            write(&path, &breach.applied_to(&whole)?)?;
            let verdict = super::check(&broken);
            write(&path, &whole)?;
            breach.refusal(verdict)
        })
        .collect()
}

impl Breach {
    fn applied_to(&self, whole: &str) -> Result<String, Failure> {
        if whole.contains(self.from) {
            return Ok(whole.replacen(self.from, self.to, 1));
        }
        Err(Failure::new(format!(
            "`{}` does not hold `{}` any more: adapt the breach in xtask/src/layers/prove.rs",
            self.file, self.from
        )))
    }

    /// The sentence of the refusal, if it is one for the right reason.
    fn refusal(&self, verdict: Result<(), Failure>) -> Result<String, Failure> {
        let what = format!("`{}` in {}", self.to.trim(), self.file);
        match verdict.map_err(|failure| failure.to_string()) {
            Err(sentence) if sentence.contains(self.says) => Ok(sentence),
            Err(sentence) => Err(Failure::new(format!(
                "{what} was refused, but without saying \"{}\":\n{sentence}",
                self.says
            ))),
            Ok(()) => Err(Failure::new(format!("the check let {what} pass"))),
        }
    }
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
