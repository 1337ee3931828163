//! Backends that say so run the same graph in the same order each time.

use kvern_core::events::Interest;

use crate::check::submit;
use crate::fixture::Fixture;
use crate::graphs;
use crate::watch::{Watcher, is_end};

/// The same graph starts its tasks in the same order, twice on one backend and once on a fresh one.
pub fn the_same_order_each_time(fx: &Fixture) {
    for seed in 300..310 {
        let roots = graphs::random(seed, 300);
        let starts = |scheduler: &std::sync::Arc<dyn kvern_core::Scheduler>| {
            let watcher = Watcher::new(Interest::Tasks);
            let _told = scheduler.subscribe(watcher.clone());
            fx.values("results", &submit(scheduler, &roots));
            fx.until("the run ends", || watcher.count(is_end) == 1);
            watcher.starts()
        };
        let (one, other) = (fx.open(), fx.open());
        let first = starts(&one);
        assert_eq!(starts(&one), first, "seed {seed}, again");
        assert_eq!(starts(&other), first, "seed {seed}, on a fresh backend");
    }
}
