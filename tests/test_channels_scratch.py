"""What scratch memory held before a convolution does not matter, not even where it held NaN."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import nn
from fastconv.core import scratch
from fastconv.engine.channels import clear_executors

METHODS = ("auto", "deep", "wide", "pointwise", "strided", "patches", "gathered", "winograd2", "winograd3", "winograd4")
SHAPES = (
    ((2, 130, 7, 7), (35, 130, 3, 3)),
    ((1, 600, 5, 5), (20, 600, 3, 3)),
    ((2, 70, 9, 9), (35, 70, 3, 3)),
    ((1, 33, 20, 22), (17, 33, 5, 5)),
    ((1, 40, 14, 14), (24, 40, 1, 1)),
    ((1, 3, 30, 41), (16, 3, 3, 3)),
)


def poison() -> None:
    """Bytes of which every float is a NaN in all scratch memory that is kept."""
    for kept in list(scratch._all_kept):
        for memory in kept.values():
            memory.fill(255)


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = scratch.aligned

    def aligned(size: int) -> np.ndarray:
        memory = fresh(size)
        memory.fill(255)
        return memory

    monkeypatch.setattr(scratch, "aligned", aligned)
    clear_executors()


@pytest.mark.parametrize(("shape", "weight"), SHAPES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_conv2d(method: str, stride: int, shape: tuple[int, ...], weight: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal(shape).astype("f4"), rng.standard_normal(weight).astype("f4")
    one = None
    for workers in (1, 2, 1):  # new weights, weights seen once, weights that are kept
        poison()
        try:
            found = nn.conv2d(x, w, stride=stride, padding=weight[2] // 2, method=method, workers=workers)
        except ValueError:  # not for this method
            assert method != "auto"
            return
        assert np.isfinite(found).all()
        assert one is None or np.array_equal(one, found)
        one = found


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 4])
def test_conv_transpose2d(size: int, stride: int) -> None:
    rng = np.random.default_rng(4)
    x, w = rng.standard_normal((1, 35, 7, 7)).astype("f4"), rng.standard_normal((35, 130, size, size)).astype("f4")
    one = None
    for workers in (1, 2, 1):
        poison()
        found = nn.conv_transpose2d(x, w, stride=stride, padding=1, workers=workers)
        assert np.isfinite(found).all()
        assert one is None or np.array_equal(one, found)
        one = found
