//! Functions submitted one by one: what is written as on a cluster runs on the backends of this machine.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kvern_core::{Delayed, ErrorKind, Session, TaskHandle, as_completed, delayed, op};
use kvern_scheduler_local as _;
use serde::{Deserialize, Serialize};

const PATIENCE: Duration = Duration::from_secs(30);

fn sessions() -> Vec<Session> {
    ["sync://", "threads://?workers=1", "threads://?workers=3"]
        .map(|url| Session::open(url).unwrap())
        .into()
}

/// Of no registered type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Report {
    words: BTreeMap<String, u32>,
}

#[test]
fn submit_map_and_gather() {
    for s in sessions() {
        let count = |text: &String| {
            let mut words = BTreeMap::new();
            for w in text.split(' ') {
                *words.entry(w.to_owned()).or_insert(0) += 1;
            }
            Report { words }
        };
        let one = s.submit(count, (String::from("a b a"),)).unwrap();
        let len = s
            .submit(|r: &Report| r.words.len() as u64, (&one,))
            .unwrap();
        assert_eq!(len.wait_timeout(PATIENCE).unwrap().unwrap(), 2);
        assert_eq!(one.wait().unwrap().words["a"], 2);

        let k = 10;
        let many = s
            .map(move |x: &u64, y: &u64| x * y + k, (0..100).map(|i| (i, i)))
            .unwrap();
        let all = s.gather(&many).unwrap();
        assert!((0..100).all(|i| all[i as usize] == i * i + 10));
        let none: Vec<TaskHandle<u64>> = s.map(|x: &u64| *x, Vec::<(u64,)>::new()).unwrap();
        assert!(none.is_empty());
    }
}

/// Counts its clones.
#[derive(Debug, Serialize, Deserialize)]
struct Counted(u64);

static CLONES: AtomicU32 = AtomicU32::new(0);

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONES.fetch_add(1, Ordering::SeqCst);
        Self(self.0)
    }
}

#[test]
fn nothing_is_copied_without_need() {
    for s in sessions() {
        let make = || s.map(|x: &u64| Counted(*x), (0..10).map(|i| (i,))).unwrap();
        let clones = || CLONES.load(Ordering::SeqCst);
        let (handles, before) = (make(), clones());
        let all = s.gather(handles).unwrap();
        assert_eq!((all.len(), all[9].0, clones()), (10, 9, before));
        let all = block_on(s.gather_async(make())).unwrap();
        assert_eq!((all.len(), all[9].0, clones()), (10, 9, before));
        let one = make().swap_remove(3);
        assert_eq!((one.into_result().unwrap().0, clones()), (3, before));
        let kept = make();
        s.gather(&kept).unwrap();
        assert_eq!(clones(), before + 10, "the handles keep theirs");
        // Another holder keeps its own.
        let (first, second) = (kept[0].clone(), kept[0].clone());
        assert_eq!(first.into_result().unwrap().0, 0);
        assert_eq!(second.wait().unwrap().0, 0);

        // A list is read where it lies, or is one's own if it must be.
        let before = clones();
        let sum = |unit: &u64, all: &[&Counted]| unit * all.iter().map(|c| c.0).sum::<u64>();
        assert_eq!(s.submit(sum, (10, &kept)).unwrap().wait().unwrap(), 450);
        let two = s.submit(sum, (1, [&kept[3], &kept[4]])).unwrap();
        assert_eq!(two.wait().unwrap(), 7);
        let none = s.submit(sum, (1, Vec::<Counted>::new())).unwrap();
        assert_eq!(none.wait().unwrap(), 0);
        assert_eq!(clones(), before);
        let own = |all: &Vec<Counted>| all.iter().map(|c| c.0).sum::<u64>();
        assert_eq!(s.submit(own, (&kept,)).unwrap().wait().unwrap(), 45);
        assert_eq!(clones(), before + 10);
        let passing: Vec<Delayed<Counted>> = (0..10u64)
            .map(|i| delayed(move || Counted(i)).call(()))
            .collect();
        assert_eq!(s.submit(own, (&passing,)).unwrap().wait().unwrap(), 45);
        assert_eq!(clones(), before + 10, "nobody else holds these");
    }
}

#[test]
fn scattered_values_are_arguments() {
    for s in sessions() {
        let report = Report {
            words: [("x".to_owned(), 3)].into(),
        };
        let handles = s.scatter([report.clone(), report.clone()]).unwrap();
        let sum = s
            .submit(
                |a: &Report, b: &Report| a.words["x"] + b.words["x"],
                (&handles[0], &handles[1]),
            )
            .unwrap();
        assert_eq!(sum.wait().unwrap(), 6);
        assert_eq!(s.gather(&handles).unwrap(), [report.clone(), report]);
    }
}

#[test]
fn handles_come_as_they_are_done() {
    let s = Session::open("threads://?workers=2").unwrap();
    let gate = std::sync::Arc::new(AtomicU32::new(0));
    let (g, h) = (gate.clone(), gate.clone());
    // The second can only end when the first has been given out.
    let late = s
        .submit(
            move || {
                let end = std::time::Instant::now() + PATIENCE;
                while g.load(Ordering::Acquire) == 0 && std::time::Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(1));
                }
                2u32
            },
            (),
        )
        .unwrap();
    let early = s.submit(|| 1u32, ()).unwrap();
    let mut seen = Vec::new();
    for done in as_completed([late, early]) {
        seen.push(done.wait().unwrap());
        h.store(1, Ordering::Release);
    }
    assert_eq!(seen, [1, 2]);
}

#[test]
fn futures_are_awaited_on_any_executor() {
    let s = Session::open("threads://?workers=2").unwrap();
    let handles = s.map(|x: &i64| x + 1, (0..50i64).map(|x| (x,))).unwrap();
    let sum = block_on(async {
        let mut sum = handles[0].clone().await.unwrap();
        let mut rest = as_completed(handles[1..].to_vec());
        while let Some(h) = rest.next_done().await {
            sum += h.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, (1..=50).sum::<i64>());
}

/// The smallest executor: parks the thread between polls.
fn block_on<F: Future>(f: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut f = std::pin::pin!(f);
    loop {
        if let std::task::Poll::Ready(r) =
            f.as_mut().poll(&mut std::task::Context::from_waker(&waker))
        {
            return r;
        }
        std::thread::park_timeout(PATIENCE);
    }
}

#[test]
fn errors_and_panics_are_those_of_the_function() {
    for s in sessions() {
        let e = s
            .try_submit(|t: &String| t.parse::<i64>(), (String::from("six"),))
            .unwrap()
            .wait()
            .unwrap_err();
        assert!(e.to_string().contains("invalid digit"), "{e}");
        let e = s
            .submit(|x: &i64| -> i64 { panic!("no {x}") }, (4i64,))
            .unwrap()
            .wait()
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Panic);
        assert!(e.to_string().contains("no 4"), "{e}");
        assert_eq!(
            s.submit(|| 1u64, ()).unwrap().wait().unwrap(),
            1,
            "still works"
        );
    }
}

#[test]
fn cancelled_and_forgotten() {
    static RAN: AtomicU32 = AtomicU32::new(0);
    let s = Session::open("threads://?workers=1").unwrap();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let slow = s
        .submit(
            move || {
                let _ = gate.lock().unwrap().recv();
            },
            (),
        )
        .unwrap();
    let never = s.submit(|_: &()| 1u64, (&slow,)).unwrap();
    never.cancel();
    assert_eq!(never.wait().unwrap_err().kind(), ErrorKind::Cancelled);
    drop(open);
    s.submit(|| RAN.fetch_add(1, Ordering::Relaxed), ())
        .unwrap()
        .fire_and_forget();
    let end = std::time::Instant::now() + PATIENCE;
    while RAN.load(Ordering::Relaxed) == 0 {
        assert!(
            std::time::Instant::now() < end,
            "a forgotten task never ran"
        );
        std::thread::yield_now();
    }
}

/// Each level waits for the next on the one thread there is.
fn fibonacci(n: &u64) -> u64 {
    if *n < 2 {
        return *n;
    }
    let s = Session::current().unwrap();
    let parts = s.map(fibonacci, [(n - 1,), (n - 2,)]).unwrap();
    s.gather(&parts).unwrap().iter().sum()
}

#[op(name = "test.countdown")]
fn countdown(n: &u64, ctx: &kvern_core::TaskContext<'_>) -> kvern_core::Result<u64> {
    match n {
        0 => Ok(0),
        n => Ok(1 + ctx.session().unwrap().compute(&countdown::delayed(n - 1))?),
    }
}

/// Takes results as they come, on the one thread there is.
fn counted(n: &u64) -> u64 {
    let s = Session::current().unwrap();
    let parts = s.map(|x: &u64| x * x, (0..*n).map(|i| (i,)));
    as_completed(parts.unwrap())
        .map(|done| done.wait().unwrap())
        .sum()
}

#[test]
fn tasks_submit_tasks() {
    for s in sessions() {
        let f = s.map(counted, [(5,), (6,), (7,)]).unwrap();
        let all: Vec<_> = f
            .iter()
            .map(|h| h.wait_timeout(PATIENCE).unwrap().unwrap())
            .collect();
        assert_eq!(all, [30, 55, 91]);
        let f = s.submit(fibonacci, (12u64,)).unwrap();
        assert_eq!(f.wait_timeout(PATIENCE).unwrap().unwrap(), 144);
        assert_eq!(s.compute(&countdown::delayed(100u64)).unwrap(), 100);
        // The session inside a task closes nothing.
        assert_eq!(s.submit(|| 1u64, ()).unwrap().wait().unwrap(), 1);
    }
}

#[test]
fn results_of_unregistered_types_are_spilled() {
    let s = Session::open("threads://?workers=1&memory=1MiB").unwrap();
    let handles = s
        .scatter((0..64u64).map(|i| vec![(i, i as f32); 16_384]))
        .unwrap();
    // Some 80 KB each: what does not fit goes to disk, though its type has no name.
    assert!(s.memory().spilled > 1 << 20, "{:?}", s.memory());
    for (i, h) in handles.iter().enumerate() {
        assert_eq!(h.wait().unwrap()[16_383], (i as u64, i as f32));
    }
}
