//! A program that opens `cluster://` and has forgotten `kvern::init()`: it works, and is told what that costs. Not a program of the test
//! harness: its workers are itself without arguments.

use std::process::Command;
use std::time::Duration;

use kvern_core::Session;
use kvern_scheduler_distributed as _;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        None => program(),
        // What runs tests asks which there are.
        Some("--list") if arguments.iter().any(|a| a == "--ignored") => {}
        Some("--list") => println!("forgotten: test"),
        Some(_) => test(),
    }
}

/// What a user would write.
fn program() {
    println!("main begins");
    let session = Session::open("cluster://?workers=2").unwrap();
    let squares = session
        .map(|x: &u64| x * x, (0..10u64).map(|x| (x,)))
        .unwrap();
    println!(
        "sum {}",
        session.gather(&squares).unwrap().iter().sum::<u64>()
    );
    let seen = |_: &u64| {
        std::env::vars()
            .filter(|(k, _)| k.starts_with("KVERN_WORKER"))
            .count()
    };
    let seen = session.submit(seen, (1u64,)).unwrap();
    println!(
        "seen {}",
        seen.wait_timeout(Duration::from_secs(60)).unwrap().unwrap()
    );
}

fn test() {
    let said = Command::new(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    assert!(said.status.success(), "{out}{err}");
    // Once here, and once in each worker, whose output goes to stderr.
    assert_eq!(out.matches("main begins").count(), 1, "{out}");
    assert_eq!(err.matches("main begins").count(), 2, "{err}");
    assert!(out.contains("sum 285") && out.contains("seen 0"), "{out}");
    assert_eq!(
        err.matches("has not called kvern::init()").count(),
        1,
        "{err}"
    );
}
