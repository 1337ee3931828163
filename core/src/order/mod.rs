//! Static order (prototype).
#![allow(missing_docs)]
mod peak;
mod readers;
mod walk;
pub use peak::{Peak, peak};
pub use walk::{Child, First, Goal, Policy};
#[derive(Clone, Copy, Debug)]
pub struct Dag<'a> {
    pub dep_off: &'a [u32],
    pub deps: &'a [u32],
    pub bytes: &'a [u64],
    pub outputs: &'a [u32],
}
impl<'a> Dag<'a> {
    pub fn len(&self) -> usize {
        self.dep_off.len().saturating_sub(1)
    }
    pub fn deps_of(&self, t: u32) -> &'a [u32] {
        &self.deps[self.dep_off[t as usize] as usize..self.dep_off[t as usize + 1] as usize]
    }
}
pub fn order_with(dag: &Dag<'_>, policy: Policy) -> Vec<u32> {
    let readers = readers::Readers::new(dag);
    let need = walk::needs(dag, &readers);
    walk::walk(dag, &readers, &need, policy)
}
pub fn order(dag: &Dag<'_>) -> Vec<u32> {
    order_with(
        dag,
        Policy {
            child: Child::Listed,
            goal: Goal::Recent,
            first: First::Listed,
            close: 0,
        },
    )
}
