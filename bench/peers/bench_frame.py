"""Frames beside ours: TPC-H queries 1, 3, 5 and 6 from Parquet (scale factor 1), five of the h2o.ai db-benchmark's groupby questions over
1e7 rows in memory, and one over CSV. Two threads for everybody.

DATA is made by kvern's benchmark program when it runs first (`cargo xtask bench frame` sees to that): tpch-sf1/*.parquet with decimals
and date32, h2o-*.parquet and h2o-*.csv. Every engine reads TPC-H's and the CSV file in every run; the groupby questions are over
data that is in memory before the clock starts.
"""
import os
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "2")
import numpy as np

from common import Work, bench, main

TABLES = ["customer", "lineitem", "nation", "orders", "region", "supplier"]
TPCH = {i: (Path(__file__).parent / "tpch_sql" / f"q{i:02d}.sql").read_text() for i in (1, 3, 5, 6)}


def folder(args):
    return os.path.join(args.data_dir, "tpch-sf1")


def digest(rows):
    """A checksum of the answer that does not depend on the engine's number types."""
    tot, n = 0.0, 0
    for r in rows:
        n += 1
        for v in r:
            if isinstance(v, str):
                tot += sum(v.encode()) % 97
            elif hasattr(v, "toordinal"):
                tot += v.toordinal() % 97
            elif v is not None:
                tot += float(v)
    return f"{n} rows, {tot:.8g}"


def arrow_rows(t):
    return zip(*[c.to_pylist() for c in t.columns])


def duck_tpch(i):
    def f(args):
        import duckdb
        c = duckdb.connect(config={"threads": args.threads})
        for t in TABLES:
            c.execute(f"create view {t} as select * from read_parquet('{folder(args)}/{t}.parquet')")
        return Work(lambda: c.execute(TPCH[i]).fetchall(), check=digest)
    return f


def fusion(i):
    def f(args):
        from datafusion import SessionConfig, SessionContext
        c = SessionContext(SessionConfig().with_target_partitions(args.threads))
        for t in TABLES:
            c.register_parquet(t, f"{folder(args)}/{t}.parquet")

        def rows(batches):
            return [r for b in batches for r in arrow_rows(b)]
        return Work(lambda: c.sql(TPCH[i]).collect(), check=lambda o: digest(rows(o)))
    return f


def pol(i):
    def f(args):
        import polars as pl
        c = pl.SQLContext({t: pl.scan_parquet(f"{folder(args)}/{t}.parquet") for t in TABLES})
        return Work(lambda: c.execute(TPCH[i]).collect(), check=lambda o: digest(o.rows()), detail="polars SQL")
    return f


# ---- polars' own expressions for the queries that dask has too (its SQL is not its best side)
def pol_hand(i):
    def f(args):
        import datetime as dt
        import polars as pl
        c = pl.col

        def sc(t):
            return pl.scan_parquet(f"{folder(args)}/{t}.parquet")

        def q1():
            return (sc("lineitem").filter(c("l_shipdate") <= dt.date(1998, 9, 2))
                    .group_by("l_returnflag", "l_linestatus")
                    .agg(c("l_quantity").sum().alias("sum_qty"), c("l_extendedprice").sum().alias("sum_base"),
                         (c("l_extendedprice") * (1 - c("l_discount"))).sum().alias("sum_disc"),
                         (c("l_extendedprice") * (1 - c("l_discount")) * (1 + c("l_tax"))).sum().alias("sum_charge"),
                         c("l_quantity").mean().alias("aq"), c("l_extendedprice").mean().alias("ap"),
                         c("l_discount").mean().alias("ad"), pl.len().alias("n"))
                    .sort("l_returnflag", "l_linestatus").collect())

        def q3():
            d = dt.date(1995, 3, 15)
            return (sc("customer").filter(c("c_mktsegment") == "BUILDING")
                    .join(sc("orders").filter(c("o_orderdate") < d), left_on="c_custkey", right_on="o_custkey")
                    .join(sc("lineitem").filter(c("l_shipdate") > d), left_on="o_orderkey", right_on="l_orderkey")
                    .with_columns((c("l_extendedprice") * (1 - c("l_discount"))).alias("revenue"))
                    .group_by("o_orderkey", "o_orderdate", "o_shippriority").agg(c("revenue").sum())
                    .select("o_orderkey", "revenue", "o_orderdate", "o_shippriority")
                    .sort("revenue", "o_orderdate", descending=[True, False]).head(10).collect())

        def q5():
            return (sc("region").filter(c("r_name") == "ASIA")
                    .join(sc("nation"), left_on="r_regionkey", right_on="n_regionkey")
                    .join(sc("customer"), left_on="n_nationkey", right_on="c_nationkey")
                    .join(sc("orders").filter(c("o_orderdate") >= dt.date(1994, 1, 1),
                                              c("o_orderdate") < dt.date(1995, 1, 1)),
                          left_on="c_custkey", right_on="o_custkey")
                    .join(sc("lineitem"), left_on="o_orderkey", right_on="l_orderkey")
                    .join(sc("supplier"), left_on=["l_suppkey", "n_nationkey"], right_on=["s_suppkey", "s_nationkey"])
                    .group_by("n_name").agg((c("l_extendedprice") * (1 - c("l_discount"))).sum().alias("revenue"))
                    .sort("revenue", descending=True).collect())

        def q6():
            return (sc("lineitem").filter(c("l_shipdate") >= dt.date(1994, 1, 1), c("l_shipdate") < dt.date(1995, 1, 1),
                                          c("l_discount").cast(pl.Float64).is_between(0.0499, 0.0701), c("l_quantity") < 24)
                    .select((c("l_extendedprice") * c("l_discount")).sum().alias("revenue")).collect())

        fn = locals()[f"q{i}"]
        return Work(fn, check=lambda o: digest(o.rows()), detail="polars expressions, lazy")
    return f


# ---- dask.dataframe
def dask_q(i):
    def f(args):
        import dask
        import dask.dataframe as dd
        import pandas as pd
        from concurrent.futures import ThreadPoolExecutor
        dask.config.set(scheduler="threads", pool=ThreadPoolExecutor(args.threads))
        prepare_f64(args.data_dir)
        src = folder(args) + "-f64"

        def rd(t, cols):
            d = dd.read_parquet(f"{src}/{t}.parquet", columns=cols)
            return d

        ts = pd.Timestamp

        def q1():
            li = rd("lineitem", ["l_returnflag", "l_linestatus", "l_quantity", "l_extendedprice", "l_discount",
                                 "l_tax", "l_shipdate"])
            li = li[li.l_shipdate <= ts("1998-09-02")]
            li["disc_price"] = li.l_extendedprice * (1 - li.l_discount)
            li["charge"] = li.l_extendedprice * (1 - li.l_discount) * (1 + li.l_tax)
            r = li.groupby(["l_returnflag", "l_linestatus"]).agg(
                sum_qty=("l_quantity", "sum"), sum_base=("l_extendedprice", "sum"), sum_disc=("disc_price", "sum"),
                sum_charge=("charge", "sum"), aq=("l_quantity", "mean"), ap=("l_extendedprice", "mean"),
                ad=("l_discount", "mean"), n=("l_quantity", "size"))
            return r.compute().sort_index().reset_index()

        def q3():
            d = ts("1995-03-15")
            cu = rd("customer", ["c_custkey", "c_mktsegment"])
            od = rd("orders", ["o_orderkey", "o_custkey", "o_orderdate", "o_shippriority"])
            li = rd("lineitem", ["l_orderkey", "l_extendedprice", "l_discount", "l_shipdate"])
            cu = cu[cu.c_mktsegment == "BUILDING"]
            j = cu.merge(od[od.o_orderdate < d], left_on="c_custkey", right_on="o_custkey")
            j = j.merge(li[li.l_shipdate > d], left_on="o_orderkey", right_on="l_orderkey")
            j["revenue"] = j.l_extendedprice * (1 - j.l_discount)
            r = j.groupby(["l_orderkey", "o_orderdate", "o_shippriority"]).revenue.sum().reset_index()
            r = r.compute().sort_values(["revenue", "o_orderdate"], ascending=[False, True]).head(10)
            return r[["l_orderkey", "revenue", "o_orderdate", "o_shippriority"]]

        def q5():
            cu, od = rd("customer", ["c_custkey", "c_nationkey"]), rd("orders", ["o_orderkey", "o_custkey", "o_orderdate"])
            li = rd("lineitem", ["l_orderkey", "l_suppkey", "l_extendedprice", "l_discount"])
            su, na, re = rd("supplier", ["s_suppkey", "s_nationkey"]), rd("nation", ["n_nationkey", "n_name", "n_regionkey"]), rd("region", ["r_regionkey", "r_name"])
            od = od[(od.o_orderdate >= ts("1994-01-01")) & (od.o_orderdate < ts("1995-01-01"))]
            j = re[re.r_name == "ASIA"].merge(na, left_on="r_regionkey", right_on="n_regionkey")
            j = j.merge(cu, left_on="n_nationkey", right_on="c_nationkey").merge(od, left_on="c_custkey", right_on="o_custkey")
            j = j.merge(li, left_on="o_orderkey", right_on="l_orderkey")
            j = j.merge(su, left_on=["l_suppkey", "n_nationkey"], right_on=["s_suppkey", "s_nationkey"])
            j["revenue"] = j.l_extendedprice * (1 - j.l_discount)
            return j.groupby("n_name").revenue.sum().compute().sort_values(ascending=False).reset_index()

        def q6():
            li = rd("lineitem", ["l_quantity", "l_extendedprice", "l_discount", "l_shipdate"])
            x = li[(li.l_shipdate >= ts("1994-01-01")) & (li.l_shipdate < ts("1995-01-01"))
                   & (li.l_discount >= 0.0499) & (li.l_discount <= 0.0701) & (li.l_quantity < 24)]
            return pd.DataFrame({"revenue": [(x.l_extendedprice * x.l_discount).sum().compute()]})

        fn = locals()[f"q{i}"]
        return Work(fn, runs=3, check=lambda o: digest(o.itertuples(index=False)),
                    detail="f64 and timestamp columns")
    return f


for _i in (1, 3, 5, 6):
    bench(f"c_tpch_q{_i:02d}", "duckdb")(duck_tpch(_i))
    bench(f"c_tpch_q{_i:02d}", "datafusion")(fusion(_i))
    bench(f"c_tpch_q{_i:02d}", "polars-sql")(pol(_i))
    bench(f"c_tpch_q{_i:02d}", "polars")(pol_hand(_i))
    bench(f"c_tpch_q{_i:02d}", "dask")(dask_q(_i))


def prepare_f64(data_dir):
    """dask/pandas have no decimal kernels: a copy with f64 and timestamps, in 500k-row groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    dst = os.path.join(data_dir, "tpch-sf1-f64")
    os.makedirs(dst, exist_ok=True)
    for t in TABLES:
        out = f"{dst}/{t}.parquet"
        if os.path.exists(out):
            continue
        a = pq.read_table(f"{data_dir}/tpch-sf1/{t}.parquet")
        cols = []
        for c in a.columns:
            if pa.types.is_decimal(c.type):
                c = c.cast(pa.float64())
            elif pa.types.is_date(c.type):
                c = c.cast(pa.timestamp("ms"))
            elif pa.types.is_string_view(c.type):
                c = c.cast(pa.string())
            cols.append(c)
        pq.write_table(pa.table(cols, names=a.column_names), out, row_group_size=500_000)


# ---------------------------------------------------------------- h2o
K = 100


def size(args, n):
    return int(n * args.scale)


def h2o_path(args, ext):
    p = os.path.join(args.data_dir, f"h2o-{size(args, 1e7)}.{ext}")
    if not os.path.exists(p):
        import pyarrow as pa
        import pyarrow.csv as pc
        import pyarrow.parquet as pq
        n, r = size(args, 1e7), np.random.default_rng(108)

        def ids(k, fmt):
            return pa.array([fmt % i for i in range(1, k + 1)]).take(pa.array(r.integers(0, k, n)))
        t = pa.table({
            "id1": ids(K, "id%03d"), "id2": ids(K, "id%03d"), "id3": ids(max(1, n // K), "id%010d"),
            "id4": r.integers(1, K + 1, n), "id5": r.integers(1, K + 1, n), "id6": r.integers(1, max(1, n // K) + 1, n),
            "v1": r.integers(1, 6, n), "v2": r.integers(1, 16, n), "v3": np.round(r.random(n) * 100, 6)})
        os.makedirs(args.data_dir, exist_ok=True)
        pq.write_table(t, os.path.join(args.data_dir, f"h2o-{n}.parquet"), row_group_size=max(1, n // 10))
        pc.write_csv(t, os.path.join(args.data_dir, f"h2o-{n}.csv"))
    return p


def check_frame(df):
    """rows x columns and the sum of the numeric columns."""
    import pandas as pd
    df = df.reset_index() if isinstance(df, pd.DataFrame) and df.index.names != [None] else df
    num = df.select_dtypes("number")
    return f"{len(df)} rows, {float(np.nansum(num.to_numpy(dtype='float64'))):.7g}"


def check_pl(df):
    import polars.selectors as cs
    return f"{df.height} rows, {float(np.nansum(df.select(cs.numeric()).to_numpy().astype('float64'))):.7g}"


SQL = {
    1: "select id1, sum(v1) as v1 from x group by id1",
    2: "select id1, id2, sum(v1) as v1 from x group by id1, id2",
    3: "select id3, sum(v1) as v1, avg(v3) as v3 from x group by id3",
    4: "select id4, avg(v1) as v1, avg(v2) as v2, avg(v3) as v3 from x group by id4",
    5: "select id6, sum(v1) as v1, sum(v2) as v2, sum(v3) as v3 from x group by id6",
}


def duck(args):
    import duckdb
    return duckdb.connect(config={"threads": args.threads})


def g_duck(q):
    def f(args):
        c = duck(args)
        c.execute(f"create table x as select * from read_parquet('{h2o_path(args, 'parquet')}')")

        def fn():
            c.execute("create or replace temp table ans as " + SQL[q])
        return Work(fn, runs=3, check=lambda _: check_frame(c.execute("select * from ans").df()))
    return f


def g_fusion(q):
    def f(args):
        import pyarrow.parquet as pq
        from datafusion import SessionConfig, SessionContext
        c = SessionContext(SessionConfig().with_target_partitions(args.threads))
        c.register_record_batches("x", [pq.read_table(h2o_path(args, "parquet")).to_batches(max_chunksize=65536)])
        import pyarrow as pa
        return Work(lambda: c.sql(SQL[q]).collect(), runs=3, check=lambda o: check_frame(pa.Table.from_batches(
            [b for b in o]).to_pandas()))
    return f


def g_polars(q):
    def f(args):
        import polars as pl
        x = pl.read_parquet(h2o_path(args, "parquet")).lazy()
        c = pl.col
        E = {
            1: x.group_by("id1").agg(c("v1").sum()),
            2: x.group_by("id1", "id2").agg(c("v1").sum()),
            3: x.group_by("id3").agg(c("v1").sum(), c("v3").mean()),
            4: x.group_by("id4").agg(c("v1", "v2", "v3").mean()),
            5: x.group_by("id6").agg(c("v1", "v2", "v3").sum()),
        }[q]
        return Work(lambda: E.collect(), runs=3, check=check_pl)
    return f


def pandas_ops(q, x, is_dask):
    import pandas as pd
    g = lambda by: x.groupby(by, **({} if is_dask else {"observed": True, "sort": False}))
    if q == 1:
        return g("id1").agg({"v1": "sum"})
    if q == 2:
        return g(["id1", "id2"]).agg({"v1": "sum"})
    if q == 3:
        return g("id3").agg({"v1": "sum", "v3": "mean"})
    if q == 4:
        return g("id4").agg({"v1": "mean", "v2": "mean", "v3": "mean"})
    if q == 5:
        return g("id6").agg({"v1": "sum", "v2": "sum", "v3": "sum"})
    raise ValueError(q)


def pool(args):
    import dask
    from concurrent.futures import ThreadPoolExecutor
    dask.config.set(scheduler="threads", pool=ThreadPoolExecutor(args.threads))


def g_dask(q):
    def f(args):
        import dask.dataframe as dd
        pool(args)
        x = dd.read_parquet(h2o_path(args, "parquet"), split_row_groups=True).persist()
        return Work(lambda: pandas_ops(q, x, True).compute(), runs=2, warmup=0, check=check_frame,
                    detail=f"{x.npartitions} partitions")
    return f


def g_pandas(q):
    def f(args):
        import pandas as pd
        x = pd.read_parquet(h2o_path(args, "parquet"))
        return Work(lambda: pandas_ops(q, x, False), runs=2, warmup=0, check=check_frame, detail="one thread")
    return f


for _q in range(1, 6):
    for _n, _g in (("polars", g_polars), ("duckdb", g_duck), ("datafusion", g_fusion), ("pandas", g_pandas), ("dask", g_dask)):
        bench(f"d_h2o_q{_q:02d}", _n)(_g(_q))


# ---------------------------------------------------------------- csv
def csv_detail(p):
    return f"{os.path.getsize(p) / 1e6:.0f} MB"


@bench("d_csv_groupby", "polars")
def csv_pl(args):
    import polars as pl
    p = h2o_path(args, "csv")
    return Work(lambda: pl.scan_csv(p).group_by("id1").agg(pl.col("v3").mean()).collect(), runs=3, check=check_pl,
                detail=csv_detail(p) + ", lazy: only 2 columns converted")


@bench("d_csv_groupby", "duckdb")
def csv_duck(args):
    p, c = h2o_path(args, "csv"), duck(args)
    return Work(lambda: c.execute(f"select id1, avg(v3) as v3 from read_csv('{p}') group by id1").df(), runs=3,
                check=check_frame, detail=csv_detail(p))


@bench("d_csv_groupby", "datafusion")
def csv_df(args):
    from datafusion import SessionConfig, SessionContext
    p = h2o_path(args, "csv")
    c = SessionContext(SessionConfig().with_target_partitions(args.threads))
    c.register_csv("x", p)
    return Work(lambda: c.sql("select id1, avg(v3) as v3 from x group by id1").to_pandas(), runs=3, check=check_frame,
                detail=csv_detail(p))


@bench("d_csv_groupby", "dask")
def csv_da(args):
    import dask.dataframe as dd
    pool(args)
    p = h2o_path(args, "csv")
    return Work(lambda: dd.read_csv(p).groupby("id1").agg({"v3": "mean"}).compute(), runs=2, warmup=0,
                check=check_frame, detail=csv_detail(p) + ", threads, default blocksize")


if __name__ == "__main__":
    main()
