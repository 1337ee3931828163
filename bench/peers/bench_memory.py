"""Memory: what an array larger than its budget takes. dask.array and numpy know no budget, so their peak is the figure."""
import numpy as np

from common import BENCHES, Work, bench, main
from bench_arrays import dk, f1, n_of

BENCHES.clear()  # those of bench_arrays are not this script's
MIB = 1 << 20


# ---------------------------------------------------------------- m1: the mean of 4 GB that a function makes
def m1_size(args):
    return int(5e8 * args.scale)


@bench("m1_mean", "dask")
def m1_da(args):
    da = dk(args)
    n = m1_size(args)
    return Work(lambda: da.arange(n, chunks=4 * MIB, dtype="f8").mean().compute(), runs=3, units=n, unit="element",
                check=f1, detail="arange in chunks of 32 MiB, mean; no budget")


@bench("m1_mean", "numpy-1t")
def m1_np(args):
    n = m1_size(args)
    return Work(lambda: np.arange(n, dtype="f8").mean(), runs=3, units=n, unit="element", check=f1, detail="whole, no budget")


# ---------------------------------------------------------------- m2: x - x.mean(), which needs x twice
@bench("m2_hold", "dask")
def m2_da(args):
    da = dk(args)
    n = int(2.5e8 * args.scale)

    def fn():
        x = da.arange(n, chunks=4 * MIB, dtype="f8").persist()
        return abs(x - x.mean()).sum().compute()
    return Work(fn, runs=3, units=n, unit="element", check=f1, detail="x.persist(), abs(x - x.mean()).sum(), 2 GB; no budget")


# ---------------------------------------------------------------- m3: rows to columns
@bench("m3_rechunk", "dask")
def m3_da(args):
    da = dk(args)
    n = n_of(args, 16000, 40)

    def fn():
        return da.ones((n, n), chunks=(n // 40, n)).rechunk((n, n // 40)).sum(axis=0).max().compute()
    return Work(fn, runs=3, units=n * n, unit="element", check=f1,
                detail=f"{n} x {n}, 40 row chunks -> 40 column chunks, a sum a column; no budget")


if __name__ == "__main__":
    main()
