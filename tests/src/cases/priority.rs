//! Priority: among tasks that are ready, annotated ones first.

use kvern_core::{Annotations, Root, TaskList};

use crate::check::{submit, wide};
use crate::fixture::Fixture;
use crate::ops;
use crate::probe::{Gate, Probe};

/// On one thread, ready tasks of higher priority all run before those of lower, whatever their place in the graph.
pub fn higher_first(fx: &Fixture) {
    let scheduler = fx.open();
    let probe = Probe::new();
    let layers: Vec<_> = [("low", -3), ("none", 0), ("high", 5), ("mid", 2)]
        .iter()
        .map(|&(word, p)| {
            let layer = wide(&ops::touch(&probe.path(), word), 20);
            Root::all(&if p == 0 {
                layer
            } else {
                layer.annotated(Annotations::new().priority(p))
            })
        })
        .collect();
    let run = submit(&scheduler, &layers);
    fx.values("results", &run);
    let lines = probe.lines();
    let mut words: Vec<_> = lines.iter().filter_map(|l| l.split(' ').next()).collect();
    words.dedup();
    assert_eq!(words, ["high", "mid", "none", "low"], "order of the layers");
}

/// What a task of high priority reads inherits its priority: it is not kept waiting behind tasks that nobody hurries.
pub fn inputs_inherit(fx: &Fixture) {
    let scheduler = fx.open();
    let probe = Probe::new();
    let slow = wide(&ops::touch(&probe.path(), "slow"), 50);
    let below = wide(&ops::touch(&probe.path(), "below"), 1);
    let mut list = TaskList::new();
    let op = list.op(ops::touch(&probe.path(), "urgent"));
    let edge = kvern_core::layer::Edge::Input { slot: 0, output: 0 };
    let urgent = list.task_with(op, [edge]);
    let urgent = kvern_core::Layer::new(list.into_kind([urgent]), vec![below]);
    let urgent = urgent.annotated(Annotations::new().priority(9));
    let run = submit(&scheduler, &[Root::all(&slow), Root::all(&urgent)]);
    fx.values("results", &run);
    let lines = probe.lines();
    assert_eq!(lines[..2], ["below 0", "urgent 0"], "what ran first");
}

/// What is submitted later with a higher priority runs before what waits already.
pub fn beside_other_runs(fx: &Fixture) {
    let scheduler = fx.open();
    let (gate, begun, probe) = (Gate::closed(), Probe::new(), Probe::new());
    let first = wide(&ops::gate(&gate.path(), &begun.path()), 1);
    let first = submit(&scheduler, &[Root::all(&first)]);
    assert!(begun.wait_for(1, fx.waits()), "the first does not start");
    let runs = [("none", 0), ("low", -3), ("high", 5), ("mid", 2)].map(|(word, p)| {
        let layer = wide(&ops::touch(&probe.path(), word), 20);
        let layer = layer.annotated(Annotations::new().priority(p));
        submit(&scheduler, &[Root::all(&layer)])
    });
    gate.open();
    fx.values("the first", &first);
    for run in &runs {
        fx.values("results", run);
    }
    let lines = probe.lines();
    let mut words: Vec<_> = lines.iter().filter_map(|l| l.split(' ').next()).collect();
    words.dedup();
    assert_eq!(words, ["high", "mid", "none", "low"], "order of the runs");
}
