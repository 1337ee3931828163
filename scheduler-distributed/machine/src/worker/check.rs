//! Every invariant of the worker's machine, recomputed from scratch.

use std::collections::BTreeSet;

use super::Worker;
use super::attempt::AttemptState;
use super::object::ObjectState;

macro_rules! hold {
    ($cond:expr, $($words:tt)*) => {
        if !$cond {
            return Err(format!($($words)*));
        }
    };
}

/// The first invariant that does not hold.
pub(super) fn check(w: &Worker) -> Result<(), String> {
    if let Some(broken) = &w.broken {
        return Err(broken.clone());
    }
    if !w.unmade.is_empty() {
        return Err(format!("{:?} are still to be given back", w.unmade));
    }
    check_tries(w)?;
    check_objects(w)?;
    check_peers(w)
}

fn check_tries(w: &Worker) -> Result<(), String> {
    let occupied = w.tries.values().filter(|t| t.state.in_slot()).count() as u32;
    hold!(
        occupied == w.occupied,
        "{occupied} slots are taken, not {}",
        w.occupied
    );
    let mut runnable = BTreeSet::new();
    for (&(task, attempt), one) in &w.tries {
        let missing = one
            .inputs
            .iter()
            .filter(|o| !w.object(**o).in_store())
            .count() as u32;
        for o in &one.inputs {
            let needed = w
                .objects
                .get(o)
                .is_some_and(|o| o.needed_by.contains(&(task, attempt)));
            hold!(needed, "{task} {attempt} needs {o}, which does not know it");
        }
        hold!(
            missing == one.missing,
            "{task} {attempt} lacks {missing}, not {}",
            one.missing
        );
        let fetching = one.state == AttemptState::Fetching;
        hold!(
            fetching == (missing > 0),
            "{task} {attempt} is {:?} and lacks {missing}",
            one.state
        );
        hold!(
            one.assign.is_some() != one.state.executing(),
            "{task} {attempt}: its assignment"
        );
        if one.state == AttemptState::Runnable {
            runnable.insert((one.priority, task, attempt));
        }
    }
    hold!(
        runnable == w.runnable,
        "runnable are {runnable:?}, not {:?}",
        w.runnable
    );
    hold!(
        w.beyond.is_empty(),
        "{:?} need no slot, and have not begun",
        w.beyond
    );
    hold!(
        runnable.is_empty() || occupied >= w.config.slots,
        "{runnable:?} could run: {occupied} of {} slots are taken",
        w.config.slots
    );
    Ok(())
}

fn check_objects(w: &Worker) -> Result<(), String> {
    let live: u64 = w
        .objects
        .values()
        .filter(|o| o.state.in_store())
        .map(|o| o.bytes)
        .sum();
    hold!(live == w.live, "{live} bytes are here, not {}", w.live);
    for (&name, o) in &w.objects {
        for key in &o.needed_by {
            let knows = w.tries.get(key).is_some_and(|t| t.inputs.contains(&name));
            hold!(knows, "{name} is needed by {key:?}, which does not know it");
        }
        let needed = !o.needed_by.is_empty();
        let queued = w
            .peers
            .get(&o.peer)
            .is_some_and(|p| p.queue.contains(&(o.priority, name)));
        let asked = w
            .fetches
            .get(&o.fetch)
            .is_some_and(|(_, list)| list.contains(&name));
        let good = match o.state {
            ObjectState::Expected => {
                needed && !queued && o.sources.is_empty() && w.is_maker_here(name)
            }
            ObjectState::Wanted => needed && queued,
            ObjectState::InFlight => needed && asked && !queued,
            ObjectState::Unwanted => !needed && asked && !queued,
            ObjectState::Here => !queued && (needed || name.piece().is_none()),
            ObjectState::Doomed => needed && !queued,
            ObjectState::Absent => false,
        };
        hold!(good, "{name} is {o:?}, queued {queued}, asked {asked}");
    }
    Ok(())
}

fn check_peers(w: &Worker) -> Result<(), String> {
    for (id, peer) in &w.peers {
        for (priority, object) in &peer.queue {
            let known = w.objects.get(object).is_some_and(|o| {
                o.state == ObjectState::Wanted && o.peer == *id && o.priority == *priority
            });
            hold!(known, "{object} stands in the queue of {id}");
        }
        if let Some(fetch) = peer.asked {
            hold!(
                w.fetches.contains_key(&fetch),
                "{id} was asked {fetch}, which is over"
            );
        }
        let idle = peer.asked.is_none() && !peer.queue.is_empty();
        hold!(
            idle == w.idle_peers.contains(id),
            "{id} is idle or not: {peer:?}"
        );
        hold!(idle || peer.asked.is_some(), "{id} is kept for nothing");
    }
    hold!(
        w.idle_peers.is_empty() || w.fetches.len() >= w.config.fetches as usize,
        "{:?} could be asked",
        w.idle_peers
    );
    for (fetch, (id, _)) in &w.fetches {
        let asked = w.peers.get(id).is_some_and(|p| p.asked == Some(*fetch));
        hold!(asked, "{fetch} is not what {id} was asked");
    }
    Ok(())
}
