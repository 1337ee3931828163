//! What an order costs in memory.
use super::Dag;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peak {
    pub chunks: usize,
    pub bytes: u64,
}

pub fn peak(dag: &Dag<'_>, position: &[u32], hold_outputs: bool) -> Peak {
    let n = dag.len();
    let mut left = vec![0u32; n];
    for &d in dag.deps {
        left[d as usize] += 1;
    }
    if hold_outputs {
        for &t in dag.outputs {
            left[t as usize] += 1;
        }
    }
    let mut sequence = vec![0u32; n];
    for (t, &p) in position.iter().enumerate() {
        sequence[p as usize] = t as u32;
    }
    let size = |t: u32| dag.bytes.get(t as usize).copied().unwrap_or(1);
    let (mut live, mut bytes) = (0, 0);
    let mut top = Peak {
        chunks: 0,
        bytes: 0,
    };
    for &t in &sequence {
        live += 1;
        bytes += size(t);
        top = Peak {
            chunks: top.chunks.max(live),
            bytes: top.bytes.max(bytes),
        };
        for &d in dag.deps_of(t) {
            left[d as usize] -= 1;
            if left[d as usize] == 0 {
                live -= 1;
                bytes -= size(d);
            }
        }
        if left[t as usize] == 0 {
            live -= 1;
            bytes -= size(t);
        }
    }
    top
}
