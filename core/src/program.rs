//! Several operators run as one task: what fusion makes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::blocks::GridMap;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::operator::{Kernel, OpRef, OpTraits, TaskContext};
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
    pub op: OpRef,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// How the task's block number becomes this step's; `None`: it is the same.
    pub block: Option<GridMap>,
    /// A fixed block number (linear fusion of explicit tasks); stronger than `block`.
    pub fixed_block: Option<u64>,
}

/// A straight-line program over operators: the last step's result is the task's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program(Arc<Vec<Step>>);

impl Program {
    /// From steps that refer to earlier steps only.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) for no step, or one that refers to itself or a later one.
    pub fn new(steps: Vec<Step>) -> Result<Self> {
        if steps.is_empty() {
            return Err(Error::bad_input("a fused program needs at least one step"));
        }
        for (i, s) in steps.iter().enumerate() {
            if let Some(Arg::Step(j)) = s
                .args
                .iter()
                .find(|a| matches!(a, Arg::Step(j) if *j as usize >= i))
            {
                return Err(Error::bad_input(format!(
                    "step {i} ({}) reads step {j}, which is not before it",
                    s.op.label()
                )));
            }
        }
        Ok(Self(Arc::new(steps)))
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
