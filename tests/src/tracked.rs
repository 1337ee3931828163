//! Blocks of bytes that count how many of them are alive in this process, whoever holds them: what a backend says of its memory
//! can be checked against it.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use kvern_core::{Error, ErrorKind, Result, TypeEntry, Value};

/// Counts the bytes of the blocks that were made with it, and of those that were read back from disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter(u64);

#[derive(Debug, Default, Clone, Copy)]
struct Alive {
    now: u64,
    most: u64,
}

/// By the number of the meter: blocks that are read back know no more than that.
fn table() -> MutexGuard<'static, HashMap<u64, Alive>> {
    static TABLE: OnceLock<Mutex<HashMap<u64, Alive>>> = OnceLock::new();
    let table = TABLE.get_or_init(Mutex::default);
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter {
    /// A meter that no other case uses.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A block of `n` bytes.
    pub(crate) fn block(self, n: u64, fill: u8) -> Value {
        Value::new(Tracked::new(self.0, vec![fill; n as usize]))
    }

    /// Bytes alive now.
    pub(crate) fn now(self) -> u64 {
        table().get(&self.0).map_or(0, |a| a.now)
    }

    /// The most bytes that were alive at once since the last call of this.
    pub(crate) fn most(self) -> u64 {
        let mut table = table();
        let alive = table.entry(self.0).or_default();
        std::mem::replace(&mut alive.most, alive.now)
    }
}

/// A block.
pub(crate) struct Tracked {
    meter: u64,
    bytes: Vec<u8>,
}

impl Tracked {
    fn new(meter: u64, bytes: Vec<u8>) -> Self {
        let mut table = table();
        let alive = table.entry(meter).or_default();
        alive.now += bytes.len() as u64;
        alive.most = alive.most.max(alive.now);
        drop(table);
        Self { meter, bytes }
    }

    /// What is in it.
    pub(crate) fn sum(&self) -> u64 {
        self.bytes.iter().map(|&b| u64::from(b)).sum()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if let Some(alive) = table().get_mut(&self.meter) {
            alive.now -= self.bytes.len() as u64;
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Value> {
    let (meter, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or_else(|| Error::new(ErrorKind::Decode, "a tracked block has no meter"))?;
    let block = Tracked::new(u64::from_le_bytes(*meter), rest.to_vec());
    Ok(Value::new(block))
}

kvern_core::register_type!(TypeEntry {
    tag: "conformance.tracked@1",
    source: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")),
    type_id: || TypeId::of::<Tracked>(),
    nbytes: |v| v
        .downcast_ref::<Tracked>()
        .map_or(0, |t| t.bytes.len() as u64),
    describe: None,
    encode: |v, out| {
        if let Some(t) = v.downcast_ref::<Tracked>() {
            out.extend_from_slice(&t.meter.to_le_bytes());
            out.extend_from_slice(&t.bytes);
        }
        Ok(())
    },
    decode,
    bulk: None,
});
