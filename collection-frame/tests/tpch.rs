//! TPC-H queries 1, 3, 5 and 6 at scale factor 1, through the frame API and through SQL, by both ways, against the published answers.

mod common;
#[path = "common/queries.rs"]
mod queries;

use kvern_core::Session;
use kvern_frame::Way;
use kvern_scheduler_local as _;
use queries::{Tables, calls, check};

#[test]
fn all_answers_are_the_published_ones() {
    let t = Tables::open(env!("CARGO_TARGET_TMPDIR"));
    let threads = Session::open("threads://?workers=2").unwrap();
    let sync = Session::open("sync://").unwrap();
    for number in [1, 3, 5, 6] {
        for (how, frame) in [
            ("calls", calls(&t, number).unwrap()),
            ("sql", t.sql(number)),
        ] {
            let local = threads.compute(&frame).unwrap();
            check(number, &format!("{how}, local"), &local);
            let tasks = threads
                .compute(&frame.via(Way::Tasks).repartition(3))
                .unwrap();
            check(number, &format!("{how}, tasks on threads"), &tasks);
        }
        let tasks = sync
            .compute(&t.sql(number).via(Way::Tasks).repartition(2))
            .unwrap();
        check(number, "tasks on sync", &tasks);
    }
}
