//! How functions are to be run, as `session.tasks()` says: the same on the threads of this process and on workers.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kvern::ErrorKind;
use kvern::prelude::*;
use kvern_e2e::{cluster, worker_entry};

worker_entry!();

const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a story on one thread of this process and on one worker.
fn on_both(story: impl Fn(&Session, &Path)) {
    for there in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        if there {
            let (session, _cluster) = cluster(1);
            story(&session, folder.path());
        } else {
            let session = Session::open("threads://?workers=1").unwrap();
            story(&session, folder.path());
        }
    }
}

/// What a story says, which must be the same on both; gives it.
fn same(story: impl Fn(&Session, &Path) -> String) -> String {
    let said = std::cell::RefCell::new(Vec::new());
    on_both(|session, folder| {
        let words = story(session, folder);
        let words = words.replace(&folder.display().to_string(), "FOLDER");
        said.borrow_mut().push(words);
    });
    let said = said.into_inner();
    assert_eq!(said[0], said[1], "on threads, and on a cluster");
    said[0].clone()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// Adds a line to a file.
fn tell(path: &str, line: &str) {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(path).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn lines(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until a file is there.
fn wait_for(file: &str) {
    let end = std::time::Instant::now() + PATIENCE;
    while !Path::new(file).exists() {
        assert!(std::time::Instant::now() < end, "nobody made {file}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for a result, so that nothing hangs.
fn result<T: Clone + Send + Sync + 'static>(handle: &TaskHandle<T>) -> kvern::Result<T> {
    handle.wait_timeout(PATIENCE).expect("it never comes")
}

/// Works the fourth time; each time it tells when that was.
#[allow(
    clippy::ptr_arg,
    reason = "an argument of a task is a reference to its own type"
)]
fn fourth_time(file: &String) -> Result<usize, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    tell(file, &now.as_nanos().to_string());
    match lines(file).len() {
        n @ 4.. => Ok(n),
        n => Err(format!("attempt {n} fails")),
    }
}

#[test]
fn retries_wait_longer_each_time() {
    on_both(|session, folder| {
        let file = path(folder, "attempts");
        let pause = Duration::from_millis(40);
        let tasks = session.tasks().retries(3).backoff(pause);
        let made = tasks.try_submit(fourth_time, (file.clone(),)).unwrap();
        assert_eq!(result(&made).unwrap(), 4);
        let at: Vec<u64> = lines(&file).iter().map(|l| l.parse().unwrap()).collect();
        for (n, between) in at.windows(2).enumerate() {
            let waited = Duration::from_nanos(between[1] - between[0]);
            assert!(waited >= pause * (1 << n), "{waited:?} after failure {n}");
        }
    });
    let e = same(|session, folder| {
        let file = path(folder, "attempts");
        let tasks = session.tasks().retries(2).named("flaky");
        result(&tasks.try_submit(fourth_time, (file,)).unwrap())
            .unwrap_err()
            .to_string()
    });
    assert_eq!(e, "flaky (\"FOLDER/attempts\"): attempt 3 fails");
}

/// Whoever waits is told the time limit while the function goes on, and the next task runs in its place.
#[test]
fn a_time_limit_is_told_at_once() {
    let stuck = |gate: &String, over: &String| {
        wait_for(gate);
        tell(over, "over");
    };
    let e = same(|session, folder| {
        let (gate, over) = (path(folder, "gate"), path(folder, "over"));
        let tasks = session.tasks().named("stuck");
        let tasks = tasks.timeout(Duration::from_millis(300));
        let late = tasks.submit(stuck, (gate.clone(), over.clone())).unwrap();
        let e = result(&late).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Timeout);
        let next = session.submit(|x: &u64| x + 1, (1u64,)).unwrap();
        assert_eq!(result(&next).unwrap(), 2);
        assert!(lines(&over).is_empty());
        std::fs::write(&gate, "open").unwrap();
        wait_for(&over);
        e.to_string()
    });
    assert_eq!(
        e,
        "stuck (\"FOLDER/gate\", \"FOLDER/over\"): has not ended within its time limit of 300.0ms; its thread cannot be stopped and goes on"
    );
}

/// A function that asks whether it is to stop is told its time limit.
#[test]
fn a_time_limit_is_told_to_the_function() {
    let polite = |seen: &String| {
        while !kvern::is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        tell(seen, "told");
    };
    on_both(|session, folder| {
        let seen = path(folder, "seen");
        let tasks = session.tasks().timeout(Duration::from_millis(500));
        let late = tasks.submit(polite, (seen.clone(),)).unwrap();
        assert_eq!(result(&late).unwrap_err().kind(), ErrorKind::Timeout);
        wait_for(&seen);
    });
}

/// What is submitted later with a higher priority runs first, whatever waits already.
#[test]
fn higher_priorities_run_first() {
    let told = same(|session, folder| {
        let (gate, begun, file) = (
            path(folder, "gate"),
            path(folder, "begun"),
            path(folder, "order"),
        );
        let first = |gate: &String, begun: &String| {
            tell(begun, "begun");
            wait_for(gate);
        };
        let first = session
            .submit(first, (gate.clone(), begun.clone()))
            .unwrap();
        wait_for(&begun);
        let note = |file: &String, word: &String| tell(file, word);
        let mut all = Vec::new();
        for (priority, word) in [(0, "none"), (-5, "low"), (7, "high"), (3, "middle")] {
            let args = (0..5).map(|_| (file.clone(), word.to_owned()));
            all.extend(session.tasks().priority(priority).map(note, args).unwrap());
        }
        std::fs::write(&gate, "open").unwrap();
        result(&first).unwrap();
        all.iter().for_each(|h| result(h).unwrap());
        let mut order = lines(&file);
        assert_eq!(order.len(), 20);
        order.dedup();
        order.join(" ")
    });
    assert_eq!(told, "high middle none low");
}

/// Equal calls of what is said to be pure have one name, others have their own.
#[test]
fn equal_calls_of_a_pure_function_are_equal() {
    on_both(|session, _| {
        let square = |x: &u64| x * x;
        let submit =
            |tasks: kvern::core::futures::Tasks<'_>, x: u64| tasks.submit(square, (x,)).unwrap();
        let pure = [3, 3, 4].map(|x| submit(session.tasks().pure(), x));
        let plain = [3, 3].map(|x| submit(session.tasks(), x));
        assert_eq!(pure[0].key(), pure[1].key());
        assert_ne!(pure[0].key(), pure[2].key());
        assert_ne!(plain[0].key(), plain[1].key());
        let many = session.tasks().pure().map(square, [(3u64,), (4,)]).unwrap();
        let again = session.tasks().pure().map(square, [(3u64,), (4,)]).unwrap();
        assert!(many.iter().zip(&again).all(|(a, b)| a.key() == b.key()));
        let all = pure.iter().chain(&plain).chain(&many);
        let all: Vec<u64> = all.map(|h| result(h).unwrap()).collect();
        assert_eq!(all, [9, 9, 16, 9, 9, 9, 16]);
    });
}

/// The message that a user reads is the same wherever the function ran: its name, its arguments, its place in a map, what went wrong.
#[test]
fn failures_read_the_same() {
    let e = same(|session, _| {
        let take = |a: &u64, b: &u64| a.checked_sub(*b).ok_or("too little");
        let mut said = Vec::new();
        let named = session.tasks().named("minus");
        let handles = named.try_map(take, [(5u64, 3u64), (3, 4)]).unwrap();
        assert_eq!(result(&handles[0]).unwrap(), 2);
        said.push(result(&handles[1]).unwrap_err().to_string());
        let nameless = session.try_submit(take, (1u64, 2u64)).unwrap();
        said.push(result(&nameless).unwrap_err().to_string());
        let panics = |v: &Vec<u64>| v[7];
        let tasks = session.tasks().named("index");
        let panics = tasks.submit(panics, (vec![1u64, 2],)).unwrap();
        let e = result(&panics).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Panic);
        said.push(e.to_string());
        // A reader tells of the one that failed.
        let reads = session.submit(|x: &u64| x + 1, (&handles[1],)).unwrap();
        said.push(result(&reads).unwrap_err().to_string());
        // The cause is kept.
        let read = |path: &String| std::fs::read(path).map(|b| b.len());
        let e = session.try_submit(read, ("/no/such/file".to_owned(),));
        let e = result(&e.unwrap()).unwrap_err();
        let cause = std::error::Error::source(&e).map(ToString::to_string);
        said.push(format!("{e} / {:?} / {cause:?}", e.kind()));
        said.join("\n")
    });
    println!("{e}");
    let said: Vec<&str> = e.lines().collect();
    assert_eq!(said[0], "minus, call 1 (3, 4): too little");
    assert!(said[1].ends_with(" (1, 2): too little"), "{e}");
    assert!(said[2].starts_with("index ([1, 2]): panicked"), "{e}");
    assert_eq!(said[3], said[0], "what a reader of it says");
    assert!(said[4].contains("(\"/no/such/file\"): No such file"), "{e}");
}
