"""D. Bags: word count over ~500 MB of text, and filter, pluck and foldby over JSON lines.

The files are those that `cargo xtask bench bag` makes (benches/cases/bag/data.rs), so that all contestants read the same.
"""
import glob
import json
import os
from collections import Counter

os.environ.setdefault("POLARS_MAX_THREADS", "2")
from common import Work, bench, main


def files_of(args, kind, end):
    folder = os.path.join(args.data_dir, f"{kind}-{args.scale:g}")
    found = sorted(glob.glob(f"{folder}/*.{end}"))
    if not found:
        raise FileNotFoundError(f"no files in {folder}: `cargo xtask bench bag` makes them")
    return found


def text_files(args):
    return files_of(args, "text", "txt")


def json_files(args):
    return files_of(args, "json", "jsonl")


def megabytes(files):
    return sum(map(os.path.getsize, files)) // 1_000_000


def work(fn, files, check, runs, warmup=1):
    mb = megabytes(files)
    return Work(fn, runs=runs, warmup=warmup, units=max(mb, 1), unit="MB", check=check, detail=f"{mb} MB in {len(files)} files")


# ---------------------------------------------------------------- d_wordcount: the ten most frequent words
def first_two(counts):
    return str(sorted(map(tuple, counts), key=lambda pair: -pair[1])[:2])


def wordcount_dask(scheduler):
    def setup(args):
        import dask
        import dask.bag as db
        dask.config.set(scheduler=scheduler, num_workers=args.threads)
        files = text_files(args)
        return work(lambda: db.read_text(files).str.split().flatten().frequencies().topk(10, key=1).compute(),
                    files, first_two, runs=1, warmup=0)
    return setup


bench("d_wordcount", "dask-processes")(wordcount_dask("processes"))
bench("d_wordcount", "dask-threads")(wordcount_dask("threads"))


@bench("d_wordcount", "python-loop")
def wordcount_python(args):
    files = text_files(args)

    def count():
        counts = Counter()
        for path in files:
            with open(path) as lines:
                for line in lines:
                    counts.update(line.split())
        return counts.most_common(10)
    return work(count, files, first_two, runs=1, warmup=0)


@bench("d_wordcount", "polars")
def wordcount_polars(args):
    import polars as pl
    files = text_files(args)

    def count():
        lines = pl.scan_csv(files, has_header=False, separator="\x01", quote_char=None, new_columns=["line"])
        words = lines.select(pl.col("line").str.split(" ").explode().alias("word"))
        return words.group_by("word").agg(pl.len().alias("n")).top_k(10, by="n").collect().rows()
    return work(count, files, first_two, runs=2)


@bench("d_wordcount", "duckdb")
def wordcount_duckdb(args):
    import duckdb
    files = text_files(args)
    db = duckdb.connect(config={"threads": args.threads})
    query = f"""
        select word, count(*) as n from (
            select unnest(string_split(line, ' ')) as word
            from read_csv('{os.path.dirname(files[0])}/*.txt', columns={{'line': 'varchar'}}, header=false, delim='\x01', quote='', escape=''))
        group by word order by n desc limit 10"""
    return work(lambda: db.execute(query).fetchall(), files, first_two, runs=2)


# ---------------------------------------------------------------- d_jsonl_foldby: the ten cities with the greatest sums
def greatest(pairs):
    return f"{pairs[0][0]} {pairs[0][1]:.2f}"


def grown_up(record):
    return record["age"] > 30


def city(record):
    return record["city"]


def add_amount(total, record):
    return total + record["amount"]


def add(a, b):
    return a + b


def dask_records(args, scheduler):
    import dask
    import dask.bag as db
    dask.config.set(scheduler=scheduler, num_workers=args.threads)
    files = json_files(args)
    return files, lambda: db.read_text(files).map(json.loads).filter(grown_up)


def foldby_dask(scheduler):
    def setup(args):
        files, records = dask_records(args, scheduler)
        return work(lambda: records().foldby(city, add_amount, 0.0, add, 0.0).topk(10, key=1).compute(),
                    files, greatest, runs=2, warmup=0)
    return setup


bench("d_jsonl_foldby", "dask-processes")(foldby_dask("processes"))
bench("d_jsonl_foldby", "dask-threads")(foldby_dask("threads"))


@bench("d_jsonl_foldby", "polars")
def foldby_polars(args):
    import polars as pl
    files = json_files(args)
    return work(lambda: pl.scan_ndjson(files).filter(pl.col("age") > 30).group_by("city").agg(pl.col("amount").sum())
                .top_k(10, by="amount").collect().rows(), files, greatest, runs=3)


def duckdb_json(args):
    import duckdb
    files = json_files(args)
    db = duckdb.connect(config={"threads": args.threads})
    db.execute("load json")
    return db, files, f"read_json('{os.path.dirname(files[0])}/*.jsonl', format='newline_delimited')"


@bench("d_jsonl_foldby", "duckdb")
def foldby_duckdb(args):
    db, files, source = duckdb_json(args)
    query = f"select city, sum(amount) as a from {source} where age > 30 group by city order by a desc limit 10"
    return work(lambda: db.execute(query).fetchall(), files, greatest, runs=3)


@bench("d_jsonl_foldby", "python-loop")
def foldby_python(args):
    files = json_files(args)

    def sums():
        totals = {}
        for path in files:
            with open(path) as lines:
                for line in lines:
                    r = json.loads(line)
                    if r["age"] > 30:
                        totals[r["city"]] = totals.get(r["city"], 0.0) + r["amount"]
        return sorted(totals.items(), key=lambda pair: -pair[1])[:10]
    return work(sums, files, greatest, runs=2, warmup=0)


# ---------------------------------------------------------------- d_jsonl_pluck: how often each name is there
def least(pairs):
    return str(tuple(sorted(map(tuple, pairs))[0]))


@bench("d_jsonl_pluck", "dask-processes")
def pluck_dask(args):
    files, records = dask_records(args, "processes")
    return work(lambda: records().pluck("name").frequencies().compute(), files, least, runs=2, warmup=0)


@bench("d_jsonl_pluck", "polars")
def pluck_polars(args):
    import polars as pl
    files = json_files(args)
    return work(lambda: pl.scan_ndjson(files).filter(pl.col("age") > 30).group_by("name").agg(pl.len()).collect().rows(),
                files, least, runs=3)


@bench("d_jsonl_pluck", "duckdb")
def pluck_duckdb(args):
    db, files, source = duckdb_json(args)
    return work(lambda: db.execute(f"select name, count(*) from {source} where age > 30 group by name").fetchall(),
                files, least, runs=3)


if __name__ == "__main__":
    main()
