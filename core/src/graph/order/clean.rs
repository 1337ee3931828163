//! What the walk takes for granted, made true: every dependency is a task, and stands once.

use super::Dag;

/// A copy of the edges without repeated and unknown dependencies; `None` where there are none.
pub(super) fn clean(dag: &Dag<'_>) -> Option<(Vec<u32>, Vec<u32>)> {
    let n = dag.len() as u32;
    if (0..n).all(|t| plain(dag.deps_of(t), n)) {
        return None;
    }
    let mut off = Vec::with_capacity(dag.dep_off.len());
    let mut deps = Vec::with_capacity(dag.deps.len());
    let mut reader = vec![u32::MAX; n as usize];
    off.push(0);
    for t in 0..n {
        for &d in dag.deps_of(t) {
            if d < n && reader[d as usize] != t {
                reader[d as usize] = t;
                deps.push(d);
            }
        }
        off.push(deps.len() as u32);
    }
    Some((off, deps))
}

/// Known and different, as far as a look without memory can tell; a long unsorted list is copied
/// rather than compared pair by pair.
fn plain(deps: &[u32], n: u32) -> bool {
    deps.iter().all(|&d| d < n)
        && (deps.is_sorted_by(|a, b| a < b)
            || deps.len() <= 16 && (1..deps.len()).all(|i| !deps[..i].contains(&deps[i])))
}
