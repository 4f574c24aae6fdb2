"""Volumes: planes summed four at a time, in chunks of rows, on one thread and several, against sums of our own."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from scipy import ndimage

import fastconv as fc
from fastconv.backends.sweeps import planes

RANDOM = np.random.default_rng(411)
TAPS = [RANDOM.standard_normal(n) for n in (3, 5, 4)]
KERNEL = np.einsum("i,j,k", *TAPS)


def separable(image: np.ndarray, **options: Any) -> np.ndarray:
    axes = tuple(range(image.ndim - 3, image.ndim))
    return fc.correlate(image, KERNEL, axes=axes, method="separable", **options)


@pytest.mark.parametrize("shape", [(9, 23, 31), (16, 40, 300), (3, 50, 60), (64, 20, 17), (1, 5, 6), (2, 9, 11, 13)])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64", "float16"])
@pytest.mark.parametrize("mode", ["reflect", "wrap", "constant", "nearest", "mirror"])
def test_volumes(shape: tuple[int, ...], dtype: str, mode: str) -> None:
    image = (RANDOM.random(shape) * 200).astype(dtype)
    got = separable(image, mode=mode, cval=7.0)
    wide, axes = image.astype(float), range(image.ndim - 3, image.ndim)
    for taps, axis in zip(TAPS, axes, strict=True):
        cval = 7.0 * np.prod([t.sum() for t, a in zip(TAPS, axes, strict=True) if a < axis])
        wide = ndimage.correlate1d(wide, taps, axis, mode=mode, cval=cval)
    if min(shape[-3:]) >= 5:  # in shorter axes SciPy's borders differ
        scale = np.abs(KERNEL).sum() * 200
        assert np.abs(got - wide).max() <= (1e-3 if dtype == "float16" else 1e-6) * scale
    direct = fc.correlate(image.astype(float), KERNEL, axes=tuple(axes), mode=mode, cval=7.0, method="direct")
    assert np.abs(got - direct).max() <= (1e-3 if dtype == "float16" else 1e-6) * np.abs(KERNEL).sum() * 200
    assert np.abs(direct).max() > 10


@pytest.mark.parametrize("options", [{"stride": 2}, {"stride": (1, 2, 1)}, {"dilation": (2, 1, 1)}, {"dilation": 2}])
def test_strides_and_dilation(options: dict[str, Any]) -> None:
    image = RANDOM.random((19, 33, 50))
    exact = np.asarray(oracle.correlate(image, KERNEL, **options).value, float)
    np.testing.assert_allclose(separable(image, **options), exact, rtol=0, atol=1e-12)
    np.testing.assert_allclose(separable(image.astype("f4"), **options), exact, rtol=0, atol=1e-4)


@pytest.mark.parametrize("room", [1, 30_000, 10**8])
def test_same_bits_for_any_chunk_and_number_of_workers(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image = RANDOM.random((37, 61, 90)).astype("f4")
    whole = separable(image, workers=1)
    monkeypatch.setattr(planes, "ROOM_BYTES", room)
    monkeypatch.setattr(planes, "LEAST_ROWS", 4)
    fc.engine.clear_caches()
    for workers in (1, 2, 3, 7):
        for _ in range(3):
            np.testing.assert_array_equal(separable(image, workers=workers), whole)
    fc.engine.clear_caches()


def test_a_volume_is_one_call_of_a_compiled_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    call = planes.Planes.call

    def counted(self: planes.Planes, *args: Any) -> Any:
        made.append(args[2:4])
        return call(self, *args)

    monkeypatch.setattr(planes.Planes, "call", counted)
    fc.engine.clear_caches()
    image = RANDOM.random((30, 40, 50)).astype("f4")
    separable(image, workers=1)
    assert set(made) == {(0, 30 * 40)}
    fc.engine.clear_caches()
