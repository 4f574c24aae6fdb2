"""Running sums of several rows at once: against SciPy, plain sums, and themselves on more workers."""

import numpy as np
import pytest
from scipy import ndimage

import fastconv as fc

RNG = np.random.default_rng(7)
HALF = 0.5 + 1e-4


def image(shape, dtype):
    return (RNG.random(shape) * 200 - (50 if np.dtype(dtype).kind in "if" else 0)).astype(dtype)


def tolerance(dtype):
    dtype = np.dtype(dtype)
    return HALF if dtype.kind in "iu" else 2e-4 if dtype.itemsize == 4 else 1e-10


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "constant"])
@pytest.mark.parametrize("shape", [(33, 64), (70, 47), (150, 301), (17, 16), (5, 131)])
def test_scipys_means(shape, mode, dtype):
    a = image(shape, dtype)
    for size in ((15, 9), (6, 21), (40, 2)):
        ours = fc.box(a, size, mode=mode, cval=3, method="running_sum").astype(np.float64)
        theirs = ndimage.uniform_filter(a.astype(np.float64), size, mode=mode, cval=3)
        assert np.abs(ours - theirs).max() < tolerance(dtype)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_channels_are_chains_of_their_own(channels, dtype):
    a = image((40, 53, channels), dtype)
    ours = fc.box(a, (7, 12), axes=(0, 1), method="running_sum").astype(np.float64)
    theirs = ndimage.uniform_filter(a.astype(np.float64), (7, 12, 1))
    assert np.abs(ours - theirs).max() < tolerance(dtype)


@pytest.mark.parametrize("make", [lambda a: a[:, ::2], lambda a: np.asfortranarray(a), lambda a: a.astype(">i2")])
def test_rows_that_are_copied_first(make):
    a = make(image((61, 90), "uint8"))
    ours = fc.box(a, (11, 8), method="running_sum").astype(np.float64)
    assert np.abs(ours - ndimage.uniform_filter(a.astype(np.float64), (11, 8))).max() < HALF


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_volumes(dtype):
    a = image((9, 37, 50), dtype)
    ours = fc.box(a, (3, 8, 15), axes=(0, 1, 2), method="running_sum").astype(np.float64)
    assert np.abs(ours - ndimage.uniform_filter(a.astype(np.float64), (3, 8, 15))).max() < tolerance(dtype)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_stays_in_its_windows(value, dtype):
    a = image((150, 61), dtype)
    for y, x in ((0, 0), (70, 60), (77, 33)):
        a[y, x] = value
    ours = fc.box(a, (13, 6), method="running_sum")
    np.testing.assert_allclose(ours, fc.box(a, (13, 6), method="direct"), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_same_bits_for_any_number_of_workers(dtype):
    a = image((1500, 900), dtype) * 1.1 if dtype == "float32" else image((1500, 900), dtype)
    a = a.astype(dtype)
    one = fc.box(a, 31, workers=1, method="running_sum")
    for workers in (2, 3):
        assert np.array_equal(one, fc.box(a, 31, workers=workers, method="running_sum"))


def test_large_values_leave_little_behind():
    a = image((300, 64), "float32")
    a[10, 10] = 1e7
    ours = fc.box(a, 9, method="running_sum")
    theirs = ndimage.convolve(a.astype(np.float64), np.full((9, 9), 1 / 81))
    np.testing.assert_allclose(ours[100:], theirs[100:], rtol=1e-6, atol=1e-5)
