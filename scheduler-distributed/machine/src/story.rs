//! What happened to tasks and objects, in a ring of bounded size: the answer to "why is this task here?".

use std::fmt;

use crate::ids::{Attempt, TaskRef, Tick, WorkerId};

/// One thing that happened to a task or an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Tick,
    /// To which.
    pub of: TaskRef,
    /// In which state it was.
    pub from: &'static str,
    /// In which state it is since.
    pub to: &'static str,
    /// What made it change.
    pub why: &'static str,
    /// The worker concerned; 0 if none is.
    pub worker: WorkerId,
    /// The attempt concerned; 0 if none is.
    pub attempt: Attempt,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, us) = (self.at.0 / 1_000_000, self.at.0 / 1000 % 1000);
        write!(
            f,
            "{ms:>8}.{us:03} ms  {}  {} -> {}: {}",
            self.of, self.from, self.to, self.why
        )?;
        if self.worker.0 > 0 {
            write!(f, " {}", self.worker)?;
        }
        if self.attempt.0 > 0 {
            write!(f, " {}", self.attempt)?;
        }
        Ok(())
    }
}

/// The last things that happened, the oldest forgotten first.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Vec<Line>,
    next: usize,
    limit: usize,
}

impl Log {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            lines: Vec::new(),
            next: 0,
            limit,
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, line: Line) {
        if self.lines.len() < self.limit {
            self.lines.push(line);
        } else if let Some(old) = self.lines.get_mut(self.next) {
            *old = line;
            self.next = (self.next + 1) % self.limit;
        }
    }

    /// What is remembered, oldest first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        let (new, old) = self.lines.split_at(self.next);
        old.iter().chain(new)
    }

    pub(crate) fn of(&self, task: TaskRef) -> Vec<Line> {
        self.lines().filter(|l| l.of == task).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ClientId, GraphId};

    #[test]
    fn the_oldest_is_forgotten_first() {
        let graph = GraphId::new(ClientId(1), 1);
        let mut log = Log::new(3);
        for task in 0..5 {
            log.add(Line {
                at: Tick(1_234_567),
                of: TaskRef::new(graph, task),
                from: "ready",
                to: "assigned",
                why: "placed",
                worker: WorkerId(7),
                attempt: Attempt(2),
            });
        }
        let left: Vec<u32> = log.lines().map(|l| l.of.task).collect();
        assert_eq!(left, [2, 3, 4]);
        assert_eq!(log.of(TaskRef::new(graph, 3)).len(), 1);
        assert_eq!(
            log.of(TaskRef::new(graph, 4))[0].to_string().trim_start(),
            "1.234 ms  c1.g1.t4  ready -> assigned: placed w7 a2"
        );
    }
}
