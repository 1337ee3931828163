//! Ends that are more chains: several that take the same items ([`Fork`]), so that a run passes through what they share once, and the rest of a
//! very long one ([`Relay`]), so that neither the stack nor a name grows with it.

use std::rc::Rc;
use std::sync::Arc;

use kvern_core::operator::Stays;
use kvern_core::{Error, ErrorKind, Pieces, Result, Value};
use serde::Serialize;

use super::part::PartWire;
use super::split::{ItemType, Pump, Split};
use super::{AnyStage, Eating, End, EndPart, Env, FromParams, Part, SplitPart, Step, StepPart};

/// So many steps at most are called one inside the other.
const STEPS: usize = 256;

/// A step, and what its items are.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) step: StepPart,
    pub(crate) item: ItemType,
}

/// One of several chains behind a [`Fork`].
pub(crate) struct Tail {
    /// The number in the whole bag of what is partition 0 here.
    pub(crate) first: u64,
    pub(crate) steps: Vec<Link>,
    pub(crate) end: EndPart,
}

/// What is made of a [`Tail`].
struct Made {
    first: u64,
    steps: Vec<Arc<dyn Step>>,
    end: Arc<dyn End>,
}

impl Made {
    /// Whether it may ask for more items than are at hand.
    fn pulls(&self) -> bool {
        self.end.pulls() || self.steps.iter().any(|s| s.pulls())
    }
}

/// What is sent of a [`Tail`].
type TailOut<'a> = (u64, Vec<&'a PartWire<dyn Step>>, &'a PartWire<dyn End>);

type TailWire = (u64, Vec<PartWire<dyn Step>>, PartWire<dyn End>);

/// What parts are made of elsewhere, in bytes; `Err`: why one of them stays here.
fn encode(wire: Result<impl Serialize, Stays>) -> Result<Vec<u8>, Stays> {
    postcard::to_allocvec(&wire?).map_err(|_| Stays::Here)
}

fn wire<X: ?Sized>(part: &Part<X>) -> Result<&PartWire<X>, Stays> {
    part.wire().ok_or(part.stays)
}

/// Steps and an end, of which the first steps are few enough to be called one inside the other, and the rest is in the end.
pub(crate) fn line(steps: &[Link], end: EndPart) -> (&[Link], EndPart) {
    match steps.split_at_checked(STEPS) {
        Some((here, rest)) if !rest.is_empty() => {
            let before = here.last().map(|l| l.item);
            (here, relay(before, rest, end))
        }
        _ => (steps, end),
    }
}

/// What the chains make of the items, as [`Pieces`]: first those of the first, and so on.
pub(crate) struct Fork {
    split: Arc<dyn Split>,
    tails: Vec<Made>,
}

/// Several chains as one end.
pub(crate) fn fork(split: &SplitPart, tails: Vec<Tail>) -> EndPart {
    let tails = tails.into_iter().map(|t| {
        let (steps, end) = line(&t.steps, t.end);
        (t.first, steps.to_vec(), end)
    });
    let tails: Vec<_> = tails.collect();
    let wires = tails.iter().map(|(first, steps, end)| {
        let steps = steps.iter().map(|l| wire(&l.step));
        Ok((*first, steps.collect::<Result<_, _>>()?, wire(end)?))
    });
    let wires: Result<Vec<TailOut<'_>>, Stays> = wires.collect();
    let params = encode(wires.and_then(|tails| Ok((wire(split)?, tails))));
    let made = Fork {
        split: split.made.clone(),
        tails: tails
            .into_iter()
            .map(|(first, steps, end)| Made {
                first,
                steps: steps.into_iter().map(|l| l.step.made).collect(),
                end: end.made,
            })
            .collect(),
    };
    EndPart::assembled("fork", made, params)
}

impl FromParams for Fork {
    fn from_params(params: &[u8]) -> Result<Self> {
        let (split, tails): (PartWire<dyn Split>, Vec<TailWire>) =
            kvern_core::operator::decode_params("a bag's fork", params)?;
        let tails = tails.iter().map(|(first, steps, end)| {
            Ok(Made {
                first: *first,
                steps: steps.iter().map(PartWire::make).collect::<Result<_>>()?,
                end: end.make()?,
            })
        });
        Ok(Self {
            split: split.make()?,
            tails: tails.collect::<Result<_>>()?,
        })
    }
}

impl End for Fork {
    fn begin<'a>(&'a self, stage: AnyStage, env: &Rc<Env>) -> Result<Box<dyn Eating + 'a>> {
        let (pump, feeds) = self.split.split(stage, self.tails.len(), env)?;
        let tails = self.tails.iter().zip(feeds).map(|(tail, mut stage)| {
            let env = Rc::new(Env::below(env, tail.first));
            for step in &tail.steps {
                stage = step.attach(stage, &env)?;
            }
            Ok(Progress::Eats(tail.end.begin(stage, &env)?))
        });
        let tails = tails.collect::<Result<_>>()?;
        Ok(Box::new(Forking {
            pump,
            tails,
            pulls: self.tails.iter().map(Made::pulls).collect(),
            live: self.tails.len(),
            next: 0,
            nested: self.tails.iter().map(|t| t.end.is_fork()).collect(),
        }))
    }

    fn pulls(&self) -> bool {
        self.tails.iter().any(Made::pulls)
    }

    fn is_fork(&self) -> bool {
        true
    }

    fn combine(&self, _: &mut [Value]) -> Result<Value> {
        Err(Error::new(
            ErrorKind::Internal,
            "what several chains made is not merged together",
        ))
    }

    fn finish(&self, parts: &mut [Value]) -> Result<Value> {
        self.combine(parts)
    }
}

/// How far a chain is.
enum Progress<'a> {
    Eats(Box<dyn Eating + 'a>),
    Done(Value),
    /// In between, and after a failure.
    Nothing,
}

struct Forking<'a> {
    pump: Rc<dyn Pump>,
    tails: Vec<Progress<'a>>,
    /// Which of them make [`Pieces`] themselves.
    nested: Vec<bool>,
    /// Which of them may fetch more than there is.
    pulls: Vec<bool>,
    /// How many are not done.
    live: usize,
    /// The one that was last given something: those before it have taken all that was there, as a rule.
    next: usize,
}

impl Eating for Forking<'_> {
    fn advance(&mut self) -> Result<bool> {
        let n = self.tails.len();
        for i in (self.next..n).chain(0..self.next) {
            // Not asked for more than there is: a chain that wants it would fill the lists of the others.
            if !(self.pump.has(i) || self.pump.ended()) {
                continue;
            }
            let Progress::Eats(eater) = &mut self.tails[i] else {
                continue;
            };
            // What a chain that pulls has fetched is in the lists of the others as well: they go first.
            self.next = if self.pulls[i] { 0 } else { i };
            if !eater.advance()? {
                self.pump.close(i);
                self.live -= 1;
                let tail = std::mem::replace(&mut self.tails[i], Progress::Nothing);
                if let Progress::Eats(eater) = tail {
                    self.tails[i] = Progress::Done(eater.finish()?);
                }
            }
            return Ok(self.live > 0);
        }
        self.pump.advance();
        Ok(self.live > 0)
    }

    fn finish(self: Box<Self>) -> Result<Value> {
        let mut parts = Vec::new();
        for (tail, nested) in self.tails.into_iter().zip(self.nested) {
            let value = match tail {
                Progress::Eats(eater) => eater.finish()?,
                Progress::Done(value) => value,
                Progress::Nothing => {
                    return Err(Error::new(ErrorKind::Internal, "a chain has no result"));
                }
            };
            match nested {
                false => parts.push(value),
                true => match value.try_into_inner::<Pieces>() {
                    Ok(more) => parts.extend(more.0),
                    Err(v) => {
                        let words = format!("a fork made {}", v.describe());
                        return Err(Error::new(ErrorKind::Internal, words));
                    }
                },
            }
        }
        Ok(Pieces(parts).into_value())
    }
}

/// The rest of a long chain, in pieces that take from each other what the one before has made.
struct Relay {
    segments: Vec<Segment>,
    end: Arc<dyn End>,
}

/// How items come to a piece, and its steps.
type Segment = (Arc<dyn Split>, Vec<Arc<dyn Step>>);

/// `before`: what the items are that it takes.
fn relay(before: Option<ItemType>, steps: &[Link], end: EndPart) -> EndPart {
    let mut before = before;
    let mut segments = Vec::new();
    for steps in steps.chunks(STEPS) {
        if let Some(item) = before {
            segments.push((item.passed(), steps));
        }
        before = steps.last().map(|l| l.item);
    }
    let wires = segments.iter().map(|(split, steps)| {
        let steps = steps.iter().map(|l| wire(&l.step));
        Ok((wire(split)?, steps.collect::<Result<_, _>>()?))
    });
    let wires: Result<Vec<SegmentOut<'_>>, Stays> = wires.collect();
    let params = encode(wires.and_then(|segments| Ok((segments, wire(&end)?))));
    let made = Relay {
        segments: segments
            .iter()
            .map(|(split, steps)| {
                let steps = steps.iter().map(|l| l.step.made.clone());
                (split.made.clone(), steps.collect())
            })
            .collect(),
        end: end.made,
    };
    EndPart::assembled(end.name, made, params)
}

type SegmentOut<'a> = (&'a PartWire<dyn Split>, Vec<&'a PartWire<dyn Step>>);

type SegmentWire = (PartWire<dyn Split>, Vec<PartWire<dyn Step>>);

impl FromParams for Relay {
    fn from_params(params: &[u8]) -> Result<Self> {
        let (segments, end): (Vec<SegmentWire>, PartWire<dyn End>) =
            kvern_core::operator::decode_params("a bag's long chain", params)?;
        let segments = segments.iter().map(|(split, steps)| {
            let steps = steps.iter().map(PartWire::make).collect::<Result<_>>()?;
            Ok((split.make()?, steps))
        });
        Ok(Self {
            segments: segments.collect::<Result<_>>()?,
            end: end.make()?,
        })
    }
}

impl End for Relay {
    fn begin<'a>(&'a self, stage: AnyStage, env: &Rc<Env>) -> Result<Box<dyn Eating + 'a>> {
        let (mut stage, mut pumps) = (stage, Vec::with_capacity(self.segments.len()));
        for (split, steps) in &self.segments {
            let (pump, feeds) = split.split(stage, 1, env)?;
            stage = feeds.into_iter().next().ok_or_else(nothing)?;
            for step in steps {
                stage = step.attach(stage, env)?;
            }
            let pulls = steps.iter().any(|s| s.pulls());
            pumps.push(Pumped { pump, pulls });
        }
        if let Some(last) = pumps.last_mut() {
            last.pulls |= self.end.pulls();
        }
        Ok(Box::new(Relaying {
            eater: Some(self.end.begin(stage, env)?),
            pumps,
            live: 0,
        }))
    }

    fn pulls(&self) -> bool {
        // Nothing is taken before it is there.
        false
    }

    fn is_fork(&self) -> bool {
        self.end.is_fork()
    }

    fn combine(&self, parts: &mut [Value]) -> Result<Value> {
        self.end.combine(parts)
    }

    fn finish(&self, parts: &mut [Value]) -> Result<Value> {
        self.end.finish(parts)
    }

    fn split(&self, part: Value, n: usize) -> Result<Pieces> {
        self.end.split(part, n)
    }
}

fn nothing() -> Error {
    Error::new(ErrorKind::Internal, "a chain of no stages")
}

struct Pumped {
    pump: Rc<dyn Pump>,
    /// Whether what takes from it asks for more than there is: it must wait until all is there, since to fetch more from here
    /// would go down through all that is before it.
    pulls: bool,
}

struct Relaying<'a> {
    /// Takes from the last of `pumps`.
    eater: Option<Box<dyn Eating + 'a>>,
    pumps: Vec<Pumped>,
    /// Those before it have ended.
    live: usize,
}

impl Relaying<'_> {
    /// Whether something can be taken from a pump, or its end be learned.
    fn is_ready(&self, i: usize) -> bool {
        let link = &self.pumps[i];
        (link.pump.has(0) && !link.pulls) || link.pump.ended()
    }
}

impl Eating for Relaying<'_> {
    fn advance(&mut self) -> Result<bool> {
        let last = self.pumps.len() - 1;
        while self.live <= last && self.pumps[self.live].pump.ended() {
            self.live += 1;
        }
        // The furthest that has something to take: lists stay short.
        if self.is_ready(last) {
            return self.eater.as_mut().ok_or_else(nothing)?.advance();
        }
        let furthest = (self.live + 1..=last)
            .rev()
            .find(|&i| self.is_ready(i - 1) && !self.pumps[i].pump.ended());
        self.pumps[furthest.unwrap_or(self.live)].pump.advance();
        Ok(true)
    }

    fn finish(mut self: Box<Self>) -> Result<Value> {
        self.eater.take().ok_or_else(nothing)?.finish()
    }
}

impl Drop for Relaying<'_> {
    /// From the end: each holds what it takes from, and taken apart from the beginning they would go one inside the other.
    fn drop(&mut self) {
        self.eater = None;
        while self.pumps.pop().is_some() {}
    }
}
