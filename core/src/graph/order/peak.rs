//! What an order costs in memory when its tasks run one after the other.

use super::Dag;

/// The most that is alive at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peak {
    /// Task outputs.
    pub chunks: usize,
    /// Their bytes together, by [`Dag::bytes`]; where that is empty, an output counts as one byte.
    pub bytes: u64,
}

/// Runs `dag` serially in the order of `position` and reports the peaks.
///
/// An output is alive from the run of its task until its last reader has run, so that a task's
/// inputs and its output are alive together. An output that nobody reads dies at once; with
/// `hold_outputs`, those in [`Dag::outputs`] stay to the end. The two peaks may fall on different
/// tasks. Time and memory are linear.
///
/// # Panics
///
/// If `position` is no permutation of `0..dag.len()`, or a dependency or output is no task.
///
/// # Examples
///
/// ```
/// use kvern_core::order::{Dag, order, peak};
///
/// // Tasks 0 and 1 load, 2 adds them.
/// let dag = Dag { dep_off: &[0, 0, 0, 2], deps: &[0, 1], bytes: &[80, 80, 8], outputs: &[2] };
/// let top = peak(&dag, &order(&dag), true);
/// assert_eq!((top.chunks, top.bytes), (3, 168));
/// ```
pub fn peak(dag: &Dag<'_>, position: &[u32], hold_outputs: bool) -> Peak {
    let n = dag.len();
    assert_eq!(position.len(), n, "one position for each task");
    let mut sequence = vec![u32::MAX; n];
    for (t, &p) in position.iter().enumerate() {
        sequence[p as usize] = t as u32;
    }
    let mut left = vec![0u32; n];
    let held = if hold_outputs { dag.outputs } else { &[] };
    for &d in dag.deps.iter().chain(held) {
        left[d as usize] += 1;
    }
    // Sizes are projections and may be absurd; their sum must not overflow.
    let (mut chunks, mut bytes, mut top) = (0, 0u128, Peak::default());
    for &t in &sequence {
        assert_ne!(t, u32::MAX, "two tasks share a position");
        chunks += 1;
        bytes += u128::from(dag.size(t));
        top.chunks = top.chunks.max(chunks);
        top.bytes = top.bytes.max(u64::try_from(bytes).unwrap_or(u64::MAX));
        let mut drop = |d: u32| {
            chunks -= 1;
            bytes -= u128::from(dag.size(d));
        };
        for &d in dag.deps_of(t) {
            left[d as usize] -= 1;
            if left[d as usize] == 0 {
                drop(d);
            }
        }
        if left[t as usize] == 0 {
            drop(t);
        }
    }
    top
}
