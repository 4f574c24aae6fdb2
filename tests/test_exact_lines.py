"""Chains of 1-D passes have the bytes that scipy.ndimage.correlate1d leaves, pass by pass, in the output's dtype."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi

from fastconv.backends.exact import Finish, Line, LinesJob
from fastconv.core.border import MODES

DTYPES = ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
LONGEST = {1: 40, 2: 14, 3: 9, 4: 7}


def filtered(
    lines: list[Line], image: np.ndarray, dtype: str, cval: float, finish: Finish = Finish.STORE
) -> np.ndarray:
    out = np.empty(image.shape, dtype)
    LinesJob(tuple(lines), image.shape, image.strides, image.dtype, out.dtype, cval, finish).execute(image, out)
    return out


def some_image(rng: np.random.Generator, dtype: str) -> np.ndarray:
    ndim = int(rng.integers(1, 5))
    shape = tuple(int(n) for n in rng.integers(1, LONGEST[ndim] + 1, ndim))
    if ndim == 2 and rng.random() < 0.2:
        shape = (int(rng.integers(1, 30)), int(rng.integers(500, 1400)))
    if ndim > 1 and rng.random() < 0.3:
        shape = (*shape[:-1], 3)
    image = (rng.normal(size=shape) * 100 if dtype[0] in "if" else rng.integers(0, 200, shape)).astype(dtype)
    if rng.random() < 0.2:
        return np.asfortranarray(image)
    return np.repeat(image, 2, axis=-1)[..., ::2] if rng.random() < 0.2 else image


def some_taps(rng: np.random.Generator, size: int) -> np.ndarray:
    taps = rng.normal(size=size)
    kind = rng.integers(3)
    return taps if kind == 0 else taps + taps[::-1] if kind == 1 else taps - taps[::-1]


def assert_same_bytes(ours: np.ndarray, theirs: np.ndarray, what: object) -> None:
    if ours.dtype.kind == "f":  # the sign of a NaN is no one's promise
        assert np.array_equal(np.isnan(ours), np.isnan(theirs)), what
        ours, theirs = np.nan_to_num(ours, nan=0.0, posinf=None), np.nan_to_num(theirs, nan=0.0, posinf=None)
    assert ours.tobytes() == theirs.tobytes(), what


@pytest.mark.parametrize("seed", range(6))
def test_chains_have_scipys_bytes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(100):
        dtype, stored = (str(rng.choice(DTYPES)) for _ in range(2))
        image = some_image(rng, dtype)
        cval = float(rng.choice([0.0, 1.5, -3.0]))
        lines = []
        expected, current = np.empty(image.shape, stored), image
        for axis in rng.permutation(image.ndim)[: rng.integers(1, image.ndim + 1)]:
            size = int(rng.integers(1, 12))
            taps, mode = some_taps(rng, size), str(rng.choice(list(MODES)))
            origin = int(rng.integers(-(size // 2), (size - 1) // 2 + 1))
            lines.append(Line(int(axis), taps.tobytes(), origin, mode))
            ndi.correlate1d(current, taps, int(axis), expected, mode, cval, origin)
            current = expected
        what = (image.shape, image.strides, dtype, stored, cval, [(x.axis, x.size, x.origin, x.mode) for x in lines])
        assert_same_bytes(filtered(lines, image, stored, cval), expected, what)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
@pytest.mark.parametrize("axis", [0, 1])
def test_finishes_compute_in_the_output_dtype(dtype: str, axis: int) -> None:
    rng = np.random.default_rng(3)
    image = (rng.random((13, 37)) * 200).astype(dtype)
    taps = np.array([-1.0, 0.25, 2.0])
    line = Line(axis, taps.tobytes(), 0, "reflect")
    single = ndi.correlate1d(image, taps, axis)
    there = (rng.random(image.shape) * 90).astype(dtype)
    expected = {
        Finish.ADD: there + single,
        Finish.SQUARE: single * single,
        Finish.ADD_SQUARE: there + single * single,
        Finish.ADD_SQUARE_ROOT: np.sqrt(there + single * single).astype(dtype),
    }
    for finish, wanted in expected.items():
        out = there.copy()
        LinesJob((line,), image.shape, image.strides, image.dtype, out.dtype, 0.0, finish).execute(image, out)
        assert_same_bytes(out, wanted, finish)


def test_any_number_of_workers_gives_the_same_bytes() -> None:
    rng = np.random.default_rng(5)
    image = rng.random((700, 900)).astype("f4")
    taps = rng.normal(size=9)
    lines = tuple(Line(axis, taps.tobytes(), 1, "mirror") for axis in (0, 1))
    job = LinesJob(lines, image.shape, image.strides, image.dtype, image.dtype, 0.0)
    results = []
    for workers in (1, 2, 3):
        out = np.empty_like(image)
        job.execute(image, out, workers)
        results.append(out.tobytes())
    assert results[0] == results[1] == results[2]
    assert results[0] == ndi.correlate1d(ndi.correlate1d(image, taps, 0, None, "mirror", 0, 1), taps, 1, None, "mirror",
                                         0, 1).tobytes()  # fmt: skip
