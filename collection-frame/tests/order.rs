//! The order of rows: the first rows are the first ones wherever in a plan they are asked for, and frames put together follow each other.

use std::sync::Arc;

use kvern_core::Session;
use kvern_frame::arrow::array::{ArrayRef, AsArray, Int64Array};
use kvern_frame::arrow::datatypes::Int64Type;
use kvern_frame::functions::sum;
use kvern_frame::{Frame, JoinHow, RecordBatch, Way, col, concat, lit};
use kvern_scheduler_local as _;

/// Rows in each partition.
const ROWS: i64 = 3_000;
const PARTITIONS: i64 = 8;

/// Whole numbers that count up from `from`, in eight partitions.
fn counted(from: i64) -> Frame {
    let batch = |p: i64| {
        let n: ArrayRef = Arc::new(Int64Array::from_iter_values(
            from + p * ROWS..from + (p + 1) * ROWS,
        ));
        RecordBatch::try_from_iter([("n", n)]).unwrap()
    };
    let parts = (0..PARTITIONS).map(|p| vec![batch(p)]);
    Frame::from_partitions(batch(0).schema(), parts).unwrap()
}

fn column(batches: &[RecordBatch], c: usize) -> Vec<i64> {
    let columns = batches
        .iter()
        .map(|b| b.column(c).as_primitive::<Int64Type>());
    columns.flat_map(|c| c.values().to_vec()).collect()
}

/// The first column by both ways, some times: what depends on who is first differs.
fn always(frame: &Frame, sorted: bool, want: &[i64]) {
    let session = Session::open("threads://?workers=3").unwrap();
    for way in [Way::Local, Way::Tasks] {
        for partitions in [1, 3, 8] {
            for _ in 0..5 {
                let f = frame.via(way).repartition(partitions);
                let mut got = column(&session.compute(&f).unwrap(), 0);
                if sorted {
                    got.sort_unstable();
                }
                assert!(
                    got == want,
                    "{way:?} in {partitions}: {} rows, {:?}",
                    got.len(),
                    got.iter().zip(want).find(|(a, b)| a != b)
                );
            }
        }
    }
}

fn up_to(n: i64) -> Vec<i64> {
    (0..n).collect()
}

#[test]
fn the_first_rows_are_the_first_ones_below_other_operations() {
    let others = counted(0);
    for (n, skip) in [(7, 0), (ROWS + 5, 0), (20, ROWS - 10)] {
        let first = counted(0).slice(skip as usize, n as usize).unwrap();
        let want: Vec<i64> = (skip..skip + n).collect();
        always(&first, false, &want);
        let joined = first.join(&others, "n", JoinHow::Inner).unwrap();
        always(&joined, true, &want);
        let total = first
            .groupby(Vec::<&str>::new())
            .agg([sum(col("n")).alias("n")]);
        always(&total.unwrap(), false, &[want.iter().sum()]);
        let even = first.filter((col("n") % lit(2)).eq(lit(0))).unwrap();
        let want: Vec<i64> = want.into_iter().filter(|n| n % 2 == 0).collect();
        always(&even, false, &want);
        let down = even.sort(col("n").sort(false, true)).unwrap();
        let want: Vec<i64> = want.into_iter().rev().collect();
        always(&down, false, &want);
    }
}

#[test]
fn frames_follow_each_other() {
    let all = ROWS * PARTITIONS;
    let both = concat(&[counted(0), counted(all)]).unwrap();
    always(&both, false, &up_to(2 * all));
    for n in [1, ROWS + 1, all + 1, 2 * all + 1] {
        always(
            &both.head(n as usize).unwrap(),
            false,
            &up_to(n.min(2 * all)),
        );
    }
    let heads = counted(0).head(3).unwrap();
    let heads = concat(&[heads, counted(3).head(ROWS as usize + 1).unwrap()]).unwrap();
    always(&heads, false, &up_to(ROWS + 4));
    always(&heads.head(5).unwrap(), false, &up_to(5));
}

/// Files of these names, each of one row that counts them, in the order of the list.
fn listed(folder: &std::path::Path, names: &[&str], parquet: bool) -> Vec<std::path::PathBuf> {
    let session = Session::open("sync://").unwrap();
    let paths = names.iter().zip(0..).map(|(name, n)| {
        let path = folder.join(name);
        match parquet {
            true => {
                let rows = RecordBatch::try_from_iter([(
                    "n",
                    Arc::new(Int64Array::from(vec![n])) as ArrayRef,
                )]);
                let frame = Frame::from_batches([rows.unwrap()]).unwrap();
                frame.write_parquet_in(&path, &session).unwrap();
            }
            false => std::fs::write(&path, format!("n\n{n}\n")).unwrap(),
        }
        path
    });
    paths.collect()
}

#[test]
fn a_list_of_files_is_read_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    // Neither the order of their names nor that of their ages.
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug"];
    let all: Vec<i64> = up_to(8);
    for parquet in [false, true] {
        let mut paths = listed(folder.path(), &names, parquet);
        let read = |paths: &[std::path::PathBuf]| match parquet {
            true => Frame::read_parquet(paths).unwrap(),
            false => Frame::read_csv(paths).unwrap(),
        };
        let frame = read(&paths);
        always(&frame, false, &all);
        for n in [1, 3, 7] {
            always(&frame.head(n).unwrap(), false, &all[..n]);
        }
        always(&frame.slice(2, 4).unwrap(), false, &all[2..6]);
        let most = frame.filter(col("n").not_eq(lit(0i64))).unwrap();
        always(&most.head(2).unwrap(), false, &[1, 2]);
        // Backwards, and one of them twice.
        paths.reverse();
        paths.push(paths[0].clone());
        let back: Vec<i64> = all.iter().rev().copied().chain([7]).collect();
        always(&read(&paths), false, &back);
        let session = Session::open("sync://").unwrap();
        assert_eq!(session.compute(&read(&paths).count().unwrap()).unwrap(), 9);
    }
}
