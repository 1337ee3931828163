//! Several operators run as one task: what fusion makes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::blocks::GridMap;
use crate::base::error::{Error, Result};
use crate::base::key::Key;
use crate::operator::{Kernel, OpBody, OpRef, OpTraits, TaskContext};
use crate::value::Value;

/// Where a step takes an argument from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arg {
    /// The task's n-th input.
    Input(u32),
    /// The result of an earlier step.
    Step(u32),
}

/// One operator of a [`Program`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// The operator.
    #[serde(deserialize_with = "crate::operator::deserialize_flat")]
    pub op: OpRef,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// How the task's block number becomes this step's; `None`: it is the same.
    pub block: Option<GridMap>,
    /// A fixed block number (linear fusion of explicit tasks); stronger than `block`.
    pub fixed_block: Option<u64>,
}

/// A straight-line program over operators: the last step's result is the task's.
///
/// Programs are flat: one that is made of others holds their steps, so that neither running nor reading one recurses.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<Step>")]
pub struct Program(Arc<Vec<Step>>);

/// The most inputs that a program may refer to: reading one must not make anybody set aside room for 2^32 of them.
pub const MAX_INPUTS: usize = 1 << 20;

impl TryFrom<Vec<Step>> for Program {
    type Error = Error;

    fn try_from(steps: Vec<Step>) -> Result<Self> {
        Self::new(steps)
    }
}

impl Program {
    /// From steps that refer to earlier steps only.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) for no step, one that refers to itself or a later one or to more than
    /// [`MAX_INPUTS`] inputs, or a map of block numbers whose axes do not fit its grids.
    pub fn new(steps: Vec<Step>) -> Result<Self> {
        if steps.is_empty() {
            return Err(Error::bad_input("a fused program needs at least one step"));
        }
        for (i, s) in steps.iter().enumerate() {
            for a in &s.args {
                match a {
                    Arg::Step(j) if *j as usize >= i => {
                        return Err(Error::bad_input(format!(
                            "step {i} ({}) reads step {j}, which is not before it",
                            s.op.label()
                        )));
                    }
                    Arg::Input(k) if *k as usize >= MAX_INPUTS => {
                        return Err(Error::bad_input(format!(
                            "step {i} ({}) reads input {k}, at most {MAX_INPUTS} are possible",
                            s.op.label()
                        )));
                    }
                    _ => {}
                }
            }
            if let Some(m) = &s.block {
                m.check().map_err(|why| {
                    Error::bad_input(format!("step {i} ({}): {why}", s.op.label()))
                })?;
            }
        }
        Ok(Self(Arc::new(flatten(steps)?)))
    }

    /// The steps in order.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Number of inputs that the steps refer to.
    pub fn inputs(&self) -> usize {
        let used = |a: &Arg| {
            if let Arg::Input(i) = a {
                *i as usize + 1
            } else {
                0
            }
        };
        self.0
            .iter()
            .flat_map(|s| &s.args)
            .map(used)
            .max()
            .unwrap_or(0)
    }

    /// The steps' names joined, the last first as in mathematics: `sum(mul(…))` reads `sum*mul`; long ones are cut.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.0.iter().rev().map(|s| s.op.name()).collect();
        if names.len() <= 6 {
            names.join("+")
        } else {
            format!(
                "{}+…{} more…+{}",
                names[..3].join("+"),
                names.len() - 4,
                names[names.len() - 1]
            )
        }
    }

    pub(crate) fn traits(&self) -> OpTraits {
        OpTraits {
            pure: self.0.iter().all(|s| s.op.traits().pure),
            uses_block: self
                .0
                .iter()
                .any(|s| s.op.traits().uses_block && s.fixed_block.is_none()),
            inline: false,
        }
    }

    pub(crate) fn key(&self) -> Key {
        let mut k = Key::builder("op.program");
        for s in self.0.iter() {
            k = k.key(s.op.key()).u64(s.args.len() as u64);
            for a in &s.args {
                k = match a {
                    Arg::Input(i) => k.u64(0).u64(u64::from(*i)),
                    Arg::Step(i) => k.u64(1).u64(u64::from(*i)),
                };
            }
            k = match (&s.block, s.fixed_block) {
                (_, Some(b)) => k.u64(2).u64(b),
                (Some(m), None) => m.token(k.u64(1)),
                (None, None) => k.u64(0),
            };
        }
        k.finish()
    }

    /// The code, given the code of each step in order.
    pub(crate) fn kernel(&self, kernels: Vec<Arc<dyn Kernel>>) -> ProgramKernel {
        let n = self.0.len();
        // Where each value is read last, so that it can be handed over rather than shared.
        let mut last_input = vec![usize::MAX; self.inputs()];
        let mut last_step = vec![usize::MAX; n];
        for (i, s) in self.0.iter().enumerate() {
            for a in &s.args {
                match a {
                    Arg::Input(k) => last_input[*k as usize] = i,
                    Arg::Step(k) => last_step[*k as usize] = i,
                }
            }
        }
        ProgramKernel {
            program: self.clone(),
            kernels,
            last_input,
            last_step,
        }
    }
}

/// Puts the steps of a step that is a program itself in its place.
fn flatten(steps: Vec<Step>) -> Result<Vec<Step>> {
    if !steps
        .iter()
        .any(|s| matches!(s.op.body(), OpBody::Program(_)))
    {
        return Ok(steps);
    }
    let mut flat: Vec<Step> = Vec::with_capacity(steps.len());
    // For each step as given, which flat one has its result.
    let mut result: Vec<u32> = Vec::with_capacity(steps.len());
    for step in steps {
        let args: Vec<Arg> = step
            .args
            .iter()
            .map(|a| match a {
                Arg::Input(i) => Arg::Input(*i),
                Arg::Step(j) => Arg::Step(result[*j as usize]),
            })
            .collect();
        match step.op.body() {
            OpBody::Program(inner) => {
                let base = flat.len() as u32;
                for s in inner.steps() {
                    flat.push(spliced(s, &step, &args, base)?);
                }
            }
            _ => flat.push(Step { args, ..step }),
        }
        result.push(flat.len() as u32 - 1);
    }
    Ok(flat)
}

/// A step of a program that is `outer`, as a step of the program around it.
fn spliced(s: &Step, outer: &Step, args: &[Arg], base: u32) -> Result<Step> {
    let moved = |a: &Arg| match a {
        Arg::Step(j) => Ok(Arg::Step(base + j)),
        Arg::Input(i) => args.get(*i as usize).copied().ok_or_else(|| {
            Error::bad_input(format!(
                "{} reads input {i} of a step that gives it {}",
                s.op.label(),
                args.len()
            ))
        }),
    };
    let (block, fixed_block) = match (&s.block, s.fixed_block, &outer.block, outer.fixed_block) {
        (_, Some(b), _, _) => (None, Some(b)),
        (Some(m), None, _, Some(b)) => (None, Some(m.apply(b))),
        (None, None, _, Some(b)) => (None, Some(b)),
        (Some(m), None, Some(o), None) => (Some(m.after(o)), None),
        (m, None, o, None) => (m.clone().or_else(|| o.clone()), None),
    };
    Ok(Step {
        op: s.op.clone(),
        args: s.args.iter().map(moved).collect::<Result<_>>()?,
        block,
        fixed_block,
    })
}

pub(crate) struct ProgramKernel {
    program: Program,
    kernels: Vec<Arc<dyn Kernel>>,
    last_input: Vec<usize>,
    last_step: Vec<usize>,
}

impl Kernel for ProgramKernel {
    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let steps = self.program.steps();
        if inputs.len() < self.last_input.len() {
            return Err(Error::bad_input(format!(
                "the fused program takes {} inputs, got {}",
                self.last_input.len(),
                inputs.len()
            )));
        }
        let mut made: Vec<Value> = Vec::with_capacity(steps.len());
        let mut args: Vec<Value> = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            if i > 0 {
                // A long chain must stop as soon as its tasks would have.
                ctx.check_cancelled()?;
            }
            args.clear();
            for (n, a) in step.args.iter().enumerate() {
                // Read twice by this very step: only the last occurrence may take it.
                let again = step.args[n + 1..].contains(a);
                let (slot, last) = match a {
                    Arg::Input(k) => (&mut inputs[*k as usize], self.last_input[*k as usize]),
                    Arg::Step(k) => (&mut made[*k as usize], self.last_step[*k as usize]),
                };
                args.push(if last == i && !again {
                    std::mem::replace(slot, Value::UNIT)
                } else {
                    slot.clone()
                });
            }
            let block = match (&step.block, step.fixed_block) {
                (_, Some(b)) => b,
                (Some(m), None) => m.apply(ctx.block()),
                (None, None) => ctx.block(),
            };
            let value = self.kernels[i]
                .run(&mut args, &ctx.with_block(block))
                .map_err(|e| {
                    let words = format!(
                        "{} (step {} of {} of a fused task): {}",
                        step.op.label(),
                        i + 1,
                        steps.len(),
                        e.message()
                    );
                    Error::with_source(e.kind(), words, e)
                })?;
            made.push(value);
        }
        made.pop()
            .ok_or_else(|| Error::bad_input("a fused program needs at least one step"))
    }
}
