//! A named case, what it needs, and how it is run so that it always ends.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Instant;

use crate::fixture::Fixture;

/// What a case needs of a backend beyond the protocol. A backend that says that it lacks it skips the case; nothing else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// [`Capabilities::closures`](kvern_core::scheduler::Capabilities::closures).
    Closures,
    /// [`Capabilities::spill`](kvern_core::scheduler::Capabilities::spill).
    Spill,
    /// [`Capabilities::deterministic`](kvern_core::scheduler::Capabilities::deterministic).
    Deterministic,
    /// [`Capabilities::concurrent`](kvern_core::scheduler::Capabilities::concurrent).
    Concurrent,
    /// [`Capabilities::nested`](kvern_core::scheduler::Capabilities::nested).
    Nested,
    /// At least two threads: [`Description::threads`](kvern_core::scheduler::Description::threads).
    Parallel,
    /// One thread: [`Description::threads`](kvern_core::scheduler::Description::threads) is 1.
    Serial,
    /// Ready tasks start by priority and static order: not said away with [`Fixture::any_order`].
    Ordered,
    /// The fixture can open the backend with a memory budget ([`Fixture::limited`]).
    Budget,
}

impl Need {
    /// Whether the backend of that fixture has it.
    pub fn is_met(self, fixture: &Fixture) -> bool {
        let what = fixture.describe();
        match self {
            Self::Closures => what.capabilities.closures,
            Self::Spill => what.capabilities.spill,
            Self::Deterministic => what.capabilities.deterministic,
            Self::Concurrent => what.capabilities.concurrent,
            Self::Nested => what.capabilities.nested,
            Self::Parallel => what.threads > 1,
            Self::Serial => what.threads == 1,
            Self::Ordered => fixture.is_ordered(),
            Self::Budget => fixture.has_limited(),
        }
    }
}

/// How a case ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The backend does what the case asks.
    Passed,
    /// The backend says that it lacks these.
    Skipped(Vec<Need>),
}

/// One named case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// `family::name`.
    pub name: &'static str,
    /// What it needs.
    pub needs: &'static [Need],
    /// The case itself: panics if the backend does not do what it should.
    pub run: fn(&Fixture),
}

impl Case {
    /// Runs the case, unless the backend lacks what it needs, on a thread of its own that is given up after the fixture's bound.
    ///
    /// # Panics
    /// If the case fails or takes too long; the message names it.
    pub fn check(&self, fixture: &Fixture) -> Verdict {
        let lacks: Vec<Need> = self
            .needs
            .iter()
            .copied()
            .filter(|n| !n.is_met(fixture))
            .collect();
        let scheme = &fixture.describe().scheme;
        if !lacks.is_empty() {
            println!(
                "{}: skipped on {scheme}://, which lacks {lacks:?}",
                self.name
            );
            return Verdict::Skipped(lacks);
        }
        let begun = Instant::now();
        let (tell, told) = channel();
        let (run, theirs) = (self.run, fixture.clone());
        let thread = std::thread::Builder::new().name(self.name.to_owned());
        let started = thread.spawn(move || {
            let end = catch_unwind(AssertUnwindSafe(|| run(&theirs)));
            let _ = tell.send(end);
        });
        if let Err(e) = started {
            panic!("{}: no thread for the case: {e}", self.name);
        }
        match told.recv_timeout(fixture.ends()) {
            Ok(Ok(())) => {
                println!(
                    "{}: passed on {scheme}:// in {:?}",
                    self.name,
                    begun.elapsed()
                );
                Verdict::Passed
            }
            Ok(Err(payload)) => resume_unwind(payload),
            Err(RecvTimeoutError::Timeout) => panic!(
                "case {} on {scheme}:// did not end within {:?}",
                self.name,
                fixture.ends()
            ),
            Err(RecvTimeoutError::Disconnected) => panic!("case {} was lost", self.name),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({}, needs {:?})", self.name, self.needs)
    }
}
