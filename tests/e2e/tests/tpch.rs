//! TPC-H queries 1, 3, 5 and 6 at scale factor 1 as tasks on worker processes, against the published answers; and with one of them killed.

#[path = "../../../collection-frame/tests/common/mod.rs"]
mod common;
#[path = "../../../collection-frame/tests/common/queries.rs"]
mod queries;

use kvern_e2e::{cluster, kill_in_the_middle, worker_entry};
use queries::{Tables, calls, check};

worker_entry!();

#[test]
fn all_answers_are_the_published_ones() {
    let t = Tables::open(env!("CARGO_TARGET_TMPDIR"));
    let (session, _cluster) = cluster(2);
    for number in [1, 3, 5, 6] {
        for (how, frame) in [
            ("calls", calls(&t, number).unwrap()),
            ("sql", t.sql(number)),
        ] {
            let rows = session.compute(&frame.repartition(4)).unwrap();
            check(number, &format!("{how}, on workers"), &rows);
        }
    }
}

#[test]
fn a_worker_is_killed_in_the_middle() {
    let t = Tables::open(env!("CARGO_TARGET_TMPDIR"));
    let (session, cluster) = cluster(3);
    for number in [3, 5] {
        let query = || t.sql(number).repartition(6);
        let rows = kill_in_the_middle(&session, &cluster, 2, query);
        check(number, "with a worker killed", &rows);
    }
}
