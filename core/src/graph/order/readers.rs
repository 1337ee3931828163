//! The graph turned round: which tasks read each task's output.

use super::Dag;

/// CSR view of the readers of every task, in rising order of task id.
pub(super) struct Readers {
    off: Vec<u32>,
    list: Vec<u32>,
}

impl Readers {
    pub(super) fn new(dag: &Dag<'_>) -> Self {
        let n = dag.len();
        let mut off = vec![0u32; n + 1];
        for &d in dag.deps {
            off[d as usize] += 1;
        }
        // Each slot becomes the end of its list; filling from the back turns it into the start.
        let mut sum = 0;
        for slot in &mut off {
            sum += *slot;
            *slot = sum;
        }
        let mut list = vec![0u32; dag.deps.len()];
        for t in (0..n as u32).rev() {
            for &d in dag.deps_of(t) {
                let slot = &mut off[d as usize];
                *slot -= 1;
                list[*slot as usize] = t;
            }
        }
        Self { off, list }
    }

    pub(super) fn of(&self, task: u32) -> &[u32] {
        &self.list[self.off[task as usize] as usize..self.off[task as usize + 1] as usize]
    }

    pub(super) fn count(&self, task: u32) -> u32 {
        self.off[task as usize + 1] - self.off[task as usize]
    }

    /// The first index of the task's list for [`Self::at`].
    pub(super) fn start(&self, task: u32) -> u32 {
        self.off[task as usize]
    }

    pub(super) fn end(&self, task: u32) -> u32 {
        self.off[task as usize + 1]
    }

    pub(super) fn at(&self, index: u32) -> u32 {
        self.list[index as usize]
    }
}
