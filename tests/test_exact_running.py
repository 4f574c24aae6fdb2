"""Running means have the bytes that scipy.ndimage.uniform_filter1d leaves, pass by pass, in the output's dtype."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi

from fastconv.backends.exact import Box, RunningJob
from fastconv.core.border import MODES

DTYPES = ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
LONGEST = {1: 40, 2: 24, 3: 12, 4: 7}


def averaged(
    boxes: list[Box], image: np.ndarray, dtype: str, cval: float = 0.0, workers: int | None = None
) -> np.ndarray:
    out = np.empty(image.shape, dtype)
    RunningJob(tuple(boxes), image.shape, image.strides, image.dtype, out.dtype, cval).execute(image, out, workers)
    return out


def scipys(boxes: list[Box], image: np.ndarray, dtype: str, cval: float = 0.0) -> np.ndarray:
    out, current = np.empty(image.shape, dtype), image
    for axis, size, before, mode in boxes:
        ndi.uniform_filter1d(current, size, axis, out, mode, cval, before - size // 2)
        current = out
    return out


def assert_same_bytes(ours: np.ndarray, theirs: np.ndarray, what: object) -> None:
    if ours.dtype.kind == "f":  # the sign of a NaN is no one's promise
        assert np.array_equal(np.isnan(ours), np.isnan(theirs)), what
        ours, theirs = np.nan_to_num(ours, nan=0.0, posinf=None), np.nan_to_num(theirs, nan=0.0, posinf=None)
    assert ours.tobytes() == theirs.tobytes(), what


def some_image(rng: np.random.Generator, dtype: str) -> np.ndarray:
    ndim = int(rng.integers(1, 5))
    shape = tuple(int(n) for n in rng.integers(1, LONGEST[ndim] + 1, ndim))
    if ndim == 2 and rng.random() < 0.3:
        shape = (int(rng.integers(1, 30)), int(rng.integers(500, 900)))[:: rng.choice([-1, 1])]
    if ndim > 1 and rng.random() < 0.3:
        shape = (*shape[:-1], 3)
    image = (rng.normal(size=shape) * 100 if dtype[0] in "if" else rng.integers(0, 200, shape)).astype(dtype)
    kind = rng.integers(6)
    if kind == 0:
        return np.asfortranarray(image)
    if kind == 1:
        return np.repeat(image, 2, axis=-1)[..., ::2]
    if kind == 2:
        return np.ascontiguousarray(image[..., ::-1])[..., ::-1]
    return np.repeat(image, 2, axis=0)[::2] if kind == 3 else image


@pytest.mark.parametrize("seed", range(6))
def test_passes_have_scipys_bytes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(100):
        dtype, stored = (str(rng.choice(DTYPES)) for _ in range(2))
        stored = dtype if rng.random() < 0.5 else stored
        image, cval = some_image(rng, dtype), float(rng.choice([0.0, 1.5, -3.0, 1e-310]))
        boxes = []
        for axis in rng.permutation(image.ndim)[: rng.integers(1, image.ndim + 1)]:
            size = int(rng.integers(1, 12) if rng.random() < 0.8 else rng.integers(1, 70))
            origin = int(rng.integers(-(size // 2), (size - 1) // 2 + 1))
            boxes.append(Box(int(axis), size, size // 2 + origin, str(rng.choice(list(MODES)))))
        what = (image.shape, image.strides, dtype, stored, cval, boxes)
        assert_same_bytes(averaged(boxes, image, stored, cval), scipys(boxes, image, stored, cval), what)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_not_finite_stays_to_the_end_of_its_line(dtype: str, axis: int) -> None:
    rng = np.random.default_rng(2)
    image = rng.normal(size=(50, 61)).astype(dtype)
    image[20, 3], image[31, 40], image[45, 5] = np.nan, np.inf, -np.inf
    boxes = [Box(axis, 5, 2, "reflect")]
    expected = scipys(boxes, image, dtype)
    assert np.isnan(np.take(expected, -1, axis)).sum() == 3
    assert_same_bytes(averaged(boxes, image, dtype), expected, "")


@pytest.mark.parametrize("axis", [0, 1])
def test_quotients_are_rounded_as_divisions_are(axis: int) -> None:
    rng = np.random.default_rng(9)
    shape = (37, 41)
    exponents = rng.integers(-149, 127, shape)
    wide = (rng.normal(size=shape) * 2.0**exponents).astype("f4")
    for image in (wide, rng.integers(0, 2**64, shape, dtype="u8"), rng.normal(size=shape) * 2.0 ** (exponents * 7)):
        for size in (3, 5, 7, 11, 23, 49, 1001):
            boxes = [Box(axis, size, size // 2, "wrap")]
            assert_same_bytes(averaged(boxes, image, "f8"), scipys(boxes, image, "f8"), (image.dtype, size))


@pytest.mark.parametrize("shape", [(700, 900), (40, 50, 120), (3, 60000), (60000, 3), (90, 80, 90)])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_any_number_of_workers_gives_the_same_bytes(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(5)
    image = (rng.random(shape) * 200).astype(dtype)
    boxes = [Box(axis, 9, 4, "mirror") for axis in range(len(shape))]
    expected = scipys(boxes, image, dtype).tobytes()
    for workers in (1, 2, 3):
        assert averaged(boxes, image, dtype, 0.0, workers).tobytes() == expected


def test_a_last_axis_of_one_sample_has_a_stride_that_means_nothing() -> None:
    image = np.asfortranarray(np.random.default_rng(1).normal(size=(4, 5, 20, 1)))
    assert image.strides[-1] != image.itemsize
    for axis in range(4):
        boxes = [Box(axis, 4, 1, "reflect")]
        assert_same_bytes(averaged(boxes, image, "f8"), scipys(boxes, image, "f8"), axis)


@pytest.mark.parametrize("shape", [(0,), (0, 4), (4, 0), (3, 0, 2)])
def test_empty_images(shape: tuple[int, ...]) -> None:
    boxes = [Box(axis, 3, 1, "reflect") for axis in range(len(shape))]
    assert averaged(boxes, np.empty(shape), "f8").shape == shape
