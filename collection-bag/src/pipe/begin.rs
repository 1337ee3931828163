//! What a chain begins with, and what it is called by its parts.

use super::SourcePart;
use super::fork::Link;
use super::split::ItemType;

/// What is said of the bytes of a partition where nobody knows how many it will have: one that a function makes, what steps let through, what a
/// compressed file unfolds to. A projection that is too large would refuse what fits; what a task really holds is counted while it runs
/// ([`held`](super::held)).
pub(crate) const UNKNOWN_BYTES: u64 = 1 << 20;

/// What a chain begins with. Chains of one source have the same.
pub(crate) struct Begin {
    pub(crate) source: SourcePart,
    pub(crate) item: ItemType,
    pub(crate) partitions: u32,
    /// About the bytes of a partition, as far as can be known.
    pub(crate) bytes: u64,
}

impl Begin {
    /// About the bytes of a partition behind some steps.
    pub(crate) fn bytes_after(&self, steps: &[Link]) -> u64 {
        match steps {
            [] => self.bytes,
            _ => self.bytes.min(UNKNOWN_BYTES),
        }
    }
}

/// So many steps of a long chain are named, at its beginning and at its end.
const NAMED: usize = 6;

/// The names of a chain's parts; of a long one, those at its ends.
pub(crate) fn names<'a>(
    begin: &'a Begin,
    steps: &'a [Link],
    end: &'a str,
) -> Vec<std::borrow::Cow<'a, str>> {
    let names = || steps.iter().map(|l| l.step.name.into());
    let mut all = vec![begin.source.name.into()];
    match steps.len() {
        n if n > 2 * NAMED + 1 => {
            all.extend(names().take(NAMED));
            all.push(format!("… {} more …", n - 2 * NAMED).into());
            all.extend(names().skip(n - NAMED));
        }
        _ => all.extend(names()),
    }
    all.extend((!end.is_empty()).then_some(end.into()));
    all
}
