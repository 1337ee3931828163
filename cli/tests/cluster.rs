//! `kvern scheduler` and `kvern worker`: processes that a program finds by `tcp://`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

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

    // Workers end with their scheduler.
    scheduler.0.kill().unwrap();
    scheduler.0.wait().unwrap();
    assert!(workers[1].0.wait().unwrap().success());
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
            words.contains("127.0.0.1") && words.contains("encrypted"),
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
    assert!(
        words.contains("192.0.2.1:8786 is not this machine"),
        "{words}"
    );
}
