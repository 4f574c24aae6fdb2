"""Correlations in any dimensions have the bytes that scipy.ndimage.correlate leaves."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi

from fastconv.backends.exact import WindowJob
from fastconv.core.border import MODES

DTYPES = ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
LONGEST = {1: 40, 2: 14, 3: 9, 4: 6}
PADS = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}


def correlated(
    weights: np.ndarray, image: np.ndarray, dtype: str, modes: tuple[str, ...], cval: float, origin: tuple[int, ...],
    workers: int | None = None,
) -> np.ndarray:  # fmt: skip
    out = np.empty(image.shape, dtype)
    before = tuple(k // 2 + o for k, o in zip(weights.shape, origin, strict=True))
    job = WindowJob(weights, before, modes, image.shape, image.strides, image.dtype, out.dtype, cval)
    job.execute(image, out, workers)
    return out


def assert_same_bytes(ours: np.ndarray, theirs: np.ndarray, what: object) -> None:
    if ours.dtype.kind == "f":  # the sign of a NaN is no one's promise
        assert np.array_equal(np.isnan(ours), np.isnan(theirs)), what
        ours, theirs = np.nan_to_num(ours, nan=0.0, posinf=None), np.nan_to_num(theirs, nan=0.0, posinf=None)
    assert ours.tobytes() == theirs.tobytes(), what


def some_image(rng: np.random.Generator, dtype: str) -> np.ndarray:
    ndim = int(rng.integers(1, 5))
    shape = tuple(int(n) for n in rng.integers(1, LONGEST[ndim] + 1, ndim))
    if ndim == 2 and rng.random() < 0.2:
        shape = (int(rng.integers(1, 30)), int(rng.integers(500, 1400)))
    if ndim > 1 and rng.random() < 0.3:
        shape = (*shape[:-1], 3)
    image = (rng.normal(size=shape) * 100 if dtype[0] in "if" else rng.integers(0, 200, shape)).astype(dtype)
    kind = rng.integers(5)
    if kind == 0:
        return np.asfortranarray(image)
    if kind == 1:
        return np.repeat(image, 2, axis=-1)[..., ::2]
    return np.ascontiguousarray(image[::-1])[::-1] if kind == 2 else image


def some_weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    most = {1: 13, 2: 7, 3: 4, 4: 3}[len(shape)]
    size = tuple(int(k) for k in rng.integers(1, most + 1, len(shape)))
    if rng.random() < 0.4:
        size = (*size[:-1], 1)
    weights = rng.normal(size=size)
    weights[rng.random(size) < rng.choice([0.0, 0.15, 0.4])] = 0.0
    return np.rint(weights * 3) if rng.random() < 0.2 else weights


@pytest.mark.parametrize("seed", range(4))
def test_windows_have_scipys_bytes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(100):
        dtype, stored = (str(rng.choice(DTYPES)) for _ in range(2))
        image, cval = some_image(rng, dtype), float(rng.choice([0.0, 1.5, -3.0]))
        weights = some_weights(rng, image.shape)
        mode = str(rng.choice(list(MODES)))
        origin = tuple(int(rng.integers(-(k // 2), (k - 1) // 2 + 1)) for k in weights.shape)
        if mode == "reflect" and any(k >= 4 * n for k, n in zip(weights.shape, image.shape, strict=True)):
            continue  # SciPy reads outside its image here
        expected = np.empty(image.shape, stored)
        ndi.correlate(image, weights, expected, mode, cval, origin)
        what = (image.shape, image.strides, dtype, stored, weights.shape, mode, cval, origin)
        assert_same_bytes(correlated(weights, image, stored, (mode,) * image.ndim, cval, origin), expected, what)


def test_zeros_in_a_kernel_for_integers_and_a_constant_that_is_not_finite() -> None:
    rng = np.random.default_rng(6)
    image = rng.integers(0, 200, (23, 70), dtype="u1")
    weights = rng.normal(size=(5, 3))
    weights[1, 1] = weights[4, 0] = 0.0
    for cval in (7.0, np.inf, np.nan):
        expected = ndi.correlate(image, weights, np.float64, "constant", cval)
        assert_same_bytes(correlated(weights, image, "f8", ("constant",) * 2, cval, (0, 0)), expected, cval)


def plain(weights: np.ndarray, image: np.ndarray, modes: tuple[str, ...], cval: float) -> np.ndarray:
    """Padded by NumPy axis by axis, then one sum of Python floats for each output."""
    padded = image.astype(float)
    for axis, (k, mode) in enumerate(zip(weights.shape, modes, strict=True)):
        width = [(0, 0)] * image.ndim
        width[axis] = (k // 2, k - 1 - k // 2)
        options = {"constant_values": cval} if PADS[mode] == "constant" else {}
        padded = np.pad(padded, width, PADS[mode], **options)  # type: ignore[call-overload]
    sums = np.zeros(image.shape)
    for at in np.ndindex(weights.shape):
        if weights[at] != 0:
            window = tuple(slice(a, a + n) for a, n in zip(at, image.shape, strict=True))
            sums = sums + padded[window] * weights[at]
    return sums


@pytest.mark.parametrize("modes", [("reflect", "wrap"), ("mirror", "reflect"), ("constant", "nearest"),
                                   ("wrap", "constant"), ("nearest", "mirror")])  # fmt: skip
def test_modes_of_axes_and_kernels_longer_than_the_image(modes: tuple[str, str]) -> None:
    rng = np.random.default_rng(8)
    for shape in ((1, 1), (2, 3), (3, 1), (5, 4), (1, 9)):
        image = rng.normal(size=shape)
        for size in ((1, 1), (3, 4), (13, 27), (40, 2), (1, 50)):
            weights = rng.normal(size=size)
            assert_same_bytes(correlated(weights, image, "f8", modes, 2.5, (0, 0)), plain(weights, image, modes, 2.5),
                              (shape, size))  # fmt: skip


def test_what_is_not_finite_counts_only_where_a_weight_is_not_zero() -> None:
    rng = np.random.default_rng(4)
    image = rng.normal(size=(20, 33)).astype("f4")
    image[3, 4], image[11, 30], image[19, 0] = np.nan, np.inf, -np.inf
    weights = np.array([[1.0, 0.0, -1.0], [0.0, 0.0, 2.0], [0.5, 0.0, 0.0]])
    expected = ndi.correlate(image, weights)
    assert np.isfinite(expected).any()
    assert np.isnan(expected).any()
    assert_same_bytes(correlated(weights, image, "f4", ("reflect",) * 2, 0.0, (0, 0)), expected, "")
    full = rng.normal(size=(4, 3))
    assert_same_bytes(correlated(full, image, "f4", ("mirror",) * 2, 0.0, (0, 0)),
                      ndi.correlate(image, full, mode="mirror"), "full")  # fmt: skip
    nothing = correlated(np.zeros((3, 3)), image, "f4", ("reflect",) * 2, 0.0, (0, 0))
    assert not nothing.any()


def test_weights_too_small_for_scipy_count() -> None:
    image = np.full((4, 5), 2.0**52)
    got = correlated(np.array([[2.0**-53, 1.0]]), image, "f8", ("constant",) * 2, 0.0, (0, -1))
    assert got[0].tolist() == [2.0**52] * 4 + [0.5]


@pytest.mark.parametrize("shape", [(700, 900), (40, 50, 120), (3, 60000)])
def test_any_number_of_workers_gives_the_same_bytes(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    image, weights = rng.random(shape).astype("f4"), rng.normal(size=(3,) * len(shape))
    expected = ndi.correlate(image, weights, mode="mirror").tobytes()
    for workers in (1, 2, 3):
        got = correlated(weights, image, "f4", ("mirror",) * len(shape), 0.0, (0,) * len(shape), workers)
        assert got.tobytes() == expected


@pytest.mark.parametrize("shape", [(0,), (0, 4), (4, 0), (3, 0, 2)])
def test_empty_images(shape: tuple[int, ...]) -> None:
    got = correlated(np.ones((3,) * len(shape)), np.empty(shape), "f8", ("reflect",) * len(shape), 0.0,
                     (0,) * len(shape))  # fmt: skip
    assert got.shape == shape
