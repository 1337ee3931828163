"""Record the peak of live chunks under `dask.order` on the canonical graphs of kvern-core.

Needs `cargo` (the graphs are printed by the Rust test, their one definition) and Python 3.10 or
newer with `pip install dask numpy`. From the root of the repository:

    python bench/peers/dask_order.py > core/tests/data/dask_order.json

`dask.order` breaks some ties by the iteration order of sets of strings, so it is run under several
hash seeds, and the lowest peak that it reaches is what counts (`peak`, `peak_held`). The highest
is there for the reader (`worst`).

`peak` is the largest number of task outputs alive at once when the tasks run one after the other:
an output is alive from the run of its task until its last reader has run. With `peak_held`, an
output that nobody reads stays to the end.
"""

import json
import os
import subprocess
import sys

SEEDS = range(5)
PRINT = ["cargo", "test", "-q", "-p", "kvern-core", "--test", "order", "--", "--ignored",
         "--exact", "print_graphs", "--nocapture"]


def printed_graphs():
    out = subprocess.run(PRINT, check=True, capture_output=True, text=True).stdout
    # The name of the test may stand before the first line.
    return [line[line.index('{"name"'):] for line in out.splitlines() if '{"name"' in line]


def checksum(graph):
    """FNV-1a, 64 bits, over offsets and dependencies as little-endian u32."""
    h = 0xCBF29CE484222325
    for value in graph["dep_off"] + graph["deps"]:
        for byte in value.to_bytes(4, "little"):
            h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def peaks(deps, position):
    """(peak, peak_held) of a serial run."""
    left = [0] * len(deps)
    for row in deps:
        for d in row:
            left[d] += 1
    live = peak = held = peak_held = 0
    for t in sorted(range(len(deps)), key=position.__getitem__):
        live += 1
        peak = max(peak, live)
        peak_held = max(peak_held, live + held)
        for d in deps[t]:
            left[d] -= 1
            live -= left[d] == 0
        if not left[t]:
            live -= 1
            held += 1
    return peak, peak_held


def measure():
    """Child process: graphs on stdin, [peak, peak_held] of each on stdout, a line each."""
    from dask._task_spec import Task, TaskRef
    from dask.order import order

    def work(*args):
        return None

    for line in sys.stdin:
        graph = json.loads(line)
        off, flat = graph["dep_off"], graph["deps"]
        deps = [sorted(set(flat[a:b])) for a, b in zip(off, off[1:])]
        # Padded names sort as the numbers do, which is the friendliest to `dask.order`.
        names = [f"t{i:07d}" for i in range(len(deps))]
        dsk = {names[t]: Task(names[t], work, *(TaskRef(names[d]) for d in row))
               for t, row in enumerate(deps)}
        got = order(dsk)
        print(json.dumps(peaks(deps, [got[name] for name in names])), flush=True)


def main():
    import dask

    lines = printed_graphs()
    runs = []
    for seed in SEEDS:
        done = subprocess.run([sys.executable, __file__, "--measure"], input="\n".join(lines),
                              check=True, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "PYTHONHASHSEED": str(seed)})
        runs.append([json.loads(line) for line in done.stdout.splitlines()])
    rows = []
    for i, line in enumerate(lines):
        graph = json.loads(line)
        rows.append({"name": graph["name"], "size": graph["size"],
                     "tasks": len(graph["dep_off"]) - 1, "checksum": checksum(graph),
                     "peak": min(run[i][0] for run in runs),
                     "peak_held": min(run[i][1] for run in runs),
                     "worst": max(run[i][0] for run in runs)})
    print('{"dask": "%s", "python": "%s", "seeds": %d, "graphs": [' %
          (dask.__version__, sys.version.split()[0], len(SEEDS)))
    print(",\n".join("  " + json.dumps(row) for row in rows))
    print("]}")


if __name__ == "__main__":
    measure() if "--measure" in sys.argv else main()
