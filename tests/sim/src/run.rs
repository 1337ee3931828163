//! Runs seeds; of one that fails, finds the fewest faults with which it still does.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::plan::Plan;
use crate::world::{Edge, Stats, World};

/// A seed that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What went wrong.
    pub why: String,
    /// The plan with the fewest faults that still fails.
    pub shrunk: Plan,
    /// What went wrong then.
    pub shrunk_why: String,
    /// The last things that happened then.
    pub trace: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.why)?;
        writeln!(
            f,
            "  repeat with: cargo xtask sim --from {} --seeds 1",
            self.seed
        )?;
        writeln!(
            f,
            "  it still fails with these {} faults: {}",
            self.shrunk.faults.len(),
            self.shrunk_why
        )?;
        for (at, fault) in &self.shrunk.faults {
            writeln!(f, "    {:>10.3} ms {fault:?}", *at as f64 / 1e6)?;
        }
        writeln!(f, "  the last of what happened then:")?;
        self.trace
            .iter()
            .try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// Lets a plan happen.
///
/// # Errors
/// What went wrong, a panic included.
pub fn plan(plan: &Plan, tracing: bool) -> Result<Stats, (String, Vec<String>)> {
    let mut world = World::new(plan.clone(), tracing);
    match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(Ok(stats)) => Ok(stats),
        Ok(Err(why)) => Err((why, world.trace().to_vec())),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            let why = format!("a panic: {}", words.unwrap_or_default());
            Err((why, world.trace().to_vec()))
        }
    }
}

/// Runs one seed.
///
/// # Errors
/// The failure, shrunk.
pub fn seed(seed: u64) -> Result<Stats, Box<Failure>> {
    let whole = Plan::new(seed);
    let why = match plan(&whole, false) {
        Ok(stats) => return Ok(stats),
        Err((why, _)) => why,
    };
    let shrunk = shrink(whole);
    let (shrunk_why, mut trace) = match plan(&shrunk, true) {
        Err(e) => e,
        Ok(_) => (
            "it does not fail a second time: something is not of the seed".into(),
            Vec::new(),
        ),
    };
    let from = trace.len().saturating_sub(LAST);
    trace.drain(..from);
    Err(Box::new(Failure {
        seed,
        why,
        shrunk,
        shrunk_why,
        trace,
    }))
}

/// Lines of the trace in a report.
const LAST: usize = 60;

/// Leaves out one fault after the other while the rest still fails, then makes the graphs fewer and smaller.
fn shrink(mut plan_: Plan) -> Plan {
    let fails = |p: &Plan| plan(p, false).is_err();
    loop {
        let before = plan_.faults.len();
        let mut i = 0;
        while i < plan_.faults.len() {
            let mut less = plan_.clone();
            less.faults.remove(i);
            if fails(&less) {
                plan_ = less;
            } else {
                i += 1;
            }
        }
        if plan_.faults.len() == before {
            break;
        }
    }
    for tasks in [2, 3, 5, 10, 20] {
        let mut less = plan_.clone();
        less.wild.tasks = tasks;
        if tasks < plan_.wild.tasks && fails(&less) {
            plan_ = less;
            break;
        }
    }
    loop {
        let fewer = (0..plan_.graphs.len()).find_map(|i| {
            let mut less = plan_.clone();
            less.graphs[i] = less.graphs[i].checked_sub(1)?;
            fails(&less).then_some(less)
        });
        match fewer {
            Some(less) => plan_ = less,
            None => return plan_,
        }
    }
}

/// Sums of many seeds.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    /// Seeds that were clean.
    pub seeds: u64,
    /// Things that happened.
    pub events: u64,
    /// Executions.
    pub executions: u64,
    /// Executions of tasks that had run before.
    pub again: u64,
    /// Values that clients put on a worker again.
    pub put_again: u64,
    /// Workers lost.
    pub lost: u64,
    /// Tasks sent ahead.
    pub ahead: u64,
    /// Those for which all was there in the end.
    pub kept: u64,
    /// Results found right.
    pub right: u64,
    /// Errors found right.
    pub errors: u64,
    /// Changes of state that were seen.
    pub edges: BTreeSet<Edge>,
}

impl Sum {
    /// One more seed.
    pub fn add(&mut self, stats: &Stats) {
        self.seeds += 1;
        self.events += stats.events;
        self.executions += stats.executions;
        self.again += stats.again;
        self.put_again += stats.put_again;
        self.lost += stats.lost;
        self.ahead += stats.ahead;
        self.kept += stats.kept;
        self.right += stats.right;
        self.errors += stats.errors;
        self.edges.extend(&stats.edges);
    }
}
