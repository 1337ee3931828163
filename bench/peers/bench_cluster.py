"""The cluster's peers: Dask distributed and Ray, worker processes of this machine over loopback.

a1 to a4: graphs built before the clock starts, 2 workers with 1 thread. f_*: 4 workers with 1 thread.
"""
import os
import time

os.environ.setdefault("RAY_DEDUP_LOGS", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import numpy as np

import bench_tasks
from common import BENCHES, Work, bench, main

# The task graphs of Dask are those of the area `tasks`; that area's own cases are not wanted here.
GRAPHS = {key: f for key, f in BENCHES.items() if key[1] in ("distributed-2x1", "distributed-2x1-unqueued")}
BENCHES.clear()
for (case, peer), f in GRAPHS.items():
    bench(case, peer.replace("distributed", "dask"))(f)


def inc(x):
    return x + 1


def cluster(workers=4, threads=1):
    import dask
    from distributed import Client, LocalCluster
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "2GB"})
    cl = LocalCluster(n_workers=workers, threads_per_worker=threads, processes=True, dashboard_address=None,
                      memory_limit="5GB")
    c = Client(cl)

    def close():
        c.close()
        cl.close()
    return c, close


@bench("f_startup", "dask")
def startup(args):
    def fn():
        c, close = cluster()
        c.submit(inc, 1).result()
        close()
    return Work(fn, runs=3, warmup=0, detail="LocalCluster + Client + one task + close")


def arrays(args, k):
    n = int(1e9 / 8 * args.scale) // k
    return [np.random.default_rng(i).random(n) for i in range(k)]


def scatter(k):
    def f(args):
        c, close = cluster()
        a = arrays(args, k)
        gb = sum(x.nbytes for x in a) / 1e9
        it = iter(range(10**6))

        def prep():
            time.sleep(1.5)  # let the previous run's data be released

        def fn(_):
            futs = c.scatter(a, hash=False)
            from distributed import wait
            wait(futs)
            del futs
        return Work(fn, runs=3, prep=prep, units=gb * 1e3, unit="MB", close=close, detail=f"{gb:.2f} GB in {k} arrays, client -> workers")
    return f


def gather(k):
    def f(args):
        c, close = cluster()
        from distributed import wait
        n = int(1e9 / 8 * args.scale) // k
        futs = [c.submit(np.ones, n, pure=False, workers=None) for _ in range(k)]
        wait(futs)
        gb = n * 8 * k / 1e9
        return Work(lambda: len(c.gather(futs)), runs=3, units=gb * 1e3, unit="MB", close=close,
                    detail=f"{gb:.2f} GB in {k} arrays, workers -> client")
    return f


bench("f_scatter_16", "dask")(scatter(16))
bench("f_gather_16", "dask")(gather(16))


def touch(arrays):
    return float(sum(x[0] for x in arrays))


@bench("f_worker_to_worker", "dask")
def w2w(args):
    from distributed import wait
    c, close = cluster()
    k, n = 16, int(1e9 / 8 * args.scale) // 16
    ws = list(c.scheduler_info(n_workers=-1)["workers"])

    def sources():
        made = [c.submit(np.ones, n, pure=False, workers=[ws[i % len(ws)]]) for i in range(k)]
        wait(made)
        return made

    src = sources()

    def fn():
        # one task reads all: what the other three workers have must come to its worker
        c.submit(touch, src, pure=False, workers=[ws[-1]]).result()

    def prep():
        # made anew, so that the fetched copies are gone
        nonlocal src
        src = None
        time.sleep(1.5)
        src = sources()
    moved = n * 8 * k * (len(ws) - 1) // len(ws)
    return Work(lambda _: fn(), prep=prep, runs=3, units=moved / 1e6, unit="MB", close=close,
                detail=f"{moved / 1e9:.2f} GB, from 3 workers to the fourth")


@bench("f_latency", "dask")
def latency(args):
    c, close = cluster()
    n = 300

    def fn():
        t = []
        for i in range(n):
            t0 = time.perf_counter()
            c.submit(inc, i, pure=False).result()
            t.append(time.perf_counter() - t0)
        return f"median {np.median(t) * 1e6:.0f} us, p99 {np.percentile(t, 99) * 1e6:.0f} us, min {min(t) * 1e6:.0f} us"
    return Work(fn, runs=3, units=n, unit="round trip", close=close, check=lambda o: o, detail="submit -> result, one at a time")


@bench("f_map_10k", "dask")
def map10k(args):
    c, close = cluster()
    n = int(10_000 * args.scale)
    return Work(lambda: sum(c.gather(c.map(inc, range(n), pure=False))), runs=3, units=n, unit="task", close=close,
                check=str, detail="client.map + gather, 4 workers x 1 thread")


def start(cpus=2):
    import logging
    import ray
    ray.init(num_cpus=cpus, include_dashboard=False, logging_level=logging.ERROR,
             object_store_memory=2 * 2**30)

    @ray.remote
    def inc(x):
        return x + 1

    @ray.remote
    def add(a, b):
        return a + b

    @ray.remote
    def add3(a, b, c):
        return a + b + c
    return ray, inc, add, add3


@bench("a1_independent", "ray")
def ray_a1(args):
    ray, inc, _, _ = start()
    n = int(10_000 * args.scale)
    return Work(lambda: ray.get([inc.remote(i) for i in range(n)]), runs=5, warmup=2, units=n, unit="task",
                detail="ray.get of n remote tasks, 2 workers", close=ray.shutdown)


@bench("a2_chain", "ray")
def ray_a2(args):
    ray, inc, _, _ = start()
    n = int(3_000 * args.scale)

    def fn():
        r = 0
        for _ in range(n):
            r = inc.remote(r)
        return ray.get(r)
    return Work(fn, runs=3, units=n, unit="task", detail="chain of n remote tasks", close=ray.shutdown)


@bench("a3_tree", "ray")
def ray_a3(args):
    ray, inc, add, _ = start()
    n = 2 ** (12 if args.scale >= 1 else 6)

    def fn():
        level = [inc.remote(i) for i in range(n)]
        while len(level) > 1:
            level = [add.remote(level[i], level[i + 1]) for i in range(0, len(level), 2)]
        return ray.get(level[0])
    return Work(fn, runs=3, units=2 * n - 1, unit="task", detail="2^12 leaves", close=ray.shutdown)


@bench("a4_stencil", "ray")
def ray_a4(args):
    ray, inc, _, add3 = start()
    steps, tiles = max(2, int(50 * args.scale)), 100

    def fn():
        row = [inc.remote(j) for j in range(tiles)]
        for _ in range(steps - 1):
            row = [add3.remote(row[j - 1], row[j], row[(j + 1) % tiles]) for j in range(tiles)]
        return ray.get(row)
    return Work(fn, runs=3, units=steps * tiles, unit="task", detail="50 steps x 100 tiles", close=ray.shutdown)


@bench("f_latency", "ray")
def ray_latency(args):
    ray, inc, _, _ = start(4)
    n = 500

    def fn():
        for i in range(n):
            ray.get(inc.remote(i))
    return Work(fn, runs=3, units=n, unit="round trip", detail="one task at a time", close=ray.shutdown)


@bench("f_map_10k", "ray")
def ray_map(args):
    ray, inc, _, _ = start(4)
    n = int(10_000 * args.scale)
    return Work(lambda: ray.get([inc.remote(i) for i in range(n)]), runs=3, units=n, unit="task", close=ray.shutdown,
                detail="ray.get of n remote tasks, 4 workers")


if __name__ == "__main__":
    main()
