"""New weights of a size that was seen before compile nothing: they are data, not code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import fastconv as fc
from fastconv.loops import jit

random = np.random.default_rng(3)


def compiled_by(call: Callable[[], object]) -> int:
    before = jit.stats()["specialisations"]
    call()
    return jit.stats()["specialisations"] - before


@pytest.fixture(params=["float32", "uint8", "float64"])
def image(request: pytest.FixtureRequest) -> np.ndarray:
    return (random.random((90, 131)) * 200).astype(request.param)


def test_what_is_counted() -> None:
    loop = jit.loop(_twice)
    assert compiled_by(lambda: loop(np.zeros(3))) == 1
    assert compiled_by(lambda: loop(np.ones(9))) == 0


def _twice(values: np.ndarray) -> None:
    values *= 2


@pytest.mark.parametrize(
    ("first", "others"), [(1.0, (0.9, 0.95, 1.05, 1.1, 1.124)), (3.0, (2.9, 2.95, 3.01, 3.1, 3.124))]
)
def test_a_new_sigma_of_the_same_radius(image: np.ndarray, first: float, others: tuple[float, ...]) -> None:
    fc.gaussian(image, first, dtype="same")
    assert {
        sigma: compiled_by(lambda s=sigma: fc.gaussian(image, s, dtype="same")) for sigma in others
    } == dict.fromkeys(others, 0)


def test_a_new_radius_of_many_taps(image: np.ndarray) -> None:
    fc.gaussian(image, 3.0, dtype="same")
    fc.gaussian(image, 9.0, dtype="same")  # lines of many taps have loops of their own
    assert compiled_by(lambda: fc.gaussian(image, 3.4, dtype="same")) == 0
    assert compiled_by(lambda: fc.gaussian(image, 11.7, dtype="same")) == 0


@pytest.mark.parametrize("shape", [(5, 5), (3, 3), (4, 7), (15, 15)])
def test_a_new_kernel_of_the_same_size(image: np.ndarray, shape: tuple[int, int]) -> None:
    kernels = [random.random(shape) / 100 for _ in range(4)]
    fc.correlate(image, kernels[0], dtype="same")
    assert [compiled_by(lambda k=k: fc.correlate(image, k, dtype="same")) for k in kernels[1:]] == [0, 0, 0]


def test_new_taps_of_the_same_lengths(image: np.ndarray) -> None:
    taps = [(random.random(5) / 5, random.random(8) / 8) for _ in range(4)]
    fc.correlate_separable(image, taps[0], dtype="same")
    assert [compiled_by(lambda t=t: fc.correlate_separable(image, t, dtype="same")) for t in taps[1:]] == [0, 0, 0]
