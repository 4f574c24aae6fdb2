"""Small kernels that four rows march through in registers: widths around its steps, alignments, seams, memory's end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import ndimage

import fastconv as fc
from fastconv.backends.sweeps import march
from fastconv.loops import cpu_march
from fastconv.loops.vec import vector_bytes

RANDOM = np.random.default_rng(91)
MODES = ["reflect", "mirror", "nearest", "wrap", "constant"]
WIDTHS = [47, 48, 63, 64, 65, 79, 80, 97, 113, 130, 161, 203, 258]
RANKS_ONE = [(3, 3), (2, 3), (3, 2), (9, 9), (5, 4), (9, 2), (3, 9)]
DENSE = [(3, 3), (2, 2), (5, 5), (7, 7), (3, 7), (6, 2), (4, 5)]


def exact(image: np.ndarray, kernel: np.ndarray, **options: object) -> tuple[np.ndarray, np.ndarray]:
    """SciPy's result in float64 and the bound of a sum in the accumulate dtype."""
    wide = image.astype(np.float64)
    magnitude = ndimage.correlate(np.abs(wide), np.abs(kernel), **options)
    unit = 2.0**-53 if image.dtype == np.float64 else 2.0**-24
    return ndimage.correlate(wide, kernel, **options), (2 * kernel.size + 8) * unit * magnitude


def noise(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return (RANDOM.random(shape) * 250 - (0 if dtype.startswith("u") else 120)).astype(dtype)


def spread(kernel: np.ndarray, step: int) -> np.ndarray:
    full = np.zeros([(n - 1) * step + 1 for n in kernel.shape])
    full[::step, ::step] = kernel
    return full


def pairs(sizes: list[tuple[int, int]], dtypes: list[str]) -> list[object]:
    """Every size in every dtype; each size in one of them, and each dtype with one of them, in the default run."""
    return [
        pytest.param(size, dtype, marks=() if (i - j) % len(dtypes) == 0 else pytest.mark.slow)
        for i, size in enumerate(sizes)
        for j, dtype in enumerate(dtypes)
    ]


@pytest.mark.parametrize(("size", "dtype"), pairs(RANKS_ONE, ["float32", "float64", "uint8", "int16"]))
def test_separable(size: tuple[int, int], dtype: str) -> None:
    kernel = np.outer(RANDOM.standard_normal(size[0]), RANDOM.standard_normal(size[1]))
    for width in WIDTHS:
        image = noise((14, width), dtype)
        for mode in MODES:
            want, allowed = exact(image, kernel, mode=mode, cval=2.0)
            got = fc.correlate(image, kernel, mode=mode, cval=2.0, method="separable")
            assert np.all(np.abs(got - want) <= allowed), (width, mode)


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
@pytest.mark.parametrize("columns", [4, 7, 9])
def test_many_taps_of_wide_rows(columns: int, dtype: str) -> None:
    kernel = np.outer(RANDOM.standard_normal(5), RANDOM.standard_normal(columns))
    for width in (512, 530, 561, 1043, 1600):
        image = noise((6, width), dtype)
        want, allowed = exact(image, kernel, mode="mirror")
        got = fc.correlate(image, kernel, mode="mirror", method="separable")
        assert np.all(np.abs(got - want) <= allowed), width
    colour = noise((6, 403, 3), "uint8")
    want, allowed = exact(colour, kernel[:, :, None], mode="reflect")
    got = fc.correlate(colour, kernel, mode="reflect", method="separable", channel_axis=-1)
    assert np.all(np.abs(got - want) <= allowed)


#: taps that share multiplications: symmetric, antisymmetric, and one of each
FOLDED = [([1, 2, 1], [-1, 0, 1]), ([1.5, -2, 0, 2, -1.5], [3, 1, 3]), ([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])]


@pytest.mark.parametrize(("rows", "columns"), FOLDED)
@pytest.mark.parametrize(("dtype", "out"), [("float32", "float32"), ("float64", "float64"), ("uint8", "float32")])
def test_taps_that_share_multiplications(rows: list[float], columns: list[float], dtype: str, out: str) -> None:
    kernel = np.outer(rows, columns)
    for width in (70, 131, 300):
        image = noise((22, width), dtype)
        want, allowed = exact(image, kernel, mode="reflect")
        got = fc.correlate(image, kernel, mode="reflect", method="separable", dtype=out)
        assert np.all(np.abs(got - want) <= allowed), width


@pytest.mark.parametrize("width", [70, 131, 300])
def test_whole_numbers_of_bytes_are_exact(width: int) -> None:
    photo = noise((22, width, 3), "uint8")
    wide = photo.astype(np.float64)
    for axis in (0, 1):
        taps = ([-1, 0, 1], [1, 2, 1])[:: 1 if axis == 0 else -1]
        want = ndimage.correlate(wide, np.outer(*taps)[:, :, None], mode="mirror")
        assert np.array_equal(fc.sobel(photo, axis=axis, channel_axis=-1, dtype="int16", mode="mirror"), want)
    plane = ndimage.laplace(wide[..., 0], mode="mirror")
    assert np.array_equal(fc.laplace(photo[..., 0].copy(), dtype="int16", mode="mirror"), plane)


@pytest.mark.skipif(vector_bytes() < 64, reason="there are registers for it only with vectors of 64 bytes")
def test_small_kernels_march() -> None:
    fc.engine.clear_caches()
    with_march = [cpu_march.march_separable_rows, cpu_march.march_dense_rows]
    for loop, run in zip(with_march, (lambda a: fc.sobel(a, axis=1), fc.laplace), strict=True):
        loop._found.clear()
        run(noise((40, 200), "float32"))
        assert loop._found


@pytest.mark.parametrize(("size", "dtype"), pairs(DENSE, ["float32", "float64", "uint8", "uint16"]))
def test_dense(size: tuple[int, int], dtype: str) -> None:
    kernel = RANDOM.standard_normal(size)
    for width in WIDTHS:
        image = noise((14, width), dtype)
        for mode in MODES:
            want, allowed = exact(image, kernel, mode=mode, cval=2.0)
            got = fc.correlate(image, kernel, mode=mode, cval=2.0, method="direct")
            assert np.all(np.abs(got - want) <= allowed), (width, mode)


@pytest.mark.parametrize("size", [(3, 3), (5, 5), (3, 5)])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_crosses_and_dilated_kernels(size: tuple[int, int], step: int) -> None:
    cross = RANDOM.standard_normal(size)
    cross[np.ix_(*(np.arange(n) != n // 2 for n in size))] = 0
    for kernel in (cross, RANDOM.standard_normal(size)):
        for width in (100, 131, 260):
            image = noise((27, width), "float32")
            want, allowed = exact(image, spread(kernel, step), mode="mirror")
            got = fc.correlate(image, kernel, mode="mirror", dilation=step, method="direct")
            assert np.all(np.abs(got - want) <= allowed), width


def test_infinity_under_no_tap_is_not_read() -> None:
    image = noise((40, 150), "float32")
    image[20, 70] = np.inf
    got = fc.laplace(image)
    want = ndimage.laplace(image)
    assert np.array_equal(np.isfinite(got), np.isfinite(want))


@pytest.mark.parametrize("out", ["float32", "int16", "uint8"])
def test_colour_and_integers(out: str) -> None:
    photo = noise((30, 90, 3), "uint8")
    for name in ("sobel", "box"):
        options = {"axis": 1} if name == "sobel" else {"size": 3}
        got = getattr(fc, name)(photo, **options, channel_axis=-1, dtype=out)
        planes = [getattr(fc, name)(photo[..., c].copy(), **options, dtype=out) for c in range(3)]
        assert np.array_equal(got, np.stack(planes, -1))


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Results of any size are stored past the caches."""
    monkeypatch.setattr(march, "STREAM_BYTES", 0)
    fc.engine.clear_caches()
    yield
    fc.engine.clear_caches()


@pytest.mark.usefixtures("streams")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [(3, 3), (2, 9), (5, 5)])
@pytest.mark.parametrize("method", ["separable", "direct"])
def test_stores_past_the_caches(dtype: str, size: tuple[int, int], method: str) -> None:
    kernel = np.outer(RANDOM.standard_normal(size[0]), RANDOM.standard_normal(size[1]))
    for width in (64, 80, 128, 272):
        image = noise((23, width), dtype)
        room = np.empty(image.nbytes + 256, np.uint8)
        for mode in MODES:
            want, allowed = exact(image, kernel, mode=mode, cval=2.0)
            for start in (0, 4, 8, 16, 17, 48, 60):  # multiples of a cache line, of a sample, of neither
                room[...] = 77
                first = -room.ctypes.data % 64 + start
                out = room[first : first + image.nbytes].view(dtype).reshape(image.shape)
                fc.correlate(image, kernel, mode=mode, cval=2.0, method=method, out=out, workers=1)
                assert np.all(np.abs(out - want) <= allowed), (width, mode, start)
                assert np.all(room[:first] == 77), (width, mode, start)
                assert np.all(room[first + image.nbytes :] == 77), (width, mode, start)


@pytest.mark.skipif(vector_bytes() < 64, reason="only what marches is stored past the caches")
@pytest.mark.usefixtures("streams")
def test_rows_of_whole_lines_are_stored_past_the_caches() -> None:
    loops = [cpu_march.march_separable_stream, cpu_march.march_dense_stream]
    for loop, run in zip(loops, (lambda a: fc.sobel(a, axis=1), fc.laplace), strict=True):
        loop._found.clear()
        run(noise((40, 200), "float32"))
        assert not loop._found
        run(noise((40, 208), "float32"))
        assert loop._found


@pytest.mark.parametrize("call", ["sobel", "dense", "laplace", "dilated"])
def test_rows_alignment_and_workers_change_no_bit(call: str) -> None:
    weights = RANDOM.standard_normal((5, 5))

    def run(image: np.ndarray, **options: object) -> np.ndarray:
        if call == "sobel":
            return fc.sobel(image, axis=1, **options)
        if call == "laplace":
            return fc.laplace(image, **options)
        return fc.correlate(image, weights, dilation=2 if call == "dilated" else 1, method="direct", **options)

    image = noise((203, 300), "float32")
    want = run(image, workers=1)
    assert np.array_equal(run(image, workers=2), want)
    room = np.zeros(image.size + 64, np.float32)
    for start in range(0, 17, 3):
        moved = room[start : start + image.size].reshape(image.shape)
        moved[...] = image
        assert np.array_equal(run(moved, workers=1), want)
    inside = run(image[7:100], workers=1)[20:-20]  # the same rows in other groups of four
    assert np.array_equal(inside, want[27:80])


GUARDED = """
import ctypes, mmap, numpy as np, fastconv as fc
page = mmap.PAGESIZE
room = mmap.mmap(-1, 40 * page)
base = ctypes.addressof(ctypes.c_char.from_buffer(room))
protect = ctypes.CDLL(None, use_errno=True).mprotect
for edge in (0, 39):
    assert protect(ctypes.c_void_p(base + edge * page), ctypes.c_size_t(page), 0) == 0
for dtype, width in (("float32", 150), ("float64", 131), ("uint8", 333), ("uint16", 200)):
    size = np.dtype(dtype).itemsize * width * 16
    for at in (page, 39 * page - size):
        image = np.frombuffer(room, dtype, 16 * width, at).reshape(16, width)
        image[...] = np.arange(image.size).reshape(image.shape) % 200
        plain = image.copy()
        for call in (
            lambda a: fc.sobel(a, axis=1), lambda a: fc.laplace(a), lambda a: fc.gaussian(a, 1.0),
            lambda a: fc.box(a, 5, dtype="same"),
            lambda a: fc.correlate(a, np.arange(1.0, 26).reshape(5, 5), method="direct"),
            lambda a: fc.correlate(a, np.array([[1.0, 2, 3], [4, -5, 6], [9, 8, 7]]), dilation=3, method="direct"),
        ):
            assert np.array_equal(call(image), call(plain))
print("inside")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pages are guarded as Linux does it")
def test_nothing_is_read_outside_the_image() -> None:

    done = subprocess.run([sys.executable, "-c", GUARDED], capture_output=True, text=True, timeout=300)
    assert done.stdout == "inside\n", (done.returncode, done.stderr)
