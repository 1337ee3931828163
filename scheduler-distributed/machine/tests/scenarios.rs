//! Stories told from beginning to end: the ways in which Dask's scheduler and workers came to wait for each other for ever (by the
//! numbers of dask/distributed's issues), and what clients are promised.

mod house;

use house::{CLIENT, House, LONG, W1, W2, W3, error, spec, t};
use kvern_core::ErrorKind;
use kvern_machine::scheduler::state::State::*;
use kvern_machine::scheduler::{Effect, Event};
use kvern_machine::wire::{FromClient, FromWorker, ToClient, ToWorker};
use kvern_machine::{Attempt, ClientId, Datum, OutputRef, TaskRef};

/// Three short tasks that read a first one, at a worker of one slot, and the last of them asked back for another worker.
fn asked_back(retries: u16) -> (House, TaskRef) {
    let mut h = House::new(&[1]);
    let mut four = spec(&[&[], &[0], &[0], &[0]], &[0, 1, 2, 3]);
    four.retries = vec![retries; 4];
    let g = h.submit(four);
    h.done_after(t(g, 0), 1000);
    h.start(t(g, 1));
    h.join(2, 1);
    h.tick(LONG);
    assert_eq!(h.state(t(g, 3)), Retracting);
    (h, t(g, 3))
}

/// #6159, #6673: a task is asked back, but has started meanwhile; the worker that was to get it gets something else.
#[test]
fn asked_back_too_late() {
    let (mut h, task) = asked_back(0);
    h.start(task);
    h.done(task);
    assert_eq!(h.state(task), Stored);
    assert_eq!(h.given(task), (W1, Attempt(1)));
    h.tick(LONG);
    assert_eq!(
        h.state(t(task.graph, 2)),
        Retracting,
        "the idle worker is still to get something"
    );
}

/// #6689: a task that is asked back fails where it was.
#[test]
fn asked_back_and_failed() {
    let (mut h, task) = asked_back(1);
    h.fail(task);
    assert_eq!(
        (h.state(task), h.given(task).1),
        (Assigned, Attempt(2)),
        "it is tried again"
    );
    // The answer to the question that was overtaken means nothing any more.
    h.worker_says(
        W1,
        FromWorker::Retracted {
            task,
            attempt: Attempt(1),
        },
    );
    h.fail(task);
    assert_eq!(h.state(task), Failed);
}

/// #5157, #5426: an object is released while another worker is fetching it.
#[test]
fn released_while_it_is_fetched() {
    let mut h = House::new(&[1, 1]);
    let g = h.graph(&[&[], &[], &[0, 1]], &[2]);
    h.done(t(g, 0));
    h.done(t(g, 1));
    let (worker, attempt) = h.given(t(g, 2));
    h.says(FromClient::ReleaseAll { graph: g });
    assert!(
        h.to_worker(worker)
            .iter()
            .any(|m| matches!(m, ToWorker::Abort { .. }))
    );
    let freed: Vec<_> = [W1, W2].iter().flat_map(|w| h.to_worker(*w)).collect();
    assert_eq!(
        freed
            .iter()
            .filter(|m| matches!(m, ToWorker::Free(_)))
            .count(),
        2
    );
    // The fetch comes to its end all the same, and then the task does.
    let fetched = if h.given(t(g, 0)).0 == worker {
        t(g, 1)
    } else {
        t(g, 0)
    };
    h.have(worker, fetched);
    assert!(
        h.to_worker(worker).contains(&&ToWorker::Free(fetched)),
        "it is not kept"
    );
    let task = t(g, 2);
    h.worker_says(worker, FromWorker::Aborted { task, attempt });
    assert_eq!(h.machine.graphs(), 0);
}

/// #6244: an input is fetched from a worker that goes away.
#[test]
fn fetched_from_a_worker_that_goes() {
    let mut h = House::new(&[1, 1]);
    let g = h.graph(&[&[], &[], &[0, 1]], &[2]);
    h.done(t(g, 0));
    h.done(t(g, 1));
    let (worker, _) = h.given(t(g, 2));
    let (gone, lost) = if worker == W1 {
        (W2, t(g, 1))
    } else {
        (W1, t(g, 0))
    };
    assert_eq!(h.given(lost).0, gone);
    h.lose(gone);
    assert!(
        matches!(h.state(lost), Ready | Assigned),
        "it is made again at once"
    );
    h.missing(t(g, 2), lost, &[gone]);
    assert_eq!(h.state(t(g, 2)), Waiting);
    h.done(lost);
    h.done(t(g, 2));
    assert_eq!(h.state(t(g, 2)), Stored);
}

/// #5497: something is computed after what it reads has failed.
#[test]
fn computed_after_an_error() {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[0], &[1]], &[0, 1, 2]);
    h.done(t(g, 0));
    h.fail(t(g, 1));
    assert_eq!(h.state(t(g, 2)), Failed);
    h.lose(W1);
    h.join(2, 1);
    h.done(t(g, 0));
    assert_eq!((h.state(t(g, 0)), h.state(t(g, 1))), (Stored, Failed));
    let mut next = spec(&[&[], &[0]], &[1]);
    let output = OutputRef {
        graph: g,
        output: 2,
    };
    next.data.push((0, Datum::External(output)));
    let next = h.submit(next);
    let told = h.to_client().into_iter().find_map(|m| match m {
        ToClient::Failed { error, .. } => Some(error.message.clone()),
        _ => None,
    });
    assert_eq!(
        told.as_deref(),
        Some("no"),
        "with the words of what failed first"
    );
    assert_eq!(h.state(t(next, 1)), Failed);
}

/// #8702: the input of a task that waits for a slot is released by the client.
#[test]
fn the_input_of_a_queued_task_is_released() {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[], &[0]], &[0, 1, 2]);
    h.done(t(g, 0));
    assert_eq!(h.state(t(g, 2)), Ready);
    h.release(g, 0);
    assert_eq!(h.state(t(g, 0)), Stored, "the task still reads it");
    h.done(t(g, 1));
    h.done(t(g, 2));
    assert_eq!(h.state(t(g, 0)), Released);
}

#[test]
fn roots_are_withheld_until_there_is_room() {
    let rows: Vec<&[u32]> = vec![&[]; 100];
    let all: Vec<u32> = (0..100).collect();
    let mut h = House::new(&[2, 2]);
    let g = h.graph(&rows, &all);
    let given = |h: &House| (0..100).filter(|i| h.state(t(g, *i)) != Ready).count();
    assert_eq!(
        given(&h),
        4,
        "of tasks of unknown length, as many as there are slots"
    );
    h.done_after(t(g, 0), LONG);
    assert_eq!(given(&h), 5, "long ones: one for each that ends");
    for i in [1, 2, 3] {
        h.done_after(t(g, i), 1000);
    }
    assert!(given(&h) > 20, "short ones are given ahead");
}

#[test]
fn graphs_take_turns() {
    let rows: Vec<&[u32]> = vec![&[]; 100];
    let all: Vec<u32> = (0..100).collect();
    let mut h = House::new(&[1]);
    let large = h.graph(&rows, &all);
    let small = h.graph(&[&[], &[]], &[0, 1]);
    for (one, other) in [(0, 0), (1, 0), (2, 1)] {
        h.done(t(large, one));
        if one > 0 {
            h.done(t(small, other));
        }
    }
    assert_eq!(
        h.state(t(small, 1)),
        Stored,
        "it did not wait for the whole of the large one"
    );
}

#[test]
fn a_task_that_kills_its_workers_is_given_up() {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[]], &[0, 1]);
    for w in 1..=3 {
        h.start(t(g, 0));
        h.lose(kvern_machine::WorkerId(w));
        h.join(w + 1, 1);
    }
    assert_eq!(h.state(t(g, 0)), Failed);
    h.done(t(g, 1));
    h.says(FromClient::Want {
        graph: g,
        outputs: vec![0],
    });
    let told = h.to_client();
    let [ToClient::Failed { error, .. }] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(error.kind, ErrorKind::Task);
    for part in [
        "3 workers were lost",
        "attempts: 3",
        "host-1: the cable was cut",
        "host-3",
    ] {
        assert!(error.message.contains(part), "{}", error.message);
    }
}

/// A worker that ends while it begins a task has no time to say so.
#[test]
fn a_task_that_kills_its_workers_unheard_is_given_up() {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[]], &[0, 1]);
    let mut lost = 0;
    while h.state(t(g, 0)) != Failed {
        lost += 1;
        assert!(lost < 100, "tried for ever");
        h.lose(kvern_machine::WorkerId(lost));
        h.join(lost + 1, 1);
    }
    assert_eq!(lost, 12);
    h.done(t(g, 1));
    assert_eq!(h.state(t(g, 1)), Stored, "it waited behind the other");
}

#[test]
fn a_task_that_was_only_queued_is_not_to_blame() {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[]], &[0]);
    for w in 1..=9 {
        h.lose(kvern_machine::WorkerId(w));
        h.join(w + 1, 1);
    }
    h.done(t(g, 0));
    assert_eq!(h.state(t(g, 0)), Stored);
}

#[test]
fn a_task_that_waits_for_others_gives_its_slot_up() {
    let mut h = House::new(&[1]);
    let mut outer = Vec::new();
    for _ in 0..100 {
        let g = h.graph(&[&[]], &[0]);
        let task = t(g, 0);
        h.start(task);
        let attempt = h.given(task).1;
        h.worker_says(W1, FromWorker::Seceded { task, attempt });
        outer.push(task);
    }
    for task in outer.into_iter().rev() {
        let attempt = h.given(task).1;
        h.worker_says(W1, FromWorker::Rejoined { task, attempt });
        h.done(task);
        assert_eq!(h.state(task), Stored);
    }
}

#[test]
fn a_client_that_goes_takes_its_graphs_along_and_no_others() {
    let mut h = House::new(&[2]);
    let other = ClientId(2);
    h.event(Event::ClientJoined(other));
    let mine = h.graph(&[&[]], &[0]);
    let theirs = h.submit_as(other, spec(&[&[]], &[0]));
    h.done(t(theirs, 0));
    h.start(t(mine, 0));
    let graph = theirs;
    h.says(FromClient::Want {
        graph,
        outputs: vec![0],
    });
    h.event(Event::ClientGone(other));
    assert_eq!(h.state(t(theirs, 0)), Stored, "somebody else wants it, too");
    h.event(Event::ClientGone(CLIENT));
    assert!(
        h.to_worker(W1)
            .iter()
            .any(|m| matches!(m, ToWorker::Abort { .. }))
    );
    h.aborted(t(mine, 0));
    assert_eq!(h.machine.graphs(), 0);
    assert_eq!(h.machine.memory().live, 0);
}

#[test]
fn a_released_result_is_not_to_be_had() {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[]], &[0, 1]);
    h.done(t(g, 0));
    h.release(g, 0);
    let outputs = vec![0];
    h.says(FromClient::Want { graph: g, outputs });
    let told = h.to_client();
    let [ToClient::WantFailed { error, .. }] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(error.kind, ErrorKind::Cancelled);
}

#[test]
fn scattered_data_is_lost_with_its_worker() {
    let mut h = House::new(&[1, 1]);
    let data = h.scatter();
    h.have(W1, data);
    let mut reader = spec(&[&[], &[0]], &[1]);
    let output = OutputRef {
        graph: data.graph,
        output: 0,
    };
    reader.data.push((0, Datum::External(output)));
    let reader = h.submit(reader);
    assert_eq!(h.given(t(reader, 1)).0, W1, "where its input is");
    h.lose(W1);
    let mut next = spec(&[&[], &[0]], &[1]);
    next.data.push((0, Datum::External(output)));
    h.submit(next);
    let errors: Vec<_> = h
        .to_client()
        .into_iter()
        .filter_map(|m| match m {
            ToClient::Failed { error, .. } => Some(error),
            _ => None,
        })
        .collect();
    assert_eq!(errors[0].kind, ErrorKind::Lost);
    assert!(
        errors[0].message.contains("host-1") && errors[0].message.contains("the cable was cut")
    );
}

#[test]
fn a_worker_that_was_given_up_is_not_listened_to() {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[]], &[0]);
    h.lose(W1);
    h.done(t(g, 0));
    assert!(
        matches!(h.sent.as_slice(), [Effect::Disconnect(W1)]),
        "{:?}",
        h.sent
    );
    assert_eq!(h.state(t(g, 0)), Ready);
}

#[test]
fn peers_make_no_sense_and_nothing_happens() {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[0]], &[1]);
    let (task, attempt) = (t(g, 1), Attempt(77));
    let stranger = TaskRef::new(g, 999);
    for message in [
        FromWorker::Started { task, attempt },
        FromWorker::Aborted { task, attempt },
        FromWorker::Retracted { task, attempt },
        FromWorker::Seceded { task, attempt },
        FromWorker::Have {
            object: stranger,
            bytes: 1,
        },
        FromWorker::Gone(stranger),
        FromWorker::Failed {
            task,
            attempt,
            error: error("?"),
        },
        FromWorker::InputMissing {
            task,
            attempt,
            object: stranger,
            tried: vec![W3],
        },
    ] {
        h.worker_says(W1, message);
    }
    for message in [
        FromClient::Release {
            graph: g,
            outputs: vec![7, 0, 0, 0],
        },
        FromClient::Want {
            graph: g,
            outputs: vec![1 << 30],
        },
    ] {
        h.says(message);
    }
    let broken = spec(&[&[5]], &[0]);
    h.submit(broken);
    assert!(
        matches!(h.to_client().as_slice(), [ToClient::Refused { error, .. }] if error.message.contains("task 5 of 1"))
    );
    h.submit(spec(&[&[1], &[0]], &[0]));
    assert!(
        matches!(h.to_client().as_slice(), [ToClient::Refused { error, .. }] if error.message.contains("cycle"))
    );
}

#[test]
fn what_was_cancelled_is_not_read_through() {
    let mut h = House::new(&[1]);
    let first = h.graph(&[&[]], &[0]);
    let reading = |graph, output| {
        let mut one = spec(&[&[]], &[0]);
        one.data
            .push((0, Datum::External(OutputRef { graph, output })));
        one
    };
    let second = h.submit(reading(first, 0));
    h.cancel(second);
    let third = h.submit(reading(second, 0));
    assert_eq!(h.state(t(third, 0)), Failed);
    let told = h.to_client().into_iter().find_map(|m| match m {
        ToClient::Failed { error, .. } => Some(error.kind),
        _ => None,
    });
    assert_eq!(told, Some(ErrorKind::Cancelled));
    h.done(t(first, 0));
    assert_eq!(h.state(t(first, 0)), Stored);
}

#[test]
fn scattered_data_that_is_not_taken_fails_its_readers_with_the_reason() {
    let mut h = House::new(&[1]);
    let (data, there) = (h.scatter(), h.scatter());
    h.have(W1, there);
    let reader = |h: &mut House, data: TaskRef| {
        let mut reader = spec(&[&[], &[0]], &[1]);
        let output = OutputRef {
            graph: data.graph,
            output: 0,
        };
        reader.data.push((0, Datum::External(output)));
        t(h.submit(reader), 1)
    };
    let (waits, reads) = (reader(&mut h, data), reader(&mut h, there));
    let not_put = |h: &mut House, task: TaskRef| {
        let error = error("too odd to be kept");
        h.says(FromClient::NotPut {
            task,
            worker: None,
            error,
        });
    };
    not_put(&mut h, there);
    assert_eq!(h.state(there), Stored, "it came after all");
    not_put(&mut h, reads);
    not_put(&mut h, t(data.graph, 7));
    assert_eq!((h.state(data), h.state(waits)), (Waiting, Waiting));
    not_put(&mut h, data);
    assert_eq!((h.state(data), h.state(waits)), (Failed, Failed));
    let told = h.to_client().into_iter().any(|m| {
        matches!(m, ToClient::Failed { task, error } if *task == waits && error.message == "too odd to be kept")
    });
    assert!(told);
    h.done(reads);
}

#[test]
fn scattered_data_stays_while_what_was_made_of_it_may_be_lost() {
    let mut h = House::new(&[1, 1]);
    // Data, a reader of it, and something that keeps the other worker busy.
    let mut three = spec(&[&[], &[0], &[1]], &[2]);
    three.data.push((0, Datum::Scattered(W1)));
    let g = h.submit(three);
    h.have(W1, t(g, 0));
    h.done(t(g, 1));
    assert_eq!(h.state(t(g, 0)), Stored, "what was made of it may be lost");
    // The last task goes to the other worker, with its input.
    h.missing(t(g, 2), t(g, 1), &[W1]);
    h.tick(LONG);
    assert_eq!(h.given(t(g, 2)).0, W2);
    h.done(t(g, 2));
    h.lose(W2);
    assert_eq!(h.given(t(g, 1)).0, W1);
    h.done(t(g, 1));
    h.done(t(g, 2));
    assert_eq!(h.state(t(g, 2)), Stored);
    h.says(FromClient::ReleaseAll { graph: g });
    assert!(
        h.to_worker(W1).contains(&&ToWorker::Free(t(g, 0))),
        "it goes with its graph"
    );
}

#[test]
fn who_was_told_of_a_result_is_told_of_its_loss_and_return() {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[]], &[0]);
    h.done(t(g, 0));
    h.lose(W1);
    let task = t(g, 0);
    assert!(
        h.to_client()
            .iter()
            .any(|m| matches!(m, ToClient::Lost { task: of } if *of == task))
    );
    h.join(2, 1);
    h.done(task);
    let again = |m: &&ToClient| matches!(m, ToClient::Stored { holders, .. } if holders == &[W2]);
    assert!(h.to_client().iter().any(again));
}

/// Of what waits, graphs of higher priority go first; at a worker, too, which has been given some of the others before.
#[test]
fn graphs_of_higher_priority_go_first() {
    let mut h = House::new(&[1]);
    let busy = h.graph(&[&[]], &[0]);
    let mut submit = |priority: i32| {
        let mut two = spec(&[&[], &[]], &[0, 1]);
        two.priority = priority;
        h.submit(two)
    };
    let [plain, low, high, same] = [0, -3, i32::MAX, 0].map(&mut submit);
    let mut order = Vec::new();
    let mut last = t(busy, 0);
    for _ in 0..8 {
        h.done(last);
        let all = [plain, low, high, same].map(|g| [t(g, 0), t(g, 1)]);
        let given = all.iter().flatten().find(|t| h.state(**t) == Assigned);
        last = *given.unwrap();
        order.push(last.graph);
    }
    let want = [high, high, plain, same, plain, same, low, low];
    assert_eq!(order, want);
}
