"""The linear filters against SciPy's bytes; where SciPy is wrong, against index maps."""

from __future__ import annotations

import linear_cases
import numpy as np
import pytest
import scipy.ndimage as scipy_ndimage
from differential import called, same, shown

import fastconv.ndimage as ndi

CASES = 60  # for each function by default; thousands under -m fuzz


def garbage(name: str, image: np.ndarray, arguments: tuple, options: dict) -> bool:
    """Whether SciPy reads beside the array: kernels that reach 4 times an axis under reflect."""
    if name not in ("correlate", "convolve") or options["mode"] not in ("reflect", "grid-mirror"):
        return False
    return min(image.shape) * 4 <= max(arguments[1].shape) or 1 in image.shape


def compare(seed: int, name: str | None = None) -> None:
    rng = np.random.default_rng(seed)
    name, arguments, options = linear_cases.case(rng, name)
    image = arguments[0]
    if garbage(name, image, arguments, options):
        options["mode"] = "mirror"
    if options.get("output") == "same" and np.iscomplexobj(arguments[-1]):
        del options["output"]  # with complex weights SciPy reads what it has overwritten
    got = called(ndi, name, arguments, options)
    wanted = called(scipy_ndimage, name, arguments, options)
    weights = arguments[1:] if np.size(arguments[-1]) < 30 else "..."
    assert same(got, wanted), (
        f"seed {seed}: {name}({image.dtype}{image.shape}{image.strides}, {weights}, {shown(options)}): {got} {wanted}"
    )


@pytest.mark.parametrize("name", linear_cases.NAMES)
def test_bytes_are_scipys(name: str) -> None:
    for seed in range(CASES):
        compare(seed, name)


@pytest.mark.fuzz
@pytest.mark.parametrize("start", range(0, 20_000, 500))
def test_bytes_are_scipys_at_length(start: int) -> None:
    for seed in range(start + 1000, start + 1500):
        compare(seed)


# where SciPy is wrong --------------------------------------------------------------------------------------------


def by_index(image: np.ndarray, weights: np.ndarray, word: str) -> np.ndarray:
    """The correlation with an odd 1-D or 2-D kernel in float64, on an array padded by NumPy."""
    widths = [(k // 2, k // 2) for k in weights.shape]
    padded = np.pad(image.astype(np.float64), widths, word)
    out = np.zeros(image.shape)
    for tap in np.ndindex(*weights.shape):
        window = tuple(slice(t, t + n) for t, n in zip(tap, image.shape, strict=True))
        out += weights[tap] * padded[window]
    return out


def test_weights_below_rounding_count() -> None:
    image = np.random.default_rng(1).random((9, 11))
    weights = np.array([[1e-17, 3e-17, 2e-17], [5e-17, 1e-16, 0], [2e-17, 7e-17, 1e-17]])
    expected = by_index(image, weights, "symmetric")
    assert np.allclose(ndi.correlate(image, weights), expected, rtol=1e-14, atol=0)
    assert not scipy_ndimage.correlate(image, weights).any()


def test_small_weights_are_not_taken_for_symmetric() -> None:
    image = np.random.default_rng(1).random(40)
    weights = np.array([1e-17, 5e-17, 9e-17])
    expected = by_index(image, weights, "symmetric")
    assert np.allclose(ndi.correlate1d(image, weights), expected, rtol=1e-14, atol=0)
    assert not np.allclose(scipy_ndimage.correlate1d(image, weights), expected, rtol=0.1, atol=0)


@pytest.mark.parametrize("shape", [(3, 4), (1, 7), (5, 1)])
def test_kernels_of_many_times_the_image_reflect_rightly(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    image, weights = rng.random(shape), rng.random((41, 27))
    assert np.allclose(ndi.correlate(image, weights), by_index(image, weights, "symmetric"), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "complex64"])
@pytest.mark.parametrize("name", sorted(linear_cases.READS_AGAIN))
def test_over_the_input_is_as_beside_it(name: str, dtype: str) -> None:
    image = (np.random.default_rng(3).random((12, 17)) * 200).astype(dtype)
    arguments = () if name == "laplace" else (1.3,)
    with np.errstate(invalid="ignore"):
        beside = getattr(ndi, name)(image, *arguments)
        expected = getattr(scipy_ndimage, name)(image, *arguments)
        over = image.copy()
        assert getattr(ndi, name)(over, *arguments, output=over) is over
    assert same(beside, expected)
    assert same(over, beside)


def test_complex_weights_over_the_input() -> None:
    rng = np.random.default_rng(4)
    image = rng.random((8, 9)) + 1j * rng.random((8, 9))
    weights = rng.random((3, 3)) + 1j * rng.random((3, 3))
    expected = scipy_ndimage.convolve(image, weights)
    over = image.copy()
    ndi.convolve(over, weights, output=over)
    assert same(over, expected)


def test_zeros_of_both_signs_outside_are_told_apart() -> None:
    image = np.full((4, 5), -0.0)
    for cval in (0.0, -0.0, 0.0):
        ours = ndi.correlate1d(image, [1.0, 2.0], mode="constant", cval=cval)
        assert same(ours, scipy_ndimage.correlate1d(image, [1.0, 2.0], mode="constant", cval=cval))


@pytest.mark.parametrize("name", ["correlate", "correlate1d", "uniform_filter"])
def test_sums_beyond_an_integer_wrap_as_scipys(name: str) -> None:
    image = np.array([-1.0, -5.5, -(2.0**62), -(2.0**63), -1.5 * 2.0**63, -(2.0**70), 2.0**63, 1.5 * 2.0**63, 2.0**70])
    argument = 1 if name == "uniform_filter" else [1.0]
    for dtype in "BbHhIiQq":
        with np.errstate(invalid="ignore"):
            ours = getattr(ndi, name)(image, argument, output=np.dtype(dtype))
            theirs = getattr(scipy_ndimage, name)(image, argument, output=np.dtype(dtype))
        assert same(ours, theirs), dtype


def test_not_a_number_lands_where_scipy_puts_it() -> None:
    image = np.random.default_rng(5).random((30, 40))
    image[7, 9], image[20, 31] = np.nan, np.inf
    kernel = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 1.0], [0.0, 0.5, 0.0]])
    for name, arguments in (("correlate", (kernel,)), ("gaussian_filter", (1.5,)), ("uniform_filter", (5,))):
        with np.errstate(invalid="ignore"):
            ours, theirs = getattr(ndi, name)(image, *arguments), getattr(scipy_ndimage, name)(image, *arguments)
        assert np.isnan(ours).any()
        assert same(ours, theirs), name
