"""Records the right values of scalar functions, for tests/scalar_functions.rs: scalar_functions.txt beside this file.

Run: python make_scalar_functions.py    (needs numpy and mpmath; recorded with 2.4 and 1.4)

Finite results of finite arguments are computed by mpmath with hundreds of bits and rounded once, to the nearest even. Zeros,
infinities, NaN, poles and arguments outside of a domain are what NumPy answers. NumPy also answers the operations that are
exact, and those on integers.

One record a line, fields divided by blanks:

    grid DTYPE x …              arguments of all functions of one argument
    f NAME DTYPE y …            their values
    at NAME DTYPE x y …         arguments of one function, each with its value
    pairs DTYPE a b …           arguments of all functions of two
    g NAME DTYPE y …            their values
    on NAME DTYPE a b y …       arguments of one function of two, with their values

A float is its bits in hexadecimal without the zeros at the end (`3ff` is 1.0), `n` is NaN; an integer is decimal; a bool 0 or 1.
"""

import os
import random
import struct
import warnings

import mpmath
import numpy as np
from mpmath import mp, mpf

warnings.simplefilter("ignore")
OUT = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "scalar_functions.txt"), "w")
OUT.write("# Made by make_scalar_functions.py, which says what the lines mean.\n")
rng = random.Random(20260401)

F = {
    "float64": dict(t=np.float64, digits=53, low=-1074, top=1024, pack=">d", cut=1e-10),
    "float32": dict(t=np.float32, digits=24, low=-149, top=128, pack=">f", cut=1e-10),
}


def text(d, v):
    if d in F:
        if np.isnan(v):
            return "n"
        return struct.pack(F[d]["pack"], float(v)).hex().rstrip("0") or "0"
    return str(int(v))


def nearest(d, v):
    """An mpf rounded once to a dtype, subnormals and overflow included."""
    f = F[d]
    sign, man, exp, bits = v._mpf_
    if man == 0:
        return f["t"](0.0)
    drop = max(bits - f["digits"], f["low"] - exp)
    if drop > 0:
        whole, rest, half = man >> drop, man & ((1 << drop) - 1), 1 << (drop - 1)
        if rest > half or (rest == half and whole & 1):
            whole += 1
        man, exp = whole, exp + drop
    out = np.inf if man and man.bit_length() + exp > f["top"] else float(mpmath.ldexp(mpf(man), exp))
    return f["t"](-out if sign else out)


def neighbours(t, x):
    x = t(x)
    return [x, np.nextafter(x, t(np.inf)), np.nextafter(x, t(-np.inf))]


def grid(d):
    t = F[d]["t"]
    info = np.finfo(t)
    tiny, sub, top = float(info.tiny), float(info.smallest_subnormal), float(info.max)
    x = [0.0, sub, 3 * sub, tiny / 2, tiny, tiny * 1.7, 1e-30, 1e-20, 1e-8, 1e-5, 1e-3, 0.01, 0.1, 0.22, 0.3, 0.4375, 0.5,
         0.55, 0.6875, 0.75, 0.9, 0.99, 1.1, 1.1875, 1.5, 1.75, 2.4375, 3.0, 4.0, 5.0, 7.0, 10.0, 16.5, 20.0, 22.0, 30.0, 40.0, 64.0,
         87.3, 88.6, 88.8, 89.5, 100.0, 103.9, 104.5, 127.5, 128.0, 149.0, 150.5, 300.0, 1000.0, 12345.678, 65536.5, 1e6, 1e9, 1e9 + 0.5, 1e10, 1e22,
         2.0 ** 31, 2.0 ** 53, 2.0 ** 54, 2.0 ** 55, 2.0 ** 63, 2.0 ** 100, top / 2, top / 3, top]
    if d == "float64":
        x += [1e-310, 1e-300, 1e-200, 1e-155, 1e-100, 2.0 ** -28, 2.0 ** -54, 350.0, 350.5, 700.0, 708.0, 708.5, 709.0, 709.78, 709.79,
              710.4, 710.5, 745.1, 745.2, 1023.4, 1023.6, 1024.0, 1074.5, 1075.5, 823549.0, 823550.0, 1e15, 1e100, 1e154, 1e155, 1e200, 1e300]
    x = [t(v) for v in x]
    for v in (1.0, 2.0, 0.25, np.pi / 4, np.pi / 2, np.pi, np.log(2) / 2, 0.9999999, 0.999):
        x += neighbours(t, v)
    for k in (3, 5, 7, 10, 11, 22, 355, 1000, 52174):
        x += neighbours(t, k * np.pi / 2)[:2]
    for _ in range(24):
        x.append(t(2.0 ** rng.uniform(np.log2(sub), np.log2(top))))
    for top_ in (1.0, 1.0, 3.0, 40.0, 700.0):
        x += [t(rng.uniform(0, top_)) for _ in range(8)]
    x += [t(v) for v in (np.inf,)]
    x += [-v for v in x] + [t(np.nan)]
    return dedupe(x)


def dedupe(x):
    seen, out = set(), []
    for v in x:
        k = v.tobytes()
        if k not in seen:
            seen.add(k)
            out.append(v)
    return out


# The true function, and points that only it needs.
ENDS = [1 - 2.0 ** -k for k in (3, 7, 12, 17, 23)] + [1 + 2.0 ** -k for k in (3, 7, 12, 17, 23)]
LATE = [1 - 2.0 ** -k for k in (30, 40, 50)] + [1 + 2.0 ** -k for k in (30, 40, 50)]
EXACT = {"negative", "absolute", "sign", "square", "floor", "ceil", "trunc", "rint", "isnan", "isfinite", "isinf", "logical_not"}
UNARY = {
    "reciprocal": (lambda x: 1 / x, []),
    "sqrt": (mpmath.sqrt, []),
    "cbrt": (lambda x: mpmath.cbrt(abs(x)) * mpmath.sign(x), [8.0, 27.0, -27.0, 1e-15, 0.001]),
    "exp": (mpmath.exp, []),
    "exp2": (lambda x: mpmath.power(2, x), [k + 0.5 for k in range(-20, 20, 3)]),
    "expm1": (mpmath.expm1, [-37.5, -36.0, -40.5, -41.0]),
    "log": (mpmath.log, ENDS),
    "log2": (lambda x: mpmath.log(x) / mpmath.log(2), ENDS),
    "log10": (lambda x: mpmath.log(x) / mpmath.log(10), ENDS + [10.0 ** k for k in range(1, 11)]),
    "log1p": (mpmath.log1p, [-v for v in ENDS] + [2.0 ** 0.5 - 1, 2.0 ** 0.5, 6.4, 2.0 ** 52 + 2]),
    "sin": (mpmath.sin, []),
    "cos": (mpmath.cos, []),
    "tan": (mpmath.tan, [k * 0.19 for k in range(1, 30)]),
    "arcsin": (mpmath.asin, ENDS),
    "arccos": (mpmath.acos, ENDS),
    "arctan": (mpmath.atan, ENDS),
    "sinh": (mpmath.sinh, [k * 0.11 for k in range(1, 30)]),
    "cosh": (mpmath.cosh, [k * 0.11 for k in range(1, 30)]),
    "tanh": (mpmath.tanh, [k * 0.05 for k in range(1, 40)] + [18.5, 19.0, 19.5, 8.5, 9.0, 9.5]),
    "arcsinh": (mpmath.asinh, [k * 0.07 for k in range(1, 40)]),
    "arccosh": (mpmath.acosh, ENDS + [1 + k * 0.03 for k in range(1, 40)] + [-1e22, -5.6e8]),
    "arctanh": (mpmath.atanh, ENDS + [-v for v in ENDS] + [k * 0.024 for k in range(1, 40)] + [-0.9998726]),
    "deg2rad": (lambda x: x * mp.pi / 180, [45.0, 90.0, 180.0, 360.0, 57.29577951308232]),
    "rad2deg": (lambda x: x * 180 / mp.pi, []),
}
# Beyond these the result is what NumPy gives: infinity, zero or one.
FAR = {"exp": 1e4, "exp2": 1e4, "expm1": 1e4, "sinh": 1e4, "cosh": 1e4, "tanh": 1e4}


def true(d, f, name, *args):
    t = F[d]["t"]
    # Of arrays: one number as an exponent has ways of its own.
    there = getattr(np, name)(*[np.array([a, a]) for a in args])[1]
    finite = all(np.isfinite(a) for a in args)
    if not finite or np.isnan(there):
        return there
    far = FAR.get(name)
    if far and abs(float(args[0])) > far:
        return there
    if name == "power" and far_power(*args) or name == "arctan2" and args[0] == 0:
        return there
    mp.prec = 2600 if any(abs(float(a)) < F[d]["cut"] for a in args) else 320
    try:
        v = f(*[mpf(float(a)) for a in args])
    except (ZeroDivisionError, ValueError):
        return there
    if not mpmath.isfinite(v) or v == 0:
        return there
    right = nearest(d, v)
    # A zero and an infinity come with NumPy's sign, which must be the true one.
    assert np.signbit(right) == (v < 0), (name, args)
    return right


def far_power(a, b):
    return a == 0 or b == 0 or abs(float(b) * float(mpmath.log(abs(mpf(float(a))), 2))) > 4000


def line(kind, name, d, values):
    OUT.write(" ".join([kind, name, d] if name else [kind, d]) + " " + " ".join(values) + "\n")


for d in F:
    t = F[d]["t"]
    xs = grid(d)
    line("grid", None, d, [text(d, x) for x in xs])
    for name in sorted(EXACT):
        ys = [getattr(np, name)(x) for x in xs]
        line("f", name, d, [text(d if np.asarray(y).dtype == t else "bool", y) for y in ys])
    for name, (f, more) in UNARY.items():
        line("f", name, d, [text(d, true(d, f, name, x)) for x in xs])
        more = dedupe([t(x) for x in more + (LATE if more is ENDS or ENDS[0] in more else [])])
        if more:
            line("at", name, d, [s for x in more for s in (text(d, x), text(d, true(d, f, name, x)))])

EXACT_PAIRS = ("add subtract multiply divide floor_divide remainder maximum minimum equal not_equal less less_equal greater greater_equal "
               "logical_and logical_or logical_xor").split()
PAIRS = {
    "power": lambda a, b: mpmath.power(a, b),
    "arctan2": lambda a, b: mpmath.atan2(a, b),
    "hypot": lambda a, b: mpmath.hypot(a, b),
}
for d in F:
    t = F[d]["t"]
    info = np.finfo(t)
    half = [0.0, float(info.smallest_subnormal), float(info.tiny), 0.3, 0.5, 1.0, 2.0, 3.0, 1e10, float(info.max), np.inf]
    special = [t(v) for v in half] + [-t(v) for v in half] + [t(np.nan)]
    pairs = [(a, b) for a in special for b in special]
    line("pairs", None, d, [text(d, v) for p in pairs for v in p])
    for name in EXACT_PAIRS:
        ys = [getattr(np, name)(a, b) for a, b in pairs]
        line("g", name, d, [text(d if np.asarray(y).dtype == t else "bool", y) for y in ys])
    for name, f in PAIRS.items():
        line("g", name, d, [text(d, true(d, f, name, a, b)) for a, b in pairs])
        most = np.log2(float(info.max)) * 0.98
        more = []
        for _ in range(150):
            if name == "power":
                a = 2.0 ** rng.choice([rng.uniform(-most, most), rng.uniform(-3, 3), rng.uniform(-1e-3, 1e-3)])
                b = rng.uniform(-most, most) / max(abs(np.log2(a)), 1e-4)
                if rng.random() < 0.2:
                    a, b = -a, float(round(b))
            else:
                e = rng.uniform(-most, most)
                a = rng.choice([-1, 1]) * 2.0 ** e
                b = rng.choice([-1, 1]) * 2.0 ** min(max(e + rng.choice([rng.uniform(-2, 2), rng.uniform(-40, 40)]), -most), most)
            more.append((t(a), t(b)))
        line("on", name, d, [s for a, b in more for s in (text(d, a), text(d, b), text(d, true(d, f, name, a, b)))])
    more = []
    for _ in range(150):
        e = rng.uniform(-30, 30)
        b = t(rng.choice([-1, 1]) * 2.0 ** e)
        a = t(b * rng.choice([rng.randint(-50, 50), rng.uniform(-5, 5), rng.uniform(-1e6, 1e6)]))
        more.append((a, b))
    for name in ("floor_divide", "remainder"):
        line("on", name, d, [s for a, b in more for s in (text(d, a), text(d, b), text(d, getattr(np, name)(a, b)))])

INT_PAIRS = ("add subtract multiply floor_divide remainder maximum minimum less less_equal equal bitwise_and bitwise_or bitwise_xor left_shift "
             "right_shift logical_and logical_xor").split()
for d in "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split():
    t = np.dtype(d).type
    info = np.iinfo(t)
    ends = [info.min, info.min + 1, info.max, info.max - 1]
    xs = sorted(set(ends + [v for v in (-7, -2, -1, 0, 1, 2, 3, 8, 63) if info.min <= v <= info.max]))
    xs = [t(v) for v in xs]
    line("grid", None, d, [text(d, x) for x in xs])
    for name in "negative absolute sign square invert logical_not floor".split():
        ys = [getattr(np, name)(np.array([x]))[0] for x in xs]
        line("f", name, d, [str(int(y)) for y in ys])
    pairs = [(a, b) for a in xs for b in xs]
    line("pairs", None, d, [text(d, v) for p in pairs for v in p])
    for name in INT_PAIRS:
        ys = [getattr(np, name)(np.array([a]), np.array([b]))[0] for a, b in pairs]
        line("g", name, d, [str(int(y)) for y in ys])
    # NumPy refuses negative exponents of integers.
    powers = [(a, b) for a in xs for b in xs if b >= 0]
    line("on", "power", d, [s for a, b in powers for s in (text(d, a), text(d, b), str(int(np.power(np.array([a]), np.array([b]))[0])))])
for d in ["bool"]:
    pairs = [(np.bool_(a), np.bool_(b)) for a in (0, 1) for b in (0, 1)]
    line("grid", None, d, ["0", "1"])
    for name in "absolute invert logical_not".split():
        line("f", name, d, [str(int(getattr(np, name)(np.bool_(v)))) for v in (0, 1)])
    line("pairs", None, d, [str(int(v)) for p in pairs for v in p])
    for name in ("bitwise_and bitwise_or bitwise_xor logical_and logical_or logical_xor equal not_equal less less_equal greater greater_equal "
                 "maximum minimum").split():
        line("g", name, d, [str(int(getattr(np, name)(a, b))) for a, b in pairs])
OUT.close()
