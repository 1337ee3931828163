//! How much memory a task's result asks for: the label of Sethi and Ullman ("The generation of
//! optimal code for arithmetic expressions", 1970), weighted by size as in Liu (1987).
//!
//! On a tree the label is the peak of the best depth-first run. On a graph with shared inputs it is
//! an upper estimate that serves only to compare one input with another.

use super::Dag;
use super::readers::Readers;

/// The label of every task, in units of [`Dag::weight`]. Tasks on a cycle keep 0.
pub(super) fn needs(dag: &Dag<'_>, readers: &Readers) -> Vec<f32> {
    let n = dag.len() as u32;
    let mut need = vec![0f32; n as usize];
    let mut inputs = Vec::new();
    if (0..n).all(|t| dag.deps_of(t).iter().all(|&d| d < t)) {
        for t in 0..n {
            need[t as usize] = label(dag, &need, t, &mut inputs);
        }
        return need;
    }
    let mut pending: Vec<u32> = (0..n).map(|t| dag.deps_of(t).len() as u32).collect();
    let mut ready: Vec<u32> = (0..n).filter(|&t| pending[t as usize] == 0).collect();
    while let Some(t) = ready.pop() {
        need[t as usize] = label(dag, &need, t, &mut inputs);
        for &r in readers.of(t) {
            pending[r as usize] -= 1;
            if pending[r as usize] == 0 {
                ready.push(r);
            }
        }
    }
    need
}

fn label(dag: &Dag<'_>, need: &[f32], t: u32, inputs: &mut Vec<(f32, f32)>) -> f32 {
    let own = dag.weight(t) as f32;
    match *dag.deps_of(t) {
        [] => own,
        [d] => need[d as usize].max(dag.weight(d) as f32 + own),
        ref deps => {
            inputs.clear();
            inputs.extend(
                deps.iter()
                    .map(|&d| (need[d as usize], dag.weight(d) as f32)),
            );
            inputs.sort_unstable_by(|a, b| (b.0 - b.1).total_cmp(&(a.0 - a.1)));
            let (mut held, mut top) = (0f32, 0f32);
            for &(need, size) in &*inputs {
                top = top.max(held + need);
                held += size;
            }
            top.max(held + own)
        }
    }
}
