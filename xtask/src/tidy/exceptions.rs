//! The files that may break a rule of [`super::sources`], and why.

use super::sources::{self, MAX_LINES};
use crate::workspace::Workspace;

/// A file that may be longer than the rest.
pub(crate) struct Long {
    pub(crate) path: &'static str,
    pub(crate) max_lines: usize,
    pub(crate) reason: &'static str,
}

/// All of them. A way out belongs in the reason where there is one.
pub(crate) const LONG: &[Long] = &[];

/// The number of lines that a file may have.
pub(crate) fn max_lines(path: &str) -> usize {
    LONG.iter()
        .find(|long| long.path == path)
        .map_or(MAX_LINES, |long| long.max_lines)
}

/// One sentence for each exception that nothing needs any more, or that says too little.
pub(crate) fn stale(workspace: &Workspace) -> Vec<String> {
    stale_of(LONG, |path| {
        workspace.read(path).ok().map(|text| sources::lines(&text))
    })
}

fn stale_of(exceptions: &[Long], lines: impl Fn(&str) -> Option<usize>) -> Vec<String> {
    let sentence = |long: &Long| match lines(long.path) {
        None => Some("which does not exist".to_owned()),
        Some(count) if count <= MAX_LINES => Some(format!("which has only {count} lines now")),
        Some(_) if long.reason.len() < 20 => {
            Some("without a reason that a stranger understands".to_owned())
        }
        Some(_) => None,
    };
    exceptions
        .iter()
        .filter_map(|long| {
            let why = sentence(long)?;
            Some(format!(
                "xtask/src/tidy/exceptions.rs names `{}`, {why}",
                long.path
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_that_is_not_needed_is_named() {
        let reason = "one table, which is longer than that";
        let exceptions = [
            ("gone.rs", reason),
            ("short.rs", reason),
            ("long.rs", reason),
            ("why.rs", ""),
        ]
        .map(|(path, reason)| Long {
            path,
            max_lines: 900,
            reason,
        });
        let lines = |path: &str| match path {
            "gone.rs" => None,
            "short.rs" => Some(10),
            _ => Some(800),
        };
        let stale = stale_of(&exceptions, lines).join("\n");
        assert!(stale.contains("`gone.rs`, which does not exist"), "{stale}");
        assert!(
            stale.contains("`short.rs`, which has only 10 lines"),
            "{stale}"
        );
        assert!(stale.contains("`why.rs`, without a reason"), "{stale}");
        assert!(!stale.contains("`long.rs`"), "{stale}");
    }
}
