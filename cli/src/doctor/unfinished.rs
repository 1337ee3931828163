//! What writers that were killed have left.

use std::path::{Path, PathBuf};

use kvern::core::unfinished::{Left, left_in};

/// What was found in some folders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unfinished {
    /// Where it was looked, and why it could not be, if so.
    pub(crate) folders: Vec<(PathBuf, Option<String>)>,
    pub(crate) found: Vec<(Left, Fate)>,
}

/// What has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is still there.
    Stays,
    Removed,
    /// It was to be removed, and could not be.
    Cannot(String),
}

/// Looks into the folders, and removes what is there if that is wanted.
pub(crate) fn find(folders: &[PathBuf], clean: bool) -> Unfinished {
    let mut all = Unfinished::default();
    for folder in folders {
        let folder = shown(folder);
        let left = left_in(&folder);
        let why = left.as_ref().err().map(ToString::to_string);
        all.folders.push((folder, why));
        for left in left.unwrap_or_default() {
            let fate = match clean.then(|| left.remove()) {
                None => Fate::Stays,
                Some(Ok(true)) => Fate::Removed,
                // Somebody else has removed it meanwhile.
                Some(Ok(false)) => continue,
                Some(Err(e)) => Fate::Cannot(e.to_string()),
            };
            all.found.push((left, fate));
        }
    }
    all
}

/// As it is known from everywhere.
fn shown(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}
