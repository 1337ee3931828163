//! DataFusion's memory under the session's budget: what its operators take is set aside with the scheduler that runs the task, so
//! results of other tasks are spilled for it, and a query that may not grow any more spills itself.

use std::fmt;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// What a running query asks of the thread that waits for it, which is the one that may talk to the scheduler.
pub(super) enum Ask {
    /// So many bytes more; the answer says whether they are there.
    Reserve(u64, SyncSender<bool>),
    /// Bytes of one earlier [`Ask::Reserve`] back.
    Release(u64),
    /// The query is over.
    Done,
}

/// The scheduler is asked for memory in pieces of this size: asking wakes a thread.
const PIECE: u64 = 8 << 20;

/// This part of the memory is not for operators that can spill: a merge of what they have spilled cannot, and they hold all there is when
/// it begins.
const HEADROOM: usize = 8;

/// Shares fairly among the operators that can spill, and asks the host for all of it.
pub(super) struct HostPool {
    fair: FairSpillPool,
    limit: usize,
    host: Sender<Ask>,
    granted: Mutex<Vec<u64>>,
}

impl HostPool {
    pub(super) fn new(limit: Option<u64>, host: Sender<Ask>) -> Self {
        let limit = limit.map_or(usize::MAX, |l| usize::try_from(l).unwrap_or(usize::MAX));
        Self {
            fair: FairSpillPool::new(limit),
            limit,
            host,
            granted: Mutex::new(Vec::new()),
        }
    }

    /// Whether all that is reserved is set aside with the host, after asking for more if need be.
    fn cover(&self) -> bool {
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        let have: u64 = granted.iter().sum();
        let missing = (self.fair.reserved() as u64).saturating_sub(have);
        if missing == 0 {
            return true;
        }
        // A whole piece if there is room for one, else exactly what is missing.
        for bytes in [missing.next_multiple_of(PIECE), missing] {
            let (tell, answer) = sync_channel(1);
            if self.host.send(Ask::Reserve(bytes, tell)).is_err() {
                return false;
            }
            if answer.recv() == Ok(true) {
                granted.push(bytes);
                return true;
            }
        }
        false
    }

    /// Gives pieces back that are not needed; one stays, for what is taken next.
    fn uncover(&self) {
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        let used = self.fair.reserved() as u64;
        let mut have: u64 = granted.iter().sum();
        while let Some(&last) = granted.last()
            && have - last >= used + PIECE
        {
            granted.pop();
            have -= last;
            if self.host.send(Ask::Release(last)).is_err() {
                return;
            }
        }
    }
}

impl MemoryPool for HostPool {
    fn name(&self) -> &str {
        "kvern"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.fair.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.fair.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        // The operator does not ask but tell: it is counted, and the host knows of it if it can.
        self.fair.grow(reservation, additional);
        self.cover();
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.fair.shrink(reservation, shrink);
        self.uncover();
    }

    fn try_grow(
        &self,
        reservation: &MemoryReservation,
        additional: usize,
    ) -> Result<(), DataFusionError> {
        let spills = reservation.consumer().can_spill();
        if spills && self.fair.reserved() + additional > self.limit - self.limit / HEADROOM {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} needs {additional} bytes more, and the rest of the memory is for those that cannot spill",
                reservation.consumer().name()
            )));
        }
        self.fair.try_grow(reservation, additional)?;
        if self.cover() {
            return Ok(());
        }
        self.fair.shrink(reservation, additional);
        Err(DataFusionError::ResourcesExhausted(format!(
            "{} needs {additional} bytes more, and the session's memory budget has no room for them",
            reservation.consumer().name()
        )))
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

impl fmt::Debug for HostPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "HostPool({} of {} bytes)",
            self.fair.reserved(),
            self.limit
        )
    }
}

impl fmt::Display for HostPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
