"""Every operator against its formula (the oracle, with taps written out here), SciPy and scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import oracle
import pytest
from scipy import ndimage
from skimage import filters as skimage_filters

import fastconv as fc

RNG = np.random.default_rng(20240607)
IMAGE = RNG.normal(size=(11, 17)) * 20 + 30
VOLUME = RNG.normal(size=(5, 6, 8))
COLOUR = RNG.integers(0, 256, (9, 12, 3)).astype(np.uint8)
KERNELS = {
    "3x3": np.array([[1.0, 2, 3], [4, 5, 6], [-7, 8, 10]]),
    "2x4": np.arange(8.0).reshape(2, 4) - 2,
    "1x5": np.array([[1.0, -2, 4, 8, 3]]),
    "4x1": np.array([[1.0], [-2], [4], [8]]),
    "rank 1": np.outer([1.0, 2, 4], [3.0, -1, 2, 5]),
    "box": np.full((3, 4), 0.5),
    "sparse": np.array([[2.0, 0, 0, 0, 0], [0, 0, 0, 0, 3], [0, 0, 0, 0, 0]]),
    "larger than the image": RNG.normal(size=(25, 36)),
}


def bell(sigma: float, order: int = 0, radius: int | None = None) -> np.ndarray:
    """A sampled Gaussian's derivative in correlation order, from the formulas of the first three."""
    r = int(4.0 * sigma + 0.5) if radius is None else radius
    x = np.arange(-r, r + 1.0)
    g = np.exp(-(x**2) / (2 * sigma**2))
    g /= g.sum()
    return (g, x / sigma**2 * g, (x**2 / sigma**4 - 1 / sigma**2) * g)[order]


def outer(*taps: Any) -> np.ndarray:
    full = np.asarray(taps[0], float)
    for t in taps[1:]:
        full = np.multiply.outer(full, np.asarray(t, float))
    return full


D, S, SCHARR, FLAT = [-1, 0, 1], [1, 2, 1], [3, 10, 3], [1, 1, 1]
FARID = (
    [-0.109603762960254, -0.276690988455557, 0, 0.276690988455557, 0.109603762960254],
    [0.0376593171958126, 0.249153396177344, 0.426374573253687, 0.249153396177344, 0.0376593171958126],
)
DOG = (bell(1.0), bell(1.6))
ONE = [0, 0, 0, 0, 1, 0, 0, 0, 0]

#: operator on two axes -> (call, how components combine, the components' dense kernels)
PLANAR: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[np.ndarray]]] = {
    "sobel y": (lambda x, **o: fc.sobel(x, 0, **o), oracle.added, [outer(D, S)]),
    "sobel x": (lambda x, **o: fc.sobel(x, 1, **o), oracle.added, [outer(S, D)]),
    "sobel": (fc.sobel, oracle.magnitude, [outer(D, S), outer(S, D)]),
    "scharr y": (lambda x, **o: fc.scharr(x, 0, **o), oracle.added, [outer(D, SCHARR)]),
    "scharr": (fc.scharr, oracle.magnitude, [outer(D, SCHARR), outer(SCHARR, D)]),
    "prewitt x": (lambda x, **o: fc.prewitt(x, 1, **o), oracle.added, [outer(FLAT, D)]),
    "prewitt": (fc.prewitt, oracle.magnitude, [outer(D, FLAT), outer(FLAT, D)]),
    "farid y": (lambda x, **o: fc.farid(x, 0, **o), oracle.added, [outer(*FARID)]),
    "farid": (fc.farid, oracle.magnitude, [outer(*FARID), outer(*FARID[::-1])]),
    "laplace": (fc.laplace, oracle.added, [np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0.0]])]),
    "gaussian": (lambda x, **o: fc.gaussian(x, (1.0, 0.7), **o), oracle.added, [outer(bell(1.0), bell(0.7))]),
    "gaussian radius": (
        lambda x, **o: fc.gaussian(x, 2.0, radius=(1, 3), **o),
        oracle.added,
        [outer(bell(2.0, radius=1), bell(2.0, radius=3))],
    ),
    "gaussian orders": (
        lambda x, **o: fc.gaussian(x, 0.9, order=(2, 1), **o),
        oracle.added,
        [outer(bell(0.9, 2), bell(0.9, 1))],
    ),
    "gaussian_laplace": (
        lambda x, **o: fc.gaussian_laplace(x, 0.8, **o),
        oracle.added,
        [outer(bell(0.8, 2), bell(0.8)), outer(bell(0.8), bell(0.8, 2))],
    ),
    "gradient_magnitude": (
        lambda x, **o: fc.gradient_magnitude(x, 0.8, **o),
        oracle.magnitude,
        [outer(bell(0.8, 1), bell(0.8)), outer(bell(0.8), bell(0.8, 1))],
    ),
    "difference_of_gaussians": (
        lambda x, **o: fc.difference_of_gaussians(x, 1.0, **o),
        oracle.added,
        [outer(DOG[0], DOG[0]), -outer(DOG[1], DOG[1])],
    ),
    "unsharp_mask": (
        lambda x, **o: fc.unsharp_mask(x, 1.0, 1.5, **o),
        oracle.added,
        [2.5 * outer(ONE, ONE), -1.5 * outer(bell(1.0), bell(1.0))],
    ),
    "box": (lambda x, **o: fc.box(x, (3, 4), **o), oracle.added, [np.full((3, 4), 1 / 12)]),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mirror": {"mode": "mirror"},
    "nearest and wrap": {"mode": ("nearest", "wrap")},
    "constant": {"mode": "constant", "cval": 3.5},
    "one side constant": {"mode": ("constant", "reflect"), "cval": -2},
    "origin": {"origin": (1, -1), "mode": "wrap"},
    "strided": {"stride": (3, 2)},
    "dilated": {"dilation": (2, 3), "mode": "mirror"},
    "all at once": {"stride": 2, "dilation": 2, "origin": (-1, 1), "mode": ("constant", "wrap"), "cval": 1},
}


@pytest.mark.parametrize("name", PLANAR)
@pytest.mark.parametrize("options", OPTIONS)
def test_operators_are_their_formulas(name: str, options: str) -> None:
    call, combine, kernels = PLANAR[name]
    chosen = OPTIONS[options]
    expected = combine([oracle.correlate(IMAGE, k, **chosen) for k in kernels])
    oracle.agree(call(IMAGE, **chosen), expected, np.float64, 400)
    expected = combine([oracle.correlate(IMAGE.astype(np.float32), k, **chosen) for k in kernels])
    oracle.agree(call(IMAGE.astype(np.float32), **chosen), expected, np.float32, 400)


@pytest.mark.parametrize("name", PLANAR)
def test_operators_carry_channels_along(name: str) -> None:
    call, combine, kernels = PLANAR[name]
    for channel_axis, axes in ((-1, (0, 1)), (0, (1, 2)), (1, (0, 2))):
        image = np.moveaxis(COLOUR, -1, channel_axis)
        expected = combine([oracle.correlate(image, k, axes) for k in kernels])
        if name.endswith((" x", " y")):  # the derivative's axis is counted in the image
            along = axes[0] if name.endswith(" y") else axes[1]
            got = getattr(fc, name.split()[0])(image, along, channel_axis=channel_axis)
        else:
            got = call(image, channel_axis=channel_axis)
        oracle.agree(got, expected, np.uint8, 400)


def test_roberts_starts_at_the_sample() -> None:
    for options in ({}, {"mode": "constant", "cval": 9}, {"stride": 2}, {"dilation": 3}):
        expected = oracle.magnitude(
            [
                oracle.correlate(IMAGE, [[-1, 0], [0, 1]], origin=-1, **options),
                oracle.correlate(IMAGE, [[0, -1], [1, 0]], origin=-1, **options),
            ]
        )
        oracle.agree(fc.roberts(IMAGE, **options), expected, np.float64, 20)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_derivatives_of_a_volume(axis: int | None) -> None:
    kernels = [outer(D, S, S), outer(S, D, S), outer(S, S, D)]
    chosen = kernels if axis is None else [kernels[axis]]
    expected = oracle.magnitude if axis is None else oracle.added
    answer = expected([oracle.correlate(VOLUME, k, mode="mirror") for k in chosen])
    oracle.agree(fc.sobel(VOLUME, axis, axes=(0, 1, 2), mode="mirror"), answer, np.float64, 100)


def test_smoothing_a_volume_and_some_axes_of_it() -> None:
    taps = [bell(0.6), bell(1.1), bell(0.8)]
    got = fc.gaussian(VOLUME, (0.6, 1.1, 0.8), axes=(0, 1, 2), mode="wrap")
    oracle.agree(got, oracle.correlate(VOLUME, outer(*taps), mode="wrap"), np.float64, 100)
    got = fc.gaussian(VOLUME, (0.8, 0.6), axes=(2, 0))
    oracle.agree(got, oracle.correlate(VOLUME, outer(taps[2], taps[0]), (2, 0)), np.float64, 100)
    got = fc.laplace(VOLUME, axes=(0, 1, 2))
    assert np.allclose(got, ndimage.laplace(VOLUME), atol=1e-12)


def test_gaussian_derivatives_of_a_volume() -> None:
    def along(order: int) -> list[oracle.Answer]:
        taps = [[bell(0.7, order if i == a else 0) for i in range(3)] for a in range(3)]
        return [oracle.correlate(VOLUME, outer(*t), mode="nearest") for t in taps]

    options: dict[str, Any] = {"axes": (0, 1, 2), "mode": "nearest"}
    oracle.agree(fc.gaussian_laplace(VOLUME, 0.7, **options), oracle.added(along(2)), np.float64, 400)
    oracle.agree(fc.gradient_magnitude(VOLUME, 0.7, **options), oracle.magnitude(along(1)), np.float64, 400)


def test_lines() -> None:
    line = IMAGE[3]
    taps = [1.0, -2, 4, 8]
    oracle.agree(fc.correlate(line, taps), oracle.correlate(line, taps), np.float64, 20)
    for axis in (0, 1, 2, -2):
        got = fc.correlate1d(VOLUME, taps, axis, mode="nearest", origin=-1, stride=2, dilation=2)
        expected = oracle.correlate(VOLUME, taps, (axis,), mode="nearest", origin=-1, stride=2, dilation=2)
        oracle.agree(got, expected, np.float64, 20)
        got = fc.convolve1d(VOLUME, taps, axis, origin=1)
        oracle.agree(got, oracle.convolve(VOLUME, taps, (axis,), origin=1), np.float64, 20)


@pytest.mark.parametrize("mode", oracle.MODES)
@pytest.mark.parametrize("method", ["direct", "separable", "fft"])
def test_samples_that_only_the_border_reads(method: str, mode: str) -> None:
    """A stride may leave the last samples to no window: the border in front may still repeat them."""
    for axes, n in (((0,), 6), ((1,), 6), ((0,), 3), ((1,), 3)):
        image = IMAGE[:n, :n]
        options: dict[str, Any] = {"mode": mode, "origin": 1, "stride": n - 1 if n == 3 else 2}
        got = fc.correlate(image, [3.0, -1, 2], axes=axes, method=method, **options)
        oracle.agree(got, oracle.correlate(image, [3.0, -1, 2], axes, **options), np.float64, 200, spread=np.max)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("mode", oracle.MODES)
def test_kernels_on_every_border(name: str, mode: str) -> None:
    kernel = KERNELS[name]
    roundings = 3 * kernel.size + 64
    for call, truth in ((fc.correlate, oracle.correlate), (fc.convolve, oracle.convolve)):
        expected = truth(IMAGE, kernel, mode=mode, cval=-4)
        oracle.agree(call(IMAGE, kernel, mode=mode, cval=-4), expected, np.float64, roundings, spread=np.max)


def test_one_sample_summed_exactly() -> None:
    got = fc.correlate(IMAGE, KERNELS["3x3"], mode="mirror")
    for at in ((0, 0), (5, 16), (10, 3)):
        assert got[at] == pytest.approx(oracle.exact_sum(IMAGE, KERNELS["3x3"], at, "mirror"), rel=1e-13)


# ---------------------------------------------------------------- SciPy and scikit-image


@pytest.mark.parametrize("mode", oracle.MODES)
def test_scipy_agrees(mode: str) -> None:
    theirs = {"wrap": "grid-wrap"}.get(mode, mode)
    for name, kernel in KERNELS.items():
        if name.startswith("larger"):
            continue
        for shift in (0, -1 if min(kernel.shape) > 1 else 0):
            a = fc.correlate(IMAGE, kernel, mode=mode, cval=2, origin=shift)
            assert np.allclose(a, ndimage.correlate(IMAGE, kernel, mode=theirs, cval=2, origin=shift), atol=1e-11)
            b = fc.convolve(IMAGE, kernel, mode=mode, cval=2, origin=shift)
            assert np.allclose(b, ndimage.convolve(IMAGE, kernel, mode=theirs, cval=2, origin=shift), atol=1e-11)
    pairs = [
        (fc.gaussian(IMAGE, (1.5, 3.0), mode=mode), ndimage.gaussian_filter(IMAGE, (1.5, 3.0), mode=theirs)),
        (
            fc.gaussian(IMAGE, 1.2, order=(1, 2), truncate=3, mode=mode),
            ndimage.gaussian_filter(IMAGE, 1.2, order=(1, 2), truncate=3, mode=theirs),
        ),
        (fc.sobel(IMAGE, 0, mode=mode), ndimage.sobel(IMAGE, 0, mode=theirs)),
        (fc.prewitt(IMAGE, 1, mode=mode), ndimage.prewitt(IMAGE, 1, mode=theirs)),
        (fc.laplace(IMAGE, mode=mode), ndimage.laplace(IMAGE, mode=theirs)),
        (fc.gaussian_laplace(IMAGE, 1.3, mode=mode), ndimage.gaussian_laplace(IMAGE, 1.3, mode=theirs)),
        (
            fc.gradient_magnitude(IMAGE, 1.3, mode=mode),
            ndimage.gaussian_gradient_magnitude(IMAGE, 1.3, mode=theirs),
        ),
        (fc.box(IMAGE, (4, 5), mode=mode), ndimage.uniform_filter(IMAGE, (4, 5), mode=theirs)),
        (fc.correlate1d(IMAGE, [1, 2, 4, 8], 0, mode=mode), ndimage.correlate1d(IMAGE, [1, 2, 4, 8], 0, mode=theirs)),
        (fc.convolve1d(IMAGE, [1, 2, 4, 8], 1, mode=mode), ndimage.convolve1d(IMAGE, [1, 2, 4, 8], 1, mode=theirs)),
    ]
    for i, (ours, expected) in enumerate(pairs):
        assert np.allclose(ours, expected, rtol=1e-11, atol=1e-11), i


def test_scikit_image_agrees_up_to_its_scales() -> None:
    pairs = [
        (fc.roberts(IMAGE) / np.sqrt(2), skimage_filters.roberts(IMAGE)),
        (fc.farid(IMAGE) / np.sqrt(2), skimage_filters.farid(IMAGE)),
        (fc.scharr(IMAGE) / 16 / np.sqrt(2), skimage_filters.scharr(IMAGE)),
        (fc.sobel(IMAGE) / 4 / np.sqrt(2), skimage_filters.sobel(IMAGE)),
        (
            fc.difference_of_gaussians(IMAGE, 1.0, 2.0, mode="nearest"),
            skimage_filters.difference_of_gaussians(IMAGE, 1.0, 2.0),
        ),
        (
            fc.unsharp_mask(IMAGE, 1.5, 0.7),
            skimage_filters.unsharp_mask(IMAGE, 1.5, 0.7, preserve_range=True),
        ),
    ]
    wave = {"frequency": 0.2, "theta": 0.4, "sigma_x": 2.0, "sigma_y": 1.0, "offset": 0.3}
    pairs.extend(zip(fc.gabor(IMAGE, **wave), skimage_filters.gabor(IMAGE, **wave), strict=True))
    for i, (ours, expected) in enumerate(pairs):
        assert np.allclose(ours, expected, rtol=1e-9, atol=1e-9), i


def test_gabor_takes_axes_in_their_order() -> None:
    real, imag = fc.gabor(IMAGE.T, 0.2, 0.4, axes=(1, 0), mode="wrap")
    expected = fc.gabor(IMAGE, 0.2, 0.4, mode="wrap")
    assert np.allclose(real.T, expected[0])
    assert np.allclose(imag.T, expected[1])


def test_integer_results_round_and_saturate_once() -> None:
    photo = COLOUR[..., 0]
    smooth = fc.gaussian(photo, 1.0, dtype=np.float64)
    assert np.array_equal(fc.gaussian(photo, 1.0, dtype="same"), np.rint(smooth).astype(np.uint8))
    edges = fc.sobel(photo, 1)
    assert np.array_equal(fc.sobel(photo, 1, dtype="uint8"), np.clip(edges, 0, 255).astype(np.uint8))
    assert np.array_equal(fc.sobel(photo, 1, dtype="int16"), edges.astype(np.int16))
