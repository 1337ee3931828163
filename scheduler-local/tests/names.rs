//! What a function that fails is called: its place in the source, which call it was, with which arguments; and where a panic was.

use kvern_core::delayed::try_delayed;
use kvern_core::{Error, Result, Session, delayed};
use kvern_scheduler_local as _;

fn error<T>(result: Result<T>) -> Error {
    result.map(drop).unwrap_err()
}

#[expect(
    clippy::ptr_arg,
    reason = "a task takes what its argument is, by reference"
)]
fn parse(text: &String) -> Result<i64, std::num::ParseIntError> {
    text.parse()
}

#[test]
fn a_call_that_fails_is_told_by_its_place_and_arguments() {
    for url in ["threads://?workers=2", "sync://"] {
        let s = Session::open(url).unwrap();
        let sum = |xs: &Vec<i64>, of: &Option<f64>| -> i64 {
            assert!(of.is_some(), "no factor for {} items", xs.len());
            0
        };

        // Mapped: which call it was. A panic is told with its place.
        let line = line!() + 1;
        let all = s.map(sum, [(vec![1; 9], Some(0.5)), (vec![7], None)]);
        let all = all.unwrap();
        assert!(all[0].wait().is_ok());
        let e = error(all[1].wait()).to_string();
        let (start, rest) = e.split_once(": panicked at ").unwrap();
        let want = format!("names.rs:{line}, call 1 ([7], None)");
        assert!(
            start.starts_with("closure at ") && start.ends_with(&want),
            "{e}"
        );
        let panicked = format!("names.rs:{}:13: no factor for 1 items", line - 6);
        assert!(rest.ends_with(&panicked), "{e}");

        // Lazy, and a function with a name. What reads its result is told the same.
        let line = line!() + 1;
        let parse = try_delayed(parse);
        let number = parse.call(("six".to_owned(),));
        let e = error(s.compute(&number)).to_string();
        let want = format!("names.rs:{line} (\"six\"): invalid digit found in string");
        assert!(e.starts_with("parse at ") && e.ends_with(&want), "{e}");
        let twice = delayed(|x: &i64| 2 * x).call((&number,));
        assert_eq!(error(s.compute(&twice)).to_string(), e);

        // One call, and a name of the user's.
        let line = line!() + 1;
        let h = s.try_submit(
            |a: &u8, b: &u8| a.checked_sub(*b).ok_or("too little"),
            (3u8, 4u8),
        );
        let e = error(h.unwrap().wait()).to_string();
        let want = format!("names.rs:{line} (3, 4): too little");
        assert!(e.ends_with(&want), "{e}");
        let named = try_delayed(|a: &u8| a.checked_sub(4).ok_or("too little")).named("minus four");
        let e = error(s.compute(&named.call((3u8,)))).to_string();
        assert_eq!(e, "minus four (3): too little");
    }
}

/// Pauses of 30, 60 and 120 ms between four attempts; a cancel does not wait for one.
#[test]
fn what_is_tried_again_waits_before() {
    for url in ["threads://?workers=1", "sync://"] {
        let s = Session::open(url).unwrap();
        let begun = std::time::Instant::now();
        let pause = std::time::Duration::from_millis(30);
        let tasks = s.tasks().retries(3).backoff(pause);
        let failed = tasks.try_submit(|| Err::<u8, _>("not yet"), ());
        assert!(
            error(failed.unwrap().wait())
                .to_string()
                .ends_with("(): not yet")
        );
        assert!(begun.elapsed() >= 7 * pause, "{:?}", begun.elapsed());
    }
    let s = Session::open("threads://?workers=1").unwrap();
    let hour = std::time::Duration::from_secs(3600);
    let tasks = s.tasks().retries(1).backoff(hour);
    let failed = tasks.try_submit(|| Err::<u8, _>("not yet"), ()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    failed.cancel();
    drop(s);
}

#[test]
fn a_function_can_ask_whether_it_is_cancelled() {
    assert!(!kvern_core::is_cancelled());
    let s = Session::open("threads://?workers=1").unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let waits = move || {
        tell.send(()).unwrap();
        while !kvern_core::is_cancelled() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        tell.send(()).unwrap();
    };
    let running = s.submit(waits, ()).unwrap();
    let patience = std::time::Duration::from_secs(20);
    told.recv_timeout(patience).unwrap();
    running.cancel();
    told.recv_timeout(patience).unwrap();
}
