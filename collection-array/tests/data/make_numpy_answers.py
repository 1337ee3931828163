"""Records what NumPy answers, for tests/numpy_answers.rs: one JSON object a line in numpy_answers.jsonl beside this file.

Run: python make_numpy_answers.py    (needs numpy)

Inputs are not recorded: `numbers` below makes them from a formula that the test repeats.
"""

import json
import os
import warnings

import numpy as np

warnings.simplefilter("ignore")
OUT = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "numpy_answers.jsonl"), "w")
INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]
ALL = ["bool"] + INTS + FLOATS


def numbers(dtype, shape, salt=0, special=False):
    """Element i is (i * 7919 + salt) mod 97 - 48, made an unsigned number, a bool or eighths where that fits the dtype."""
    n = int(np.prod(shape))
    v = (np.arange(n, dtype="i8") * 7919 + salt) % 97 - 48
    if dtype == "bool":
        return (v % 3 == 0).reshape(shape)
    if dtype in FLOATS:
        v = v.astype("f8") / 8
        if special:
            for i, s in ((1, np.nan), (5, np.inf), (7, -np.inf), (8, -0.0)):
                if i < n:
                    v[i] = s
        return v.astype(dtype).reshape(shape)
    if dtype.startswith("u"):
        v = v + 48
    return v.astype(dtype).reshape(shape)


def plain(v):
    if isinstance(v, float) and (np.isnan(v) or np.isinf(v)):
        return str(v)
    return v


def put(answer, **case):
    a = np.asarray(answer)
    values = [plain(v) for v in a.ravel().tolist()]
    case.update(out=str(a.dtype), out_shape=list(a.shape), values=values)
    OUT.write(json.dumps(case, separators=(",", ":")) + "\n")


UNARY = {
    "float": "sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh "
    "arctanh deg2rad rad2deg reciprocal floor ceil trunc rint isnan isfinite isinf sign absolute negative square",
    "int": "absolute sign negative square invert logical_not",
    "bool": "invert logical_not",
}
for dtype in ALL:
    kind = "bool" if dtype == "bool" else "float" if dtype in FLOATS else "int"
    for op in UNARY[kind].split():
        x = numbers(dtype, [3, 4], special=True)
        put(getattr(np, op)(x), op=op, dtype=dtype, shape=[3, 4], special=True)

BINARY = {
    "float": "add subtract multiply divide floor_divide remainder power arctan2 hypot maximum minimum less less_equal greater "
    "greater_equal equal not_equal logical_and logical_or logical_xor",
    "int": "add subtract multiply floor_divide remainder maximum minimum less less_equal greater greater_equal equal not_equal "
    "logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor",
    "bool": "bitwise_and bitwise_or bitwise_xor logical_and logical_or logical_xor equal not_equal less maximum minimum",
}
for dtype in ALL:
    kind = "bool" if dtype == "bool" else "float" if dtype in FLOATS else "int"
    for op in BINARY[kind].split():
        # Broadcast against a row; special values on the left alone.
        x, y = numbers(dtype, [3, 4], special=True), numbers(dtype, [4], salt=11)
        put(getattr(np, op)(x, y), op=op, dtype=dtype, shape=[3, 4], other=[4], salt=11, special=True)

REDUCE = "sum prod mean var std min max any all argmin argmax count_nonzero"
for dtype in ALL:
    for op in REDUCE.split():
        if dtype == "bool" and op in ("var", "std"):
            continue
        for shape, axes in (([3, 4, 2], None), ([3, 4, 2], [0]), ([3, 4, 2], [-1]), ([3, 4, 2], [0, 2]), ([], None), ([0, 3], [0]), ([5, 0], [0])):
            for special in (False, True):
                if special and dtype not in FLOATS:
                    continue
                x = numbers(dtype, shape, special=special)
                if axes is not None and len(axes) > 1 and op in ("argmin", "argmax"):
                    continue
                axis = None if axes is None else axes[0] if len(axes) == 1 else tuple(axes)
                keep = len(shape) == 3 and op != "count_nonzero"
                try:
                    answer = getattr(np, op)(x, axis=axis, **({"keepdims": True} if keep else {}))
                except ValueError:
                    continue
                put(answer, op=op, dtype=dtype, shape=shape, axes=axes, keepdims=keep, special=special)

for a in ALL:
    for b in ALL:
        # Only conversions that C leaves defined.
        if a in FLOATS and (b.startswith("u") or b == "int8"):
            continue
        put(numbers(a, [3, 4]).astype(b), op="astype", dtype=a, shape=[3, 4], to=b)

for text in ("1:", ":-1", "::2", "::-1", "4:1:-2", "-3:", "10:", "-10:2", "1:4,::-3", "..., 1", "-1", "1, -2", "None, 2", ":, None, 1"):
    x = numbers("int64", [5, 6])
    put(eval(f"x[{text}]"), op="slice", dtype="int64", shape=[5, 6], slice=text.replace(" ", ""))

x, y = numbers("float64", [3, 4]), numbers("float64", [4], salt=5)
put(np.where(x > 0.5, x, y), op="where", dtype="float64", shape=[3, 4], other=[4], salt=5)
put(np.clip(x, -1.5, 2.0), op="clip", dtype="float64", shape=[3, 4])
for d in (-1, 0, 1, 2):
    put(np.round(x * 3.1, d), op="round", dtype="float64", shape=[3, 4], decimals=d)
put(np.arange(0.5, 3.0, 0.3), op="arange_f", dtype="float64", shape=[])
put(np.arange(7, -4, -2), op="arange_i", dtype="int64", shape=[])
put(np.linspace(-1.0, 2.0, 7), op="linspace", dtype="float64", shape=[])
put(np.linspace(-5.0, 1.0, 6, dtype="int64"), op="linspace_i", dtype="int64", shape=[])
put(np.eye(3, 4, -1), op="eye", dtype="float64", shape=[])
put(numbers("float64", [3, 4]) @ numbers("float64", [4, 2], salt=3), op="matmul", dtype="float64", shape=[3, 4], other=[4, 2], salt=3)
put(np.isclose(x, x + 1e-7), op="isclose", dtype="float64", shape=[3, 4])
OUT.close()
