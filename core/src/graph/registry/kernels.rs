//! The code of operators, each looked up once.

use std::fmt;
use std::sync::Arc;

use super::Registry;
use crate::base::error::{Error, Result};
use crate::base::key::KeyMap;
use crate::operator::{Kernel, OpBody, OpRef, TaskContext};
use crate::value::Value;

/// The code of the operators of one run: each is looked up, and its parameters read, once.
#[derive(Default)]
pub(crate) struct Kernels {
    own: KeyMap<Arc<dyn Kernel>>,
    /// What was found before.
    before: Option<Arc<Self>>,
}

impl Kernels {
    /// None yet but those that were found before.
    pub(crate) fn over(before: &Arc<Self>) -> Self {
        let (own, before) = (KeyMap::default(), Some(before.clone()));
        Self { own, before }
    }

    fn known(&self, op: &OpRef) -> Option<&Arc<dyn Kernel>> {
        let own = self.own.get(&op.key());
        own.or_else(|| self.before.as_ref()?.known(op))
    }

    /// The code of an operator, from that registry if it was not asked for before.
    pub(crate) fn of(&mut self, op: &OpRef, registry: &Registry) -> Result<Arc<dyn Kernel>> {
        if let Some(known) = self.known(op) {
            return Ok(known.clone());
        }
        let kernel: Arc<dyn Kernel> = match op.body() {
            OpBody::Local { kernel, .. } => kernel.clone(),
            OpBody::Travelling { recipe, params } => recipe.make(params).map_err(|e| {
                let words = format!("the closure {}: {}", op.name(), e.message());
                Error::with_source(e.kind(), words, e)
            })?,
            // Stands for values at hand; schedulers never run it.
            OpBody::Named(_) if op.name() == "core.data" => {
                Arc::new(|_: &mut [Value], _: &TaskContext<'_>| Ok(Value::UNIT))
            }
            OpBody::Named(params) => registry
                .operator(op.name(), Some(op.version()))?
                .instantiate_in(params, registry)
                .map_err(|e| {
                    Error::with_source(e.kind(), format!("{}: {}", op.label(), e.message()), e)
                })?,
            OpBody::Program(p) => {
                let kernels = p.steps().iter().map(|s| self.of(&s.op, registry));
                Arc::new(p.kernel(kernels.collect::<Result<Vec<_>>>()?))
            }
        };
        self.own.insert(op.key(), kernel.clone());
        Ok(kernel)
    }
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernels({})", self.own.len())
    }
}
