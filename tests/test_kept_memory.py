"""Kept calls own all memory that they lead to: letting go of scratch memory, or growing it, changes no result."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest

import fastconv as fc
from fastconv.backends import again
from fastconv.core.scratch import release_scratch
from fastconv.engine import clear_caches

RANDOM = np.random.default_rng(19)
VOLUME = RANDOM.random((7, 20, 24)).astype("f4")
GREY = RANDOM.random((48, 70)).astype("f4")
BYTES = RANDOM.integers(0, 256, (70, 90), dtype=np.uint8)
LARGE = RANDOM.random((400, 700)).astype("f4")

CASES: dict[str, Callable[[], np.ndarray]] = {
    "volume": lambda: fc.gaussian(VOLUME, 1.0, axes=(0, 1, 2)),
    "volume, magnitude": lambda: fc.sobel(VOLUME, axes=(0, 1, 2)),
    "box": lambda: fc.box(GREY, 13, method="running_sum"),
    "box of bytes": lambda: fc.box(BYTES, 21, dtype="same", method="running_sum"),
    "spectrum": lambda: fc.correlate(GREY, np.outer(range(1, 12), [1, 2, 0, 3]), method="fft"),
    "gaussian": lambda: fc.gaussian(GREY, 2.0),
    "shared": lambda: fc.gaussian(LARGE, 1.0, workers=2),
    "shared box": lambda: fc.box(LARGE, 31, method="running_sum", workers=2),
}


@pytest.mark.parametrize("name", CASES)
def test_scratch_memory_may_go(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call = CASES[name]
    monkeypatch.setattr(again, "FIRST", 2)
    clear_caches()
    release_scratch()
    first = call()
    for _ in range(8):  # kept by now, and made in the shortest way
        np.testing.assert_array_equal(call(), first)
    release_scratch()
    gc.collect()
    # what was let go of is handed out again, and written on
    waste = [np.full(size, np.nan, np.float32) for size in range(16, 40_000, 48)]
    np.testing.assert_array_equal(call(), first)
    assert all(np.isnan(each).all() for each in waste)
    clear_caches()
