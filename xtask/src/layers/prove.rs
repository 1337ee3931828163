//! Shows that the check can fail: breaks copies of the real workspace and reads what it says.

use crate::command::Failure;
use crate::scratch::Scratch;
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
    let folder = std::env::temp_dir().join(format!("kvern-layers-{}", std::process::id()));
    let copy = Scratch::of(workspace, folder, &["toml", "lock", "rs"])?;
    copy.write(super::DRAWING, &workspace.read(super::DRAWING)?)?;
    let broken = copy.workspace();
    BREACHES
        .iter()
        .map(|breach| {
            let whole = workspace.read(breach.file)?;
            copy.write(breach.file, &breach.applied_to(&whole)?)?;
            let verdict = super::check(&broken);
            copy.write(breach.file, &whole)?;
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
