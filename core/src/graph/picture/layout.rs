//! Where boxes go: rows by how far they are from the sources, within a row near what they are joined to.
//!
//! Layers by longest path and a few sweeps of the barycentre rule (Sugiyama, Tagawa, Toda 1981); no dummy nodes, since a picture
//! of a task graph rarely has long edges that matter.

/// The row of each node and its place in the row.
pub(super) fn rows(nodes: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut row = vec![0usize; nodes];
    let mut reads: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for &(from, to) in edges {
        reads[to].push(from);
        readers[from].push(to);
    }
    // Nodes are numbered in a topological order for layers, but not for tasks: relax until nothing moves, at most once a row.
    for _ in 0..nodes {
        let mut moved = false;
        for n in 0..nodes {
            let want = reads[n].iter().map(|&d| row[d] + 1).max().unwrap_or(0);
            moved |= want > row[n];
            row[n] = row[n].max(want);
        }
        if !moved {
            break;
        }
    }
    // A source stands just before its first reader rather than at the far end.
    for n in (0..nodes).rev() {
        if reads[n].is_empty()
            && let Some(first) = readers[n].iter().map(|&r| row[r]).min()
        {
            row[n] = first.saturating_sub(1);
        }
    }
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); row.iter().max().map_or(0, |m| m + 1)];
    for n in 0..nodes {
        rows[row[n]].push(n);
    }
    let mut place = vec![0.0f64; nodes];
    for sweep in 0..4 {
        let joined = if sweep % 2 == 0 { &reads } else { &readers };
        for r in &mut rows {
            for &n in r.iter() {
                if !joined[n].is_empty() {
                    place[n] =
                        joined[n].iter().map(|&d| place[d]).sum::<f64>() / joined[n].len() as f64;
                }
            }
            r.sort_by(|a, b| place[*a].total_cmp(&place[*b]));
            let width = r.len() as f64;
            for (i, &n) in r.iter().enumerate() {
                place[n] = (i as f64 + 0.5) / width;
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_stand_above_what_they_read() {
        let edges = [(0, 2), (1, 2), (2, 3), (4, 3)];
        let rows = rows(5, &edges);
        let of = |n| rows.iter().position(|r| r.contains(&n)).unwrap();
        for (from, to) in edges {
            assert!(of(from) < of(to));
        }
        assert_eq!(of(4), of(2), "a late source stands next to its reader");
    }
}
