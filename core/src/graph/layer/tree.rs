//! Tree reductions: blocks along some axes are combined a few at a time until one is left.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::blockwise::{BlockArg, arg_edges, arg_token};
use super::{Edge, LayerKind, decode, encode, malformed};
use crate::base::blocks::Grid;
use crate::base::error::{Error, Result};
use crate::base::key::KeyBuilder;
use crate::operator::OpRef;

/// Projected bytes of a tree's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeBytes {
    /// Of each partial result.
    pub partial: u64,
    /// Of each final result.
    pub output: u64,
}

/// Reduces the blocks of a grid along some of its axes, in a fixed order, so that floating-point results do not depend
/// on the schedule.
///
/// Three operators: `chunk` turns the input blocks at one place of the grid (one per argument, as in a
/// [`Blockwise`](super::Blockwise) layer) into a partial, `combine` several partials (in order) into one, `finish` several
/// partials into the result. Each group ends in one `finish`, whose inputs are at most `split_every` partials.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TreeReduction {
    /// chunk, combine, finish.
    ops: [OpRef; 3],
    grid: Grid,
    args: Vec<BlockArg>,
    reduced: Vec<bool>,
    split_every: u32,
    bytes: TreeBytes,
    /// Tasks per group at each level; the last is 1. Made from the rest.
    #[serde(skip)]
    levels: Vec<u32>,
    #[serde(skip)]
    groups: u32,
    #[serde(skip)]
    members: u32,
}

impl TreeReduction {
    /// The chunk tasks read `args` at each block of `grid` ([`BlockArg::same`] for one input of that grid). Reduces the axes for which `reduced` is true, `split_every` (at least 2) partials at a time.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) if the lengths differ, the fan-in is below 2 or there is no block.
    pub fn new(
        [chunk, combine, finish]: [OpRef; 3],
        grid: Grid,
        args: Vec<BlockArg>,
        reduced: Vec<bool>,
        split_every: u32,
        bytes: TreeBytes,
    ) -> Result<Self> {
        let tree = Self {
            ops: [chunk, combine, finish],
            grid,
            args,
            reduced,
            split_every,
            bytes,
            levels: Vec::new(),
            groups: 0,
            members: 0,
        };
        tree.planned()
            .map_err(|why| Error::bad_input(format!("tree reduction: {why}")))
    }

    fn planned(mut self) -> Result<Self, String> {
        if self.reduced.len() != self.grid.counts().len() {
            return Err(format!(
                "{} flags for a grid of {} axes",
                self.reduced.len(),
                self.grid.counts().len()
            ));
        }
        if self.split_every < 2 {
            return Err(format!(
                "split_every is {}, at least 2 is needed",
                self.split_every
            ));
        }
        for (i, a) in self.args.iter().enumerate() {
            a.check(&self.grid)
                .map_err(|e| format!("argument {i}: {e}"))?;
        }
        let product = |want: bool| {
            let mut counts = self
                .grid
                .counts()
                .iter()
                .zip(&self.reduced)
                .filter(|p| *p.1 == want)
                .map(|p| *p.0);
            counts
                .try_fold(1u32, u32::checked_mul)
                .ok_or_else(|| "more than 2^32 blocks".to_owned())
        };
        let (members, groups) = (product(true)?, product(false)?);
        if members == 0 || groups == 0 {
            return Err(format!("the grid {:?} has no blocks", self.grid.counts()));
        }
        let (mut n, mut levels) = (members, vec![members]);
        loop {
            n = n.div_ceil(self.split_every);
            levels.push(n);
            if n == 1 {
                break;
            }
        }
        let per_group: u64 = levels.iter().map(|&n| u64::from(n)).sum();
        u32::try_from(per_group * u64::from(groups))
            .map_err(|_| "more than 2^32 tasks".to_owned())?;
        (self.levels, self.groups, self.members) = (levels, groups, members);
        Ok(self)
    }

    /// The number of levels of tasks, the chunk level included.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// What the chunk tasks read.
    pub fn args(&self) -> &[BlockArg] {
        &self.args
    }

    /// The blocks that are reduced.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Which axes are reduced.
    pub fn reduced(&self) -> &[bool] {
        &self.reduced
    }

    /// The same tree with another chunk stage; `None` if the arguments do not fit its grid.
    pub(crate) fn with_chunk(&self, chunk: OpRef, args: Vec<BlockArg>) -> Option<Self> {
        let fits = args.iter().all(|a| a.check(&self.grid).is_ok());
        fits.then(|| {
            let mut tree = self.clone();
            tree.ops[0] = chunk;
            tree.args = args;
            tree
        })
    }

    /// `(level, group, member)` of a task; tasks are numbered level by level, group by group.
    fn place(&self, task: usize) -> (usize, u32, u32) {
        let mut rest = task as u64;
        for (level, &n) in self.levels.iter().enumerate() {
            let here = u64::from(n) * u64::from(self.groups);
            if rest < here {
                return (
                    level,
                    (rest / u64::from(n)) as u32,
                    (rest % u64::from(n)) as u32,
                );
            }
            rest -= here;
        }
        (self.levels.len() - 1, self.groups - 1, 0)
    }

    fn task(&self, level: usize, group: u32, member: u32) -> u32 {
        let before: u32 = self.levels[..level].iter().map(|&n| n * self.groups).sum();
        before + group * self.levels[level] + member
    }

    /// The input block that is `member` of `group`.
    fn block_of(&self, group: u32, member: u32) -> u32 {
        let (mut g, mut m) = (u64::from(group), u64::from(member));
        let mut coords = vec![0u32; self.reduced.len()];
        for i in (0..self.reduced.len()).rev() {
            let n = u64::from(self.grid.counts()[i]);
            let rest = if self.reduced[i] { &mut m } else { &mut g };
            coords[i] = (*rest % n) as u32;
            *rest /= n;
        }
        self.grid.index(&coords) as u32
    }
}

impl LayerKind for TreeReduction {
    fn kind(&self) -> &'static str {
        "tree-reduction"
    }

    fn tasks(&self) -> usize {
        self.levels.iter().map(|&n| n as usize).sum::<usize>() * self.groups as usize
    }

    fn outputs(&self) -> usize {
        self.groups as usize
    }

    fn output_task(&self, output: usize) -> usize {
        self.tasks() - self.groups as usize + output
    }

    fn inputs(&self) -> usize {
        let slots = self.args.iter().map(|a| a.slot as usize + 1);
        slots.max().unwrap_or(0)
    }

    fn edges(&self, task: usize, out: &mut Vec<Edge>) {
        let (level, group, member) = self.place(task);
        if level == 0 {
            let block = self.block_of(group, member);
            arg_edges(&self.args, &self.grid, u64::from(block), out);
            return;
        }
        let first = member * self.split_every;
        let end = first
            .saturating_add(self.split_every)
            .min(self.levels[level - 1]);
        let base = self.task(level - 1, group, 0);
        out.extend((first..end).map(|m| Edge::Own(base + m)));
    }

    fn ops(&self) -> &[OpRef] {
        &self.ops
    }

    fn op(&self, task: usize) -> usize {
        match self.place(task).0 {
            0 => 0,
            l if l + 1 == self.levels.len() => 2,
            _ => 1,
        }
    }

    /// A chunk task sees the number of the input block, a finishing task that of its group.
    fn block(&self, task: usize) -> u32 {
        match self.place(task) {
            (0, group, member) => self.block_of(group, member),
            (_, group, _) => group,
        }
    }

    fn bytes(&self, task: usize) -> u64 {
        if task >= self.output_task(0) {
            self.bytes.output
        } else {
            self.bytes.partial
        }
    }

    fn total_bytes(&self) -> u64 {
        let finals = u64::from(self.groups);
        let partials = self.tasks() as u64 - finals;
        partials
            .saturating_mul(self.bytes.partial)
            .saturating_add(finals.saturating_mul(self.bytes.output))
    }

    fn token(&self, k: KeyBuilder) -> KeyBuilder {
        let k = arg_token(&self.args, self.grid.token(k));
        let k = self.ops.iter().fold(k, |k, o| k.key(o.key()));
        self.reduced
            .iter()
            .fold(k.u64(u64::from(self.split_every)), |k, &r| {
                k.u64(u64::from(r))
            })
    }

    fn encode(&self) -> Result<Vec<u8>> {
        encode(&self.ops, self)
    }

    fn with_ops(&self, ops: Vec<OpRef>) -> Option<Arc<dyn LayerKind>> {
        let ops: [OpRef; 3] = ops.try_into().ok()?;
        Some(Arc::new(Self {
            ops,
            ..self.clone()
        }))
    }
}

crate::register_layer!("tree-reduction", |bytes| {
    let tree: TreeReduction = decode("tree-reduction", bytes)?;
    Ok(Arc::new(
        tree.planned()
            .map_err(|why| malformed("tree-reduction", why))?,
    ))
});
