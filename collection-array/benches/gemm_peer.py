"""NumPy's matrix products, for `benches/gemm.rs`: python3 gemm_peer.py [THREADS]. Prints GFLOP/s, best and median."""

import os
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = sys.argv[1] if len(sys.argv) > 1 else "1"
import numpy as np  # noqa: E402  (reads the variable when it is loaded)

rng = np.random.default_rng(0)
for n in (500, 1000, 2000):
    for dtype in (np.float64, np.float32):
        a, b = rng.random((n, n)).astype(dtype), rng.random((n, n)).astype(dtype)
        c = np.empty((n, n), dtype)
        for name, left, right in (("a·b", a, b), ("aᵀ·b", a.T, b), ("a·bᵀ", a, b.T), ("aᵀ·a, syrk", a.T, a)):
            np.matmul(left, right, out=c)
            begin, runs = time.perf_counter(), []
            while len(runs) < 5 or time.perf_counter() - begin < 1:
                start = time.perf_counter()
                np.matmul(left, right, out=c)
                runs.append(time.perf_counter() - start)
            runs.sort()
            best, median = (2 * n**3 / t / 1e9 for t in (runs[0], runs[len(runs) // 2]))
            print(f"{np.dtype(dtype).name} {n} {name:22} best {best:7.1f} median {median:7.1f} GFLOP/s", flush=True)
