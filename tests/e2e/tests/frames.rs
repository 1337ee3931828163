//! Frames on workers of other processes: the same rows, also when one is killed; and one graph across all collections.

use std::sync::Arc;

use kvern::bridge::{bag_to_frame, column_to_array};
use kvern::frame::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use kvern::frame::arrow::datatypes::{Float64Type, Int64Type};
use kvern::frame::functions::{avg, count, sum};
use kvern::frame::{DataType, Field, Frame, JoinHow, RecordBatch, Schema, col, lit, sql};
use kvern::prelude::*;
use kvern_e2e::{cluster, kill_in_the_middle, worker_entry};

#[path = "../../../collection-frame/tests/common/rows.rs"]
mod rows;
#[path = "../../../collection-frame/tests/common/semantics.rs"]
mod semantics;

use rows::rows;
use semantics::{SEMANTICS, tables};

worker_entry!();

const PARTITIONS: i64 = 8;

/// Sales in partitions: ids, the shop of each, and what was paid.
fn sales(rows: i64) -> Frame {
    let batches = (0..PARTITIONS).map(|p| {
        let ids = p * rows..(p + 1) * rows;
        RecordBatch::try_from_iter([
            (
                "id",
                Arc::new(Int64Array::from_iter_values(ids.clone())) as _,
            ),
            (
                "shop",
                Arc::new(Int64Array::from_iter_values(ids.clone().map(|i| i % 37))) as _,
            ),
            (
                "paid",
                Arc::new(Int64Array::from_iter_values(ids.map(|i| i * i % 1009))) as _,
            ),
        ])
        .unwrap()
    });
    Frame::from_batches(batches).unwrap()
}

fn shops() -> Frame {
    let batch = RecordBatch::try_from_iter([
        ("shop", Arc::new(Int64Array::from_iter_values(0..30)) as _),
        (
            "rent",
            Arc::new(Int64Array::from_iter_values((0..30).map(|s| 100 * s))) as _,
        ),
    ]);
    Frame::from_batches([batch.unwrap()]).unwrap()
}

/// The same in files, which any worker can read again.
fn sales_in_files(folder: &std::path::Path, rows: i64) -> Frame {
    for p in 0..PARTITIONS {
        let lines =
            (p * rows..(p + 1) * rows).map(|i| format!("{i},{},{}\n", i % 37, i * i % 1009));
        let text: String = std::iter::once("id,shop,paid\n".to_owned())
            .chain(lines)
            .collect();
        std::fs::write(folder.join(format!("{p}.csv")), text).unwrap();
    }
    Frame::read_csv(folder.join("*.csv")).unwrap()
}

/// Filter, join, group, sort: every kind of exchange.
fn query(sales: &Frame) -> kvern::Result<Frame> {
    sales
        .filter(col("paid").gt(lit(10)))?
        .join(&shops(), "shop", JoinHow::Inner)?
        .groupby(["shop", "rent"])
        .agg([
            sum(col("paid")).alias("sum"),
            avg(col("paid")).alias("mean"),
            count(lit(1)).alias("n"),
        ])?
        .sort(["shop"])
}

fn numbers(batches: &[RecordBatch]) -> Vec<(i64, i64, f64)> {
    let rows = batches.iter().flat_map(|b| {
        let int = |name: &str| {
            b.column_by_name(name)
                .unwrap()
                .as_primitive::<Int64Type>()
                .clone()
        };
        let means = b
            .column_by_name("mean")
            .unwrap()
            .as_primitive::<Float64Type>()
            .clone();
        let (shops, sums) = (int("shop"), int("sum"));
        (0..b.num_rows()).map(move |r| (shops.value(r), sums.value(r), means.value(r)))
    });
    rows.collect()
}

#[test]
fn the_same_rows_on_workers() {
    let here = Session::open("threads://?workers=2").unwrap();
    let want = numbers(&here.compute(&query(&sales(2_000)).unwrap()).unwrap());
    assert_eq!(want.len(), 30);
    assert!(want.is_sorted_by_key(|r| r.0));
    let (there, _cluster) = cluster(2);
    assert_eq!(
        numbers(&there.compute(&query(&sales(2_000)).unwrap()).unwrap()),
        want
    );
}

#[test]
fn a_worker_killed_in_the_middle_of_a_query() {
    let folder = tempfile::tempdir().unwrap();
    let (session, cluster) = cluster(3);
    let here = Session::open("threads://?workers=2").unwrap();
    // From files, and from the memory of this program.
    for sales in [sales_in_files(folder.path(), 40_000), sales(40_000)] {
        let frame = query(&sales).unwrap();
        let want = numbers(&here.compute(&frame).unwrap());
        assert_eq!(want.len(), 30);
        let got = kill_in_the_middle(&session, &cluster, 3, || frame.clone());
        assert_eq!(numbers(&got), want);
    }
}

/// Records of a bag become rows, their sums numbers of an array, and these a text: one graph.
fn crossing() -> kvern::Result<Delayed<String>> {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Reading {
        place: i64,
        value: f64,
    }
    let readings = Bag::from_sequence(0..600i64, 4).map(|n: i64| Reading {
        place: n % 3,
        value: n as f64,
    });
    let schema = Schema::new(vec![
        Field::new("place", DataType::Int64, false),
        Field::new("value", DataType::Float64, false),
    ]);
    let sums = bag_to_frame(&readings, schema)?
        .groupby("place")
        .agg([sum(col("value")).alias("sum")])?
        .sort("place")?;
    let x = column_to_array(&sums, "sum", 3)?;
    let above = &x - &x.mean(())?;
    let text = delayed(|all: &Vec<f64>| format!("{all:?}"));
    Ok(text.call((&above.to_delayed()?,)))
}

#[test]
fn one_graph_across_all_collections() {
    // 0+3+…, 1+4+…, 2+5+…: 200 apart.
    let want = "[-200.0, 0.0, 200.0]";
    for url in ["sync://", "threads://?workers=2"] {
        let session = Session::open(url).unwrap();
        assert_eq!(
            session.compute(&crossing().unwrap()).unwrap(),
            want,
            "{url}"
        );
    }
    let (session, _cluster) = cluster(2);
    assert_eq!(session.compute(&crossing().unwrap()).unwrap(), want);
}

#[test]
fn a_record_that_does_not_fit_is_named() {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Loose {
        value: Option<String>,
    }
    let bag = Bag::from_sequence(
        ["1", "2", "three"].map(|v| Loose {
            value: Some(v.into()),
        }),
        1,
    );
    let schema = Schema::new(vec![Field::new("value", DataType::Int64, false)]);
    let frame = bag_to_frame(&bag, schema).unwrap();
    let e = Session::open("sync://")
        .unwrap()
        .compute(&frame)
        .unwrap_err();
    let words = e.to_string();
    assert!(
        words.contains("record 2 of its partition") && words.contains("three"),
        "{words}"
    );
    let e = column_to_array(&frame, "valeu", 3).unwrap_err();
    assert!(e.to_string().contains("value"), "{e}");
    let short = Session::open("sync://")
        .unwrap()
        .compute(&column_to_array(&sales(10), "paid", 3).unwrap())
        .unwrap_err();
    assert!(
        short.to_string().contains("a list of 80 elements"),
        "{short}"
    );
}

#[test]
fn what_libraries_get_wrong_is_right_on_workers() {
    let (session, _cluster) = cluster(2);
    let tables = tables();
    for (text, want) in SEMANTICS {
        let mut want: Vec<String> = want.iter().map(|w| (*w).to_owned()).collect();
        want.sort();
        let named = tables.iter().map(|(name, frame)| (*name, frame));
        let f = sql(text, named).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let got = session.compute(&f.repartition(3));
        let got = got.unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(rows(&got, false), want, "{text}");
    }
}

#[test]
fn a_nan_of_a_file_reaches_workers() {
    let (session, _cluster) = cluster(2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN, 1.0]));
    let batch = RecordBatch::try_from_iter([("x", x)]).unwrap();
    let here = Session::open("sync://").unwrap();
    Frame::from_batches([batch])
        .unwrap()
        .write_parquet_in(&path, &here)
        .unwrap();
    let f = Frame::read_parquet(&path).unwrap();
    assert_eq!(
        rows(&session.compute(&f).unwrap(), true),
        ["1.0", "NaN", "1.0"]
    );
    let above = f.filter(col("x").gt(lit(5.0))).unwrap();
    assert_eq!(rows(&session.compute(&above).unwrap(), true), ["NaN"]);
    let not_one = f.filter(col("x").not_eq(lit(1.0))).unwrap();
    assert_eq!(rows(&session.compute(&not_one).unwrap(), true), ["NaN"]);
}
