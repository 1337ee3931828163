//! `kvern scheduler` and `kvern worker`: processes that a program finds by `tcp://`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use kvern::array::Array;
use kvern::{ErrorKind, Session};

/// A process that is ended with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvern"));
    command
        .args(line.split_whitespace())
        .env_remove("KVERN_TOKEN")
        .stdin(Stdio::null());
    command
}

/// What it says when it is not to go on.
fn refusal(command: &mut Command) -> String {
    let said = command.output().unwrap();
    let words = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1), "{words}");
    words
}

#[test]
fn programs_and_workers_find_a_scheduler_by_address_and_token() {
    let mut scheduler = Process(
        command("scheduler --listen 127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    // Where it listens, and how others come to it, to be copied from a terminal.
    let said = BufReader::new(scheduler.0.stdout.take().unwrap());
    let said: Vec<String> = said.lines().take(5).map(Result::unwrap).collect();
    let after = |what: &str| {
        let line = said.iter().find_map(|l| l.split_once(what)).unwrap();
        let word = line.1.split([' ', '"']).next();
        word.unwrap().to_owned()
    };
    let (address, token) = (after("kvern worker "), after("KVERN_TOKEN="));
    assert_eq!(after("tcp://"), address);

    let worker = format!("worker {address} --threads 1");
    let words = refusal(&mut command(&worker));
    assert!(words.contains("KVERN_TOKEN"), "{words}");
    // Where no token would help, none is asked for.
    let far = refusal(&mut command("worker 192.0.2.1:8786"));
    let from = Session::open("tcp://192.0.2.1:8786").err().unwrap();
    for words in [far, from.to_string()] {
        assert!(
            words.contains("Only loopback") && !words.contains("KVERN_TOKEN"),
            "{words}"
        );
    }
    let wrong = "0123456789abcdef0123456789abcdef";
    let words = refusal(command(&worker).env("KVERN_TOKEN", wrong));
    assert!(
        words.contains("token") && words.contains(&address),
        "{words}"
    );
    let e = Session::open(&format!("tcp://{address}?token={wrong}")).err();
    let words = e.unwrap().to_string();
    assert!(words.contains("token") && !words.contains(wrong), "{words}");

    let start = || {
        let mut worker = command(&worker);
        Process(worker.env("KVERN_TOKEN", &token).spawn().unwrap())
    };
    let mut workers = [start(), start()];
    let session = Session::open(&format!("tcp://{address}?token={token}")).unwrap();
    let numbers = Array::<f64>::arange(0.0, 1e5, 1.0, 10_000).unwrap();
    let sum = |session: &Session| {
        let sum = (&numbers * 2.0).sum(()).unwrap();
        sum.compute_in(session).unwrap().into_iter().next().unwrap()
    };
    let want = 1e5 * (1e5 - 1.0);
    assert_eq!(sum(&session), want);

    // These workers are another program, which does not have the closures of this one.
    let one = session.submit(|x: &u64| x + 1, (1u64,)).unwrap();
    let e = one.wait().unwrap_err();
    assert!(
        matches!(e.kind(), ErrorKind::NotPortable | ErrorKind::NotRegistered),
        "{e:?}"
    );
    assert!(e.to_string().contains("build"), "{e}");

    // One worker less, and a program that comes later.
    workers[0].0.kill().unwrap();
    workers[0].0.wait().unwrap();
    assert_eq!(sum(&session), want);
    session.close();
    let later = Session::open(&format!("tcp://{address}?token={token}")).unwrap();
    assert_eq!(sum(&later), want);

    // A worker whose scheduler is killed says so by its exit status.
    scheduler.0.kill().unwrap();
    scheduler.0.wait().unwrap();
    assert_eq!(workers[1].0.wait().unwrap().code(), Some(1));
}

/// Lines of a process as they come.
fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(from).lines();
        lines
            .map_while(Result::ok)
            .for_each(|l| tell.send(l).unwrap_or_default());
    });
    told
}

/// Waits for a line with these words, and gives it.
fn wait_for(lines: &Receiver<String>, words: &str) -> String {
    loop {
        match lines.recv_timeout(Duration::from_secs(60)) {
            Ok(line) if line.contains(words) => return line,
            Ok(_) => {}
            Err(e) => panic!("{words:?} was not said: {e}"),
        }
    }
}

/// A worker that is started before its scheduler, and what both write of what happens to them.
#[test]
fn a_worker_waits_for_its_scheduler_and_ends_with_it() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let token = "0123456789abcdef0123456789abcdef";
    let start = |line: &str| {
        let mut command = command(line);
        command.env("KVERN_TOKEN", token).stdout(Stdio::null());
        Process(command.stderr(Stdio::piped()).spawn().unwrap())
    };
    let mut early = start(&format!("worker {address} --name early --threads 1"));
    let of_early = lines(early.0.stderr.take().unwrap());
    let said = wait_for(&of_early, "cannot connect to");
    assert!(said.contains("waits until a scheduler is there"), "{said}");

    let mut scheduler = start(&format!("scheduler --listen {address}"));
    let of_scheduler = lines(scheduler.0.stderr.take().unwrap());
    wait_for(&of_early, "early is w1 of the scheduler");
    wait_for(&of_scheduler, "worker early (w1");
    let mut late = start(&format!("worker {address} --name late --threads 1"));
    let said = wait_for(&of_scheduler, "worker late (w2");
    assert!(said.contains("has come"), "{said}");
    late.0.kill().unwrap();
    let said = wait_for(&of_scheduler, "worker late (w2");
    assert!(said.contains("has gone"), "{said}");

    // Told to end, it tells its workers.
    let interrupt = Command::new("kill")
        .args(["-TERM", &scheduler.0.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    assert!(scheduler.0.wait().unwrap().success());
    wait_for(&of_early, "has ended");
    assert!(early.0.wait().unwrap().success());
}

/// One that nobody starts is not waited for without an end.
#[test]
fn a_worker_does_not_wait_for_longer_than_it_was_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let mut worker = command(&format!("worker {address} --wait 200ms"));
    let words = refusal(worker.env("KVERN_TOKEN", "0123456789abcdef0123456789abcdef"));
    assert!(words.contains("cannot connect"), "{words}");
}

/// Values that are too large to come with the news of them are read at the address that the worker was given.
#[test]
fn a_worker_listens_where_it_is_told() {
    let free = || {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let (address, data) = (free(), free());
    let token = "0123456789abcdef0123456789abcdef";
    let start = |line: &str| {
        let mut command = command(line);
        command.env("KVERN_TOKEN", token).stdout(Stdio::null());
        Process(command.stderr(Stdio::piped()).spawn().unwrap())
    };
    let mut scheduler = start(&format!("scheduler --listen {address}"));
    let of_scheduler = lines(scheduler.0.stderr.take().unwrap());
    let _worker = start(&format!("worker {address} --threads 1 --listen {data}"));
    wait_for(&of_scheduler, &format!("data at {data}"));
    let session = Session::open(&format!("tcp://{address}?token={token}")).unwrap();
    let numbers = Array::<f64>::arange(0.0, 1e5, 1.0, 50_000).unwrap();
    let twice = (&numbers * 2.0).compute_in(&session).unwrap();
    assert_eq!(twice.iter().sum::<f64>(), 1e5 * (1e5 - 1.0));
}

#[test]
fn a_patience_that_no_worker_can_meet_is_refused() {
    let words = refusal(&mut command(
        "scheduler --listen 127.0.0.1:0 --worker-ttl 1s",
    ));
    assert!(
        words.contains("worker-ttl is 1s, and at least 3s"),
        "{words}"
    );
}

#[test]
fn beyond_this_machine_is_refused() {
    for line in [
        "scheduler --listen 0.0.0.0:0",
        "scheduler --listen [::]:0",
        "scheduler --listen 192.0.2.1:8786",
    ] {
        let words = refusal(&mut command(line));
        assert!(
            words.contains("127.0.0.1") && words.contains("encrypted") && words.contains("ssh -L"),
            "{line}: {words}"
        );
    }
    // Nor is the token sent there.
    let token = "0".repeat(64);
    let mut worker = command("worker 192.0.2.1:8786");
    let words = refusal(worker.env("KVERN_TOKEN", &token));
    assert!(
        words.contains("192.0.2.1:8786 is not this machine"),
        "{words}"
    );
    let e = Session::open(&format!("tcp://192.0.2.1:8786?token={token}")).err();
    let words = e.unwrap().to_string();
    // What does work: the ports of workers as well.
    assert!(
        words.contains("192.0.2.1:8786 is not this machine") && words.contains("-L 8801:"),
        "{words}"
    );
}
