//! What a backend is, as a table for people.

use std::fmt;

use super::scheduler::Description;
use crate::base::text::format_bytes;

/// One line for each thing that is known, under names of one width.
///
/// ```
/// use kvern_core::scheduler::Description;
/// let mut about = Description::new("threads", "threads of this process");
/// about.threads = 4;
/// about.memory_budget = Some(256 << 20);
/// assert_eq!(
///     about.to_string(),
///     "backend    threads://\n\
///      about      threads of this process\n\
///      threads    4\n\
///      memory     256MiB for results\n\
///      on disk    nothing\n\
///      abilities  none that not all have"
/// );
/// ```
impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "backend    {}://", self.scheme)?;
        writeln!(f, "about      {}", self.about)?;
        writeln!(f, "threads    {}", self.threads)?;
        match self.memory_budget {
            Some(bytes) => writeln!(f, "memory     {} for results", format_bytes(bytes))?,
            None => writeln!(f, "memory     no limit")?,
        }
        match &self.spill_directory {
            Some(folder) => writeln!(
                f,
                "on disk    what memory has no room for, in {}",
                folder.display()
            )?,
            None => writeln!(f, "on disk    nothing")?,
        }
        let can = self.capabilities;
        let abilities = [
            (can.closures, "closures that capture"),
            (can.spill, "spilling"),
            (can.deterministic, "the same order each time"),
            (can.concurrent, "runs that overlap"),
            (can.nested, "tasks that submit tasks"),
        ];
        let mut has = abilities.iter().filter(|(is, _)| *is).map(|(_, name)| name);
        match has.next() {
            None => f.write_str("abilities  none that not all have"),
            Some(first) => {
                write!(f, "abilities  {first}")?;
                has.try_for_each(|name| write!(f, ", {name}"))
            }
        }
    }
}
