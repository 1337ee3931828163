//! Graphs by seed, what their tasks do, and the serial answer.

use std::collections::BTreeMap;

use kvern_core::{Key, Piece};
use kvern_machine::{Datum, GraphId, GraphSpec, OutputRef, Payload, TaskRef, WorkerId};

use crate::rng::{Rng, join};

/// What a task does, as its operator number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Makes the hash of its inputs.
    Hash,
    /// Fails, always.
    Fail,
    /// Fails so often, then works.
    Flaky(u32),
    /// Looks at its flag often, so it stops at once when told to.
    Polite,
    /// Ends the process that runs it.
    Poison,
    /// Submits a graph of so many tasks and waits for it.
    Nested(u32),
    /// The same, with a lock in its hands that all such tasks of its worker want.
    Careful(u32),
}

impl Act {
    /// The number of this act.
    pub fn op(self) -> u32 {
        match self {
            Self::Hash => 0,
            Self::Fail => 1,
            Self::Polite => 2,
            Self::Poison => 3,
            Self::Flaky(n) => 100 + n,
            Self::Nested(n) => 200 + n,
            Self::Careful(n) => 300 + n,
        }
    }

    /// The act of a number.
    pub fn of(op: u32) -> Self {
        match op {
            1 => Self::Fail,
            2 => Self::Polite,
            3 => Self::Poison,
            100..200 => Self::Flaky(op - 100),
            200..300 => Self::Nested(op - 200),
            300.. => Self::Careful(op - 300),
            _ => Self::Hash,
        }
    }
}

/// What the serial answer says of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    /// Its value; none if it fails, or reads something that does.
    pub value: Option<u64>,
    /// It reads, however far away, a task that fails on purpose.
    pub fails: bool,
    /// It reads scattered data, which may be lost.
    pub scattered: bool,
    /// It reads a task that kills its worker, or is one.
    pub poison: bool,
    /// It reads a result of a graph that may be gone or cancelled when it is read.
    pub foreign: bool,
}

/// A graph with its answers.
#[derive(Debug, Clone)]
pub struct Made {
    /// The graph.
    pub spec: GraphSpec,
    /// The answer for each task.
    pub answers: Vec<Answer>,
    /// Values to be put on workers: task, worker, value.
    pub scatter: Vec<(u32, WorkerId, u64)>,
}

impl Made {
    /// What a task of this graph reads, in it and in others.
    pub fn inputs(&self, all: &BTreeMap<GraphId, Self>, task: TaskRef) -> Vec<TaskRef> {
        let own = self.spec.deps(task.task).iter();
        let mut inputs: Vec<_> = own.map(|d| TaskRef::new(task.graph, *d)).collect();
        for (t, datum) in &self.spec.data {
            if let (true, Datum::External(of)) = (*t == task.task, datum)
                && let Some(other) = all.get(&of.graph)
            {
                inputs.push(TaskRef::new(
                    of.graph,
                    other.spec.outputs[of.output as usize],
                ));
            }
        }
        inputs
    }
}

/// An output of an earlier graph that a new one may read.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// Which.
    pub output: OutputRef,
    /// Its answer.
    pub answer: Answer,
}

/// How wild the graphs are.
#[derive(Debug, Clone, Copy)]
pub struct Wild {
    /// The most tasks.
    pub tasks: u64,
    /// Whether tasks fail.
    pub failures: bool,
    /// Whether some kill their workers.
    pub poison: bool,
    /// Whether some submit graphs.
    pub nested: bool,
    /// Whether some run on workers of their client's own build alone, and there are others.
    pub mixed: bool,
}

/// The build of all clients, and of some workers in a mixed world.
pub const OWN_BUILD: &str = "mine";

/// Whether an operator exists in processes of that build alone, in a mixed world.
pub fn is_bound(op: u32) -> bool {
    matches!(Act::of(op), Act::Polite | Act::Flaky(_))
}

/// A literal of that value, as a payload.
pub fn literal(value: u64) -> Payload {
    Payload::from(value.to_le_bytes().to_vec())
}

/// The value of a payload that [`literal`] made.
pub fn value(payload: &Payload) -> u64 {
    payload.as_slice().try_into().map_or(0, u64::from_le_bytes)
}

/// What a task makes of its inputs.
pub fn compute(key: Key, inputs: &[u64]) -> u64 {
    let [a, b] = key.words();
    inputs.iter().fold(join(a, b), |h, v| join(h, *v))
}

/// The value of a piece of a result of that value.
pub fn piece_of(value: u64, piece: u32) -> u64 {
    join(value, u64::from(piece) + 1)
}

/// What a nested task makes of its own value and the one that its graph makes.
pub fn nested_value(own: u64, tasks: u32) -> u64 {
    (0..tasks).fold(own, |h, i| compute(nested_key(own, i), &[h]))
}

fn nested_key(own: u64, i: u32) -> Key {
    Key::builder("sim-nested")
        .u64(own)
        .u64(u64::from(i))
        .finish()
}

/// The graph that a nested task submits: a chain that begins with its own value.
pub fn nested(own: u64, tasks: u32) -> GraphSpec {
    let n = tasks as usize + 1;
    GraphSpec {
        dep_off: (0..=n as u32).map(|i| i.saturating_sub(1)).collect(),
        deps: (0..tasks).collect(),
        bytes: vec![8; n],
        position: (0..n as u32).collect(),
        op: vec![0; n],
        keys: (0..n as u32)
            .map(|i| nested_key(own, i.wrapping_sub(1)))
            .collect(),
        data: vec![(0, Datum::Literal(literal(own)))],
        outputs: vec![tasks],
        ..GraphSpec::default()
    }
}

/// A graph of that number.
pub fn make(
    rng: &mut Rng,
    graph: GraphId,
    wild: Wild,
    offers: &[Offer],
    workers: &[WorkerId],
) -> Made {
    let n = 1 + rng.below(wild.tasks) as u32;
    let shape = rng.below(6);
    let mut made = Made {
        spec: GraphSpec {
            dep_off: vec![0],
            shared: Payload::from(graph.count().to_le_bytes().to_vec()),
            backoff: vec![0, 1_000, 20_000_000],
            ..GraphSpec::default()
        },
        answers: Vec::new(),
        scatter: Vec::new(),
    };
    for t in 0..n {
        let key = Key::builder("sim")
            .u64(u64::from(graph.client().0))
            .u64(u64::from(graph.count()));
        made.spec.keys.push(key.u64(u64::from(t)).finish());
        made.spec.bytes.push(if rng.one_in(5) {
            rng.below(200_000_000)
        } else {
            8 + rng.below(5000)
        });
        made.spec.retries.push(0);
        made.spec.annotation.push(0);
        made.spec.piece.push(None);
        if !datum(rng, &mut made, t, offers, workers) {
            task(rng, &mut made, t, shape, n, wild);
        }
        made.spec.dep_off.push(made.spec.deps.len() as u32);
    }
    // Any order that puts inputs first would do; the machine must not rely on it being a good one.
    let mut position: Vec<u32> = (0..n).collect();
    if rng.one_in(3) {
        for i in (1..n as usize).rev() {
            position.swap(i, rng.below(i as u64 + 1) as usize);
        }
    }
    made.spec.position = position;
    made.spec.priority = (graph.count() % 3) as i32 - 1;
    if wild.mixed {
        made.spec.build = OWN_BUILD.into();
        let most = made.spec.op.iter().max().map_or(0, |op| op + 1);
        made.spec.bound = (0..most).map(is_bound).collect();
    }
    outputs(rng, &mut made, n);
    made
}

/// Makes a task data, sometimes.
fn datum(rng: &mut Rng, made: &mut Made, t: u32, offers: &[Offer], workers: &[WorkerId]) -> bool {
    let h = rng.next();
    let (datum, answer) = match rng.below(20) {
        0 => {
            let answer = Answer {
                value: Some(h),
                ..Answer::default()
            };
            (Datum::Literal(literal(h)), answer)
        }
        1 | 2 if !offers.is_empty() => {
            let offer = offers[rng.below(offers.len() as u64) as usize];
            (Datum::External(offer.output), offer.answer)
        }
        3 if !workers.is_empty() => {
            let worker = workers[rng.below(workers.len() as u64) as usize];
            made.scatter.push((t, worker, h));
            let backed = h & 1 == 0;
            let answer = Answer {
                value: Some(h),
                scattered: !backed,
                ..Answer::default()
            };
            let datum = if backed {
                Datum::Backed(worker)
            } else {
                Datum::Scattered(worker)
            };
            (datum, answer)
        }
        _ => return false,
    };
    made.spec.data.push((t, datum));
    made.spec.op.push(0);
    made.answers.push(answer);
    true
}

fn task(rng: &mut Rng, made: &mut Made, t: u32, shape: u64, n: u32, wild: Wild) {
    let earlier = u64::from(t);
    let mut deps: Vec<u32> = Vec::new();
    match shape {
        // A map.
        0 => {}
        // A chain, with a few side roads.
        1 => deps.extend(t.checked_sub(1)),
        // A tree.
        2 if t > n / 2 => {
            let first = (t - n / 2 - 1) * 2;
            deps.extend([first, first + 1].into_iter().filter(|d| *d < t));
        }
        // One reads all.
        3 if t == n - 1 => deps.extend(0..t),
        // Anything, the same thing twice included.
        _ if t > 0 => {
            for _ in 0..rng.below(5) {
                let near = rng.below(earlier.min(6)) as u32 + 1;
                deps.push(if rng.one_in(4) {
                    rng.below(earlier) as u32
                } else {
                    t - near
                });
            }
        }
        _ => {}
    }
    let act = match rng.below(60) {
        0 if wild.failures => Act::Fail,
        1..4 if wild.failures => Act::Flaky(1 + rng.below(3) as u32),
        4..8 => Act::Polite,
        8 if wild.poison => Act::Poison,
        9..11 if wild.nested => Act::Nested(1 + rng.below(3) as u32),
        11..16 if wild.nested => Act::Careful(1 + rng.below(3) as u32),
        _ => Act::Hash,
    };
    if let Act::Flaky(times) = act {
        made.spec.retries[t as usize] = times as u16 + rng.below(2) as u16;
        made.spec.annotation[t as usize] = rng.below(made.spec.backoff.len() as u64) as u32;
    }
    if !deps.is_empty() && rng.one_in(4) {
        let index = rng.below(3) as u32;
        made.spec.piece[t as usize] = Some(Piece { index, of: 3 });
    }
    let mut answer = Answer {
        fails: act == Act::Fail,
        poison: act == Act::Poison,
        ..Answer::default()
    };
    let mut inputs = Some(Vec::new());
    for &d in &deps {
        let of = made.answers[d as usize];
        answer.fails |= of.fails;
        answer.scattered |= of.scattered;
        answer.poison |= of.poison;
        answer.foreign |= of.foreign;
        match (of.value, &mut inputs) {
            (Some(v), Some(list)) => list.push(match made.spec.piece[t as usize] {
                Some(piece) => piece_of(v, piece.index),
                None => v,
            }),
            _ => inputs = None,
        }
    }
    let fine = !matches!(act, Act::Fail | Act::Poison);
    answer.value = inputs.filter(|_| fine).map(|list| {
        let own = compute(made.spec.keys[t as usize], &list);
        match act {
            Act::Nested(tasks) | Act::Careful(tasks) => nested_value(own, tasks),
            _ => own,
        }
    });
    made.spec.op.push(act.op());
    made.spec.deps.extend(deps);
    made.answers.push(answer);
}

fn outputs(rng: &mut Rng, made: &mut Made, n: u32) {
    let mut read = vec![false; n as usize];
    made.spec.deps.iter().for_each(|&d| read[d as usize] = true);
    for t in 0..n {
        if !read[t as usize] || rng.one_in(6) {
            made.spec.outputs.push(t);
        }
        if rng.one_in(30) {
            made.spec.outputs.push(t);
        }
    }
}
