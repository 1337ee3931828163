//! Functions of this program on the workers of a cluster, and what happens when one of them is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kvern_core::delayed::delayed_local;
use kvern_core::{
    Collection, ErrorKind, Registry, Session, TaskContext, as_completed, delayed, op,
};
use kvern_scheduler_distributed::LocalCluster;
use serde::{Deserialize, Serialize};

mod support;

worker_entry!();

const PATIENCE: Duration = Duration::from_secs(60);

fn session(workers: usize) -> (Session, Arc<LocalCluster>) {
    let registry = Arc::new(Registry::linked().unwrap());
    let cluster = Arc::new(support::cluster(workers, 1, registry.clone()));
    let session = Session::builder()
        .scheduler(cluster.clone())
        .registry(registry)
        .build()
        .unwrap();
    (session, cluster)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Report {
    process: u32,
    words: Vec<(String, u32)>,
}

#[test]
fn submit_map_scatter_and_gather() {
    let (s, cluster) = session(2);
    let square = |x: &u64| x * x;
    let nine = s.submit(square, (3u64,)).unwrap();
    let more = s.submit(square, (&nine,)).unwrap();
    assert_eq!(more.wait_timeout(PATIENCE).unwrap().unwrap(), 81);

    let many = s
        .map(|x: &u64, y: &u64| x * 1000 + y, (0..200u64).map(|i| (i, i)))
        .unwrap();
    assert!(
        s.gather(&many)
            .unwrap()
            .into_iter()
            .eq((0..200).map(|i| i * 1001))
    );

    let values: Vec<Vec<f64>> = (0..6).map(|i| vec![f64::from(i); 50_000]).collect();
    let there = s.scatter(values.clone()).unwrap();
    let sums = s
        .map(
            |v: &Vec<f64>| v.iter().sum::<f64>(),
            there.iter().map(|h| (h,)),
        )
        .unwrap();
    assert_eq!(s.gather(&sums).unwrap(), [0.0, 5e4, 1e5, 1.5e5, 2e5, 2.5e5]);
    assert_eq!(s.gather(&there).unwrap(), values);
    let first = |unit: &f64, all: &[&Vec<f64>]| all.iter().map(|v| v[0] * unit).sum::<f64>();
    let first = s.submit(first, (10.0, &there)).unwrap();
    assert_eq!(first.wait().unwrap(), 150.0);

    // They really run in other processes.
    let told = s
        .map(
            |n: &u32| Report {
                process: std::process::id(),
                words: vec![("n".to_owned(), *n)],
            },
            (0..8u32).map(|n| (n,)),
        )
        .unwrap();
    for done in as_completed(told) {
        let report = done.wait().unwrap();
        assert!(
            cluster.worker_processes().contains(&report.process),
            "{report:?}"
        );
    }
}

#[test]
fn a_closure_that_captures_is_refused_before_anything_runs() {
    let (s, _cluster) = session(1);
    let k = std::hint::black_box(3u64);
    let e = s.submit(move |x: &u64| x * k, (1u64,)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable);
    let words = e.to_string();
    assert!(words.contains("captures 8 bytes"), "{words}");
    assert!(
        words.contains("argument") && words.contains("#[op]") && words.contains("threads://"),
        "{words}"
    );
    assert_eq!(
        s.submit(|x: &u64| x + 1, (1u64,)).unwrap().wait().unwrap(),
        2
    );
}

#[test]
fn a_result_that_cannot_leave_is_refused_with_what_to_do() {
    struct Stays;
    let (s, _cluster) = session(1);
    let stays = delayed_local(|| Arc::new(Stays)).named("makes").call(());
    let e = s
        .start(
            &delayed(|_: &Arc<Stays>| 1u64)
                .call((&stays,))
                .roots()
                .unwrap(),
        )
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable);
    let words = e.to_string();
    assert!(
        words.contains("makes gives a") && words.contains("Stays"),
        "{words}"
    );
    assert!(words.contains("register_type!"), "{words}");
}

fn fibonacci(n: &u64) -> u64 {
    if *n < 2 {
        return *n;
    }
    let s = Session::current().unwrap();
    let parts = s.map(fibonacci, [(n - 1,), (n - 2,)]).unwrap();
    s.gather(&parts).unwrap().iter().sum()
}

#[op(name = "test.countdown")]
fn countdown(n: &u64, ctx: &TaskContext<'_>) -> kvern_core::Result<u64> {
    match n {
        0 => Ok(0),
        n => Ok(1 + ctx.session().unwrap().compute(&countdown::delayed(n - 1))?),
    }
}

/// Takes results as they come, on the one thread that its worker has.
fn counted(n: &u64) -> u64 {
    let s = Session::current().unwrap();
    let parts = s.map(|x: &u64| x * x, (0..*n).map(|i| (i,)));
    as_completed(parts.unwrap())
        .map(|done| done.wait().unwrap())
        .sum()
}

#[test]
fn a_task_takes_the_results_of_others_as_they_come() {
    let (s, _cluster) = session(1);
    let f = s.map(counted, [(5,), (6,), (7,)]).unwrap();
    let all: Vec<_> = f
        .iter()
        .map(|h| h.wait_timeout(PATIENCE).unwrap().unwrap())
        .collect();
    assert_eq!(all, [30, 55, 91]);
}

static READ: AtomicU32 = AtomicU32::new(0);

/// Counts how often it is read in a process.
#[derive(Debug, Clone, Serialize)]
struct Counted(Vec<u64>);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        READ.fetch_add(1, Ordering::SeqCst);
        Vec::deserialize(from).map(Self)
    }
}

#[test]
fn asking_whether_a_result_is_there_does_not_fetch_it() {
    let (s, _cluster) = session(2);
    let make = |n: &u64| Counted(vec![*n; 50_000]);
    let handles = s.map(make, (0..4u64).map(|n| (n,))).unwrap();
    let mut done = 0;
    for handle in as_completed(handles.clone()) {
        assert!(handle.is_done());
        assert!(format!("{handle:?}").contains("done"), "{handle:?}");
        done += 1;
    }
    assert_eq!((done, READ.load(Ordering::SeqCst)), (4, 0));
    let sums = s
        .map(
            |c: &Counted| c.0.iter().sum::<u64>(),
            handles.iter().map(|h| (h,)),
        )
        .unwrap();
    assert_eq!(s.gather(sums).unwrap(), [0, 50_000, 100_000, 150_000]);
    assert_eq!(READ.load(Ordering::SeqCst), 0);
    assert_eq!(handles[3].try_get().unwrap().unwrap().0[7], 3);
    assert_eq!(handles[3].wait().unwrap().0[7], 3);
    assert_eq!(READ.load(Ordering::SeqCst), 1);
}

#[test]
fn results_are_awaited() {
    let (s, _cluster) = session(2);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let make = |n: &u64| vec![*n; 20_000];
    let sum = runtime.block_on(async {
        let mut handles = s.map(make, (0..20u64).map(|n| (n,)))?;
        let mut sum = handles.pop().unwrap().await?[0];
        let mut some = as_completed(handles.split_off(10));
        while let Some(done) = some.next_done().await {
            sum += done.await?[7];
        }
        let rest = s.gather_async(handles).await?;
        Ok::<_, kvern_core::Error>(sum + rest.iter().map(|v| v[19_999]).sum::<u64>())
    });
    assert_eq!(sum.unwrap(), (0..20).sum::<u64>());
    let failing = s.submit(|x: &u64| 1 / x, (0u64,)).unwrap();
    let e = runtime.block_on(s.gather_async([failing])).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Panic, "{e}");
}

#[test]
fn tasks_submit_tasks() {
    let (s, _cluster) = session(2);
    let f = s.submit(fibonacci, (9u64,)).unwrap();
    assert_eq!(f.wait_timeout(PATIENCE).unwrap().unwrap(), 34);
    assert_eq!(s.compute(&countdown::delayed(60u64)).unwrap(), 60);
}

#[test]
fn a_killed_worker_costs_its_results_and_nothing_else() {
    let (s, cluster) = session(3);
    // Twenty results that live on three workers, and twenty slow tasks that read them.
    let slow = |x: &u64, y: &u64| {
        std::thread::sleep(std::time::Duration::from_millis(30));
        x * 100 + y
    };
    let first = s.map(slow, (0..20u64).map(|i| (i, 1u64))).unwrap();
    let second = s.map(slow, first.iter().map(|h| (h, 2u64))).unwrap();
    assert_eq!(first[3].wait_timeout(PATIENCE).unwrap().unwrap(), 301);
    let victim = cluster.worker_processes()[1];
    kill(victim);
    for (i, h) in second.iter().enumerate() {
        assert_eq!(
            h.wait_timeout(PATIENCE).unwrap().unwrap(),
            (i as u64 * 100 + 1) * 100 + 2
        );
    }
    assert_eq!(s.gather(&first).unwrap()[19], 1901);
    // And the cluster goes on with the others.
    let again = s.map(slow, (0..10u64).map(|i| (i, i))).unwrap();
    assert_eq!(s.gather(&again).unwrap()[9], 909);
}

/// Can be written, and only if it is small read again.
#[derive(Debug, Clone, Serialize)]
struct Small(Vec<u64>);

impl<'de> Deserialize<'de> for Small {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let list = Vec::deserialize(from)?;
        if list.len() > 3 {
            return Err(serde::de::Error::custom("more than three numbers"));
        }
        Ok(Self(list))
    }
}

#[test]
fn a_scattered_value_that_a_worker_cannot_read_is_told_to_its_readers() {
    let (s, _cluster) = session(1);
    let there = s
        .scatter([Small(vec![1]), Small(vec![2; 4]), Small(vec![3])])
        .unwrap();
    let sum = |v: &Small| v.0.iter().sum::<u64>();
    let sums = s.map(sum, there.iter().map(|h| (h,))).unwrap();
    let told: Vec<_> = sums
        .iter()
        .map(|h| h.wait_timeout(PATIENCE).unwrap())
        .collect();
    assert_eq!(
        (told[0].as_ref().ok(), told[2].as_ref().ok()),
        (Some(&1), Some(&3))
    );
    for e in [
        told[1].as_ref().unwrap_err(),
        &there[1].wait_timeout(PATIENCE).unwrap().unwrap_err(),
    ] {
        let all = format!("{e:?} {e}");
        assert_eq!(e.kind(), ErrorKind::Decode, "{all}");
        assert!(all.contains("a value could not be kept"), "{all}");
    }
}

/// A value that its readers take with them when they are given it.
#[derive(Debug, Serialize)]
struct Bomb(Vec<u64>);

impl<'de> Deserialize<'de> for Bomb {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let numbers = Vec::deserialize(from)?;
        if std::env::args().any(|a| a == "this_program_as_a_worker") {
            std::process::abort();
        }
        Ok(Self(numbers))
    }
}

kvern_core::register_type!(Bomb, "functions.bomb@1", |b: &Bomb| 8 * b.0.len() as u64);

#[test]
fn a_value_that_takes_its_workers_with_it_is_not_tried_for_ever() {
    let (s, _cluster) = session(2);
    let sum = |b: &Bomb| b.0.iter().sum::<u64>();
    let sum = s.submit(sum, (Bomb(vec![1 << 40; 20_000]),)).unwrap();
    let e = sum.wait_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Task, "{e}");
    let words = "3 workers were lost while they were given a value";
    assert!(e.to_string().contains(words), "{e}");
    let one = s.submit(|n: &u64| n + 1, (1u64,)).unwrap();
    assert_eq!(one.wait_timeout(PATIENCE).unwrap().unwrap(), 2);
}

#[test]
fn large_arguments_wait_for_a_worker_and_survive_theirs() {
    let (s, cluster) = session(1);
    let sum = |v: &Vec<u64>, nap: &u64| {
        std::thread::sleep(Duration::from_millis(*nap));
        (std::process::id(), v.iter().sum::<u64>())
    };
    let numbers: Vec<u64> = (0..20_000).collect();
    let want = numbers.iter().sum::<u64>();
    kill(cluster.worker_processes()[0]);
    let sums = s
        .map(sum, (0..4u64).map(|_| (numbers.clone(), 50u64)))
        .unwrap();
    let (process, first) = sums[0].wait_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(first, want);
    // The others have not run, or are lost before they are fetched.
    kill(process);
    for sum in &sums[1..] {
        assert_eq!(sum.wait_timeout(PATIENCE).unwrap().unwrap().1, want);
    }
}

/// A kind of layer that the scheduler cannot read.
#[derive(Debug)]
struct Odd;

impl kvern_core::LayerKind for Odd {
    fn kind(&self) -> &'static str {
        "functions.odd"
    }

    fn tasks(&self) -> usize {
        1
    }

    fn inputs(&self) -> usize {
        0
    }

    fn edges(&self, _: usize, _: &mut Vec<kvern_core::layer::Edge>) {}

    fn ops(&self) -> &[kvern_core::OpRef] {
        &[]
    }

    fn bytes(&self, _: usize) -> u64 {
        0
    }

    fn token(&self, k: kvern_core::key::KeyBuilder) -> kvern_core::key::KeyBuilder {
        k
    }

    fn encode(&self) -> kvern_core::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

kvern_core::register_layer!("functions.odd", |_| panic!("no layer is that odd"));

#[test]
fn a_layer_that_panics_at_the_scheduler_is_an_error() {
    let (s, _cluster) = session(1);
    let layer = kvern_core::Layer::new(Odd, Vec::new());
    let told = std::thread::scope(|scope| {
        let (done, told) = std::sync::mpsc::channel();
        let s = &s;
        scope.spawn(move || {
            let e = s.start(&[kvern_core::Root::all(&layer)]).map(drop);
            let _ = done.send(e);
            s.close();
        });
        told.recv_timeout(PATIENCE)
    });
    let e = told.expect("an answer").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Panic, "{e}");
}

#[test]
fn scattered_data_dies_with_its_worker_and_readers_are_told() {
    let (s, cluster) = session(2);
    let there = s.scatter((0..4u64).map(|i| vec![i; 20_000])).unwrap();
    s.gather(&there).unwrap();
    kill(cluster.worker_processes()[0]);
    // The values that this client has fetched are here; whoever reads them on a worker needs them there.
    let sums = s
        .map(
            |v: &Vec<u64>| v.iter().sum::<u64>(),
            there.iter().map(|h| (h,)),
        )
        .unwrap();
    let results: Vec<_> = sums
        .iter()
        .map(|h| h.wait_timeout(PATIENCE).unwrap())
        .collect();
    let lost: Vec<_> = results.iter().filter_map(|r| r.as_ref().err()).collect();
    assert_eq!(lost.len(), 2, "{results:?}");
    assert!(lost.iter().all(|e| e.kind() == ErrorKind::Lost), "{lost:?}");
}

#[test]
fn a_task_that_kills_its_workers_is_blamed() {
    // As many workers as it may kill, or fewer: others follow them.
    for workers in [1, 2, 4] {
        let (s, cluster) = session(workers);
        let before = cluster.worker_processes();
        let poison = s
            .submit(|_: &u64| -> u64 { std::process::abort() }, (1u64,))
            .unwrap();
        let e = poison.wait_timeout(PATIENCE).unwrap().unwrap_err();
        println!("{e}");
        // Three, and more where one ended before it was heard that it had begun.
        assert!(e.message().contains(" workers were lost while"), "{e}");
        let next = s.submit(|x: &u64| x + 1, (1u64,)).unwrap();
        assert_eq!(next.wait_timeout(PATIENCE).unwrap().unwrap(), 2);
        let end = Instant::now() + PATIENCE;
        let lives = |p: &u32| cluster.worker_processes().contains(p);
        // One that has ended again is followed after a pause.
        while before.iter().all(lives) || cluster.worker_processes().len() != workers {
            assert!(Instant::now() < end, "no other worker begins");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_worker_that_is_killed_is_followed_by_another() {
    let (s, cluster) = session(1);
    let here = |_: &u64| std::process::id();
    for turn in 0..3u64 {
        let process = s.submit(here, (turn,)).unwrap();
        let process = process.wait_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(cluster.worker_processes(), [process]);
        kill(process);
    }
    s.close();
    assert!(cluster.worker_processes().is_empty());
}

#[test]
fn when_all_workers_are_gone_nothing_hangs_on_close() {
    let (s, cluster) = session(2);
    let waits = s
        .submit(
            |_: &u64| std::thread::sleep(std::time::Duration::from_secs(5)),
            (1u64,),
        )
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    cluster.worker_processes().into_iter().for_each(kill);
    assert!(
        waits.wait_timeout(Duration::from_millis(200)).is_none(),
        "another worker has begun"
    );
    let begun = Instant::now();
    s.close();
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(waits.wait().unwrap_err().kind(), ErrorKind::Cancelled);
}

fn kill(process: u32) {
    let status = std::process::Command::new("kill")
        .args(["-9", &process.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}
