//! Building reshapes out of rechunks and blocks that are seen under another shape.
//!
//! A chunk keeps its elements in order under another shape if it is one stretch of the C order. Axes are therefore taken in
//! groups whose products agree between the two shapes. Within a group, chunks are made that are such stretches: leading axes cut
//! to single positions, one axis cut anywhere, the rest whole. In between stands at most one rechunk of the flattened group.

use std::sync::Arc;

use kvern_core::{Result, Splits};

use super::Expr;

impl Expr {
    /// The elements in C order as `shape`, which has as many of them.
    pub(crate) fn reshape(self: &Arc<Self>, shape: Vec<usize>) -> Result<Arc<Self>> {
        if shape == self.shape {
            return Ok(self.clone());
        }
        let whole = |shape: &[usize]| {
            shape
                .iter()
                .map(|&n| Splits::regular(n as u64, n as u64))
                .collect::<Vec<_>>()
        };
        if self.size() == 0 {
            let none = kvern_kernels::dtype::Scalar::Bool(false).cast(self.dtype);
            let chunks = whole(&shape);
            return Ok(Self::full(shape, chunks, none));
        }
        // The largest chunk there is: what comes of it should not be larger.
        let most = self
            .chunks
            .iter()
            .map(Splits::longest)
            .fold(1u64, u64::saturating_mul);
        let groups = groups(&self.shape, &shape);
        let mut before = Vec::new();
        let mut flat = Vec::new();
        let mut target = Vec::new();
        let mut after = Vec::new();
        // A group gets its share of a chunk: what those that stay and the groups behind it leave.
        let stay = |g: &&Group| self.shape[g.from.clone()] == shape[g.to.clone()];
        let kept = groups
            .iter()
            .filter(stay)
            .flat_map(|g| &self.chunks[g.from.clone()]);
        let mut room = most
            / kept
                .map(Splits::longest)
                .fold(1, u64::saturating_mul)
                .max(1);
        for g in groups.iter().rev() {
            let (from, to) = (&self.shape[g.from.clone()], &shape[g.to.clone()]);
            let old = &self.chunks[g.from.clone()];
            if from == to {
                before.push(old.to_vec());
                flat.push(None);
                target.push(None);
                after.push(old.to_vec());
                continue;
            }
            let (a, b) = (
                stretches(from, old, room.max(1)),
                stretches(to, &[], room.max(1)),
            );
            // A flattened side takes any cut, so the other side's is used for both.
            let (a, b) = match (from.len(), to.len()) {
                (_, 1) => (a.clone(), vec![lengths_of(&a)]),
                (1, _) => (vec![lengths_of(&b)], b),
                _ => (a, b),
            };
            room /= lengths_of(&b).longest().max(1);
            flat.push(Some(lengths_of(&a)));
            target.push(Some(lengths_of(&b)));
            before.push(a);
            after.push(b);
        }
        let join = |mut parts: Vec<Vec<Splits>>| {
            parts.reverse();
            parts.concat()
        };
        let (old, new) = (join(before.clone()), join(after.clone()));
        let cut = self.rechunk(old)?;
        if flat == target {
            return Ok(cut.reblock(shape, new));
        }
        let side = |parts: &[Vec<Splits>], flat: &[Option<Splits>]| -> Vec<Splits> {
            let each = parts
                .iter()
                .zip(flat)
                .map(|(p, f)| f.clone().map_or_else(|| p.clone(), |f| vec![f]));
            join(each.collect())
        };
        let (flat_old, flat_new) = (side(&before, &flat), side(&after, &target));
        let flat_shape: Vec<usize> = flat_old.iter().map(|s| s.total() as usize).collect();
        let middle = cut.reblock(flat_shape, flat_old).rechunk(flat_new)?;
        Ok(middle.reblock(shape, new))
    }

    /// Every axis of length `n` as two of `n / f` and `f`; each factor divides its axis.
    pub(crate) fn split_axes(self: &Arc<Self>, factors: &[usize]) -> Result<Arc<Self>> {
        let multiples = self
            .chunks
            .iter()
            .zip(factors)
            .map(|(s, &f)| multiples(s, f as u64))
            .collect::<Vec<_>>();
        let (mut shape, mut chunks) = (Vec::new(), Vec::new());
        for (s, &f) in multiples.iter().zip(factors) {
            shape.extend([s.total() as usize / f, f]);
            chunks.push(Splits::from_lengths(s.iter().map(|n| n / f as u64)));
            chunks.push(Splits::regular(f as u64, f as u64));
        }
        Ok(self.rechunk(multiples)?.reblock(shape, chunks))
    }
}

/// Cuts moved to the next multiple of `f`.
fn multiples(s: &Splits, f: u64) -> Splits {
    let mut at = 0;
    let mut cut = 0;
    let mut lengths = Vec::new();
    for n in s.iter() {
        at += n;
        let next = at.next_multiple_of(f).min(s.total());
        if next > cut {
            lengths.push(next - cut);
            cut = next;
        }
    }
    if lengths.is_empty() {
        return Splits::regular(0, 1);
    }
    Splits::from_lengths(lengths)
}

/// Axes of both shapes that hold the same elements.
struct Group {
    from: std::ops::Range<usize>,
    to: std::ops::Range<usize>,
}

/// The finest groups: each ends where the products so far agree. Neither shape has an axis of 0.
fn groups(from: &[usize], to: &[usize]) -> Vec<Group> {
    let mut out = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < from.len() || j < to.len() {
        let (start_i, start_j) = (i, j);
        let (mut a, mut b) = (1usize, 1usize);
        // Axes of length 1 go with the group before them, or stand alone at the start.
        if i < from.len() {
            a = from[i];
            i += 1;
        }
        if j < to.len() {
            b = to[j];
            j += 1;
        }
        while a != b {
            if a < b && i < from.len() {
                a *= from[i];
                i += 1;
            } else if j < to.len() {
                b *= to[j];
                j += 1;
            } else {
                break;
            }
        }
        // Single positions left over at the end of one shape.
        if i == from.len() || j == to.len() {
            while i < from.len() && from[i] == 1 {
                i += 1;
            }
            while j < to.len() && to[j] == 1 {
                j += 1;
            }
        }
        out.push(Group {
            from: start_i..i,
            to: start_j..j,
        });
    }
    out
}

/// Chunks of at most about `room` elements that are stretches of the C order; as `old` where that is such already.
fn stretches(shape: &[usize], old: &[Splits], room: u64) -> Vec<Splits> {
    // The axis that is cut: those behind it are whole, those before it are single positions.
    let mut inner = 1u64;
    let mut cut = shape.len().saturating_sub(1);
    while cut > 0 && inner.saturating_mul(shape[cut] as u64) <= room {
        inner *= shape[cut] as u64;
        cut -= 1;
    }
    let kept = old
        .get(cut)
        .filter(|s| s.longest().saturating_mul(inner) <= room);
    shape
        .iter()
        .enumerate()
        .map(|(axis, &n)| {
            let n = n as u64;
            match axis.cmp(&cut) {
                std::cmp::Ordering::Less => Splits::regular(n, 1),
                std::cmp::Ordering::Equal => kept.cloned().unwrap_or_else(|| {
                    Splits::regular(n, (room / inner.max(1)).clamp(1, n.max(1)))
                }),
                std::cmp::Ordering::Greater => Splits::regular(n, n),
            }
        })
        .collect()
}

/// Elements of the blocks of a group, in order.
fn lengths_of(parts: &[Splits]) -> Splits {
    parts.iter().fold(Splits::regular(1, 1), |all, s| {
        // Leading axes are cut to single positions, or this is the one that is cut, or it is whole: blocks multiply in order.
        if s.len() == 1 {
            let n = s.total();
            Splits::from_lengths(all.iter().map(|l| l * n))
        } else {
            Splits::from_lengths(all.iter().flat_map(|l| s.iter().map(move |n| n * l)))
        }
    })
}
