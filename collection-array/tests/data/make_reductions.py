"""Records the right answers of reductions over special values, for tests/reductions.rs: reductions.txt beside this file.

Run: python make_reductions.py    (needs numpy; recorded with 2.4)

    x DTYPE v …     elements
    NAME y          what a reduction makes of them

Sums, means, variances and products of finite elements are computed by fractions and rounded once; the rest is what NumPy answers,
but for the sign of the least or greatest of equal zeros, which NumPy leaves to the length of the array: -0 is below 0 here, as IEEE 754
(2019) has it. Floats are written as in scalar_functions.txt.
"""

import os
import random
import struct
import warnings
from fractions import Fraction

import numpy as np

warnings.simplefilter("ignore")
OUT = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "reductions.txt"), "w")
OUT.write("# Made by make_reductions.py, which says what the lines mean.\n")
rng = random.Random(20260402)


def text(v):
    v = np.asarray(v)[()]
    if isinstance(v, (np.float64, np.float32)):
        if np.isnan(v):
            return "n"
        return struct.pack(">d" if v.dtype == np.float64 else ">f", float(v)).hex().rstrip("0") or "0"
    return str(int(v))


def nearest(t, q):
    """A fraction, rounded once: a quotient of whole numbers is in Python."""
    try:
        return t(q.numerator / q.denominator)
    except OverflowError:
        return t(np.inf if q > 0 else -np.inf)


def root(t, q):
    """The square root of a fraction, in more digits than a float has."""
    import math

    scale = 1 << 400
    whole = math.isqrt(q.numerator * scale * scale // q.denominator)
    return nearest(t, Fraction(whole, scale))


def answers(x):
    t = x.dtype.type
    out = {}
    for name in "any all argmin argmax count_nonzero".split():
        out[name] = getattr(np, name)(x)
    for name, sign in (("min", True), ("max", False)):
        v = getattr(np, name)(x)
        if v == 0:
            v = t(-0.0 if any(np.signbit(w) == sign for w in x if w == 0) == sign else 0.0)
        out[name] = v
    if not np.isfinite(x).all():
        for name in "sum mean var std".split():
            out[name] = getattr(np, name)(x)
        nan = np.isnan(x).any() or (x == 0).any()
        out["prod"] = t(np.nan) if nan else t(np.inf) * np.prod(np.sign(x))
        return out
    q = [Fraction(float(v)) for v in x]
    n = len(q)
    total = sum(q)
    out["sum"], out["mean"] = nearest(t, total), nearest(t, total / n)
    var = sum((v - total / n) ** 2 for v in q) / n
    out["var"] = nearest(t, var)
    # Of a variance beyond the range of floats the root is what NumPy has: infinite, or 0.
    inside = np.finfo(np.float64).tiny < var and np.isfinite(nearest(np.float64, var))
    out["std"] = root(t, var) if inside else t(np.sqrt(nearest(np.float64, var)))
    product = Fraction(1)
    for v in q:
        product *= v
    minus = np.signbit(x).sum() % 2 == 1
    out["prod"] = np.copysign(nearest(t, product), t(-1 if minus else 1))
    return out


def put(dtype, values):
    x = np.array(values, dtype)
    OUT.write("x %s %s\n" % (dtype, " ".join(text(v) for v in x)))
    for name, v in answers(x).items():
        OUT.write("%s %s\n" % (name, text(v)))


inf, nan = np.inf, np.nan
for dtype in ("float64", "float32"):
    big, small = (1e200, 1e-200) if dtype == "float64" else (1e30, 1e-30)
    sub = 5e-324 if dtype == "float64" else 1e-45
    for values in (
        [0.0], [-0.0], [0.0, -0.0], [-0.0, 0.0], [-0.0, -0.0], [0.0] * 9 + [-0.0] + [0.0] * 40, [-0.0] * 40 + [0.0], [5.0, 0.0, -0.0, 2.0], [-5.0, 0.0, -0.0],
        [nan], [1.0, nan], [nan, 1.0], [nan, inf, -inf], [1.0] * 45 + [nan] + [-2.0] * 20, [nan] * 3, [-0.0, nan, 0.0],
        [inf], [-inf], [inf, 1.0], [1.0, inf], [inf, -inf], [inf, inf], [inf] * 40, [1.0] * 33 + [-inf], [inf, 0.0], [0.0, inf], [-inf, 2.0, -3.0], [inf, nan],
        [0.0] + [float(i) for i in range(1, 60)], [float(i) for i in range(1, 60)] + [0.0],
        [0.0, big, big], [big, big, 0.0], [big, -0.0, big, big], [big, big, small, small], [small, small, big, big], [big, small] * 20, [small] * 3 + [big] * 3,
        [big] * 40, [small] * 40, [-big] * 41, [sub, big, big], [sub, sub, big, -big], [sub] * 3, [sub, 0.0, -1.0], [sub, -sub, 3 * sub],
        [-1.0] * 65, [0.5] * 1030, [2.0] * 1030, [-0.5] * 600 + [-2.0] * 601,
    ):
        put(dtype, values)
    for _ in range(12):
        n = rng.choice([3, 17, 64, 65, 100])
        x = [rng.uniform(-3, 3) for _ in range(n)]
        put(dtype, x)
        for _ in range(rng.choice([1, 1, 4])):
            x[rng.randrange(n)] = rng.choice([0.0, -0.0, inf, -inf, nan, sub, -big, small])
        put(dtype, x)
    put(dtype, [float(i) for i in range(400)])
    put(dtype, [1e15 + i for i in range(70)] if dtype == "float64" else [1e6 + i for i in range(70)])
OUT.close()
