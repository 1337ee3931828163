//! What the chains of a task hold while they run, set aside in the memory budget as it grows.
//!
//! How much a chain lets through is not known before it has run, so little is said of it beforehand ([`UNKNOWN_BYTES`](super::begin)), and what it
//! really holds decides: other tasks wait for the memory that it takes, and a task that holds more than the whole budget fails.

use kvern_core::operator::Reservation;
use kvern_core::text::format_bytes;
use kvern_core::{Error, ErrorKind, Result, TaskContext};

use super::Env;

/// So much is set aside at once, so that it is seldom asked for.
const STEP: u64 = 1 << 20;

/// The memory of one task.
pub(crate) struct Held<'a> {
    ctx: TaskContext<'a>,
    budget: Option<u64>,
    /// What there is room for: what was projected, and what was set aside.
    room: u64,
    reserved: Vec<Reservation<'a>>,
}

impl<'a> Held<'a> {
    /// For a task of which so many bytes were projected.
    pub(crate) fn new(ctx: TaskContext<'a>, projected: u64) -> Self {
        Self {
            ctx,
            budget: ctx.memory_budget(),
            room: projected,
            reserved: Vec::new(),
        }
    }

    /// Sees to it that there is room for what the chains hold now.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] if that is more than the whole budget.
    pub(crate) fn make_room(&mut self, env: &Env) -> Result<()> {
        let held = env.held();
        let Some(budget) = self.budget.filter(|_| held > self.room) else {
            return Ok(());
        };
        if held > budget {
            let words = format!(
                "{}: the task holds {} by now, more than the whole memory budget of {}; let fewer items through, use more and smaller \
                 partitions (a compressed file is always one) or a larger budget (memory=…)",
                env.about(),
                format_bytes(held),
                format_bytes(budget)
            );
            return Err(Error::new(ErrorKind::OutOfMemory, words));
        }
        let more = (held - self.room).max(STEP);
        // Where others have the memory it goes on all the same: they end or wait, and all tasks that run together are few.
        self.reserved.extend(self.ctx.reserve(more).ok());
        self.room = self.room.saturating_add(more);
        Ok(())
    }
}
