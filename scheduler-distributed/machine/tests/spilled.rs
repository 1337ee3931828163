//! What workers have on disk: it does not count as memory, is told to those who watch, and goes with the worker.

mod house;

use house::{House, W1, t};
use kvern_machine::scheduler::{Event, MemoryUse};
use kvern_machine::wire::{FromClient, FromWorker, Interest, Spilled, ToClient};

const HALF: Spilled = Spilled {
    memory: 100,
    disk: 60,
    total: 300,
};

#[test]
fn what_is_on_disk_is_not_in_memory() {
    let mut h = House::new(&[4, 4]);
    let g = h.graph(&[&[], &[]], &[0, 1]);
    h.done(t(g, 0));
    let one = h.machine.memory();
    assert!(one.live > 0 && one.spilled == 0, "{one:?}");
    // Said before the result that it made room for: both are never in memory together.
    h.event(Event::FromWorker(W1, FromWorker::Spilled(HALF)));
    h.done(t(g, 1));
    let two = h.machine.memory();
    let want = MemoryUse {
        live: 2 * one.live - HALF.memory,
        held: 2,
        spilled: HALF.disk,
        spilled_total: HALF.total,
        peak: two.peak,
    };
    assert_eq!(two, want);
    assert!(two.peak < 2 * one.live, "{two:?}");
    h.says(FromClient::AskMemory);
    let answer = h.to_client().into_iter().find_map(|m| match m {
        ToClient::Memory { live, spilled, .. } => Some((*live, *spilled)),
        _ => None,
    });
    assert_eq!(answer, Some((two.live, HALF.disk)));
    h.lose(W1);
    assert_eq!(h.machine.memory().spilled, 0, "its disk is gone with it");
    assert_eq!(h.machine.memory().spilled_total, HALF.total);
}

#[test]
fn moves_are_told_to_those_who_watch() {
    let mut h = House::new(&[4]);
    let g = h.graph(&[&[], &[]], &[0, 1]);
    h.done(t(g, 0));
    let moved = |object, back| {
        let bytes = 100;
        let moved = FromWorker::Moved {
            object,
            bytes,
            back,
        };
        Event::FromWorker(W1, moved)
    };
    h.event(moved(t(g, 0), false));
    assert!(h.to_client().is_empty(), "nobody watches");
    h.says(FromClient::Subscribe(Interest::Progress));
    for back in [false, true] {
        h.event(moved(t(g, 0), back));
        let told = h.to_client();
        let told = told.first();
        assert!(
            matches!(told, Some(ToClient::Moved { bytes: 100, back: b, .. }) if *b == back),
            "{told:?}"
        );
    }
    h.event(moved(t(g, 77), false));
    assert!(h.to_client().is_empty(), "there is no such task");
}
