//! SQL that DataFusion plans in many ways, computed in ours: as one streaming task, as tasks on threads, and by the reference executor, the
//! rows must be the same; and they must be those that are written here.

#[path = "common/plans.rs"]
mod plans;
#[path = "common/rows.rs"]
mod rows;

use kvern_core::Session;
use kvern_frame::{Way, sql};
use kvern_scheduler_local as _;
use plans::{IN_ORDER, QUERIES, t, u};
use rows::rows;

#[test]
fn every_plan_gives_its_rows_by_every_way() {
    let session = Session::open("threads://?workers=3").unwrap();
    let (t, u) = (t(), u());
    let mut whole = Vec::new();
    let all = QUERIES
        .iter()
        .map(|q| (q, false))
        .chain(IN_ORDER.iter().map(|q| (q, true)));
    for ((text, want), sorted) in all {
        let f = sql(text, [("t", &t), ("u", &u)]).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let mut want: Vec<String> = want.iter().map(|w| (*w).to_owned()).collect();
        if !sorted {
            want.sort();
        }
        let local = session
            .compute(&f.via(Way::Local))
            .unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(rows(&local, sorted), want, "local: {text}");
        for partitions in [1, 2, 5] {
            let f = f.via(Way::Tasks).partitions(partitions);
            let got = session
                .compute(&f)
                .unwrap_or_else(|e| panic!("{partitions}: {text}: {e:?}"));
            assert_eq!(rows(&got, sorted), want, "tasks, {partitions}: {text}");
        }
        let got = f.reference().unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(rows(&got, sorted), want, "reference: {text}");
        if f.explain().unwrap().contains("one task runs all of it") {
            whole.push(*text);
        }
    }
    // What cannot be cut is right all the same; it should be no more than this.
    assert!(
        whole.iter().all(|t| t.starts_with("WITH RECURSIVE")),
        "{whole:?}"
    );
}

#[test]
fn what_cannot_travel_is_told() {
    let session = Session::open("threads://?workers=2").unwrap();
    let text = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 4) SELECT i FROM c";
    let f = sql(text, []).unwrap();
    let got = session.compute(&f).unwrap();
    assert_eq!(rows(&got, true), ["1", "2", "3", "4"]);
    let e = session.compute(&f.via(Way::Tasks)).unwrap_err();
    assert_eq!(e.kind(), kvern_core::ErrorKind::NotPortable);
    assert_eq!(
        e.message(),
        "the plan cannot be written: RecursiveQueryExec cannot leave this process; compute it by Way::Local"
    );
}
