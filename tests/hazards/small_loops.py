"""Loops that compile in a moment, and ``python small_loops.py NAME``: one thing to do with them in a new process.

Prints the numbers that came out and this process's statistics as one line of JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
import time
import warnings

import numpy as np

from fastconv.core import threads
from fastconv.loops import jit

FACTOR = 3


@jit.helper
def scaled(value):  # type: ignore[no-untyped-def]
    return value * FACTOR


@jit.loop
def weigh(image, taps, out):  # type: ignore[no-untyped-def]
    """out[i] = 3 * sum over k of taps[k] * image[i + k]."""
    for i in range(out.size):
        total = out.dtype.type(0)
        for k in range(len(taps)):
            total += taps[k] * image[i + k]
        out[i] = scaled(total)


@jit.loop
def shift(image, by, out):  # type: ignore[no-untyped-def]
    for i in range(out.size):
        out[i] = image[i] + by


ADDED = 0


@jit.loop
def add_at(address, count):  # type: ignore[no-untyped-def]
    """Compiles by its address only; leaves its arguments alone."""
    total = address
    for _ in range(count):
        total += ADDED


def numbers(dtypes: tuple[type, ...] = (np.float32, np.float64, np.int64)) -> list[float]:
    """Three specialisations of two loops for each dtype: numbers of taps, layouts."""
    found = []
    for dtype in dtypes:
        image: np.ndarray = np.arange(1, 8).astype(dtype)
        for taps in ((1.0, -2.0), (1.0, 2.0, 5.0)):
            out = np.empty(image.size - len(taps) + 1, np.float64)
            weigh(image, taps, out)
            found.append(float(out @ np.arange(1, out.size + 1)))
        strided = image[::2]
        out = np.empty(strided.size, np.float32)
        shift(strided, 0.5, out)
        found.append(float(out.sum()))
    return found


def expected() -> list[float]:
    found = []
    for _ in range(3):
        image = np.arange(1.0, 8.0)
        for taps in ((1.0, -2.0), (1.0, 2.0, 5.0)):
            out = 3 * np.correlate(image, taps, "valid")
            found.append(float(out @ np.arange(1, out.size + 1)))
        found.append(float((image[::2] + 0.5).sum()))
    return found


def few() -> list[float]:
    return numbers((np.float32,)) * 3


def plain() -> list[float]:
    return numbers()


def one() -> list[float]:
    image, out = np.arange(1.0, 8.0), np.empty(6)
    weigh(image, (1.0, -2.0), out)
    return out.tolist()


def warned() -> list[float]:
    """As `plain`, with warnings recorded: exactly one is expected, of our class."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = numbers()
    assert [entry.category for entry in caught] == [jit.CacheWarning], [str(entry.message) for entry in caught]
    message = str(caught[0].message)
    assert "FASTCONV_CACHE_DIR" in message
    assert str(jit.cache_directory()) in message
    return found


def warning_as_error() -> list[float]:
    """Where warnings are errors the call raises once, and what it compiled serves from then on."""
    warnings.simplefilter("error")
    image, out = np.arange(1.0, 8.0), np.empty(6)
    try:
        weigh(image, (1.0, -2.0), out)
    except jit.CacheWarning:
        pass
    else:
        raise AssertionError("no warning")
    weigh(image, (1.0, -2.0), out)
    assert jit.stats()["specialisations"] == 1
    return out.tolist()


def two_threads() -> list[float]:
    """Eight threads ask for the same code at the same moment: it is compiled once, and all get the same."""
    meet = threading.Barrier(8)
    image, out = np.arange(1.0, 8.0), np.empty(6)
    found = []

    def ask() -> None:
        meet.wait(20)
        found.append(weigh.compiled(image, (1.0, -2.0), out))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(code) for code in found}) == 1
    found[0](image, (1.0, -2.0), out)
    return out.tolist()


def fork_while_compiling() -> list[float]:
    """Children forked while another thread compiles must be able to compile, and nobody hangs."""
    compiling = threading.Thread(target=numbers)
    compiling.start()
    children = []
    for _ in range(4):
        time.sleep(0.05)
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if np.allclose(few(), expected()) else 3)
            finally:
                os._exit(4)
        children.append(child)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    compiling.join()
    return numbers()


def banded(image: np.ndarray) -> np.ndarray:
    """shift(image, 1) by bands of rows on the pool, which numba's own threads would not survive."""
    out = np.empty_like(image)
    code = shift.compiled(image[0], 1.0, out[0])
    threads.run(lambda y: code(image[y], 1.0, out[y]), len(image), 3)
    return out


def _banded_sum(seed: int) -> float:
    return float(banded(np.full((40, 30), seed, np.float64)).sum())


def compiled_in_children() -> list[float]:
    """Bands in the parent, in forked and spawned pools of processes, and in the parent again."""
    sums = [1200.0 * (seed + 1) for seed in range(5)]
    assert [_banded_sum(seed) for seed in range(5)] == sums
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(_banded_sum, range(5)) == sums
    assert _banded_sum(7) == 9600
    return numbers()


def compiled_in_dask() -> list[float]:
    """Dask's threads ask for loops that are not compiled yet, all at once."""
    import dask.array as da

    image = np.random.default_rng(1).random((64, 64))
    lazy = da.from_array(image, chunks=(16, 16)).map_blocks(banded, dtype=float, meta=np.empty((0, 0)))
    np.testing.assert_array_equal(lazy.compute(scheduler="threads", num_workers=4), image + 1)
    return numbers()


def addresses() -> list[float]:
    first = add_at.address(ADDED=1)
    assert first == add_at.address(ADDED=1)
    assert len({first, add_at.address(ADDED=2), add_at.address(ADDED=1.0), add_at.address(ADDED=True)}) == 4
    assert add_at.address() == add_at.address()
    return []


if __name__ == "__main__":
    result = globals()[sys.argv[1]]()
    print(json.dumps({"numbers": result, "expected": expected(), **jit.stats()}))
