//! The errors that the machine itself makes, in words.

use kvern_core::error::{ErrorRecord, TaskInfo};
use kvern_core::text::format_duration;
use kvern_core::{ErrorKind, Key};

use crate::ids::OutputRef;

fn record(kind: ErrorKind, message: String, task: Option<Key>) -> ErrorRecord {
    ErrorRecord {
        kind,
        message,
        task: task.map(|key| TaskInfo {
            key,
            // The machine does not know names of operators; the shell of the scheduler may add it.
            operator: String::new(),
            inputs: Vec::new(),
            call: None,
        }),
        causes: Vec::new(),
    }
}

pub(crate) fn cancelled() -> ErrorRecord {
    record(ErrorKind::Cancelled, "the run was cancelled".into(), None)
}

pub(crate) fn released() -> ErrorRecord {
    record(ErrorKind::Cancelled, "the result was released".into(), None)
}

pub(crate) fn unknown_output(of: OutputRef) -> ErrorRecord {
    let words = format!(
        "output {} of run {} is not there: the run was released, refused or never submitted",
        of.output, of.graph
    );
    record(ErrorKind::Cancelled, words, None)
}

pub(crate) fn scattered_lost(key: Key, worker: &str, why: &str) -> ErrorRecord {
    let words = format!(
        "scattered data {} is lost with worker {worker} ({why}) and cannot be made again: scatter it anew",
        key.short()
    );
    record(ErrorKind::Lost, words, Some(key))
}

pub(crate) fn client_gone(key: Key) -> ErrorRecord {
    let words = format!(
        "data {} is lost with its worker, and the client that had brought it is gone",
        key.short()
    );
    record(ErrorKind::Lost, words, Some(key))
}

pub(crate) fn impure_lost(key: Key) -> ErrorRecord {
    let words = "the result was lost with its worker, and its operator must not be run twice; \
                 annotate retries if it may";
    record(ErrorKind::Lost, words.into(), Some(key))
}

pub(crate) fn impure_doubtful(key: Key) -> ErrorRecord {
    let words = "its worker was lost when this task was next to run there: it may have begun, and its operator must \
                 not be run twice; annotate retries if it may";
    record(ErrorKind::Lost, words.into(), Some(key))
}

pub(crate) fn cancelled_lost(key: Key) -> ErrorRecord {
    let words = "the result was lost with its worker after its run had been cancelled";
    record(ErrorKind::Lost, words.into(), Some(key))
}

pub(crate) fn killed(key: Key, attempts: u32, workers: &[String]) -> ErrorRecord {
    let words = format!(
        "{} workers were lost while they ran this task or were about to, which is taken to be the reason; it is not tried again \
         (attempts: {attempts}; workers: {})",
        workers.len(),
        workers.join("; ")
    );
    record(ErrorKind::Task, words, Some(key))
}

pub(crate) fn unreached(
    key: Key,
    input: Key,
    times: u32,
    holders: &[String],
    from: &str,
) -> ErrorRecord {
    let words = format!(
        "an input, {}, could not be fetched, in {times} tries: held by {}, connected to the scheduler, but not to be reached at its data \
         address from {from}",
        input.short(),
        holders.join(", ")
    );
    record(ErrorKind::Lost, words, Some(key))
}

/// Why tasks wait: nobody who is there may run them.
pub(crate) fn stranded(
    tasks: usize,
    workers: u32,
    bound: bool,
    only: &[String],
    trouble: Option<&str>,
) -> String {
    let (noun, wait, need) = match tasks {
        1 => ("task", "waits", "it needs"),
        _ => ("tasks", "wait", "they need"),
    };
    let there = match workers {
        0 => {
            return match trouble {
                None => format!("{tasks} {noun} {wait}, and the cluster has no workers"),
                Some(why) => {
                    format!("{tasks} {noun} {wait}, and the cluster has no workers: {why}")
                }
            };
        }
        1 => "the worker that is there is not".to_owned(),
        n => format!("none of the {n} workers that are there is"),
    };
    let mut asks = Vec::new();
    if bound {
        asks.push("that runs the same program file as the client".to_owned());
    }
    if !only.is_empty() {
        asks.push(format!(
            "whose name is {} (annotation `workers`)",
            only.join(" or ")
        ));
    }
    if asks.is_empty() {
        asks.push("of any kind".to_owned());
    }
    let why = trouble.map_or_else(String::new, |why| format!(": {why}"));
    format!(
        "{tasks} {noun} {wait}: {need} a worker {}, and {there}{why}",
        asks.join(" and ")
    )
}

/// How long they wait.
pub(crate) fn until(words: &str, limit: Option<u64>) -> String {
    match limit {
        None => format!("{words}; they wait until one comes"),
        Some(nanos) => {
            let limit = format_duration(core::time::Duration::from_nanos(nanos));
            format!("{words}; what has waited for {limit} fails (no-workers-timeout)")
        }
    }
}

/// They have waited long enough.
pub(crate) fn no_workers(key: Key, words: &str) -> ErrorRecord {
    let words = format!("no worker came in time (no-workers-timeout): {words}");
    record(ErrorKind::Timeout, words, Some(key))
}

pub(crate) fn no_such_build(key: Key, workers: u32) -> ErrorRecord {
    let words = format!(
        "a closure runs only in workers that run the same program file as the client, the same build, and none of the {workers} workers is \
         one: start the program itself as a worker (kvern::init, KVERN_WORKER), open cluster://, or make it a function with a name (#[op]) \
         that the workers have"
    );
    record(ErrorKind::NotPortable, words, Some(key))
}

pub(crate) fn refused(why: impl std::fmt::Display) -> ErrorRecord {
    record(
        ErrorKind::BadInput,
        format!("the graph is refused: {why}"),
        None,
    )
}
