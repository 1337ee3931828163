//! The graph turned round: which tasks read each task's output.
use super::Dag;

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
        // After this loop off[d] is the end of the list of d; filling backwards turns it into the start.
        let mut sum = 0;
        for o in &mut off {
            sum += *o;
            *o = sum;
        }
        let mut list = vec![0u32; dag.deps.len()];
        for t in (0..n as u32).rev() {
            for &d in dag.deps_of(t) {
                let o = &mut off[d as usize];
                *o -= 1;
                list[*o as usize] = t;
            }
        }
        Self { off, list }
    }

    pub(super) fn of(&self, t: u32) -> &[u32] {
        &self.list[self.off[t as usize] as usize..self.off[t as usize + 1] as usize]
    }
}
