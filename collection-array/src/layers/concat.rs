//! `array.concat`: the blocks of several inputs one behind the other along an axis, handed on as they are.

use std::sync::Arc;

use kvern_core::key::KeyBuilder;
use kvern_core::layer::{Edge, decode, encode};
use kvern_core::{
    BlockBytes, Error, ErrorKind, Grid, LayerKind, OpRef, OpTraits, Result, TaskContext,
    TypedOperator, Value, typed_operator,
};
use serde::{Deserialize, Serialize};

const KIND: &str = "array.concat";

/// Input `i` has `counts[i]` blocks along the axis.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Concat {
    op: [OpRef; 1],
    axis: u32,
    grid: Grid,
    counts: Vec<u32>,
    bytes: BlockBytes,
    /// Where the blocks of each input begin, from the counts.
    #[serde(skip)]
    starts: Vec<u32>,
}

impl Concat {
    pub(crate) fn new(
        axis: usize,
        grid: Grid,
        counts: Vec<u32>,
        bytes: BlockBytes,
    ) -> Result<Self> {
        let op = Alias.op()?;
        let layer = Self {
            op: [op],
            axis: axis as u32,
            grid,
            counts,
            bytes,
            starts: Vec::new(),
        };
        layer.checked()
    }

    /// The layer with what follows from its counts, if they are right.
    fn checked(mut self) -> Result<Self> {
        self.check()?;
        let before = |start: &mut u32, n: &u32| Some(std::mem::replace(start, *start + n));
        self.starts = self.counts.iter().scan(0, before).collect();
        Ok(self)
    }

    fn check(&self) -> Result<()> {
        let bad = |why: String| {
            Err(Error::new(
                ErrorKind::Decode,
                format!("an {KIND} layer is malformed: {why}"),
            ))
        };
        let Some(&along) = self.grid.counts().get(self.axis as usize) else {
            return bad(format!("axis {} of {:?}", self.axis, self.grid.counts()));
        };
        let sum: u64 = self.counts.iter().map(|&n| u64::from(n)).sum();
        if sum != u64::from(along) {
            return bad(format!("{sum} blocks for {along}"));
        }
        let blocks = self
            .grid
            .counts()
            .iter()
            .try_fold(1u32, |all, &n| all.checked_mul(n));
        match blocks {
            Some(_) => Ok(()),
            None => bad("more than 2^32 blocks".into()),
        }
    }
}

const ALIAS: OpTraits = OpTraits {
    pure: true,
    uses_block: false,
    inline: true,
};

impl LayerKind for Concat {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn tasks(&self) -> usize {
        self.grid.len()
    }

    fn inputs(&self) -> usize {
        self.counts.len()
    }

    fn edges(&self, task: usize, out: &mut Vec<Edge>) {
        let mut coords = Vec::new();
        self.grid.coords(task as u64, &mut coords);
        let axis = self.axis as usize;
        // The last input that begins here or before; those without blocks begin where the next one does.
        let slot = self
            .starts
            .partition_point(|&s| s <= coords[axis])
            .saturating_sub(1);
        coords[axis] -= self.starts[slot];
        let mut input = self.grid.counts().to_vec();
        input[axis] = self.counts[slot];
        let output = Grid::new(input).index(&coords) as u32;
        out.push(Edge::Input {
            slot: slot as u32,
            output,
        });
    }

    fn ops(&self) -> &[OpRef] {
        &self.op
    }

    fn bytes(&self, task: usize) -> u64 {
        self.bytes.of(&self.grid, task as u64)
    }

    fn total_bytes(&self) -> u64 {
        self.bytes.total(&self.grid)
    }

    fn token(&self, k: KeyBuilder) -> KeyBuilder {
        let k = self
            .grid
            .token(k.key(self.op[0].key()).u64(u64::from(self.axis)));
        self.counts.iter().fold(k, |k, &n| k.u64(u64::from(n)))
    }

    fn encode(&self) -> Result<Vec<u8>> {
        encode(&self.op, self)
    }

    fn with_ops(&self, ops: Vec<OpRef>) -> Option<Arc<dyn LayerKind>> {
        let op: [OpRef; 1] = ops.try_into().ok()?;
        Some(Arc::new(Self { op, ..self.clone() }))
    }
}

kvern_core::register_layer!(KIND, |bytes| {
    let layer: Concat = decode(KIND, bytes)?;
    Ok(Arc::new(layer.checked()?))
});

/// Hands its input on.
#[derive(Debug, Serialize, Deserialize)]
struct Alias;

impl TypedOperator for Alias {
    const NAME: &'static str = "array.alias";
    const INPUTS: Option<usize> = Some(1);

    fn traits(&self) -> OpTraits {
        ALIAS
    }

    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        Ok(std::mem::replace(&mut inputs[0], Value::UNIT))
    }
}

typed_operator!(Alias);
