"""Images wider than a vector, a tile and a block of rows: every loop's main path and its seams, against SciPy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import ndimage

import fastconv as fc

RANDOM = np.random.default_rng(77)
MODES = ["reflect", "mirror", "nearest", "wrap", "constant"]
#: around one vector, the tiles of the direct and of the fused sweep, and several of them
WIDTHS = [15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 143, 300, 511, 512, 513, 1100]
DTYPES = ["uint8", "uint16", "int16", "float32", "float64", "int32", "float16"]


def noise(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    values = RANDOM.random(shape) * 250 - (0 if dtype.startswith("u") else 120)
    return values.astype(dtype)


def agrees(got: np.ndarray, image: np.ndarray, kernel: np.ndarray, **options: object) -> None:
    """Within the bound of a sum in the accumulate dtype, from SciPy's in float64."""
    options = {"mode": "reflect", **options}
    wide = image.astype(np.float64)
    exact = ndimage.correlate(wide, kernel, **options)
    size = ndimage.correlate(np.abs(wide), np.abs(kernel), **options | {"cval": abs(options.get("cval", 0.0))})
    unit = 2.0**-53 if got.dtype == np.float64 else 2.0**-24
    allowed = (2 * kernel.size + 2 * sum(kernel.shape) + 8) * unit * size
    if got.dtype == np.float16:
        allowed = allowed + 2.0**-11 * np.abs(exact) + 2.0**-24
    error = np.abs(got - exact)
    assert np.all(error <= allowed), f"{error.max()} at {np.unravel_index(np.argmax(error - allowed), error.shape)}"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("method", ["direct", "separable"])
def test_every_width(method: str, width: int) -> None:
    kernel = np.outer(RANDOM.standard_normal(5), RANDOM.standard_normal(4))
    image = noise((23, width), "float32")
    for mode in MODES:
        got = fc.correlate(image, kernel, mode=mode, cval=3, method=method)
        agrees(got, image, kernel, mode=mode, cval=3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["direct", "separable", "fft"])
def test_every_dtype(method: str, dtype: str) -> None:
    kernel = np.outer([1.5, -2, 4, 0.5], [3, 1, -1, 2.5, 1])
    image = noise((41, 333), dtype)
    got = fc.correlate(image, kernel, mode="mirror", method=method, origin=(1, -1))
    if method == "fft":  # relative to a tile's largest value
        assert np.allclose(got, fc.correlate(image, kernel, mode="mirror", method="direct", origin=(1, -1)), atol=2)
    else:
        agrees(got, image, kernel, mode="mirror", origin=(1, -1))


@pytest.mark.parametrize("rows", range(1, 8))
@pytest.mark.parametrize("columns", [1, 2, 3, 8])
def test_blocks_of_rows_of_dense_kernels(rows: int, columns: int) -> None:
    """Heights that leave every remainder of a block."""
    kernel = RANDOM.standard_normal((rows, columns)) + 0.01
    for height in (1, 3, 4, 5, 6, 11):
        for dtype in ("float32", "uint8"):
            image = noise((height, 301), dtype)
            agrees(fc.correlate(image, kernel, mode="nearest", method="direct"), image, kernel, mode="nearest")


@pytest.mark.parametrize("dilation", [2, 3, 5])
def test_blocks_of_rows_of_dilated_kernels(dilation: int) -> None:
    kernel = RANDOM.standard_normal((4, 3)) + 0.01
    spread = np.zeros((3 * dilation + 1, 2 * dilation + 1))
    spread[::dilation, ::dilation] = kernel
    origin = (2 * dilation - spread.shape[0] // 2, 0)  # where the even side's centre lies once it is spread
    for height in (9, 8 * dilation, 8 * dilation + 5):
        image = noise((height, 280), "float32")
        got = fc.correlate(image, kernel, dilation=dilation, mode="mirror", method="direct")
        agrees(got, image, spread, mode="mirror", origin=origin)


def test_blocks_of_rows_in_volumes() -> None:
    kernel = RANDOM.standard_normal((3, 5, 2))
    image = noise((6, 13, 210), "float32")
    for mode in MODES:
        got = fc.correlate(image, kernel, axes=(0, 1, 2), mode=mode, cval=-2, method="direct")
        agrees(got, image, kernel, mode=mode, cval=-2)


@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5, 7, 9, 10, 11, 17, 26, 81])
@pytest.mark.parametrize("kind", ["any", "symmetric", "antisymmetric"])
def test_every_number_of_taps(kind: str, taps: int) -> None:
    """Unrolled up to nine, in chunks with a remainder beyond."""
    down, along = RANDOM.standard_normal(taps), RANDOM.standard_normal(taps)
    if kind != "any":
        sign = 1 if kind == "symmetric" else -1
        down, along = down + sign * down[::-1], along + sign * along[::-1]
    image = noise((30, 520), "float32")
    got = fc.correlate_separable(image, (down, along), mode="wrap")
    agrees(got, image, np.outer(down, along), mode="wrap")


@pytest.mark.parametrize("taps", [3, 8, 33, 101])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_single_axis(axis: int, taps: int) -> None:
    weights = RANDOM.standard_normal(taps)
    kernel = weights[:, None] if axis == 0 else weights[None, :]
    image = noise((50, 1337), "float32")
    for mode in MODES:
        for method in ("separable", "direct"):
            got = fc.correlate1d(image, weights, axis=axis, mode=mode, cval=2, method=method)
            agrees(got, image, kernel, mode=mode, cval=2)


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (3, 3), (16, 5), (40, 33)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_running_sums(dtype: str, size: tuple[int, int]) -> None:
    image = noise((90, 301), dtype)
    kernel = np.full(size, 1 / (size[0] * size[1]))
    got = fc.correlate(image, kernel, method="running_sum", mode="mirror")
    exact = ndimage.correlate(image.astype(np.float64), kernel, mode="mirror")
    assert np.allclose(got, exact, rtol=0, atol=(1e-4 if got.dtype == np.float32 else 1e-10))


def test_running_sums_keep_nan_inside_their_windows() -> None:
    image = noise((150, 200), "float32")
    image[70, 100], image[20, 3] = np.nan, np.inf
    kernel = np.full((9, 7), 1 / 63)
    got = fc.correlate(image, kernel, method="running_sum")
    plain = fc.correlate(image, kernel, method="direct")
    assert np.array_equal(np.isnan(got), np.isnan(plain))
    assert np.array_equal(np.isinf(got), np.isinf(plain))
    inside = np.isfinite(plain)
    assert np.allclose(got[inside], plain[inside], atol=1e-3)


@pytest.mark.parametrize("method", ["direct", "separable", "running_sum", "low_rank", "fft"])
def test_same_bits_for_any_number_of_workers(method: str) -> None:
    image = noise((700, 900), "float32")
    kernel = {
        "direct": RANDOM.standard_normal((5, 6)),
        "separable": np.outer(RANDOM.standard_normal(9), RANDOM.standard_normal(8)),
        "running_sum": np.full((21, 15), 0.01),
        "low_rank": fc.kernels.gaussian_laplace(2.5),
        "fft": RANDOM.standard_normal((31, 30)),
    }[method]
    first = fc.correlate(image, kernel, method=method, workers=1)
    for workers in (2, 3, 7):
        assert np.array_equal(first, fc.correlate(image, kernel, method=method, workers=workers))


@pytest.mark.parametrize("method", ["direct", "separable", "running_sum", "fft"])
def test_small_images_again_and_again_from_several_threads(method: str) -> None:
    """What a thread remembers of a small image serves every image that lies alike, and no other thread."""
    rng = np.random.default_rng(5)
    if method == "running_sum":
        kernel = np.ones((3, 5))
    else:
        kernel = np.outer([1.0, 2, 4], [3.0, 1, 0, 2, 7])
        kernel = kernel + (np.outer([0.0, 1, 5], [1.0, 0, 2, 9, 4]) if method != "separable" else 0)
    images = rng.integers(-50, 50, (40, 13, 21)).astype(np.float32)
    expected = [ndimage.correlate(image, kernel) for image in images]

    def filtered(first: int) -> list[tuple[int, np.ndarray]]:
        order = [*range(first, len(images)), *range(first)]
        return [(i, fc.correlate(images[i], kernel, method=method)) for i in order]

    with ThreadPoolExecutor(4) as pool:
        for results in pool.map(filtered, (0, 7, 19, 33)):
            for i, got in results:
                np.testing.assert_allclose(got, expected[i], rtol=1e-4, atol=2e-2)
    wide = np.zeros((13, 42), np.float32)
    wide[:, ::2] = images[0]
    np.testing.assert_allclose(fc.correlate(wide[:, ::2], kernel, method=method), expected[0], rtol=1e-4, atol=2e-2)


@pytest.mark.parametrize("method", ["direct", "separable"])
def test_tiles_make_up_the_whole_bit_for_bit(method: str) -> None:
    kernel = np.outer(RANDOM.standard_normal(5), RANDOM.standard_normal(7))
    image = noise((120, 640), "float32")
    whole = fc.correlate(image, kernel, method=method)
    for y, x in ((40, 200), (33, 131)):
        tile = image[y - 2 : y + 30 + 2, x - 3 : x + 150 + 3]
        part = fc.correlate(tile, kernel, method=method)[2:-2, 3:-3]
        assert np.array_equal(part, whole[y : y + 30, x : x + 150])


@pytest.mark.parametrize("width", [5, 33, 63, 64, 65, 129, 700])
@pytest.mark.parametrize("dtype", ["int16", "uint8", "uint16", "int8"])
@pytest.mark.parametrize("method", ["direct", "separable"])
def test_bytes_and_integer_taps_are_summed_exactly(method: str, dtype: str, width: int) -> None:
    """Integer targets of byte images: narrow integer sums where they fit, saturated at the end; never wrapped."""
    image = noise((19, width), "uint8")
    info = np.iinfo(dtype)
    for kernel in (np.outer([1, 2, 1], [-1, 0, 1]), np.outer([1, 5, 8, -3], [2, -7, 1]), np.outer([9, 7], [4, -1])):
        for mode in MODES:
            got = fc.correlate(image, kernel, mode=mode, cval=200, dtype=dtype, method=method)
            exact = ndimage.correlate(image.astype(np.float64), kernel.astype(float), mode=mode, cval=200)
            assert np.array_equal(got, np.clip(exact, info.min, info.max).astype(dtype)), (mode, kernel)
            strided = fc.correlate(image, kernel, mode=mode, cval=200, dtype=dtype, method=method, stride=(2, 3))
            assert np.array_equal(strided, got[::2, ::3])
