//! TPC-H queries 1, 3, 5 and 6 as frames, and their published answers at scale factor 1.

use std::path::Path;

use kvern_frame::arrow::util::display::{ArrayFormatter, FormatOptions};
use kvern_frame::functions::{avg, count, sum, to_date};
use kvern_frame::{Frame, JoinHow, RecordBatch, col, lit, sql};

const TABLES: [&str; 6] = [
    "lineitem", "orders", "customer", "supplier", "nation", "region",
];

/// The tables that the queries read, as frames.
pub(crate) struct Tables(Vec<(&'static str, Frame)>);

impl Tables {
    /// Of the folder for test data, in which they are made once.
    pub(crate) fn open(folder: &str) -> Self {
        let folder = crate::common::tpch(Path::new(folder));
        let open = |t| Frame::read_parquet(folder.join(format!("{t}.parquet"))).unwrap();
        Self(TABLES.map(|t| (t, open(t))).into())
    }

    fn get(&self, name: &str) -> &Frame {
        &self.0.iter().find(|t| t.0 == name).unwrap().1
    }

    /// A query as SQL.
    pub(crate) fn sql(&self, number: u32) -> Frame {
        sql(text(number), self.0.iter().map(|(n, f)| (*n, f))).unwrap()
    }
}

/// The queries of clause 2.4 with their validation parameters.
fn text(number: u32) -> &'static str {
    match number {
        1 => {
            "select l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice),
             sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)),
             avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
             from lineitem where l_shipdate <= date '1998-12-01' - interval '90' day
             group by l_returnflag, l_linestatus order by l_returnflag, l_linestatus"
        }
        3 => {
            "select l_orderkey, sum(l_extendedprice * (1 - l_discount)) as revenue, o_orderdate, o_shippriority
             from customer, orders, lineitem
             where c_mktsegment = 'BUILDING' and c_custkey = o_custkey and l_orderkey = o_orderkey
             and o_orderdate < date '1995-03-15' and l_shipdate > date '1995-03-15'
             group by l_orderkey, o_orderdate, o_shippriority order by revenue desc, o_orderdate limit 10"
        }
        5 => {
            "select n_name, sum(l_extendedprice * (1 - l_discount)) as revenue
             from customer, orders, lineitem, supplier, nation, region
             where c_custkey = o_custkey and l_orderkey = o_orderkey and l_suppkey = s_suppkey
             and c_nationkey = s_nationkey and s_nationkey = n_nationkey and n_regionkey = r_regionkey
             and r_name = 'ASIA' and o_orderdate >= date '1994-01-01' and o_orderdate < date '1995-01-01'
             group by n_name order by revenue desc"
        }
        _ => {
            "select sum(l_extendedprice * l_discount) from lineitem
             where l_shipdate >= date '1994-01-01' and l_shipdate < date '1995-01-01'
             and l_discount between 0.05 and 0.07 and l_quantity < 24"
        }
    }
}

/// The same, written as calls.
pub(crate) fn calls(t: &Tables, number: u32) -> kvern_core::Result<Frame> {
    let day = |d: &str| to_date(vec![lit(d)]);
    let price = || col("l_extendedprice") * (lit(1) - col("l_discount"));
    let year = |f: &Frame, c: &str| {
        f.filter(
            col(c)
                .gt_eq(day("1994-01-01"))
                .and(col(c).lt(day("1995-01-01"))),
        )
    };
    match number {
        1 => t
            .get("lineitem")
            .filter(col("l_shipdate").lt_eq(day("1998-09-02")))?
            .groupby(["l_returnflag", "l_linestatus"])
            .agg([
                sum(col("l_quantity")).alias("qty"),
                sum(col("l_extendedprice")).alias("base"),
                sum(price()).alias("disc"),
                sum(price() * (lit(1) + col("l_tax"))).alias("charge"),
                avg(col("l_quantity")).alias("aqty"),
                avg(col("l_extendedprice")).alias("aprice"),
                avg(col("l_discount")).alias("adisc"),
                count(lit(1)).alias("n"),
            ])?
            .sort(["l_returnflag", "l_linestatus"]),
        3 => t
            .get("customer")
            .filter(col("c_mktsegment").eq(lit("BUILDING")))?
            .join(
                &t.get("orders")
                    .filter(col("o_orderdate").lt(day("1995-03-15")))?,
                [("c_custkey", "o_custkey")],
                JoinHow::Inner,
            )?
            .join(
                &t.get("lineitem")
                    .filter(col("l_shipdate").gt(day("1995-03-15")))?,
                [("o_orderkey", "l_orderkey")],
                JoinHow::Inner,
            )?
            .groupby(["o_orderkey", "o_orderdate", "o_shippriority"])
            .agg([sum(price()).alias("revenue")])?
            .sort([
                col("revenue").sort(false, false),
                col("o_orderdate").sort(true, false),
            ])?
            .head(10)?
            .select(["o_orderkey", "revenue", "o_orderdate", "o_shippriority"]),
        5 => t
            .get("region")
            .filter(col("r_name").eq(lit("ASIA")))?
            .join(
                t.get("nation"),
                [("r_regionkey", "n_regionkey")],
                JoinHow::Inner,
            )?
            .join(
                t.get("customer"),
                [("n_nationkey", "c_nationkey")],
                JoinHow::Inner,
            )?
            .join(
                &year(t.get("orders"), "o_orderdate")?,
                [("c_custkey", "o_custkey")],
                JoinHow::Inner,
            )?
            .join(
                t.get("lineitem"),
                [("o_orderkey", "l_orderkey")],
                JoinHow::Inner,
            )?
            .join(
                t.get("supplier"),
                [("l_suppkey", "s_suppkey"), ("n_nationkey", "s_nationkey")],
                JoinHow::Inner,
            )?
            .groupby("n_name")
            .agg([sum(price()).alias("revenue")])?
            .sort(col("revenue").sort(false, false)),
        _ => year(t.get("lineitem"), "l_shipdate")?
            .filter(
                col("l_discount")
                    .between(lit(0.05f64).cast_decimal(), lit(0.07f64).cast_decimal())
                    .and(col("l_quantity").lt(lit(24))),
            )?
            .agg([sum(col("l_extendedprice") * col("l_discount")).alias("revenue")]),
    }
}

trait CastDecimal {
    fn cast_decimal(self) -> Self;
}

impl CastDecimal for kvern_frame::Expr {
    /// As money and rates are kept.
    fn cast_decimal(self) -> Self {
        datafusion_cast(self)
    }
}

fn datafusion_cast(e: kvern_frame::Expr) -> kvern_frame::Expr {
    kvern_frame::cast(e, kvern_frame::DataType::Decimal128(15, 2))
}

/// The published answer of a query, line by line.
fn published(number: u32) -> Vec<Vec<&'static str>> {
    let all = include_str!("../data/tpch-sf1-answers.md");
    let from = all.split_once(&format!("## q{number}\n")).unwrap().1;
    let lines = from.lines().take_while(|l| !l.is_empty());
    lines.map(|l| l.split('|').collect()).collect()
}

/// The answer is the published one: text and whole numbers exactly, others to the cent that is published.
pub(crate) fn check(number: u32, how: &str, batches: &[RecordBatch]) {
    let want = published(number);
    let mut got: Vec<Vec<String>> = Vec::new();
    for b in batches {
        let options = FormatOptions::default();
        let columns: Vec<_> = b
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
            .collect();
        got.extend(
            (0..b.num_rows()).map(|r| columns.iter().map(|c| c.value(r).to_string()).collect()),
        );
    }
    assert_eq!(got.len(), want.len(), "q{number} {how}: {got:?}");
    for (g, w) in got.iter().zip(&want) {
        assert_eq!(g.len(), w.len(), "q{number} {how}: {g:?} {w:?}");
        for (g, w) in g.iter().zip(w) {
            let same = match (g.parse::<f64>(), w.parse::<f64>()) {
                (Ok(g), Ok(w_)) if w.contains('.') => (g - w_).abs() <= 0.005_001,
                _ => g == w,
            };
            assert!(same, "q{number} {how}: {g} is not {w} in {got:?}");
        }
    }
}
