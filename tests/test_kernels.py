"""The coefficients: against SciPy's and scikit-image's impulse responses, their formulas, sums and moments."""

from __future__ import annotations

import inspect
import itertools
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.filters as skf
from numpy.testing import assert_allclose, assert_array_equal
from skimage.morphology import disk as skimage_disk

from fastconv import kernels
from fastconv.kernels import checks


def impulse_response(operator, shape):
    """The kernel in correlation order that ``operator`` applies, from its answer to a single 1."""
    image = np.zeros(shape)
    image[tuple(n // 2 for n in shape)] = 1.0
    return operator(image)[(slice(None, None, -1),) * len(shape)]


def around(kernel, shape):
    """``kernel`` in the middle of zeros."""
    return np.pad(kernel, [((n - k) // 2, (n - k) // 2) for n, k in zip(shape, kernel.shape, strict=True)])


def correlate_middle(kernel, values):
    """The sum of kernel times values, ``values`` a function of each axis's offset from the centre."""
    offsets = np.meshgrid(*(np.arange(n) - n // 2 for n in kernel.shape), indexing="ij")
    return float((kernel * values(*offsets)).sum())


# 1-D taps


@pytest.mark.parametrize("sigma", [0.2, 0.3, 0.5, 1.0, 1.37, 2.0, 5.5, 12.0])
@pytest.mark.parametrize("order", range(6))
def test_gaussian_taps_are_scipys_to_the_bit(sigma, order):
    taps = kernels.gaussian_taps(sigma, order=order)
    n = len(taps)
    assert n == 2 * int(4.0 * sigma + 0.5) + 1
    assert_array_equal(taps, impulse_response(lambda x: ndi.gaussian_filter1d(x, sigma, order=order), (n,)))


@pytest.mark.parametrize(("truncate", "radius"), [(2.0, None), (4.0, 3), (1.3, None), (0.01, 7)])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_gaussian_taps_are_cut_where_scipy_cuts(order, truncate, radius):
    def scipys(x):
        return ndi.gaussian_filter1d(x, 1.7, order=order, truncate=truncate, radius=radius)

    taps = kernels.gaussian_taps(1.7, order=order, truncate=truncate, radius=radius)
    assert_array_equal(around(taps, (31,)), impulse_response(scipys, (31,)))


def test_gaussian_taps_follow_the_formula():
    sigma, r = 2.5, 12
    x = np.arange(-r, r + 1) / sigma
    bell = np.array([math.exp(-v * v / 2) for v in x])
    bell /= math.fsum(bell)
    assert_allclose(kernels.gaussian_taps(sigma, radius=r), bell, rtol=1e-14)
    # g'(-x) = x g, g'' = (x^2 - 1) g, g'''(-x) = (x^3 - 3 x) g, in units of sigma
    assert_allclose(kernels.gaussian_taps(sigma, order=1, radius=r), x * bell / sigma, rtol=1e-13)
    assert_allclose(kernels.gaussian_taps(sigma, order=2, radius=r), (x**2 - 1) * bell / sigma**2, rtol=1e-12)
    assert_allclose(kernels.gaussian_taps(sigma, order=3, radius=r), (x**3 - 3 * x) * bell / sigma**3, rtol=1e-12)


@pytest.mark.parametrize("sigma", [0, 0.0, 1e-16, 1e-15])
def test_a_gaussian_of_no_width_is_the_identity(sigma):
    assert_array_equal(kernels.gaussian_taps(sigma), [1.0])
    assert_array_equal(kernels.gaussian_taps(sigma, order=2, radius=5), [1.0])
    assert kernels.gaussian((sigma, 1.0)).shape == (1, 9)
    image = np.arange(12.0).reshape(3, 4)
    assert_array_equal(ndi.gaussian_filter(image, sigma, order=1), image)  # what SciPy makes of it


def test_a_high_derivative_of_a_wide_gaussian_does_not_wrap():
    taps = kernels.gaussian_taps(400.0, order=7, truncate=8.0)  # 3200^7 is beyond int64
    assert np.isfinite(taps).all()
    assert_allclose(taps, -taps[::-1], rtol=1e-12)
    assert_allclose(correlate_middle(taps, lambda x: x.astype(float) ** 7), math.factorial(7), rtol=1e-6)


@pytest.mark.parametrize("order", range(5))
def test_gaussian_derivatives_have_the_moments_of_a_derivative(order):
    taps = kernels.gaussian_taps(3.0, order=order, truncate=8.0)
    for power in range(order + 1):
        expected = math.factorial(order) if power == order else 0.0
        assert_allclose(correlate_middle(taps, lambda x, p=power: x**p), expected, atol=1e-8)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10])
def test_box_and_binomial_taps(size):
    assert_array_equal(kernels.box_taps(size), [1.0 / size] * size)
    row = [Fraction(1)]
    for _ in range(size - 1):
        row = [a + b for a, b in zip([*row, Fraction(0)], [Fraction(0), *row], strict=True)]
    assert_array_equal(kernels.binomial_taps(size), [float(v / 2 ** (size - 1)) for v in row])


def test_long_binomial_taps_are_finite_and_sum_to_one():
    taps = kernels.binomial_taps(1024)
    assert np.isfinite(taps).all()
    assert_allclose(taps.sum(), 1.0, rtol=1e-14)
    assert_allclose(correlate_middle(taps, lambda x: (x + 0.5) ** 2), 1023 / 4, rtol=1e-12)


# derivative operators

SCIPYS = {"sobel": ndi.sobel, "prewitt": ndi.prewitt}


@pytest.mark.parametrize("name", SCIPYS)
@pytest.mark.parametrize(("ndim", "axis"), [(1, 0), (2, 0), (2, 1), (2, -1), (2, -2), (3, 0), (3, 1), (3, -1)])
def test_sobel_and_prewitt_are_scipys(name, ndim, axis):
    shape = (5, 7, 9)[:ndim]
    kernel = getattr(kernels, name)(axis, ndim)
    assert_array_equal(around(kernel, shape), impulse_response(lambda x: SCIPYS[name](x, axis=axis), shape))


@pytest.mark.parametrize(
    ("ours", "theirs", "gain"),
    [
        (kernels.sobel(0), skf.sobel_h, 4),
        (kernels.sobel(1), skf.sobel_v, 4),
        (kernels.prewitt(0), skf.prewitt_h, 3),
        (kernels.prewitt(1), skf.prewitt_v, 3),
        (kernels.scharr(0), skf.scharr_h, 16),
        (kernels.scharr(1), skf.scharr_v, 16),
        (kernels.farid(0), skf.farid_h, 1),
        (kernels.farid(1), skf.farid_v, 1),
    ],
)
def test_derivatives_are_scikit_images_but_for_scale(ours, theirs, gain):
    assert_allclose(around(ours, (11, 13)), gain * impulse_response(theirs, (11, 13)), rtol=0, atol=4e-15)


@pytest.mark.parametrize(("name", "smooth"), [("sobel", 4), ("prewitt", 3), ("scharr", 16), ("farid", 1)])
@pytest.mark.parametrize(("ndim", "axis"), [(1, 0), (2, 0), (2, 1), (3, 1)])
def test_derivatives_of_ramps(name, smooth, ndim, axis):
    kernel = getattr(kernels, name)(axis, ndim)
    slope = correlate_middle(kernels.derivative_taps(name), lambda x: x)
    assert_allclose(slope, 0.9918 if name == "farid" else 2.0, atol=1e-4 if name == "farid" else 0)
    for along in range(ndim):
        gain = correlate_middle(kernel, lambda *x, a=along: x[a])
        assert_allclose(gain, slope * smooth ** (ndim - 1) if along == axis else 0.0, atol=1e-13)
    assert_allclose(kernel.sum(), 0.0, atol=1e-15)
    assert_array_equal(kernel, -np.flip(kernel, axis))
    assert_array_equal(kernels.smoothing_taps(name), kernels.smoothing_taps(name)[::-1])
    assert_allclose(kernels.smoothing_taps(name).sum(), smooth, rtol=1e-15)


def test_farids_taps_are_the_published_ones():
    assert_allclose(kernels.smoothing_taps("farid"), [0.037659, 0.249153, 0.426375, 0.249153, 0.037659], atol=5e-7)
    assert_allclose(kernels.derivative_taps("farid"), [-0.109604, -0.276691, 0, 0.276691, 0.109604], atol=5e-7)


@pytest.mark.parametrize(("axis", "theirs"), [(0, skf.roberts_pos_diag), (1, skf.roberts_neg_diag)])
def test_roberts_is_scikit_images(axis, theirs):
    image = np.random.default_rng(3).random((7, 5))
    assert_array_equal(ndi.correlate(image, kernels.roberts(axis), origin=-1), theirs(image))
    assert_array_equal(kernels.roberts(axis - 2), kernels.roberts(axis))
    assert correlate_middle(kernels.roberts(axis), lambda y, x: y) == 1.0
    assert correlate_middle(kernels.roberts(axis), lambda y, x: x) == (1.0, -1.0)[axis]


# sums of kernels


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_laplace_is_scipys(ndim):
    shape = (5, 7, 9)[:ndim]
    assert_array_equal(around(kernels.laplace(ndim), shape), impulse_response(ndi.laplace, shape))
    diagonal = kernels.laplace(ndim, diagonals=True)
    assert diagonal.sum() == 0.0
    assert np.count_nonzero(diagonal == 1.0) == 3**ndim - 1
    assert correlate_middle(diagonal, lambda *x: x[0] ** 2) == 2.0 * 3 ** (ndim - 1)


def test_laplace_is_scikit_images_negated():
    assert_array_equal(around(kernels.laplace(), (7, 9)), -impulse_response(skf.laplace, (7, 9)))


@pytest.mark.parametrize("sigma", [1.0, (0.7, 1.4), (1.3, 0.6)])
def test_gaussians_are_scipys(sigma):
    shape = (15, 17)

    def close(kernel, operator):
        assert_allclose(around(kernel, shape), impulse_response(operator, shape), rtol=0, atol=1e-15)

    close(kernels.gaussian(sigma), lambda x: ndi.gaussian_filter(x, sigma))
    close(kernels.gaussian(sigma, order=(1, 2)), lambda x: ndi.gaussian_filter(x, sigma, order=(1, 2)))
    close(kernels.gaussian(sigma, radius=(2, 3)), lambda x: ndi.gaussian_filter(x, sigma, radius=(2, 3)))
    close(kernels.gaussian_laplace(sigma), lambda x: ndi.gaussian_laplace(x, sigma))
    close(
        kernels.gaussian_laplace(sigma, truncate=2.0),
        lambda x: ndi.gaussian_laplace(x, sigma, truncate=2.0),
    )


def test_gaussian_laplace_of_a_volume():
    kernel = kernels.gaussian_laplace((0.5, 0.8, 1.0))
    shape = (5, 7, 9)
    expected = impulse_response(lambda x: ndi.gaussian_laplace(x, (0.5, 0.8, 1.0)), shape)
    assert_allclose(kernel, expected, rtol=0, atol=1e-14)


def test_gaussian_laplace_is_of_rank_two_and_measures_curvature():
    kernel = kernels.gaussian_laplace(2.0)
    assert np.linalg.matrix_rank(kernel) == 2
    assert_allclose(kernel.sum(), 0.0, atol=1e-3)
    assert_allclose(correlate_middle(kernel, lambda y, x: y**2 + 3 * x**2), 8.0, rtol=0.05)


@pytest.mark.parametrize(("low", "high"), [(1.0, None), (0.5, 1.5), (0.0, 1.0), ((0.5, 1.0), (1.5, 1.0))])
def test_difference_of_gaussians_is_scikit_images(low, high):
    kernel = kernels.difference_of_gaussians(low, high)
    shape = (19, 21)
    theirs = impulse_response(lambda x: skf.difference_of_gaussians(x, low, high, mode="constant"), shape)
    assert_allclose(around(kernel, shape), theirs, rtol=0, atol=1e-15)
    assert_allclose(kernel.sum(), 0.0, atol=1e-15)


@pytest.mark.parametrize(("radius", "amount"), [(1.0, 1.0), (1.5, 0.6), (0.5, -0.5), (0, 3.0)])
def test_unsharp_is_scikit_images(radius, amount):
    kernel = kernels.unsharp(radius, amount)
    shape = (15, 17)
    theirs = impulse_response(lambda x: skf.unsharp_mask(x, radius, amount, preserve_range=True), shape)
    assert_allclose(around(kernel, shape), theirs, rtol=0, atol=1e-15)
    assert_allclose(kernel.sum(), 1.0, rtol=1e-14)


def test_sharpen_emboss_identity():
    assert_array_equal(kernels.sharpen(0.5), [[0, -0.5, 0], [-0.5, 3, -0.5], [0, -0.5, 0]])
    assert kernels.sharpen(ndim=3)[1, 1, 1] == 7.0
    assert kernels.emboss().sum() == 1.0
    assert correlate_middle(kernels.emboss(), lambda y, x: y + x) > 0  # brighter toward the lower right: lit slope
    assert kernels.identity(3).shape == (1, 1, 1)


@pytest.mark.parametrize("size", [1, 4, (3, 5), [2, 3, 4]])
def test_box_and_binomial(size):
    for make in (kernels.box, kernels.binomial):
        kernel = make(size)
        assert kernel.shape == (tuple(size) if isinstance(size, (tuple, list)) else (size, size))
        assert_allclose(kernel.sum(), 1.0, rtol=1e-15)
    assert len(np.unique(kernels.box(size))) == 1
    assert kernels.box(3, ndim=3).shape == (3, 3, 3)


# kernels from a formula


@pytest.mark.parametrize(
    ("frequency", "options"),
    [
        (0.2, {}),
        (0.1, {"theta": 0.7}),
        (0.31, {"theta": 2.0, "sigma_x": 2.0, "sigma_y": 5.0, "offset": 0.4, "n_stds": 2}),
        (0.25, {"bandwidth": 0.5, "sigma_x": 1.5}),
    ],
)
def test_gabor_is_scikit_images(frequency, options):
    theirs = skf.gabor_kernel(frequency, **options)[::-1, ::-1]
    for part in ("real", "imag"):
        ours = kernels.gabor(frequency, part=part, **options)
        assert_allclose(ours, getattr(theirs, part), rtol=0, atol=4e-16)
    image = np.random.default_rng(5).random((24, 31))
    filtered = skf.gabor(image, frequency, **options)
    for part, expected in zip(("real", "imag"), filtered, strict=True):
        kernel = kernels.gabor(frequency, part=part, **options)
        assert_allclose(ndi.correlate(image, kernel), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("length", "angle"), [(5, 0), (4, 0), (7, 90), (9, 45), (6, 30), (11.5, 117), (3, -20), (0.7, 60), (8, 359)]
)
def test_motion_is_the_share_of_a_line_in_each_square(length, angle):
    kernel = kernels.motion(length, angle)
    steps = (np.arange(200_000) + 0.5) / 200_000 * length - length / 2
    y, x = -steps * math.sin(math.radians(angle)), steps * math.cos(math.radians(angle))
    rows, columns = kernel.shape
    edges = [np.arange(n + 1) - n / 2 for n in (rows, columns)]
    sampled = np.histogram2d(y, x, bins=edges)[0] / len(steps)
    assert_allclose(kernel, sampled, rtol=0, atol=2e-5)
    assert_array_equal(kernel, kernel[::-1, ::-1])
    assert_allclose(kernel.sum(), 1.0, rtol=1e-14)


def test_motion_rises_to_the_right():
    assert_array_equal(np.argwhere(kernels.motion(3, 45) > 0), [[0, 2], [1, 1], [2, 0]])


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 6])
def test_disk_is_scikit_images_over_its_sum(radius):
    theirs = skimage_disk(radius).astype(float)
    assert_allclose(kernels.disk(radius), theirs / theirs.sum(), rtol=1e-15)


def test_disk_of_a_fractional_radius():
    assert np.count_nonzero(kernels.disk(1.5)) == 9
    assert kernels.disk(2.9).shape == (5, 5)


# what all of them share

DEFAULTS = {
    "binomial": "binomial:3", "box": "box:3x4", "difference_of_gaussians": "difference-of-gaussians:1,high=2",
    "disk": "disk:2", "gabor": "gabor:0.2,theta=0.5", "gaussian": "gaussian:1x2", "gaussian_laplace":
    "gaussian_laplace:1", "motion": "motion:5,angle=30",
}  # fmt: skip


@pytest.mark.parametrize("name", kernels.names())
def test_every_name_makes_a_fresh_float64_kernel(name):
    spec = DEFAULTS.get(name, name)
    kernel = kernels.from_spec(spec)
    assert kernel.dtype == np.float64
    assert kernel.ndim == 2
    assert np.isfinite(kernel).all()
    assert kernel.flags.writeable
    kernel[...] = 7.0
    assert not (kernels.from_spec(spec) == 7.0).any()


def test_every_kernel_maker_has_a_name_and_every_name_a_maker():
    other = {"parse", "from_spec", "names"}
    makers = {n for n in kernels.__all__ if not n.endswith("_taps")} - other
    assert set(kernels.names()) == makers
    assert list(kernels.names()) == sorted(kernels.names())


@pytest.mark.parametrize("name", kernels.__all__)
def test_docstrings_tell_what_the_reference_needs(name):
    text = inspect.getdoc(getattr(kernels, name))
    assert text is not None
    assert ">>>" in text
    if name.endswith("_taps") or name in kernels.names():
        assert "Source" in text
        assert "float64" in text
    if inspect.signature(getattr(kernels, name)).parameters:
        assert "Raises" in text


def test_kernels_are_numpy_and_nothing_more():
    code = (
        "import sys, fastconv.kernels as k; k.gaussian(2.0); k.from_spec('sobel')\n"
        "heavy = {'scipy', 'numba', 'skimage', 'PIL', 'dask', 'matplotlib'} & set(sys.modules)\n"
        "print(*sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_limits_are_checked_before_memory_is_taken():
    assert (2 * checks.MAX_RADIUS + 1) ** 2 > checks.MAX_COEFFICIENTS
    for make in (kernels.gaussian, kernels.gaussian_laplace, kernels.unsharp, kernels.disk):
        with pytest.raises(ValueError, match="at most 16777216 coefficients"):
            make(100_000.0)
    assert len(kernels.gaussian_taps(100_000.0)) == 800_001  # a line of that length is still fine
    for size, ndim in itertools.product((3, 10**6), (17, 30)):
        with pytest.raises(ValueError, match="coefficients"):
            kernels.box(size, ndim=ndim)
