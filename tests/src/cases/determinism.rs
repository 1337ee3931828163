//! Backends that say so run the same graph in the same order each time.

use kvern_core::events::Interest;

use crate::check::submit;
use crate::fixture::Fixture;
use crate::graphs;
use crate::watch::{Watcher, is_end};

/// The same graphs, submitted in the same sequence to two fresh backends, start their tasks in the same order.
pub fn the_same_order_each_time(fx: &Fixture) {
    let (one, other) = (fx.open(), fx.open());
    for seed in 300..310 {
        let roots = graphs::random(seed, 300);
        let starts = |scheduler: &std::sync::Arc<dyn kvern_core::Scheduler>| {
            let watcher = Watcher::new(Interest::Tasks);
            let _told = scheduler.subscribe(watcher.clone());
            fx.values("results", &submit(scheduler, &roots));
            fx.until("the run ends", || watcher.count(is_end) == 1);
            watcher.starts()
        };
        assert_eq!(starts(&one), starts(&other), "seed {seed}");
    }
}
