//! A run as its client sees it: what has become of each wanted result, and who waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kvern_core::scheduler::{Progress, ResultState};
use kvern_core::{Error, ErrorKind, Key, Result, Run, Value};
use kvern_machine::wire::FromClient;
use kvern_machine::{GraphId, OutputRef, TaskRef, WorkerId};

use super::keys::Keys;
use super::link::Link;
use super::tell::{Callback, Settled, Tell};
use crate::seat::while_waiting;

/// A submitted graph.
pub(crate) struct ClusterRun {
    link: Arc<Link>,
    graph: GraphId,
    tasks: u32,
    data: u32,
    keys: Keys,
    /// The task of each output.
    outputs: Vec<u32>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    slots: HashMap<u32, Slot>,
    /// How many threads wait for the whole run.
    waiting: u32,
    first_error: Option<Error>,
    /// How it ended.
    ended: Option<Progress>,
}

/// What has become of the result of one task.
struct Slot {
    result: Fate,
    /// How often it is wanted here. The scheduler is told when nobody wants it any more, and not before.
    wants: u32,
    /// The outputs that it is; nearly always one.
    outputs: (u32, Vec<u32>),
    /// How many threads wait for it.
    waiting: u32,
    /// How often it was not where it was said to be.
    missed: u32,
    callbacks: Vec<Callback>,
    /// Called when it is made, or there will be none: nothing is fetched for them.
    settled: Vec<Settled>,
}

/// Under which name which workers have a result.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) data: TaskRef,
    pub(crate) holders: Vec<WorkerId>,
}

enum Fate {
    /// Not made yet, or lost and being made again.
    Pending,
    /// Made, and to be had there.
    There(Place),
    /// On its way here.
    Coming(Place),
    /// Here.
    Here(Value),
    Failed(Error),
    /// Nobody wanted it any more.
    Released,
}

/// What the scheduler says when it accepts a graph.
pub(crate) struct Accepted {
    pub(crate) graph: GraphId,
    pub(crate) tasks: u32,
    /// How many of them are values at hand.
    pub(crate) data: u32,
    pub(crate) outputs: Vec<u32>,
}

impl ClusterRun {
    pub(crate) fn new(link: Arc<Link>, accepted: Accepted, keys: Keys) -> Self {
        let outputs = accepted.outputs;
        let mut slots: HashMap<u32, Slot> = HashMap::with_capacity(outputs.len());
        for (output, &task) in outputs.iter().enumerate() {
            let output = output as u32;
            slots
                .entry(task)
                .and_modify(|s| {
                    s.wants += 1;
                    s.outputs.1.push(output);
                })
                .or_insert_with(|| Slot {
                    result: Fate::Pending,
                    wants: 1,
                    outputs: (output, Vec::new()),
                    waiting: 0,
                    missed: 0,
                    callbacks: Vec::new(),
                    settled: Vec::new(),
                });
        }
        Self {
            link,
            graph: accepted.graph,
            tasks: accepted.tasks,
            data: accepted.data,
            keys,
            outputs,
            state: Mutex::new(State {
                slots,
                waiting: 0,
                first_error: None,
                ended: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// An output, for other graphs of the scheduler to read.
    pub(crate) fn output(&self, output: u32) -> OutputRef {
        OutputRef {
            graph: self.graph,
            output,
        }
    }

    /// The object that an output is.
    pub(crate) fn object(&self, output: u32) -> TaskRef {
        TaskRef::new(self.graph, self.outputs[output as usize])
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the lock and wakes those who wait for the task, or for the run.
    fn wake(&self, state: MutexGuard<'_, State>, task: Option<u32>) {
        let waited = match task {
            Some(t) => state.slots.get(&t).is_some_and(|s| s.waiting > 0),
            None => state.waiting > 0,
        };
        drop(state);
        if waited {
            self.changed.notify_all();
        }
    }

    /// A result is to be had there. True: somebody here waits for it, so fetch it. Others only want to know.
    pub(crate) fn made(&self, task: u32, place: Place) -> (bool, Tell) {
        let mut state = self.lock();
        let Some(slot) = state.slots.get_mut(&task) else {
            return (false, Tell::default());
        };
        if !matches!(slot.result, Fate::Pending | Fate::There(_)) {
            return (false, Tell::default());
        }
        let tell = Tell::settled(std::mem::take(&mut slot.settled));
        let waited = slot.waiting > 0 || !slot.callbacks.is_empty();
        slot.result = if waited {
            Fate::Coming(place)
        } else {
            Fate::There(place)
        };
        (waited, tell)
    }

    /// Where a result that is to be fetched can be had, and how often it was not where it was said to be.
    pub(crate) fn coming(&self, task: u32) -> Option<(Place, u32)> {
        let state = self.lock();
        let slot = state.slots.get(&task)?;
        match &slot.result {
            Fate::Coming(place) => Some((place.clone(), slot.missed)),
            _ => None,
        }
    }

    /// A result, or why there is none, has arrived here.
    pub(crate) fn arrived(&self, task: u32, result: Result<Value>) -> Option<Tell> {
        let mut state = self.lock();
        let slot = state.slots.get_mut(&task)?;
        if matches!(
            slot.result,
            Fate::Here(_) | Fate::Failed(_) | Fate::Released
        ) {
            return None;
        }
        let tell = slot.tell(&result);
        slot.result = match result {
            Ok(v) => Fate::Here(v),
            Err(e) => Fate::Failed(e),
        };
        self.wake(state, Some(task));
        Some(tell)
    }

    /// A result is not where it was said to be; the scheduler will say more. Gives how often that was so.
    pub(crate) fn not_there(&self, task: u32) -> u32 {
        let mut state = self.lock();
        let Some(slot) = state.slots.get_mut(&task) else {
            return 0;
        };
        slot.missed += 1;
        let missed = slot.missed;
        if matches!(slot.result, Fate::Coming(_) | Fate::There(_)) {
            slot.result = Fate::Pending;
            self.wake(state, Some(task));
        }
        missed
    }

    /// The first task of the run failed.
    pub(crate) fn failed_first(&self, error: Error) {
        let mut state = self.lock();
        state.first_error.get_or_insert(error);
        self.wake(state, None);
    }

    /// No task is left.
    pub(crate) fn ended(&self, progress: Progress, error: Option<Error>) {
        let mut state = self.lock();
        state.ended = Some(progress);
        if let Some(e) = error {
            state.first_error.get_or_insert(e);
        }
        self.wake(state, None);
    }

    /// The scheduler is gone: what is not here never will be.
    pub(crate) fn lost(&self, error: &Error) -> Vec<Tell> {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.first_error.get_or_insert(error.clone());
            state.ended = Some(Progress {
                total: u64::from(self.tasks),
                data: u64::from(self.data),
                failed: u64::from(self.tasks),
                ..Progress::default()
            });
        }
        self.fail_those(state, error, |fate| {
            matches!(fate, Fate::Pending | Fate::There(_) | Fate::Coming(_))
        })
    }

    /// The run was stopped for this reason: what is not made never will be. The scheduler says later how it ended.
    pub(crate) fn stopped(&self, error: &Error) -> Vec<Tell> {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.first_error.get_or_insert(error.clone());
        }
        self.fail_those(state, error, |fate| matches!(fate, Fate::Pending))
    }

    /// There will be no result of the tasks that `which` says.
    fn fail_those(
        &self,
        state: MutexGuard<'_, State>,
        error: &Error,
        which: impl Fn(&Fate) -> bool,
    ) -> Vec<Tell> {
        let those = state.slots.iter().filter(|(_, s)| which(&s.result));
        let those: Vec<u32> = those.map(|(t, _)| *t).collect();
        drop(state);
        let tells = those
            .into_iter()
            .filter_map(|t| self.arrived(t, Err(error.clone())))
            .collect();
        self.changed.notify_all();
        tells
    }

    /// Begins fetching those of the tasks that are made and not here.
    fn fetch(&self, tasks: impl IntoIterator<Item = u32>) {
        let mut state = self.lock();
        let mut begin = Vec::new();
        for task in tasks {
            if let Some(slot) = state.slots.get_mut(&task)
                && let Fate::There(place) = &slot.result
            {
                slot.result = Fate::Coming(place.clone());
                begin.push(task);
            }
        }
        drop(state);
        if !begin.is_empty() {
            self.link.fetch(self.graph, begin);
        }
    }

    /// What is known of a result now. `None`: not here.
    fn now(&self, task: u32) -> Option<Result<Value>> {
        self.lock().now(task)
    }

    /// Waits for a result. `made`: only for one that is, and has to come here; `None` also if it is lost on the way.
    fn wait_for(&self, task: u32, made: bool, limit: Option<Duration>) -> Option<Result<Value>> {
        let end = limit.and_then(|l| Instant::now().checked_add(l));
        if let Some(slot) = self.lock().slots.get_mut(&task) {
            slot.waiting += 1;
        }
        // From here on it is fetched as soon as it is announced; it may have been before.
        self.fetch([task]);
        while_waiting(|| {
            let mut state = self.lock();
            let found = loop {
                if let Some(result) = state.now(task) {
                    break Some(result);
                }
                if made && !state.is_made(task) {
                    break None;
                }
                let Some(woken) = self.sleep(state, end) else {
                    state = self.lock();
                    break state.now(task);
                };
                state = woken;
            };
            if let Some(slot) = state.slots.get_mut(&task) {
                slot.waiting -= 1;
            }
            found
        })
    }

    /// Waits until something has changed; `None`: the time is over.
    fn sleep<'a>(
        &self,
        state: MutexGuard<'a, State>,
        end: Option<Instant>,
    ) -> Option<MutexGuard<'a, State>> {
        let Some(end) = end else {
            return Some(
                self.changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        };
        let left = end.checked_duration_since(Instant::now())?;
        let woken = self.changed.wait_timeout(state, left);
        Some(woken.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn task(&self, output: u32) -> u32 {
        self.outputs[output as usize]
    }
}

fn released() -> Error {
    Error::new(ErrorKind::Cancelled, "the result was released")
}

impl Run for ClusterRun {
    fn outputs(&self) -> usize {
        self.outputs.len()
    }

    fn key(&self, output: u32) -> Key {
        self.keys.key(output)
    }

    fn try_get(&self, output: u32) -> Option<Result<Value>> {
        let task = self.task(output);
        if let Some(result) = self.now(task) {
            return Some(result);
        }
        // It is made: it only has to come here.
        let there = self.lock().is_made(task);
        there.then(|| self.wait_for(task, true, None)).flatten()
    }

    fn state(&self, output: u32) -> ResultState {
        match self.lock().slots.get(&self.task(output)).map(|s| &s.result) {
            Some(Fate::Pending) => ResultState::Pending,
            Some(Fate::There(_) | Fate::Coming(_) | Fate::Here(_)) => ResultState::Made,
            Some(Fate::Failed(_) | Fate::Released) | None => ResultState::Failed,
        }
    }

    fn when_settled(&self, output: u32, then: Settled) {
        let mut state = self.lock();
        if let Some(slot) = state.slots.get_mut(&self.task(output))
            && matches!(slot.result, Fate::Pending)
        {
            slot.settled.push(then);
            return;
        }
        drop(state);
        then();
    }

    fn while_blocked(&self, done: &dyn Fn() -> bool, wait: &dyn Fn()) {
        if !done() {
            while_waiting(wait);
        }
    }

    fn wait(&self, output: u32, limit: Option<Duration>) -> Option<Result<Value>> {
        let task = self.task(output);
        self.now(task).or_else(|| self.wait_for(task, false, limit))
    }

    fn when_done(&self, output: u32, then: Callback) {
        let task = self.task(output);
        let mut state = self.lock();
        let Some(slot) = state.slots.get_mut(&task) else {
            return;
        };
        let result = match &slot.result {
            Fate::Here(v) => Ok(v.clone()),
            Fate::Failed(e) => Err(e.clone()),
            Fate::Released => Err(released()),
            Fate::Pending | Fate::There(_) | Fate::Coming(_) => {
                slot.callbacks.push(then);
                drop(state);
                return self.fetch([task]);
            }
        };
        drop(state);
        then(result);
    }

    fn wait_all(&self, limit: Option<Duration>) -> Option<Result<()>> {
        let end = limit.and_then(|l| Instant::now().checked_add(l));
        while_waiting(|| {
            let mut state = self.lock();
            state.waiting += 1;
            let result = loop {
                if let Some(result) = state.over() {
                    break Some(result);
                }
                let Some(woken) = self.sleep(state, end) else {
                    state = self.lock();
                    break state.over();
                };
                state = woken;
            };
            state.waiting -= 1;
            result
        })
    }

    fn want(&self, output: u32) {
        if let Some(slot) = self.lock().slots.get_mut(&self.task(output)) {
            slot.wants += 1;
        }
    }

    fn release(&self, output: u32) {
        let task = self.task(output);
        let mut state = self.lock();
        let Some(slot) = state.slots.get_mut(&task) else {
            return;
        };
        if slot.wants == 0 {
            return;
        }
        slot.wants -= 1;
        if slot.wants > 0 {
            return;
        }
        let mut outputs = vec![slot.outputs.0];
        outputs.append(&mut slot.outputs.1);
        let tell = slot.let_go();
        // Under the lock, so that whoever sees the result gone knows that the scheduler will hear of it before what is said next.
        self.link.send(FromClient::Release {
            graph: self.graph,
            outputs,
        });
        self.wake(state, Some(task));
        self.link.tell(tell);
    }

    fn release_all(&self) {
        let mut state = self.lock();
        let once = state
            .slots
            .values()
            .all(|s| s.wants as usize == 1 + s.outputs.1.len());
        if !once {
            drop(state);
            return (0..self.outputs.len() as u32).for_each(|o| self.release(o));
        }
        let mut tells = Vec::new();
        for slot in state.slots.values_mut() {
            slot.wants = 0;
            tells.push(slot.let_go());
        }
        self.link.send(FromClient::ReleaseAll { graph: self.graph });
        drop(state);
        self.changed.notify_all();
        tells.into_iter().for_each(|t| self.link.tell(t));
    }

    fn collect(&self) -> Result<Vec<Value>> {
        self.fetch(self.outputs.iter().copied());
        self.outputs
            .iter()
            .map(|&task| {
                self.now(task)
                    .or_else(|| self.wait_for(task, false, None))
                    .unwrap_or_else(|| Err(released()))
            })
            .collect()
    }

    fn cancel(&self) {
        self.link.cancel(self.graph);
        // Answers come in the order of what was said: when this one is here, the cancel has been heard, and whatever ends later
        // counts as cancelled.
        self.link.ask_progress(self.graph);
    }

    fn progress(&self) -> Progress {
        if let Some(ended) = self.lock().ended {
            return ended;
        }
        let asked = self.link.ask_progress(self.graph);
        let (total, data) = (u64::from(self.tasks), u64::from(self.data));
        match (asked, self.lock().ended) {
            (_, Some(ended)) => ended,
            // The last task may still be on its way to stop: the end is what the scheduler says is one.
            (Some(p), None) if p.is_finished() => Progress {
                total,
                data,
                done: p.done.min(total.saturating_sub(1)),
                failed: 0,
                ..p
            },
            (Some(p), None) => Progress { total, data, ..p },
            (None, None) => Progress {
                total,
                data,
                ..Progress::default()
            },
        }
    }
}

impl State {
    fn now(&self, task: u32) -> Option<Result<Value>> {
        match &self.slots.get(&task)?.result {
            Fate::Here(v) => Some(Ok(v.clone())),
            Fate::Failed(e) => Some(Err(e.clone())),
            Fate::Released => Some(Err(released())),
            Fate::Pending | Fate::There(_) | Fate::Coming(_) => None,
        }
    }

    /// Whether a result is made and not here yet.
    fn is_made(&self, task: u32) -> bool {
        let result = self.slots.get(&task).map(|s| &s.result);
        matches!(result, Some(Fate::There(_) | Fate::Coming(_)))
    }

    /// How the run ended, or that a task has failed.
    fn over(&self) -> Option<Result<()>> {
        match (&self.first_error, self.ended) {
            (Some(e), _) => Some(Err(e.clone())),
            (None, Some(_)) => Some(Ok(())),
            (None, None) => None,
        }
    }
}

impl Slot {
    /// All who wait for this result.
    fn tell(&mut self, result: &Result<Value>) -> Tell {
        let settled = Tell::settled(std::mem::take(&mut self.settled));
        settled.with(std::mem::take(&mut self.callbacks), result)
    }

    /// Nobody wants it any more.
    fn let_go(&mut self) -> Tell {
        if !matches!(self.result, Fate::Failed(_)) {
            self.result = Fate::Released;
        }
        self.tell(&Err(released()))
    }
}

impl Drop for ClusterRun {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut left = Vec::new();
        for slot in state.slots.values_mut().filter(|s| s.wants > 0) {
            left.push(slot.outputs.0);
            left.append(&mut slot.outputs.1);
        }
        self.link
            .forget(std::ptr::from_ref(self).cast(), self.graph, left);
    }
}
