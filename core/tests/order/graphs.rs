//! The canonical graphs that the static order is judged on. This is their one definition: the peer
//! script reads them from the `print_graphs` test, and the recorded figures carry their checksums.

use kvern_core::order::Dag;

/// A task graph under construction. Ids are given in the order of `add`.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) name: &'static str,
    pub(crate) size: String,
    pub(crate) dep_off: Vec<u32>,
    pub(crate) deps: Vec<u32>,
}

impl Graph {
    pub(crate) fn new(name: &'static str, size: String) -> Self {
        Self {
            name,
            size,
            dep_off: vec![0],
            deps: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.dep_off.len() - 1
    }

    pub(crate) fn add(&mut self, deps: &[u32]) -> u32 {
        self.deps.extend_from_slice(deps);
        self.dep_off.push(self.deps.len() as u32);
        self.len() as u32 - 1
    }

    fn load(&mut self, n: usize) -> Vec<u32> {
        (0..n).map(|_| self.add(&[])).collect()
    }

    fn map(&mut self, over: &[u32]) -> Vec<u32> {
        over.iter().map(|&x| self.add(&[x])).collect()
    }

    fn zip(&mut self, a: &[u32], b: &[u32]) -> Vec<u32> {
        a.iter().zip(b).map(|(&a, &b)| self.add(&[a, b])).collect()
    }

    fn tree(&mut self, over: &[u32], arity: usize) -> u32 {
        let mut level = over.to_vec();
        while level.len() > 1 {
            level = level.chunks(arity).map(|part| self.add(part)).collect();
        }
        level[0]
    }

    /// Tasks that nothing reads.
    pub(crate) fn outputs(&self) -> Vec<u32> {
        let mut read = vec![false; self.len()];
        self.deps.iter().for_each(|&d| read[d as usize] = true);
        (0..self.len() as u32)
            .filter(|&t| !read[t as usize])
            .collect()
    }

    pub(crate) fn dag<'a>(&'a self, outputs: &'a [u32]) -> Dag<'a> {
        Dag {
            dep_off: &self.dep_off,
            deps: &self.deps,
            bytes: &[],
            outputs,
        }
    }

    /// FNV-1a, 64 bits, over the offsets and then the dependencies as little-endian `u32`.
    pub(crate) fn checksum(&self) -> u64 {
        self.dep_off
            .iter()
            .chain(&self.deps)
            .flat_map(|v| v.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |h, b| {
                (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
            })
    }
}

/// Load, then a tree of `arity`.
pub(crate) fn tree_reduction(leaves: usize, arity: usize) -> Graph {
    let mut g = Graph::new("tree_reduction", format!("{leaves}x{arity}"));
    let x = g.load(leaves);
    g.tree(&x, arity);
    g
}

/// Load, map, partial result of each chunk, one task that combines them all.
pub(crate) fn map_reduce(chunks: usize, reducers: usize) -> Graph {
    let mut g = Graph::new("map_reduce", format!("{chunks}x{reducers}"));
    let x = g.load(chunks);
    let y = g.map(&x);
    for _ in 0..reducers {
        let part = g.map(&y);
        g.add(&part);
    }
    g
}

/// Each cell of a step reads three neighbours of the step before, on a ring.
pub(crate) fn stencil_1d(width: usize, steps: usize) -> Graph {
    let mut g = Graph::new("stencil_1d", format!("{width}x{steps}"));
    let mut row = g.load(width);
    for _ in 0..steps {
        row = (0..width)
            .map(|i| g.add(&[row[(i + width - 1) % width], row[i], row[(i + 1) % width]]))
            .collect();
    }
    g
}

/// `map_overlap` on a grid: cut borders, paste the neighbours' on, apply, trim; then a sum.
pub(crate) fn stencil_2d(side: usize, steps: usize) -> Graph {
    let mut g = Graph::new("stencil_2d", format!("{side}x{side}x{steps}"));
    let mut grid = g.load(side * side);
    for _ in 0..steps {
        let mut next = Vec::new();
        for i in 0..side as i64 {
            for j in 0..side as i64 {
                let mut parts = Vec::new();
                for (di, dj) in (-1..2).flat_map(|di| (-1..2).map(move |dj| (di, dj))) {
                    let (a, b) = (i + di, j + dj);
                    if (0..side as i64).contains(&a) && (0..side as i64).contains(&b) {
                        let source = grid[a as usize * side + b as usize];
                        parts.push(if (di, dj) == (0, 0) {
                            source
                        } else {
                            g.add(&[source])
                        });
                    }
                }
                let pasted = g.add(&parts);
                let applied = g.add(&[pasted]);
                next.push(g.add(&[applied]));
            }
        }
        grid = next;
    }
    g
}

/// All to all: every chunk is cut into groups, every output merges one group of each.
pub(crate) fn shuffle(chunks: usize, groups: usize) -> Graph {
    let mut g = Graph::new("shuffle", format!("{chunks}x{groups}"));
    let x = g.load(chunks);
    let cut = g.map(&x);
    let parts: Vec<Vec<u32>> = cut
        .iter()
        .map(|&c| (0..groups).map(|_| g.add(&[c])).collect())
        .collect();
    for j in 0..groups {
        let column: Vec<u32> = parts.iter().map(|p| p[j]).collect();
        g.add(&column);
    }
    g
}

/// Anomaly from a climatology: `x - mean of x over its group`, for every tile of the map. Time
/// chunks are years, groups are months, so each year is taken apart and put together again.
pub(crate) fn climatology(tiles: usize, years: usize, months: usize) -> Graph {
    let mut g = Graph::new("climatology", format!("{tiles}x{years}x{months}"));
    let x: Vec<Vec<u32>> = (0..tiles).map(|_| g.load(years)).collect();
    for tile in &x {
        let taken: Vec<Vec<u32>> = tile
            .iter()
            .map(|&y| (0..months).map(|_| g.add(&[y])).collect())
            .collect();
        let mean: Vec<u32> = (0..months)
            .map(|m| {
                let parts: Vec<u32> = taken.iter().map(|t| g.add(&[t[m]])).collect();
                g.tree(&parts, 4)
            })
            .collect();
        for year in &taken {
            let anomaly = g.zip(year, &mean);
            let joined = g.add(&anomaly);
            g.add(&[joined]);
        }
    }
    g
}

/// Anomaly where each chunk lies within one group, followed by the mean square of the anomalies.
pub(crate) fn climatology_by_month(tiles: usize, years: usize, months: usize) -> Graph {
    let mut g = Graph::new("climatology_by_month", format!("{tiles}x{years}x{months}"));
    let x: Vec<Vec<u32>> = (0..years * months).map(|_| g.load(tiles)).collect();
    let mut squares = vec![Vec::new(); tiles];
    for m in 0..months {
        for (tile, squares) in squares.iter_mut().enumerate() {
            let of_month: Vec<u32> = (0..years).map(|y| x[y * months + m][tile]).collect();
            let parts = g.map(&of_month);
            let mean = g.tree(&parts, 4);
            for &chunk in &of_month {
                let anomaly = g.add(&[chunk, mean]);
                squares.push(g.add(&[anomaly]));
            }
        }
    }
    let tops: Vec<u32> = squares.iter().map(|s| g.tree(s, 8)).collect();
    g.map(&tops);
    g
}

/// SVD of a tall and skinny matrix by the direct tall-skinny QR.
pub(crate) fn tall_skinny_svd(blocks: usize) -> Graph {
    let mut g = Graph::new("tall_skinny_svd", format!("{blocks}"));
    let x = g.load(blocks);
    let qr = g.map(&x);
    let q = g.map(&qr);
    let r = g.map(&qr);
    let stacked = g.add(&r);
    let qr2 = g.add(&[stacked]);
    let (q2, r2) = (g.add(&[qr2]), g.add(&[qr2]));
    let svd = g.add(&[r2]);
    let (u, _s, _v) = (g.add(&[svd]), g.add(&[svd]), g.add(&[svd]));
    for &q in &q {
        let piece = g.add(&[q2]);
        let full = g.add(&[q, piece]);
        g.add(&[full, u]);
    }
    g
}

/// Blocked `C = A B`, the products over `k` added up as a tree.
pub(crate) fn matmul(rows: usize, cols: usize, inner: usize) -> Graph {
    let mut g = Graph::new("matmul", format!("{rows}x{cols}x{inner}"));
    let a = g.load(rows * inner);
    let b = g.load(inner * cols);
    for i in 0..rows {
        for j in 0..cols {
            let products: Vec<u32> = (0..inner)
                .map(|k| g.add(&[a[i * inner + k], b[k * cols + j]]))
                .collect();
            g.tree(&products, 4);
        }
    }
    g
}

/// Rows to columns (cut, paste), a sum of each column chunk, the total.
pub(crate) fn rechunk_sum(rows: usize, cols: usize) -> Graph {
    let mut g = Graph::new("rechunk_sum", format!("{rows}x{cols}"));
    let x = g.load(rows);
    let y = g.map(&x);
    let cut: Vec<Vec<u32>> = y
        .iter()
        .map(|&r| (0..cols).map(|_| g.add(&[r])).collect())
        .collect();
    let sums: Vec<u32> = (0..cols)
        .map(|j| {
            let column: Vec<u32> = cut.iter().map(|c| c[j]).collect();
            let pasted = g.add(&column);
            g.add(&[pasted])
        })
        .collect();
    g.tree(&sums, 4);
    g
}

/// `((x - x.mean()) / x.std()).sum()`.
pub(crate) fn standardise(chunks: usize) -> Graph {
    let mut g = Graph::new("standardise", format!("{chunks}"));
    let x = g.load(chunks);
    let part = g.map(&x);
    let mean = g.tree(&part, 4);
    let part = g.map(&x);
    let var = g.tree(&part, 4);
    let std = g.add(&[var]);
    let centred: Vec<u32> = x.iter().map(|&x| g.add(&[x, mean])).collect();
    let scaled: Vec<u32> = centred.iter().map(|&c| g.add(&[c, std])).collect();
    let part = g.map(&scaled);
    g.tree(&part, 4);
    g
}

/// Independent chains that one task joins.
pub(crate) fn chains(count: usize, length: usize) -> Graph {
    let mut g = Graph::new("chains", format!("{count}x{length}"));
    let mut ends = g.load(count);
    for _ in 1..length {
        ends = g.map(&ends);
    }
    g.add(&ends);
    g
}

/// Cumulative sum, one chunk after the other.
pub(crate) fn scan_sequential(chunks: usize) -> Graph {
    let mut g = Graph::new("scan_sequential", format!("{chunks}"));
    let x = g.load(chunks);
    let local = g.map(&x);
    let last = g.map(&local);
    let mut carry = g.add(&[]);
    for i in 0..chunks {
        g.add(&[local[i], carry]);
        carry = g.add(&[carry, last[i]]);
    }
    g
}

/// Cumulative sum after Blelloch: an upward sweep, a downward sweep, then the chunks.
pub(crate) fn scan_blelloch(chunks: usize) -> Graph {
    let mut g = Graph::new("scan_blelloch", format!("{chunks}"));
    let x = g.load(chunks);
    let local = g.map(&x);
    let mut levels = vec![g.map(&x)];
    while levels[levels.len() - 1].len() > 1 {
        let below = levels[levels.len() - 1].clone();
        levels.push(below.chunks(2).map(|p| g.add(p)).collect());
    }
    let mut prefix = vec![g.add(&[])];
    for level in levels[..levels.len() - 1].iter().rev() {
        prefix = (0..level.len())
            .map(|i| {
                let up = prefix[i / 2];
                if i % 2 == 0 {
                    g.add(&[up])
                } else {
                    g.add(&[up, level[i - 1]])
                }
            })
            .collect();
    }
    g.zip(&local, &prefix);
    g
}

/// Blocked right-looking Cholesky factorisation.
pub(crate) fn cholesky(blocks: usize) -> Graph {
    let mut g = Graph::new("cholesky", format!("{blocks}"));
    let mut a: Vec<Vec<u32>> = (0..blocks).map(|i| g.load(i + 1)).collect();
    for k in 0..blocks {
        a[k][k] = g.add(&[a[k][k]]);
        for i in k + 1..blocks {
            a[i][k] = g.add(&[a[i][k], a[k][k]]);
        }
        for i in k + 1..blocks {
            for j in k + 1..=i {
                a[i][j] = if i == j {
                    g.add(&[a[i][j], a[i][k]])
                } else {
                    g.add(&[a[i][j], a[i][k], a[j][k]])
                };
            }
        }
    }
    g
}

/// The butterfly of a fast Fourier transform.
pub(crate) fn butterfly(log2: u32) -> Graph {
    let mut g = Graph::new("butterfly", format!("{}", 1 << log2));
    let mut row = g.load(1 << log2);
    for bit in 0..log2 {
        row = (0..row.len())
            .map(|i| g.add(&[row[i], row[i ^ (1 << bit)]]))
            .collect();
    }
    g
}

/// Means of `u u`, `v v` and `u v` over time for two fields in `tiles` columns of space.
pub(crate) fn covariance(times: usize, tiles: usize) -> Graph {
    let mut g = Graph::new("covariance", format!("{times}x{tiles}"));
    let u: Vec<Vec<u32>> = (0..times).map(|_| g.load(tiles)).collect();
    let v: Vec<Vec<u32>> = (0..times).map(|_| g.load(tiles)).collect();
    for (a, b) in [(&u, &u), (&v, &v), (&u, &v)] {
        for tile in 0..tiles {
            let parts: Vec<u32> = (0..times)
                .map(|t| {
                    let (a, b) = (a[t][tile], b[t][tile]);
                    let product = if a == b { g.add(&[a]) } else { g.add(&[a, b]) };
                    g.add(&[product])
                })
                .collect();
            g.tree(&parts, 4);
        }
    }
    g
}

/// Every canonical graph in several sizes.
pub(crate) fn all() -> Vec<Graph> {
    vec![
        tree_reduction(16, 2),
        tree_reduction(1000, 2),
        tree_reduction(3000, 8),
        map_reduce(20, 1),
        map_reduce(500, 1),
        map_reduce(200, 3),
        stencil_1d(12, 4),
        stencil_1d(100, 10),
        stencil_1d(40, 60),
        stencil_2d(4, 1),
        stencil_2d(12, 1),
        stencil_2d(8, 3),
        shuffle(6, 6),
        shuffle(30, 30),
        shuffle(60, 10),
        climatology(1, 5, 4),
        climatology(4, 10, 12),
        climatology(6, 20, 4),
        climatology_by_month(2, 4, 3),
        climatology_by_month(6, 10, 12),
        climatology_by_month(1, 40, 4),
        tall_skinny_svd(4),
        tall_skinny_svd(50),
        tall_skinny_svd(500),
        matmul(3, 3, 3),
        matmul(8, 8, 8),
        matmul(4, 12, 10),
        rechunk_sum(5, 5),
        rechunk_sum(40, 40),
        rechunk_sum(100, 12),
        standardise(8),
        standardise(100),
        standardise(700),
        chains(10, 4),
        chains(100, 20),
        chains(7, 300),
        scan_sequential(8),
        scan_sequential(300),
        scan_blelloch(8),
        scan_blelloch(256),
        cholesky(4),
        cholesky(14),
        butterfly(4),
        butterfly(8),
        covariance(6, 2),
        covariance(40, 6),
        // Too large for more than a few walks.
        map_reduce(3000, 3),
        stencil_1d(1000, 30),
        stencil_2d(40, 1),
        stencil_2d(20, 4),
        shuffle(120, 120),
        climatology(20, 20, 12),
        climatology_by_month(10, 40, 12),
        tall_skinny_svd(4000),
        matmul(24, 24, 24),
        matmul(10, 40, 30),
        rechunk_sum(150, 150),
        standardise(4000),
        scan_blelloch(4096),
        cholesky(40),
        butterfly(11),
        covariance(200, 20),
    ]
}

/// The graphs on which the cost a task is measured, from 10^4 to 10^7 tasks.
pub(crate) fn large() -> Vec<Graph> {
    let independent = |n: usize| {
        let mut g = Graph::new("independent", format!("{n}"));
        g.load(n);
        g
    };
    vec![
        independent(10_000),
        independent(1_000_000),
        independent(10_000_000),
        chains(1, 10_000),
        chains(1, 100_000),
        chains(1, 10_000_000),
        tree_reduction(1 << 13, 2),
        tree_reduction(1 << 20, 2),
        tree_reduction(5_000_000, 2),
        stencil_1d(500, 20),
        stencil_1d(5_000, 200),
        stencil_1d(50_000, 200),
        climatology(100, 100, 12),
        shuffle(1_000, 1_000),
        matmul(100, 100, 100),
        standardise(300_000),
        covariance(3_000, 60),
        butterfly(17),
        cholesky(150),
    ]
}
