"""Writes moments.txt: lists of floats (as bits) with their sum, mean, variance and standard deviation, each the exact value rounded once.

Needs mpmath (for the root). Run again with: python moments.py > moments.txt
"""

import math
import random
import struct
from fractions import Fraction

import mpmath

mpmath.mp.prec = 400


def bits(x):
    return format(struct.unpack("<Q", struct.pack("<d", x))[0], "016x")


def of_bits(n):
    return struct.unpack("<d", struct.pack("<Q", n))[0]


def rounded(x):
    """A fraction as the nearest float, infinite beyond all of them."""
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def root(x):
    return float(mpmath.sqrt(mpmath.mpf(x.numerator) / x.denominator))


def numbers(rng):
    kind = rng.randrange(6)
    n = rng.randrange(1, 9)
    if kind == 0:  # any bits
        xs = [of_bits(rng.getrandbits(64)) for _ in range(n)]
    elif kind == 1:  # near the ends, so that sums overflow on the way
        xs = [rng.choice([-1, 1]) * rng.uniform(0.5, 1.797e308) for _ in range(n)]
    elif kind == 2:  # a large offset, which loses the variance in floats
        base = rng.choice([1e9, 1e15, -3e12])
        xs = [base + rng.random() for _ in range(n)]
    elif kind == 3:  # subnormal
        xs = [of_bits(rng.getrandbits(52)) * rng.choice([-1, 1]) for _ in range(n)]
    elif kind == 4:
        xs = [rng.gauss(0, 1) for _ in range(n)]
    else:
        xs = [float(rng.randrange(-(2**53), 2**53)) for _ in range(n)]
    return [x for x in xs if math.isfinite(x)] or [1.5]


def main():
    rng = random.Random(20261201)
    for _ in range(400):
        xs = numbers(rng)
        exact = [Fraction(x) for x in xs]
        n = len(xs)
        total = sum(exact)
        mean = total / n
        deviations = sum((x - mean) ** 2 for x in exact)
        row = [rounded(total), rounded(mean), rounded(deviations / n), root(deviations / n)]
        row.append(rounded(deviations / (n - 1)) if n > 1 else math.nan)
        print(" ".join(map(bits, xs)), "|", " ".join(map(bits, row)))


main()
