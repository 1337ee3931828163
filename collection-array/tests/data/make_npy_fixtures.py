"""Makes the .npy and .npz files beside it, with NumPy, for the tests of the file readers.

Run: python make_npy_fixtures.py    (needs numpy; the files are small and kept in the repository)
"""

import os

import numpy as np
from numpy.lib import format as npy

HERE = os.path.dirname(os.path.abspath(__file__))


def at(name):
    return os.path.join(HERE, name)


grid = np.arange(12000, dtype="<i4").reshape(40, 300)
lat = np.linspace(-90, 90, 200)
np.savez_compressed(at("deflated.npz"), grid=grid, lat=lat)

small = np.arange(24).reshape(2, 3, 4)
np.savez(at("stored.npz"), small=small.astype("<i2"), flags=small[0] % 5 == 0)

np.save(at("c_order.npy"), small.astype("<f8") / 4)
np.save(at("f_order.npy"), np.asfortranarray(small.astype("<f4")))
np.save(at("big_endian.npy"), (small - 12).astype(">i8"))
np.save(at("scalar.npy"), np.array(42, dtype="u1"))
np.save(at("empty.npy"), np.zeros((3, 0, 2), dtype="<u2"))
for version in [(2, 0), (3, 0)]:
    with open(at(f"version_{version[0]}.npy"), "wb") as f:
        npy.write_array(f, small[0].astype("<u4"), version=version)

# Refused, each by name.
np.save(at("structured.npy"), np.zeros(2, dtype=[("lat", "<f8"), ("on", "?")]))
np.save(at("complex.npy"), np.zeros(2, dtype="<c16"))
np.save(at("half.npy"), np.zeros(2, dtype="<f2"))
np.save(at("text.npy"), np.array(["ab", "c"]))
np.save(at("dates.npy"), np.array(["2020-01-01"], dtype="M8[D]"))
np.save(at("objects.npy"), np.array([{}], dtype=object))
