"""Properties that hold for every image, kernel and option: equal to the oracle, and to itself done another way.

``pytest -m fuzz`` runs the same with many more examples.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv as fc
from fastconv.core.ir import METHODS

both = [pytest.param(0, id="few"), pytest.param(1, id="many", marks=pytest.mark.fuzz)]
DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES += ["float16", "float32", "float64"]
LAYOUTS = ["C", "F", "strided", "reversed", "big-endian", "read-only", "unaligned", "transposed", "broadcast"]


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same numbers in another layout."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "strided":
        wide = np.zeros([2 * n + 1 for n in array.shape], array.dtype)
        view = wide[tuple(slice(1, None, 2) for _ in array.shape)]
        view[...] = array
        return view
    if layout == "reversed":
        every = (slice(None, None, -1),) * array.ndim
        return np.ascontiguousarray(array[every])[every]
    if layout == "big-endian":
        return array.astype(array.dtype.newbyteorder(">"))
    if layout == "read-only":
        array = array.copy()
        array.flags.writeable = False
    if layout == "unaligned":
        raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
        view = raw.view(array.dtype).reshape(array.shape)
        view[...] = array
        return view
    if layout == "transposed":
        return np.ascontiguousarray(array.T).T
    if layout == "broadcast" and array.ndim > 1 and array.shape[0]:
        return np.broadcast_to(array[:1], array.shape)
    return array


class Work(NamedTuple):
    """One call: ``fc.correlate(image, kernel, axes=axes, **options)``."""

    image: np.ndarray
    kernel: np.ndarray
    axes: tuple[int, ...]
    options: dict[str, Any]

    def truth(self) -> oracle.Answer:
        options = {k: v for k, v in self.options.items() if k not in ("dtype", "method", "workers")}
        return oracle.correlate(self.image, self.kernel, self.axes, **options)

    def run(self, **more: Any) -> np.ndarray:
        return fc.correlate(self.image, self.kernel, axes=self.axes, **self.options | more)

    @property
    def roundings(self) -> int:
        """Enough for any way of summing: every tap twice, its factors, and a line's running sum."""
        return 2 * self.kernel.size + 4 * sum(self.kernel.shape) + max(self.image.shape) + 40

    def check(self, got: np.ndarray, method: str) -> None:
        # their errors are relative to sum |w| max |x| over a line, a tile or the image, not to the window
        far = method in ("running_sum", "fft", "low_rank")
        largest = np.max(abs(self.image.astype(float)), initial=abs(float(self.options.get("cval", 0.0))))
        norm = float(abs(self.kernel).sum() * largest)
        oracle.agree(
            got,
            self.truth(),
            self.image.dtype.newbyteorder("="),
            self.roundings * (16 if far else 1),
            spread=(lambda weight: norm) if far else None,
        )


@st.composite
def images(draw: st.DrawFn, dtypes: list[str] = DTYPES, least: int = 0) -> np.ndarray:
    shape = draw(st.lists(st.integers(least, 9), min_size=1, max_size=3).map(tuple))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind == "f":
        array = rng.normal(size=shape) * draw(st.sampled_from([1.0, 0.01, 50.0]))
    elif dtype.kind == "b":
        array = rng.random(shape) < 0.5
    else:
        info = np.iinfo(dtype)
        low, high = max(info.min, -(2**40)), min(info.max, 2**40)
        array = rng.integers(low, high, shape, endpoint=True)
    return laid_out(array.astype(dtype), draw(st.sampled_from(LAYOUTS)))


@st.composite
def kernels(draw: st.DrawFn, ndim: int) -> np.ndarray:
    shape = draw(st.lists(st.integers(1, 12 if ndim == 1 else 6), min_size=ndim, max_size=ndim).map(tuple))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def taps(n: int) -> np.ndarray:
        return rng.integers(-4, 5, n).astype(float) if draw(st.booleans()) else rng.normal(size=n)

    kind = draw(st.sampled_from(["dense", "rank 1", "rank 2", "constant", "sparse", "symmetric"]))
    if kind == "constant":
        return np.full(shape, rng.normal())
    kernel = np.zeros(shape)
    for _ in range({"rank 1": 1, "rank 2": 2}.get(kind, 0)):
        product = taps(shape[0])
        for n in shape[1:]:
            product = np.multiply.outer(product, taps(n))
        kernel += product
    if kernel.any() or kind.startswith("rank"):
        return kernel
    kernel = rng.integers(-4, 5, shape).astype(float) if draw(st.booleans()) else rng.normal(size=shape)
    if kind == "sparse":
        kernel *= rng.random(shape) < 0.3
    if kind == "symmetric":
        kernel = kernel + kernel[(slice(None, None, -1),) * ndim]
    return kernel


@st.composite
def works(draw: st.DrawFn, dtypes: list[str] = DTYPES, least: int = 0, integers: bool = True) -> Work:
    image = draw(images(dtypes, least))
    count = draw(st.integers(1, image.ndim))
    axes = tuple(draw(st.permutations(range(image.ndim)))[:count])
    kernel = draw(kernels(count))

    def each(value: Any) -> tuple[Any, ...]:
        return tuple(draw(value) for _ in axes)

    options: dict[str, Any] = {
        "mode": each(st.sampled_from(oracle.MODES)),
        "cval": draw(st.sampled_from([0.0, 2.5, -1.0])),
        "origin": tuple(draw(st.integers(-(k // 2), (k - 1) // 2)) for k in kernel.shape),
        "stride": each(st.integers(1, 3)),
        "dilation": each(st.integers(1, 3)),
    }
    out = ["float32", "float64", "uint8", "int16", "int64", "bool", "same"] if integers else ["float32", "float64"]
    if draw(st.booleans()):
        options["dtype"] = draw(st.sampled_from(out))
    return Work(image, kernel, axes, options)


@pytest.mark.parametrize("_amount", both)
@given(work=works())
def test_anything_is_the_oracle(_amount: int, work: Work) -> None:
    method = fc.explain(work.image, work.kernel, axes=work.axes, **work.options).method if work.image.size else "auto"
    work.check(work.run(), method)


@pytest.mark.parametrize("_amount", both)
@pytest.mark.parametrize("method", METHODS)
@given(work=works(dtypes=["uint8", "float32", "float64"], least=1, integers=False))
def test_every_method_is_the_oracle(_amount: int, method: str, work: Work) -> None:
    try:
        plan = fc.explain(work.image, work.kernel, axes=work.axes, method=method, **work.options)
    except ValueError as error:
        assert str(error).startswith("method must be")  # noqa: PT017
        return
    assert plan.method == method
    work.check(work.run(method=method), method)


@pytest.mark.parametrize("_amount", both)
@given(work=works(least=1), fill=st.sampled_from([0, 1]))
def test_out_is_the_result(_amount: int, work: Work, fill: int) -> None:
    expected = work.run()
    out = laid_out(np.full(expected.shape, fill, expected.dtype), "strided")
    assert work.run(out=out) is out
    assert np.array_equal(out, expected)
    assert expected.flags.c_contiguous
    assert expected.dtype.isnative


@pytest.mark.parametrize("method", METHODS)
def test_the_image_may_be_overwritten(method: str) -> None:
    rng = np.random.default_rng(4)
    kernel = np.full((5, 4), 0.3) if method == "running_sum" else np.outer([1, 2, 4, 8, 3], [1, -2, 3, 5])
    image = rng.normal(size=(37, 29)).astype(np.float32)
    expected = fc.correlate(image, kernel, method=method)
    for place in (slice(None), slice(None, None, -1)):
        given_away = image.copy()
        assert np.array_equal(fc.correlate(given_away, kernel, method=method, out=given_away[place]), expected)


@pytest.mark.parametrize("_amount", both)
@given(work=works(dtypes=["uint8", "float32", "float64"], least=1))
def test_the_layout_changes_nothing(_amount: int, work: Work) -> None:
    plain = work._replace(image=np.ascontiguousarray(work.image.astype(work.image.dtype.newbyteorder("="))))
    assert np.array_equal(work.run(), plain.run())


@pytest.mark.parametrize("_amount", both)
@given(work=works(dtypes=["float64"], least=1, integers=False), seed=st.integers(0, 2**16), factor=st.integers(-3, 3))
def test_linear_in_the_image_and_in_the_kernel(_amount: int, work: Work, seed: int, factor: int) -> None:
    options = work.options | {"cval": 0.0, "dtype": "float64"}
    other = np.random.default_rng(seed).normal(size=work.image.shape)
    size = max(1.0, abs(work.image).max()) * abs(work.kernel).sum() + 1

    def run(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        return fc.correlate(image, kernel, axes=work.axes, **options)

    together = run(work.image + factor * other, work.kernel)
    apart = run(work.image, work.kernel) + factor * run(other, work.kernel)
    assert np.allclose(together, apart, rtol=0, atol=1e-11 * size)
    kernel = np.random.default_rng(seed).normal(size=work.kernel.shape)
    together = run(work.image, work.kernel + factor * kernel)
    apart = run(work.image, work.kernel) + factor * run(work.image, kernel)
    assert np.allclose(together, apart, rtol=0, atol=1e-11 * (size + abs(work.image).max() * abs(kernel).sum()))


@pytest.mark.parametrize("_amount", both)
@given(work=works(dtypes=["float64", "int16"], least=1, integers=False))
def test_strided_is_subsampled(_amount: int, work: Work) -> None:
    whole = work.run(stride=1)
    steps = [1] * work.image.ndim
    for axis, step in zip(work.axes, work.options["stride"], strict=True):
        steps[axis] = step
    taken = whole[tuple(slice(None, None, s) for s in steps)]
    size = abs(work.kernel).sum() * max(1.0, float(np.max(abs(work.image.astype(float))))) * 2.5
    eps = float(np.finfo(whole.dtype).eps)
    assert np.allclose(work.run(), taken, rtol=0, atol=1000 * eps * size)


@pytest.mark.parametrize("_amount", both)
@given(work=works(dtypes=["float64"], least=1, integers=False))
def test_a_dilated_kernel_is_one_with_zeros_between(_amount: int, work: Work) -> None:
    d = work.options["dilation"]
    stuffed = np.zeros([(k - 1) * s + 1 for k, s in zip(work.kernel.shape, d, strict=True)])
    stuffed[tuple(slice(None, None, s) for s in d)] = work.kernel
    before = [
        (k // 2 + o) * s - n // 2
        for k, o, s, n in zip(work.kernel.shape, work.options["origin"], d, stuffed.shape, strict=True)
    ]
    got = fc.correlate(work.image, stuffed, axes=work.axes, **work.options | {"dilation": 1, "origin": before})
    size = abs(work.kernel).sum() * max(2.5, float(np.max(abs(work.image))))
    eps = float(np.finfo(got.dtype).eps)
    assert np.allclose(got, work.run(), rtol=0, atol=1000 * eps * size)


@pytest.mark.parametrize("_amount", both)
@given(work=works(dtypes=["float64", "uint8"], least=1, integers=False))
def test_a_flipped_image_under_a_flipped_kernel_is_the_flipped_result(_amount: int, work: Work) -> None:
    image, kernel = np.flip(work.image, work.axes), np.flip(work.kernel)
    origin = tuple(-o - 1 + k % 2 for o, k in zip(work.options["origin"], work.kernel.shape, strict=True))
    got = fc.correlate(image, kernel, axes=work.axes, **work.options | {"stride": 1, "origin": origin})
    size = abs(work.kernel).sum() * max(2.5, float(np.max(abs(work.image.astype(float)))))
    eps = float(np.finfo(got.dtype).eps)
    assert np.allclose(np.flip(got, work.axes), work.run(stride=1), rtol=0, atol=1000 * eps * size)


@pytest.mark.parametrize("_amount", both)
@given(work=works(dtypes=["float32"], least=1, integers=False), seed=st.integers(0, 100))
def test_a_wrapped_image_shifts_with_its_result(_amount: int, work: Work, seed: int) -> None:
    shifts = np.random.default_rng(seed).integers(-9, 10, len(work.axes)).tolist()
    moved = work._replace(image=np.roll(work.image, shifts, work.axes))
    options = {"mode": "wrap", "stride": 1, "method": "direct"}
    assert np.allclose(moved.run(**options), np.roll(work.run(**options), shifts, work.axes), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_tiles_with_their_halo_are_the_whole(method: str) -> None:
    rng = np.random.default_rng(5)
    image = rng.normal(size=(90, 130)).astype(np.float32)
    kernel = np.full((5, 4), 0.3) if method == "running_sum" else np.outer([1, 2, 4, 8, 3], [1, -2, 3, 5])
    whole = fc.correlate(image, kernel, method=method, mode="mirror")
    top, bottom, left, right = 2, 2, 2, 1  # the kernel's halo
    for y in range(top, 84, 41):
        for x in range(left, 120, 59):
            h, w = min(41, 90 - bottom - y), min(59, 130 - right - x)
            tile = image[y - top : y + h + bottom, x - left : x + w + right]
            part = fc.correlate(tile, kernel, method=method, mode="wrap")[top : top + h, left : left + w]
            expected = whole[y : y + h, x : x + w]
            if method in ("direct", "separable"):
                assert np.array_equal(part, expected)
            else:
                assert np.allclose(part, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_any_number_of_workers_gives_the_same_bits(method: str, dtype: str) -> None:
    rng = np.random.default_rng(6)
    image = (rng.normal(size=(701, 389, 3)) * 50 + 100).astype(dtype)
    kernel = np.full((5, 4), 0.3) if method == "running_sum" else np.outer([1, 2, 4, 8, 3], [1, -2, 3, 5])
    results = [fc.correlate(image, kernel, channel_axis=-1, method=method, workers=n) for n in (1, 2, 3)]
    for other in results[1:]:
        assert results[0].tobytes() == other.tobytes()


@pytest.mark.parametrize("call", [fc.sobel, lambda x, **o: fc.unsharp_mask(x, 2.0, **o)], ids=["magnitude", "sum"])
def test_any_number_of_workers_gives_the_same_bits_of_components(call: Any) -> None:
    image = np.random.default_rng(7).normal(size=(900, 701)).astype(np.float32)
    results = [call(image, workers=n) for n in (1, 2, 3)]
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()


@pytest.mark.parametrize("method", ["direct", "separable"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_sample_reaches_no_further_than_the_kernel(method: str, bad: float) -> None:
    image = np.random.default_rng(8).normal(size=(19, 23))
    kernel = np.outer([1, 2, 1], [1, 4, -1, 2])
    for y, x in ((0, 0), (9, 11), (18, 22), (3, 20)):
        spoilt = image.copy()
        spoilt[y, x] = bad
        got = fc.correlate(spoilt, kernel, method=method, mode="nearest")
        expected = fc.correlate(image, kernel, method=method, mode="nearest")
        touched = fc.correlate((spoilt == bad) | np.isnan(spoilt), np.ones((3, 4)), mode="nearest") > 0.5
        assert not np.isfinite(got[touched]).any()
        assert np.array_equal(got[~touched], expected[~touched])
