"""A. Scheduling overhead: microseconds per trivial task, fusion and graph optimisation off.

The dask graphs are made of dask's own Task objects before the clock starts; only
`get` is timed (so for distributed: sending the graph, running it, fetching the results).
"""
import time
from concurrent.futures import ThreadPoolExecutor

from common import Work, bench, main


def inc(x):
    return x + 1


def add(a, b):
    return a + b


def add3(a, b, c):
    return a + b + c


def g_independent(n, x="x"):
    from dask._task_spec import Task
    return {(x, i): Task((x, i), inc, i) for i in range(n)}, [(x, i) for i in range(n)], n


def g_chain(n, c="c"):
    from dask._task_spec import Task, TaskRef
    g = {(c, 0): Task((c, 0), inc, 0)}
    for i in range(1, n):
        g[(c, i)] = Task((c, i), inc, TaskRef((c, i - 1)))
    return g, [(c, n - 1)], n


def g_tree(leaves, t="t"):
    from dask._task_spec import Task, TaskRef
    g = {(t, 0, i): Task((t, 0, i), inc, i) for i in range(leaves)}
    level, n = 0, leaves
    while n > 1:
        for i in range(n // 2):
            g[(t, level + 1, i)] = Task((t, level + 1, i), add, TaskRef((t, level, 2 * i)),
                                          TaskRef((t, level, 2 * i + 1)))
        n //= 2
        level += 1
    return g, [(t, level, 0)], len(g)


def g_stencil(steps, tiles, x="s"):
    from dask._task_spec import Task, TaskRef
    g = {(x, 0, j): Task((x, 0, j), inc, j) for j in range(tiles)}
    for s in range(1, steps):
        for j in range(tiles):
            g[(x, s, j)] = Task((x, s, j), add3, TaskRef((x, s - 1, (j - 1) % tiles)),
                                  TaskRef((x, s - 1, j)), TaskRef((x, s - 1, (j + 1) % tiles)))
    return g, [(x, steps - 1, j) for j in range(tiles)], len(g)


def graph(case, scale, small, tag):
    """small: the sizes for the slower peers."""
    if case == "a1_independent":
        return g_independent(int((4_000 if small else 100_000) * scale), tag)
    if case == "a2_chain":
        return g_chain(int((500 if small else 10_000) * scale), tag)
    if case == "a3_tree":
        return g_tree(2 ** ((12 if small else 15) if scale >= 1 else 8), tag)
    return g_stencil(max(2, int((50 if small else 200) * scale)), 100, tag)


CASES = ["a1_independent", "a2_chain", "a3_tree", "a4_stencil"]


def local(case, which):
    def f(args):
        import dask
        import dask.threaded
        g, keys, n = graph(case, args.scale, False, "x")
        if which == "sync":
            fn = lambda: dask.get(g, keys)
        else:
            fn = lambda: dask.threaded.get(g, keys, num_workers=args.threads)
        return Work(fn, runs=5, units=n, unit="task", detail=f"{n} tasks, graph prebuilt",
                    check=lambda o: repr(o[-1])[:40])
    return f


def dist(case, workers, threads, processes, saturation=None):
    def f(args):
        import dask
        from distributed import Client, LocalCluster
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
        if saturation:
            dask.config.set({"distributed.scheduler.worker-saturation": saturation})
        cl = LocalCluster(n_workers=workers, threads_per_worker=threads, processes=processes,
                          dashboard_address=None, memory_limit=0)
        c = Client(cl)
        n = graph(case, args.scale, True, "x")[2]
        count = iter(range(10**6))

        def prep():
            # new key names each time, so that nothing is answered from the scheduler's memory
            return graph(case, args.scale, True, f"x{next(count)}")

        def fn(g):
            return c.get(g[0], g[1], optimize_graph=False)

        def close():
            c.close()
            cl.close()
        return Work(fn, runs=3, units=n, unit="task", close=close, prep=prep,
                    detail=f"{n} tasks, {workers} worker(s) x {threads} thread(s), "
                           f"{'processes over tcp' if processes else 'in process (inproc)'}"
                           + (f", worker-saturation {saturation}" if saturation else ""),
                    check=lambda o: repr(o[-1])[:40])
    return f


for _c in CASES:
    bench(_c, "dask-sync")(local(_c, "sync"))
    bench(_c, "dask-threaded")(local(_c, "threaded"))
    bench(_c, "distributed-2x1")(dist(_c, 2, 1, True))
    bench(_c, "distributed-2x1-unqueued")(dist(_c, 2, 1, True, "inf"))
    bench(_c, "distributed-1x2")(dist(_c, 1, 2, True))
    bench(_c, "distributed-1x2-inproc")(dist(_c, 1, 2, False))


@bench("a0_graph_build", "dask")
def build(args):
    n = int(100_000 * args.scale)
    return Work(lambda: g_independent(n), units=n, unit="task", detail="building the Task dict alone")


@bench("a0_delayed_build", "dask")
def build_delayed(args):
    from dask import delayed
    n = int(50_000 * args.scale)
    dinc = delayed(inc, pure=False)
    return Work(lambda: [dinc(i) for i in range(n)], runs=3, units=n, unit="task",
                detail="building dask.delayed objects, no compute")


@bench("a0_order", "dask")
def order(args):
    from dask.order import order as dorder
    g, keys, n = g_stencil(max(2, int(200 * args.scale)), 100)
    return Work(lambda: dorder(g), units=n, unit="task", detail="dask.order of the a4 graph alone")


@bench("a1_independent", "python-loop")
def loop(args):
    n = int(100_000 * args.scale)
    return Work(lambda: [inc(i) for i in range(n)], units=n, unit="task",
                detail="plain list comprehension: the interpreter's own floor")


@bench("a1_independent", "threadpool-submit")
def tpe(args):
    n = int(100_000 * args.scale)
    pool = ThreadPoolExecutor(args.threads)
    return Work(lambda: [f.result() for f in [pool.submit(inc, i) for i in range(n)]], units=n, unit="task",
                detail="concurrent.futures.ThreadPoolExecutor", close=pool.shutdown)


@bench("a1_independent", "processpool-map")
def ppe(args):
    import multiprocessing as mp
    n = int(10_000 * args.scale)
    pool = mp.get_context("spawn").Pool(args.threads)
    return Work(lambda: pool.map(inc, range(n), chunksize=1), runs=3, units=n, unit="task",
                detail="multiprocessing.Pool.map, chunksize=1", close=pool.terminate)


@bench("a1_independent", "joblib-threads")
def jl(args):
    from joblib import Parallel, delayed
    n = int(100_000 * args.scale)
    return Work(lambda: Parallel(n_jobs=args.threads, prefer="threads")(delayed(inc)(i) for i in range(n)),
                runs=3, units=n, unit="task", detail="automatic batching")


@bench("a1_independent", "joblib-loky")
def jk(args):
    from joblib import Parallel, delayed
    n = int(100_000 * args.scale)
    return Work(lambda: Parallel(n_jobs=args.threads)(delayed(inc)(i) for i in range(n)),
                runs=3, units=n, unit="task", detail="automatic batching, processes")


# ---------------------------------------------------------------- a5: one task at a time
def one_by_one(get, n, close=None):
    """The unit is one round trip, so that the median is per_unit_us."""
    return Work(lambda: [get() for _ in range(n)], units=n, unit="round trip", close=close,
                detail=f"{n} times one task, from the call to its result")


@bench("a5_latency", "dask-sync")
def latency_sync(args):
    import dask
    from dask._task_spec import Task
    g = {"x": Task("x", inc, 1)}
    return one_by_one(lambda: dask.get(g, "x"), int(2000 * args.scale) or 1)


@bench("a5_latency", "dask-threaded")
def latency_threaded(args):
    import dask.threaded
    from dask._task_spec import Task
    g = {"x": Task("x", inc, 1)}
    return one_by_one(lambda: dask.threaded.get(g, "x", num_workers=args.threads), int(2000 * args.scale) or 1)


@bench("a5_latency", "threadpool-submit")
def latency_pool(args):
    pool = ThreadPoolExecutor(args.threads)
    return one_by_one(lambda: pool.submit(inc, 1).result(), int(2000 * args.scale) or 1, close=pool.shutdown)


if __name__ == "__main__":
    main()
