//! A whole chain as one operator: source, steps and end, run over one partition as one task.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use kvern_core::travel::{self, Maker};
use kvern_core::{
    Error, ErrorKind, Kernel, OpRef, OpTraits, Pieces, Result, TaskContext, Value,
    operator::decode_params, panics,
};
use serde::{Deserialize, Serialize};

use super::begin::{Begin, names};
use super::fork::{Link, line};
use super::held::Held;
use super::part::PartWire;
use super::{End, EndPart, Env, Part, Source, Step};

/// The code of a chain.
struct Chain {
    /// The number in the whole bag of what is partition 0 here.
    first: u64,
    /// See [`Begin::bytes_after`].
    projected: u64,
    source: Arc<dyn Source>,
    steps: Vec<Arc<dyn Step>>,
    end: Arc<dyn End>,
}

impl Kernel for Chain {
    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let env = Rc::new(Env::new(self.first, ctx.block()));
        let run = || self.pass(inputs, ctx, &env);
        // Caught here rather than by the backend, because here it is known where in the input it happened.
        let result = panics::caught(run).unwrap_or_else(|panic| {
            let at = panic
                .place
                .map_or_else(String::new, |at| format!(" (at {at})"));
            let words = format!("a function panicked {}: {}{at}", env.about(), panic.words);
            env.tell();
            Err(Error::new(ErrorKind::Panic, words))
        });
        result.map_err(|e| match e.kind() {
            ErrorKind::Task | ErrorKind::BadInput if !env.told() => {
                let words = format!("{}: {}", env.about(), e.message());
                Error::with_source(e.kind(), words, e)
            }
            _ => e,
        })
    }
}

impl Chain {
    fn pass(&self, inputs: &mut [Value], ctx: &TaskContext<'_>, env: &Rc<Env>) -> Result<Value> {
        let mut stage = self.source.open(inputs, ctx.block(), env)?;
        for step in &self.steps {
            stage = step.attach(stage, env)?;
        }
        let held = RefCell::new(Held::new(*ctx, self.projected));
        self.end.chunk(stage, env, &|| {
            ctx.check_cancelled()?;
            held.borrow_mut().make_room(env)
        })
    }
}

/// [`ChainWire`] as it is written.
#[derive(Serialize)]
struct ChainOut<'a> {
    first: u64,
    projected: u64,
    source: &'a PartWire<dyn Source>,
    steps: Vec<&'a PartWire<dyn Step>>,
    end: &'a PartWire<dyn End>,
}

/// What is sent of a chain.
#[derive(Deserialize)]
struct ChainWire {
    first: u64,
    projected: u64,
    source: PartWire<dyn Source>,
    steps: Vec<PartWire<dyn Step>>,
    end: PartWire<dyn End>,
}

/// Makes a [`Chain`] of what was sent.
struct ReadChain;

impl<F> Maker<F> for ReadChain {
    type Made = Arc<dyn Kernel>;

    fn make(_: F, params: &[u8]) -> Result<Self::Made> {
        let wire: ChainWire = decode_params("a bag's chain", params)?;
        Ok(Arc::new(Chain {
            first: wire.first,
            projected: wire.projected,
            source: wire.source.make()?,
            steps: wire
                .steps
                .iter()
                .map(PartWire::make)
                .collect::<Result<_>>()?,
            end: wire.end.make()?,
        }))
    }
}

/// Each partition of a bag is another one of its block.
const BY_BLOCK: OpTraits = OpTraits {
    pure: true,
    uses_block: true,
    inline: false,
};

/// What the operator of a chain was made of: where several of them share a beginning, it is run once ([`once`](crate::once)).
pub(crate) struct Spec {
    pub(crate) first: u64,
    pub(crate) begin: Arc<Begin>,
    pub(crate) steps: Vec<Link>,
    pub(crate) end: EndPart,
}

/// The operator of a chain: one that travels if all its parts do. `first`: the number of its partition 0 in the whole bag.
pub(crate) fn chain(
    first: u64,
    begin: &Arc<Begin>,
    steps: &[Link],
    end: &EndPart,
) -> Result<OpRef> {
    let name = format!("bag.{}", names(begin, steps, end.name).join("."));
    let spec = Spec {
        first,
        begin: begin.clone(),
        steps: steps.to_vec(),
        end: end.clone(),
    };
    let projected = begin.bytes_after(steps);
    let source = &begin.source;
    let (steps, end) = line(steps, end.clone());
    let sent = || {
        Some(ChainOut {
            first,
            projected,
            source: source.wire()?,
            steps: steps.iter().map(|l| l.step.wire()).collect::<Option<_>>()?,
            end: end.wire()?,
        })
    };
    let recipe = travel::recipe::<_, ReadChain>(&());
    let op = match (recipe, sent()) {
        (Some(recipe), Some(wire)) => OpRef::travelling(name, BY_BLOCK, recipe, encode(&wire)?),
        _ => {
            // The first one that stays is told; all of them are to be mended.
            let mut steps_stay = steps.iter().filter_map(|l| l.step.why());
            let stays = source.why().or_else(|| steps_stay.next());
            let kernel = Chain {
                first,
                projected,
                source: source.made.clone(),
                steps: steps.iter().map(|l| l.step.made.clone()).collect(),
                end: end.made.clone(),
            };
            OpRef::local_kernel(name, BY_BLOCK, stays.unwrap_or(end.stays), Arc::new(kernel))
        }
    };
    Ok(op.made_of(Arc::new(spec)))
}

fn encode(params: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_allocvec(params)
        .map_err(|e| Error::with_source(ErrorKind::Internal, "a chain cannot be serialised", e))
}

/// Puts partial results together.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Together {
    /// Some of them to one.
    Combine,
    /// To the result.
    Finish,
    /// One, as it is.
    Pass,
    /// One by key to so many.
    Split(u32),
    /// What one of several chains made.
    Of(u32),
}

struct Merge {
    end: Arc<dyn End>,
    how: Together,
}

impl Kernel for Merge {
    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        match self.how {
            Together::Combine => self.end.combine(inputs),
            Together::Finish => self.end.finish(inputs),
            Together::Pass => only(inputs),
            Together::Split(n) => Ok(self.end.split(only(inputs)?, n as usize)?.into_value()),
            Together::Of(i) => Pieces::pick(&only(inputs)?, i),
        }
    }
}

fn only(inputs: &mut [Value]) -> Result<Value> {
    match inputs {
        [one] => Ok(std::mem::replace(one, Value::UNIT)),
        _ => Err(Error::bad_input(format!(
            "{} inputs where one is read",
            inputs.len()
        ))),
    }
}

/// Makes a [`Merge`] of what was sent.
struct ReadMerge;

impl<F> Maker<F> for ReadMerge {
    type Made = Arc<dyn Kernel>;

    fn make(_: F, params: &[u8]) -> Result<Self::Made> {
        let (end, how): (PartWire<dyn End>, Together) = decode_params("a bag's reduction", params)?;
        Ok(Arc::new(Merge {
            end: end.make()?,
            how,
        }))
    }
}

fn merge(end: &Part<dyn End>, how: Together, verb: &str) -> Result<OpRef> {
    let name = format!("bag.{}.{verb}", end.name);
    let traits = OpTraits::default();
    let recipe = travel::recipe::<_, ReadMerge>(&());
    if let (Some(recipe), Some(wire)) = (recipe, end.wire()) {
        let params = encode(&(wire, how))?;
        return Ok(OpRef::travelling(name, traits, recipe, params));
    }
    let kernel = Merge {
        end: end.made.clone(),
        how,
    };
    Ok(OpRef::local_kernel(
        name,
        traits,
        end.stays,
        Arc::new(kernel),
    ))
}

/// The operators that combine and finish the partial results of an end.
pub(crate) fn merges(end: &Part<dyn End>) -> Result<[OpRef; 2]> {
    Ok([
        merge(end, Together::Combine, "combine")?,
        merge(end, Together::Finish, "finish")?,
    ])
}

/// The operators that split the partial results of an end by key into so many pieces, and put pieces together.
pub(crate) fn exchange(end: &Part<dyn End>, n: u32) -> Result<[OpRef; 2]> {
    Ok([
        merge(end, Together::Split(n), "split")?,
        merge(end, Together::Finish, "gather")?,
    ])
}

/// The operator that hands on a partial result as it is.
pub(crate) fn pass(end: &Part<dyn End>) -> Result<OpRef> {
    merge(end, Together::Pass, "partial")
}

/// The operator that takes what chain `i` of a fork made, which ends in `end`.
pub(crate) fn of_fork(end: &Part<dyn End>, i: u32) -> Result<OpRef> {
    merge(end, Together::Of(i), "of")
}
