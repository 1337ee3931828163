//! The plain dense view of a task graph that ordering works on.

/// A task graph in compressed sparse rows: task `t` reads the outputs of
/// `deps[dep_off[t]..dep_off[t + 1]]`.
///
/// Tasks are numbered `0..dep_off.len() - 1`, in any order. `dep_off` must start at 0, never fall,
/// and end at `deps.len()`.
#[derive(Clone, Copy, Debug)]
pub struct Dag<'a> {
    /// Where the dependencies of each task start in `deps`; one entry more than there are tasks.
    pub dep_off: &'a [u32],
    /// Task ids, row after row.
    pub deps: &'a [u32],
    /// Projected size of each task's output in bytes. Empty where sizes are unknown: all count alike.
    pub bytes: &'a [u64],
    /// The tasks whose outputs are wanted at the end.
    pub outputs: &'a [u32],
}

impl<'a> Dag<'a> {
    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.dep_off.len().saturating_sub(1)
    }

    /// Whether there are no tasks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tasks that `task` reads.
    ///
    /// # Panics
    ///
    /// If `task` is no task of the graph or `dep_off` is not as described on [`Dag`].
    pub fn deps_of(&self, task: u32) -> &'a [u32] {
        &self.deps[self.dep_off[task as usize] as usize..self.dep_off[task as usize + 1] as usize]
    }

    /// Projected bytes of `task`'s output; 1 where nothing is known.
    pub(super) fn size(&self, task: u32) -> u64 {
        if self.bytes.is_empty() {
            return 1;
        }
        self.bytes.get(task as usize).copied().unwrap_or(1)
    }

    /// [`Self::size`] as walks weigh it: no more than 1 TiB, so that the sum over 2^24 tasks fits.
    pub(super) fn weight(&self, task: u32) -> u64 {
        self.size(task).min(1 << 40)
    }
}
