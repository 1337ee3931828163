//! Tasks that go ahead to the worker that makes what they read: which, how many, and what becomes of them when something goes wrong.

mod house;

use house::{House, LONG, SHORT, W1, W2, spec, t};
use kvern_machine::scheduler::state::State::{self, *};
use kvern_machine::scheduler::{Config, Effect};
use kvern_machine::wire::{Assign, FromClient, Source, ToClient, ToWorker};
use kvern_machine::{GraphId, TaskRef, WorkerId};

fn count(h: &House, g: GraphId, tasks: u32, state: State) -> usize {
    (0..tasks).filter(|i| h.state(t(g, *i)) == state).count()
}

/// What the last event had assigned.
fn assigned(h: &House) -> Vec<(WorkerId, Assign)> {
    let all = h.sent.iter().filter_map(|e| match e {
        Effect::ToWorker(w, ToWorker::Assign(a)) => Some((*w, a.clone())),
        _ => None,
    });
    all.collect()
}

fn retracted(h: &House, worker: WorkerId) -> Vec<TaskRef> {
    let all = h.to_worker(worker).into_iter().filter_map(|m| match m {
        ToWorker::Retract { task, .. } => Some(*task),
        _ => None,
    });
    all.collect()
}

#[test]
fn a_chain_goes_ahead_as_far_as_the_window_reaches() {
    let window = Config::default().ahead as usize;
    let mut h = House::new(&[1, 1]);
    h.warm(2);
    let g = h.chain(200);
    let sent = assigned(&h);
    assert_eq!(sent.len(), 1 + window);
    assert!(sent.iter().all(|(w, _)| *w == sent[0].0), "all to one");
    for (_, a) in &sent[1..] {
        let [input] = a.inputs.as_slice() else {
            panic!("{a:?}");
        };
        assert_eq!(input.source, Source::Workers(vec![sent[0].0]));
        assert!(input.last, "nobody else reads it");
    }
    for i in 0..200 {
        let links_to_come = 199 - i as usize;
        assert_eq!(count(&h, g, 200, Ahead), window.min(links_to_come));
        assert_eq!(h.given(t(g, i)).1.0, 1);
        h.start(t(g, i));
        h.done_after(t(g, i), SHORT);
    }
    assert_eq!(h.state(t(g, 199)), Stored);
}

#[test]
fn nothing_goes_ahead_of_long_or_unknown_tasks() {
    let mut h = House::new(&[1]);
    let g = h.chain(10);
    assert_eq!(count(&h, g, 10, Ahead), 0, "nothing is known");
    h.done_after(t(g, 0), LONG);
    assert_eq!(count(&h, g, 10, Ahead), 0, "they are long");
}

#[test]
fn of_what_reads_one_result_one_goes_ahead_and_the_rest_is_spread() {
    let mut h = House::new(&[1, 1, 1, 1]);
    h.warm(4);
    let rows: Vec<&[u32]> = std::iter::once(&[][..])
        .chain(std::iter::repeat_n(&[0][..], 40))
        .collect();
    let all: Vec<u32> = (0..41).collect();
    let g = h.graph(&rows, &all);
    assert_eq!(count(&h, g, 41, Ahead), 1);
    h.done_after(t(g, 0), SHORT);
    for w in 1..=4 {
        let here = (1..41).filter(|i| h.given(t(g, *i)).0 == WorkerId(w));
        assert!(here.count() >= 5, "worker {w} gets its share");
    }
}

#[test]
fn what_is_ahead_takes_up_no_room_and_makes_nobody_busy() {
    let mut h = House::new(&[1, 1]);
    h.warm(2);
    let g = h.chain(100);
    let (busy, _) = h.given(t(g, 0));
    h.start(t(g, 0));
    let other = if busy == W1 { W2 } else { W1 };
    let next = h.graph(&[&[]], &[0]);
    assert_eq!(h.given(t(next, 0)).0, other, "the one with nothing to do");
    h.tick(LONG);
    assert_eq!(
        count(&h, g, 100, Retracting),
        0,
        "a chain is not taken apart"
    );
}

#[test]
fn tasks_that_can_run_go_first() {
    let mut h = House::new(&[1]);
    h.warm(1);
    // More than the worker gets, each read by one of a second row.
    let deps: Vec<Vec<u32>> = (0..200u32)
        .map(|i| i.checked_sub(100).into_iter().collect())
        .collect();
    let rows: Vec<&[u32]> = deps.iter().map(Vec::as_slice).collect();
    let all: Vec<u32> = (0..200).collect();
    let g = h.graph(&rows, &all);
    assert!(count(&h, g, 200, Ready) > 0);
    assert_eq!(
        count(&h, g, 200, Ahead),
        0,
        "the first row is not given out"
    );
    h.says(FromClient::ReleaseAll { graph: g });
    for i in 0..65 {
        h.aborted(t(g, i));
    }
    // Pairs: what reads a task comes right after it, before the next pair.
    let deps: Vec<Vec<u32>> = (0..200u32)
        .map(|i| (i % 2 == 1).then(|| i - 1).into_iter().collect())
        .collect();
    let rows: Vec<&[u32]> = deps.iter().map(Vec::as_slice).collect();
    let g = h.graph(&rows, &all);
    let first = count(&h, g, 130, Ahead);
    assert!(count(&h, g, 200, Ready) > 0 && first > 20, "{first}");
}

#[test]
fn another_graph_gets_its_turn() {
    let mut h = House::new(&[1]);
    h.warm(1);
    let g = h.chain(1000);
    let rows: Vec<&[u32]> = vec![&[]; 200];
    let other = h.graph(&rows, &(0..200).collect::<Vec<_>>());
    let mut link = 0;
    while count(&h, other, 200, Ready) > 0 {
        assert!(
            link < 999,
            "the chain goes on and nobody else gets anything"
        );
        if h.state(t(g, link)) == Assigned {
            h.done_after(t(g, link), SHORT);
            link += 1;
        } else {
            let next = (0..200).find(|i| h.state(t(other, *i)) == Assigned);
            h.done_after(t(other, next.unwrap_or(0)), SHORT);
        }
    }
}

#[test]
fn a_result_that_is_fetched_beside_one_that_is_made() {
    for (bytes, goes) in [(50, true), (1 << 20, false)] {
        let mut h = House::new(&[1, 1]);
        h.warm(2);
        // Made at one worker each; then one that reads the first and one that is made where the second is.
        let mut four = spec(&[&[], &[], &[1], &[0, 2]], &[0, 1, 3]);
        four.bytes[0] = bytes;
        let g = h.submit(four);
        let (far, near) = (h.given(t(g, 0)).0, h.given(t(g, 1)).0);
        assert_ne!(far, near);
        let (task, attempt) = (t(g, 0), h.given(t(g, 0)).1);
        let done = kvern_machine::wire::FromWorker::Done {
            task,
            attempt,
            bytes,
            nanos: SHORT,
            inline: None,
        };
        // The reader of both was not ahead, since nobody makes both; it is when the first is there.
        assert_eq!(h.state(t(g, 3)), Waiting);
        h.worker_says(far, done);
        assert_eq!(h.state(t(g, 3)) == Ahead, goes, "{bytes}");
        if goes {
            assert_eq!(h.given(t(g, 3)).0, near);
            let sent = assigned(&h);
            let sources = sent[0].1.inputs.iter().map(|i| i.source.clone());
            let expected = [far, near].map(|w| Source::Workers(vec![w]));
            assert!(sources.eq(expected), "{sent:?}");
            // The one that it is fetched from goes: there is nothing to fetch any more.
            h.lose(far);
            assert_eq!(h.state(t(g, 3)), Retracting);
            h.retracted(t(g, 3));
            assert_eq!(h.given(t(g, 0)), (near, kvern_machine::Attempt(2)));
        }
        for i in 0..4 {
            if h.state(t(g, i)) != Stored {
                h.done_after(t(g, i), SHORT);
            }
        }
        assert_eq!(count(&h, g, 4, Stored), 3);
    }
}

#[test]
fn an_input_fails_and_takes_along_what_waits_for_it() {
    let mut h = House::new(&[1]);
    h.warm(1);
    let g = h.chain(10);
    h.fail(t(g, 0));
    assert_eq!(count(&h, g, 10, Failed), 10);
    let words = h.to_client().into_iter().find_map(|m| match m {
        ToClient::Failed { error, .. } => Some(error.message.clone()),
        _ => None,
    });
    assert_eq!(words.as_deref(), Some("no"), "with its words");
    for i in 1..10 {
        // Its worker has found out by itself; what it says is about an attempt that is over.
        h.missing(t(g, i), t(g, i - 1), &[]);
    }
    h.says(FromClient::ReleaseAll { graph: g });
    assert_eq!(h.machine.graphs(), 0);
}

#[test]
fn an_input_is_tried_again_and_what_waits_for_it_comes_after_it() {
    let mut h = House::new(&[1]);
    h.warm(1);
    let mut three = spec(&[&[], &[0], &[1]], &[2]);
    three.retries = vec![1; 3];
    let g = h.submit(three);
    h.fail(t(g, 0));
    assert_eq!(h.state(t(g, 0)), Assigned);
    assert_eq!(retracted(&h, W1), [t(g, 1), t(g, 2)]);
    h.missing(t(g, 1), t(g, 0), &[]);
    assert_eq!((h.state(t(g, 1)), h.given(t(g, 1)).1.0), (Ahead, 2));
    h.missing(t(g, 2), t(g, 1), &[]);
    assert_eq!((h.state(t(g, 2)), h.given(t(g, 2)).1.0), (Ahead, 2));
    for i in 0..3 {
        h.done_after(t(g, i), SHORT);
    }
    assert_eq!(h.state(t(g, 2)), Stored);
}

#[test]
fn a_worker_is_lost_with_what_is_ahead() {
    let mut h = House::new(&[1; 6]);
    h.warm(6);
    let g = h.chain(10);
    for n in 1..=5 {
        let (worker, attempt) = h.given(t(g, 9));
        assert_eq!(attempt.0, n);
        h.lose(worker);
        // All go to the next one; what never ran is not to blame.
        let next = h.given(t(g, 0)).0;
        assert!((0..10).all(|i| h.given(t(g, i)).0 == next) && next != worker);
        assert_eq!(count(&h, g, 10, Ahead), 9);
    }
    for i in 0..10 {
        h.done_after(t(g, i), SHORT);
    }
    assert_eq!(h.state(t(g, 9)), Stored);
}

/// Two chains at a worker that is busy with the first, and the second asked back for another one.
fn asked_back() -> (House, [TaskRef; 2]) {
    let mut h = House::new(&[1]);
    h.warm(1);
    let g = h.graph(&[&[], &[0], &[], &[2]], &[1, 3]);
    h.start(t(g, 0));
    assert_eq!(h.state(t(g, 3)), Ahead);
    h.join(2, 1);
    h.tick(LONG);
    let pair = [t(g, 2), t(g, 3)];
    assert_eq!(retracted(&h, W1), pair);
    assert_eq!(h.state(t(g, 1)), Ahead, "nothing is wrong with this one");
    (h, pair)
}

#[test]
fn what_is_ahead_is_asked_back_with_what_it_waits_for() {
    let (mut h, [first, second]) = asked_back();
    h.retracted(first);
    assert_eq!(h.given(first).0, W2);
    h.retracted(second);
    assert_eq!(h.state(second), Waiting, "nothing is known of the other");
    h.done_after(first, SHORT);
    assert_eq!((h.state(second), h.given(second).0), (Assigned, W2));
    h.done_after(second, SHORT);
    assert_eq!(h.state(second), Stored);
}

#[test]
fn what_is_ahead_is_asked_back_too_late() {
    let (mut h, [first, second]) = asked_back();
    for task in [first, second] {
        h.start(task);
        h.done_after(task, SHORT);
        assert_eq!((h.state(task), h.given(task).1.0), (Stored, 1));
    }
}

#[test]
fn what_it_waits_for_is_there_by_somebody_else() {
    let mut h = House::new(&[1]);
    h.warm(1);
    let mut three = spec(&[&[], &[0], &[1]], &[0, 2]);
    three.retries = vec![1; 3];
    let g = h.submit(three);
    h.join(2, 1);
    // A result of an attempt that was given up.
    h.have(W2, t(g, 0));
    assert_eq!((h.state(t(g, 0)), h.state(t(g, 1))), (Stored, Assigned));
    // The worker was told to stop the first one, so it does not wait any more.
    h.missing(t(g, 1), t(g, 0), &[]);
    assert_eq!(h.state(t(g, 1)), Assigned);
    assert_eq!(h.state(t(g, 2)), Retracting);
    h.missing(t(g, 2), t(g, 1), &[]);
    for i in 1..3 {
        h.done_after(t(g, i), SHORT);
    }
    assert_eq!(h.state(t(g, 2)), Stored);
}

#[test]
fn cancelled_and_released_in_the_middle() {
    for cancel in [true, false] {
        let mut h = House::new(&[1]);
        h.warm(1);
        let g = h.chain(10);
        h.start(t(g, 0));
        if cancel {
            h.cancel(g);
        }
        h.says(FromClient::ReleaseAll { graph: g });
        for i in (0..10).rev() {
            assert_eq!(h.machine.graphs(), 1);
            h.aborted(t(g, i));
        }
        assert_eq!(h.machine.graphs(), 0);
    }
}

#[test]
fn its_story_says_that_it_was_sent_along() {
    let mut h = House::new(&[1]);
    h.warm(1);
    let g = h.chain(2);
    h.done_after(t(g, 0), SHORT);
    let story: Vec<_> = h.machine.story(t(g, 1)).iter().map(|l| l.why).collect();
    assert_eq!(
        story,
        ["sent along with what it reads", "all inputs are there"]
    );
}
