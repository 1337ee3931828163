//! Objects come from peers: one fetch a peer at a time, what is needed first goes first, and no more bytes at once than a limit.

use std::collections::BTreeSet;

use super::object::{OBJECT_EDGES, Object, ObjectState};
use super::{Effect, Worker};
use crate::ids::{Attempt, FetchId, TaskRef, WorkerId};
use crate::outbox::Outbox;
use crate::story::Line;
use crate::wire::FromWorker;

/// A peer that objects are, or are to be, fetched from.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// What it is to be asked for.
    pub(crate) queue: BTreeSet<(i64, TaskRef)>,
    /// What it was asked.
    pub(crate) asked: Option<FetchId>,
}

impl Object {
    /// One that is about to be wanted.
    pub(crate) fn absent(bytes: u64, sources: Vec<WorkerId>, priority: i64) -> Self {
        Self {
            state: ObjectState::Absent,
            bytes,
            needed_by: BTreeSet::new(),
            sources,
            tried: Vec::new(),
            priority,
            peer: WorkerId(0),
            fetch: FetchId(0),
        }
    }
}

impl Worker {
    /// Changes an object's state. One that becomes `Absent` is forgotten.
    pub(super) fn move_object(&mut self, object: TaskRef, to: ObjectState, why: &'static str) {
        let Some(o) = self.objects.get_mut(&object) else {
            return;
        };
        let from = std::mem::replace(&mut o.state, to);
        match (from.in_store(), to.in_store()) {
            (false, true) => self.live += o.bytes,
            (true, false) => self.live -= o.bytes,
            _ => {}
        }
        let line = Line {
            at: self.now,
            of: object,
            from: from.name(),
            to: to.name(),
            why,
            worker: self.id,
            attempt: Attempt(0),
        };
        self.log.add(line);
        if !OBJECT_EDGES.iter().any(|e| (e.0, e.1) == (from, to)) {
            self.broken
                .get_or_insert_with(|| format!("no such change: {line}"));
        }
        if to == ObjectState::Absent {
            self.objects.remove(&object);
        }
    }

    /// Puts a wanted object into the queue of one who has it: one that is not asked for anything now, if there is one.
    pub(super) fn queue(&mut self, object: TaskRef) {
        let Some(o) = self.objects.get_mut(&object) else {
            return;
        };
        let peers = &self.peers;
        let busy = |w: &WorkerId| {
            peers
                .get(w)
                .map_or(0, |p| p.queue.len() + usize::from(p.asked.is_some()))
        };
        let Some(best) = (0..o.sources.len()).min_by_key(|&i| busy(&o.sources[i])) else {
            return;
        };
        o.peer = o.sources.remove(best);
        let peer = self.peers.entry(o.peer).or_default();
        peer.queue.insert((o.priority, object));
        if peer.asked.is_none() {
            self.idle_peers.insert(o.peer);
        }
    }

    /// Takes a wanted object out of the queue it stands in; its peer is a source again.
    pub(super) fn unqueue(&mut self, object: TaskRef) {
        let Some(o) = self.objects.get_mut(&object) else {
            return;
        };
        let id = std::mem::take(&mut o.peer);
        o.sources.insert(0, id);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.queue.remove(&(o.priority, object));
        }
        self.tidy(id);
    }

    fn tidy(&mut self, id: WorkerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        if peer.queue.is_empty() {
            self.idle_peers.remove(&id);
            if peer.asked.is_none() {
                self.peers.remove(&id);
            }
        } else if peer.asked.is_none() {
            self.idle_peers.insert(id);
        }
    }

    /// Asks peers for what is wanted.
    pub(super) fn ask(&mut self, out: &mut Outbox<Effect>) {
        while self.fetches.len() < self.config.fetches.max(1) as usize {
            let Some(id) = self.idle_peers.pop_first() else {
                return;
            };
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            let fetch = FetchId(self.next_fetch);
            let (mut objects, mut bytes) = (Vec::new(), 0u64);
            while let Some(&(priority, object)) = peer.queue.first() {
                let size = self.objects.get(&object).map_or(0, |o| o.bytes);
                bytes = bytes.saturating_add(size);
                if bytes > self.config.fetch_bytes && !objects.is_empty() {
                    break;
                }
                peer.queue.remove(&(priority, object));
                objects.push(object);
            }
            if objects.is_empty() {
                continue;
            }
            peer.asked = Some(fetch);
            self.next_fetch += 1;
            for &object in &objects {
                if let Some(o) = self.objects.get_mut(&object) {
                    o.fetch = fetch;
                }
                self.move_object(object, ObjectState::InFlight, "a peer is asked");
            }
            self.fetches.insert(fetch, (id, objects.clone()));
            out.push(Effect::Fetch {
                fetch,
                peer: id,
                objects,
            });
        }
    }

    /// A fetch has ended: what came is here, the rest is looked for elsewhere.
    pub(super) fn fetched(
        &mut self,
        fetch: FetchId,
        got: &[(TaskRef, u64)],
        out: &mut Outbox<Effect>,
    ) {
        let Some((id, objects)) = self.fetches.remove(&fetch) else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.asked = None;
        }
        self.tidy(id);
        for &(object, bytes) in got {
            match self.objects.get(&object).map(|o| o.state) {
                Some(ObjectState::Expected | ObjectState::Wanted | ObjectState::InFlight) => {
                    self.arrived(object, bytes, "it came", out);
                    // A piece is for those alone who wait for it here.
                    if object.piece().is_none() {
                        let have = FromWorker::Have { object, bytes };
                        out.push(Effect::ToScheduler(have));
                    }
                }
                Some(ObjectState::Unwanted) => {
                    self.move_object(object, ObjectState::Absent, "the fetch ended");
                    out.push(Effect::Drop(object));
                }
                Some(_) => {}
                None => out.push(Effect::Drop(object)),
            }
        }
        for object in objects {
            let of_this = |o: &Object| o.fetch == fetch && !o.state.in_store();
            let Some(o) = self.objects.get_mut(&object).filter(|o| of_this(o)) else {
                continue;
            };
            match o.state {
                ObjectState::InFlight => {
                    o.peer = WorkerId(0);
                    o.fetch = FetchId(0);
                    o.tried.push(id);
                    o.sources.retain(|w| *w != id);
                    self.move_object(object, ObjectState::Wanted, "it did not come");
                    self.look_elsewhere(object, out);
                }
                ObjectState::Unwanted => {
                    self.move_object(object, ObjectState::Absent, "the fetch ended");
                }
                _ => {}
            }
        }
    }

    /// A wanted object that stands in no queue: the next source is asked, or those who need it are given back.
    fn look_elsewhere(&mut self, object: TaskRef, out: &mut Outbox<Effect>) {
        let Some(o) = self.objects.get_mut(&object) else {
            return;
        };
        if !o.sources.is_empty() {
            self.queue(object);
            return;
        }
        let tried = std::mem::take(&mut o.tried);
        let needed_by: Vec<_> = o.needed_by.iter().copied().collect();
        for (task, attempt) in needed_by {
            self.drop_waiting(task, attempt, "given back", out);
            self.say_missing(task, attempt, object, tried.clone(), out);
        }
    }

    /// An object is in the store now.
    pub(super) fn arrived(
        &mut self,
        object: TaskRef,
        bytes: u64,
        why: &'static str,
        out: &mut Outbox<Effect>,
    ) {
        let _ = out;
        let state = self.objects.get(&object).map(|o| o.state);
        match state {
            None => {
                let o = Object::absent(bytes, Vec::new(), 0);
                self.objects.insert(object, o);
            }
            Some(ObjectState::Wanted) => self.unqueue(object),
            Some(_) => {}
        }
        let Some(o) = self.objects.get_mut(&object) else {
            return;
        };
        o.bytes = bytes;
        o.peer = WorkerId(0);
        o.fetch = FetchId(0);
        o.sources.clear();
        o.tried.clear();
        let needed_by: Vec<_> = o.needed_by.iter().copied().collect();
        self.move_object(object, ObjectState::Here, why);
        for (task, attempt) in needed_by {
            let Some(one) = self.tries.get_mut(&(task, attempt)) else {
                continue;
            };
            one.missing -= 1;
            if one.missing == 0 {
                self.runnable(task, attempt);
            }
        }
    }

    /// An attempt needs an object no more.
    pub(super) fn unneed(
        &mut self,
        object: TaskRef,
        task: TaskRef,
        attempt: Attempt,
        out: &mut Outbox<Effect>,
    ) {
        let Some(o) = self.objects.get_mut(&object) else {
            return;
        };
        o.needed_by.remove(&(task, attempt));
        if !o.needed_by.is_empty() {
            return;
        }
        match o.state {
            ObjectState::Expected => {
                let why = "no longer needed, or not made here";
                self.move_object(object, ObjectState::Absent, why);
            }
            ObjectState::Wanted => {
                if o.peer.0 > 0 {
                    self.unqueue(object);
                }
                self.move_object(
                    object,
                    ObjectState::Absent,
                    "no longer needed, or nobody has it",
                );
            }
            ObjectState::InFlight => {
                self.move_object(object, ObjectState::Unwanted, "no longer needed");
            }
            ObjectState::Doomed => self.drop_object(object, "its last reader ended", out),
            // The scheduler does not know of it.
            ObjectState::Here if object.piece().is_some() => {
                self.drop_object(object, "no longer needed", out);
            }
            _ => {}
        }
    }

    pub(super) fn drop_object(
        &mut self,
        object: TaskRef,
        why: &'static str,
        out: &mut Outbox<Effect>,
    ) {
        self.move_object(object, ObjectState::Absent, why);
        out.push(Effect::Drop(object));
    }

    /// Nothing more is to be had from a peer. What it was asked for fails in the shell.
    pub(super) fn peer_lost(&mut self, worker: WorkerId, out: &mut Outbox<Effect>) {
        let queued: Vec<TaskRef> = match self.peers.get_mut(&worker) {
            Some(peer) => std::mem::take(&mut peer.queue)
                .into_iter()
                .map(|(_, o)| o)
                .collect(),
            None => Vec::new(),
        };
        self.tidy(worker);
        for o in self.objects.values_mut() {
            o.sources.retain(|w| *w != worker);
        }
        for object in queued {
            if let Some(o) = self.objects.get_mut(&object) {
                o.peer = WorkerId(0);
                o.tried.push(worker);
            }
            self.look_elsewhere(object, out);
        }
    }
}
