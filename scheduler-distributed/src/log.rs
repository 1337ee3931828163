//! Lines for whoever looks after a cluster, on stderr: not so many that one that matters is lost among them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most lines of a kind in [`WINDOW`].
const MOST: u32 = 5;

/// See [`MOST`].
const WINDOW: Duration = Duration::from_secs(10);

/// Lines of one kind, such as those on refused connections.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    said: u32,
    left_out: u64,
}

impl Lines {
    /// Says a line, unless many were said just now.
    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        if let Some(left_out) = self.may_say(Instant::now()) {
            let line = line();
            match left_out {
                0 => eprintln!("{line}"),
                n => eprintln!("{line} ({n} more like it were left out)"),
            }
        }
    }

    /// Whether a line may be said now, and how many were not since the last that was.
    fn may_say(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.is_none_or(|s| now.duration_since(s) >= WINDOW) {
            state.since = Some(now);
            state.said = 0;
        }
        if state.said >= MOST {
            state.left_out += 1;
            return None;
        }
        state.said += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines() {
        let lines = Lines::default();
        let begin = Instant::now();
        let said = |ms| lines.may_say(begin + Duration::from_millis(ms));
        // 205 a second for a minute.
        let all: Vec<u64> = (0..60_000).step_by(5).filter_map(said).collect();
        assert_eq!(all.len(), 30);
        assert_eq!(all.iter().sum::<u64>() + 30 + 1995, 12_000);
        assert_eq!(said(60_000), Some(1995));
    }
}
