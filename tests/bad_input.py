"""What happens with input that is wrong, or looks it: one table, run by the tests and printed by the documentation.

Every call is Python text, evaluated with the names of `names`.  ``python -m tests.bad_input`` prints the table as
Markdown.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import fastconv as fc


class Wrong(NamedTuple):
    """A call that raises, before anything is written."""

    what: str
    call: str
    error: type[Exception]
    says: str  # regular expression that the message matches


class Right(NamedTuple):
    """A call that looks wrong and has an answer."""

    what: str
    call: str
    answer: str
    check: str  # expression in `got` that is true


class OnDevice:
    """Stands for an array on a graphics processor."""

    __cuda_array_interface__: dict[str, Any] = {}  # noqa: RUF012
    shape = (5, 7)


class Lazy:
    """Stands for a dask array."""

    def __dask_graph__(self) -> dict[str, Any]:
        return {"block": 1}


class NeedsGradient:
    """Stands for an array that refuses to become a NumPy array."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("detach it first")


def names() -> dict[str, Any]:
    """The names that the calls use; made anew for each."""
    image = np.arange(35, dtype=np.float32).reshape(5, 7) ** 2
    frozen = np.full((5, 7), -7, np.float32)
    frozen.flags.writeable = False
    return {
        "fc": fc,
        "np": np,
        "nan": float("nan"),
        "inf": float("inf"),
        "image": image,
        "photo": np.arange(105, dtype=np.uint8).reshape(5, 7, 3),
        "volume": np.ones((3, 4, 5)),
        "kernel": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]]),
        "masked": np.ma.masked_array(image, image > 9),
        "frozen": frozen,
        "on_device": OnDevice(),
        "lazy": Lazy(),
        "tensor": NeedsGradient(),
    }


_T, _V = TypeError, ValueError

WRONG: tuple[Wrong, ...] = (
    # images
    Wrong("image None", "fc.correlate(None, kernel)", _T, "^image "),
    Wrong("image text", "fc.gaussian('photo.png', 1)", _T, "^image "),
    Wrong("image bytes", "fc.gaussian(b'1234', 1)", _T, "^image "),
    Wrong("image a set", "fc.gaussian({1, 2}, 1)", _T, "^image "),
    Wrong("image a number", "fc.gaussian(3.0, 1)", _V, "^image .*dimension"),
    Wrong("0-d array", "fc.gaussian(np.array(3.0), 1)", _V, "^image .*dimension"),
    Wrong("ragged lists", "fc.gaussian([[1, 2], [3]], 1)", _V, "^image "),
    Wrong("object array", "fc.gaussian(image.astype(object), 1)", _T, "^image .*object"),
    Wrong("object list", "fc.gaussian([[1, None]], 1)", _T, "^image .*object"),
    Wrong("array of strings", "fc.gaussian(np.array([['1', '2']]), 1)", _T, "^image .*<U1"),
    Wrong("complex image", "fc.gaussian(image * 1j, 1)", _T, "^image .*complex"),
    Wrong("longdouble image", "fc.gaussian(image.astype(np.longdouble), 1)", _T, "^image .*longdouble|float128"),
    Wrong("dates", "fc.gaussian(image.astype('datetime64[s]'), 1)", _T, "^image .*datetime64"),
    Wrong("time spans", "fc.gaussian(image.astype('timedelta64[s]'), 1)", _T, "^image .*timedelta64"),
    Wrong("structured array", "fc.gaussian(np.zeros((4, 4), 'u1,u1'), 1)", _T, "^image "),
    Wrong("masked array", "fc.gaussian(masked, 1)", _T, r"^image .*mask.*filled"),
    Wrong("list of masked arrays", "fc.gaussian([masked[0], masked[1]], 1)", _T, r"^image .*mask"),
    Wrong("masked element in a list", "fc.gaussian([1.0, np.ma.masked], 1)", _T, r"^image .*mask"),
    Wrong("device array", "fc.gaussian(on_device, 1)", _V, "^backend .*cuda"),
    Wrong("dask array", "fc.gaussian(lazy, 1)", _T, "^image .*compute"),
    Wrong("an array that refuses to convert", "fc.gaussian(tensor, 1)", _T, "^image .*detach"),
    # axes
    Wrong("3-D without axes", "fc.gaussian(volume, 1)", _V, "axes=.*channel_axis="),
    Wrong("colour without channel_axis", "fc.sobel(photo)", _V, "axes=.*channel_axis="),
    Wrong("3-D kernel without axes", "fc.correlate(volume, volume)", _V, "axes=.*channel_axis="),
    Wrong("axes and channel_axis", "fc.gaussian(photo, 1, axes=(0, 1), channel_axis=2)", _V, "^channel_axis "),
    Wrong("axis named twice", "fc.gaussian(volume, 1, axes=(0, -3))", _V, "^axes .*different"),
    Wrong("no axis", "fc.gaussian(volume, 1, axes=())", _V, "^axes "),
    Wrong("axis out of range", "fc.gaussian(image, 1, axes=(0, 2))", _V, "^axes .*-2 to 1"),
    Wrong("axes fractional", "fc.gaussian(image, 1, axes=(0.0, 1))", _T, "^axes "),
    Wrong("channel_axis out of range", "fc.gaussian(photo, 1, channel_axis=3)", _V, "^channel_axis .*-3 to 2"),
    Wrong("channel_axis of a line", "fc.gaussian([1.0, 2.0], 1, channel_axis=0)", _V, "^channel_axis "),
    Wrong("channel_axis text", "fc.gaussian(photo, 1, channel_axis='last')", _T, "^channel_axis "),
    Wrong("1-D axis out of range", "fc.correlate1d(image, [1, 2], axis=2)", _V, "^axis .*-2 to 1"),
    Wrong("1-D axis None", "fc.correlate1d(image, [1, 2], axis=None)", _T, "^axis "),
    Wrong("derivative's axis out of range", "fc.sobel(image, axis=2)", _V, "^axis "),
    Wrong("derivative's axis not filtered", "fc.sobel(photo, axis=2, channel_axis=2)", _V, r"^axis .*\(0, 1\)"),
    Wrong("derivative's axis fractional", "fc.sobel(image, axis=0.5)", _T, "^axis "),
    Wrong("roberts of a volume", "fc.roberts(volume, axes=(0, 1, 2))", _V, "^axes .*roberts"),
    Wrong("gabor of a line", "fc.gabor([1.0, 2.0], 0.2)", _V, "^axes .*gabor"),
    # kernels and taps
    Wrong("kernel None", "fc.correlate(image, None)", _T, "^kernel "),
    Wrong("kernel text", "fc.correlate(image, '1 2 1')", _T, "^kernel "),
    Wrong("kernel a number", "fc.correlate(image, 2.0)", _V, "^kernel .*dimension"),
    Wrong("kernel empty", "fc.correlate(image, [[]])", _V, "^kernel .*element"),
    Wrong("kernel ragged", "fc.correlate(image, [[1, 2], [3]])", _V, "^kernel "),
    Wrong("1-D kernel for a 2-D image", "fc.correlate(image, [1, 2, 1])", _V, "^kernel .*correlate1d"),
    Wrong("3-D kernel for a 2-D image", "fc.correlate(image, volume)", _V, r"^kernel .*2 filtered axes"),
    Wrong("kernel with NaN", "fc.correlate(image, [[1.0, nan]])", _V, "^kernel .*finite"),
    Wrong("kernel with infinity", "fc.convolve(image, [[1.0, -inf]])", _V, "^kernel .*finite"),
    Wrong("kernel complex", "fc.correlate(image, [[1j, 2]])", _T, "^kernel .*complex"),
    Wrong("kernel of objects", "fc.correlate(image, [[1, None]])", _T, "^kernel .*object"),
    Wrong("kernel masked", "fc.correlate(image, masked)", _T, "^kernel .*mask"),
    Wrong("taps two-dimensional", "fc.correlate1d(image, kernel)", _V, "^taps .*one-dimensional"),
    Wrong("taps empty", "fc.convolve1d(image, [])", _V, "^taps "),
    Wrong("taps with NaN", "fc.correlate1d(image, [1, nan])", _V, "^taps .*finite"),
    Wrong("one array of taps for two axes", "fc.correlate_separable(image, [[1, 2]])", _V, "^taps .*2 1-D"),
    Wrong("taps no sequence", "fc.correlate_separable(image, 3)", _V, "^taps "),
    # border
    Wrong("mode unknown", "fc.gaussian(image, 1, mode='mirrored')", _V, "^mode .*reflect, mirror"),
    Wrong("mode None", "fc.gaussian(image, 1, mode=None)", _T, "^mode "),
    Wrong("mode a number", "fc.gaussian(image, 1, mode=1)", _T, "^mode "),
    Wrong("mode for three axes of two", "fc.gaussian(image, 1, mode=['wrap'] * 3)", _V, "^mode .*2 here"),
    Wrong("modes with a number", "fc.gaussian(image, 1, mode=['wrap', 0])", _T, "^mode "),
    Wrong("cval text", "fc.gaussian(image, 1, mode='constant', cval='0')", _T, "^cval "),
    Wrong("cval None", "fc.gaussian(image, 1, mode='constant', cval=None)", _T, "^cval "),
    Wrong("cval complex", "fc.gaussian(image, 1, mode='constant', cval=1j)", _T, "^cval "),
    Wrong("cval beyond floats", "fc.gaussian(image, 1, mode='constant', cval=10**400)", _V, "^cval "),
    # integers
    Wrong("origin past the kernel", "fc.correlate(image, kernel, origin=2)", _V, "^origin .*-1 to 1"),
    Wrong("origin past an even kernel", "fc.correlate(image, kernel[:2, :2], origin=1)", _V, "^origin .*-1 to 0"),
    Wrong("origin fractional", "fc.correlate(image, kernel, origin=0.5)", _T, "^origin "),
    Wrong("origin for three axes of two", "fc.correlate(image, kernel, origin=(0, 0, 0))", _V, "^origin .*2 here"),
    Wrong("origin text", "fc.correlate(image, kernel, origin='0')", _T, "^origin "),
    Wrong("stride 0", "fc.correlate(image, kernel, stride=0)", _V, "^stride .*at least 1"),
    Wrong("stride -1", "fc.correlate(image, kernel, stride=-1)", _V, "^stride .*at least 1"),
    Wrong("stride 1.5", "fc.correlate(image, kernel, stride=1.5)", _T, "^stride "),
    Wrong("stride 1.0", "fc.correlate(image, kernel, stride=1.0)", _T, "^stride "),
    Wrong("stride True", "fc.correlate(image, kernel, stride=True)", _T, "^stride "),
    Wrong("stride None", "fc.correlate(image, kernel, stride=None)", _T, "^stride "),
    Wrong("stride 0 on one axis", "fc.correlate(image, kernel, stride=(1, 0))", _V, "^stride "),
    Wrong("dilation 0", "fc.correlate(image, kernel, dilation=0)", _V, "^dilation .*at least 1"),
    Wrong("dilation -2", "fc.correlate(image, kernel, dilation=-2)", _V, "^dilation "),
    Wrong("dilation 2.5", "fc.correlate(image, kernel, dilation=2.5)", _T, "^dilation "),
    Wrong("dilation past all memory", "fc.correlate(image, kernel, dilation=10**12)", _V, "^dilation .*small"),
    # where and how
    Wrong("method unknown", "fc.correlate(image, kernel, method='fast')", _V, "^method .*direct"),
    Wrong("method None", "fc.correlate(image, kernel, method=None)", _T, "^method "),
    Wrong("method that cannot serve", "fc.correlate(image, kernel, method='running_sum')", _V, "^method "),
    Wrong("separable kernel it is not", "fc.correlate(image, kernel, method='separable')", _V, "^method "),
    Wrong("backend unknown", "fc.correlate(image, kernel, backend='tpu')", _V, "^backend "),
    Wrong("backend cuda", "fc.correlate(image, kernel, backend='cuda')", _V, "^backend .*installation"),
    Wrong("backend None", "fc.correlate(image, kernel, backend=None)", _T, "^backend "),
    Wrong("workers 0", "fc.correlate(image, kernel, workers=0)", _V, "^workers "),
    Wrong("workers -1", "fc.correlate(image, kernel, workers=-1)", _V, "^workers "),
    Wrong("workers 2.0", "fc.correlate(image, kernel, workers=2.0)", _T, "^workers "),
    Wrong("workers text", "fc.correlate(image, kernel, workers='all')", _T, "^workers "),
    Wrong("a misspelt option", "fc.gaussian(image, 1, sgima=2)", _T, "sgima.*allowed"),
    Wrong("an option that does not apply", "fc.correlate1d(image, [1, 2], axes=0)", _T, "'axes'.*allowed"),
    # results
    Wrong("dtype complex", "fc.gaussian(image, 1, dtype=complex)", _V, "^dtype "),
    Wrong("dtype unknown", "fc.gaussian(image, 1, dtype='uint9')", _T, "^dtype "),
    Wrong("out of the wrong shape", "fc.gaussian(image, 1, out=np.empty((7, 5)))", _V, r"^out .*\(5, 7\)"),
    Wrong("out without the stride", "fc.gaussian(image, 1, stride=2, out=np.empty((5, 7)))", _V, r"^out .*\(3, 4\)"),
    Wrong("out read-only", "fc.gaussian(image, 1, out=frozen)", _V, "^out .*writable"),
    Wrong(
        "out broadcast",
        "fc.gaussian(image, 1, out=np.lib.stride_tricks.as_strided(image, strides=(0, 4)))",
        _V,
        "^out ",
    ),
    Wrong("out complex", "fc.gaussian(image, 1, out=np.empty((5, 7), complex))", _T, "^out "),
    Wrong("out of objects", "fc.gaussian(image, 1, out=np.empty((5, 7), object))", _T, "^out "),
    Wrong("out a list", "fc.gaussian(image, 1, out=[[0.0] * 7] * 5)", _T, "^out "),
    Wrong("out a dtype", "fc.gaussian(image, 1, out=np.dtype('float64'))", _T, "^out "),
    Wrong("out masked", "fc.gaussian(image, 1, out=masked)", _T, "^out .*mask"),
    Wrong("out against dtype", "fc.gaussian(image, 1, out=np.empty((5, 7)), dtype='uint8')", _V, "^out .*uint8"),
    # operators' own parameters
    Wrong("sigma NaN", "fc.gaussian(image, nan)", _V, "^sigma "),
    Wrong("sigma infinite", "fc.gaussian(image, inf)", _V, "^sigma "),
    Wrong("sigma negative", "fc.gaussian(image, -1)", _V, "^sigma "),
    Wrong("sigma 1e12", "fc.gaussian(image, 1e12)", _V, "^sigma "),
    Wrong("sigma None", "fc.gaussian(image, None)", _T, "^sigma "),
    Wrong("sigma text", "fc.gaussian(image, '1')", _T, "^sigma "),
    Wrong("sigma for three axes of two", "fc.gaussian(image, (1, 2, 3))", _V, "^sigma "),
    Wrong("order negative", "fc.gaussian(image, 1, order=-1)", _V, "^order "),
    Wrong("order 1.0", "fc.gaussian(image, 1, order=1.0)", _T, "^order "),
    Wrong("order 1000", "fc.gaussian(image, 1, order=1000)", _V, "^order "),
    Wrong("truncate 0", "fc.gaussian(image, 1, truncate=0)", _V, "^truncate "),
    Wrong("truncate NaN", "fc.gaussian(image, 1, truncate=nan)", _V, "^truncate "),
    Wrong("radius negative", "fc.gaussian(image, 1, radius=-1)", _V, "^radius "),
    Wrong("radius 1.5", "fc.gaussian(image, 1, radius=1.5)", _T, "^radius "),
    Wrong("no blur to derive", "fc.gaussian_laplace(image, 0)", _V, "^sigma .*> 0"),
    Wrong("no blur along one axis", "fc.gradient_magnitude(image, (1, 0))", _V, "^sigma .*> 0"),
    Wrong("high_sigma below low_sigma", "fc.difference_of_gaussians(image, 2, 1)", _V, "^high_sigma .*low_sigma"),
    Wrong("amount NaN", "fc.unsharp_mask(image, 1, nan)", _V, "^amount "),
    Wrong("size 0", "fc.box(image, 0)", _V, "^size "),
    Wrong("size 3.0", "fc.box(image, 3.0)", _T, "^size "),
    Wrong("size for three axes of two", "fc.box(image, (3, 3, 3))", _V, "^size "),
    Wrong("frequency 0", "fc.gabor(image, 0)", _V, "^frequency "),
    Wrong("explain without a kernel", "fc.explain((64, 64), None)", _T, "^kernel "),
    Wrong("explain a negative shape", "fc.explain((64, -1), kernel)", _V, "^image_or_shape "),
    Wrong("warmup complex", "fc.warmup(complex)", _V, "^dtype"),
    Wrong("warmup unknown filter", "fc.warmup(names=['median'])", _V, "^names "),
)

RIGHT: tuple[Right, ...] = (
    Right("empty image", "fc.gaussian(np.empty((0, 7)), 1)", "an empty result", "got.shape == (0, 7)"),
    Right("no channel", "fc.sobel(np.empty((5, 7, 0)), channel_axis=2)", "an empty result", "got.shape == (5, 7, 0)"),
    Right(
        "one sample",
        "fc.correlate([[2.0]], kernel)",
        "every border mode but constant repeats it: sum of the kernel times it",
        "got.tolist() == [[92.0]]",
    ),
    Right(
        "kernel larger than the image",
        "fc.correlate([1.0, 10.0], [1, 1, 1, 1, 1, 1, 1], mode='wrap')",
        "reflections and repetitions go on for ever",
        "got.tolist() == [43.0, 34.0]",
    ),
    Right("lists", "fc.correlate([[1, 2], [3, 4]], [[1]])", "as NumPy reads them", "got.tolist() == [[1, 2], [3, 4]]"),
    Right("bool image", "fc.correlate(image > 9, [[2]])", "True is 1", "set(got.ravel().tolist()) == {0.0, 2.0}"),
    Right(
        "NaN in the image",
        "fc.correlate([nan, 1.0, 1.0, 1.0], [1, 1, 1])",
        "NaN wherever the kernel reaches it (a running sum's and a spectrum's reach is longer)",
        "np.isnan(got).tolist()[:2] == [True, True] and got[3] == 3",
    ),
    Right(
        "NaN as cval",
        "fc.correlate([1.0, 1.0, 1.0], [1, 1, 1], mode='constant', cval=nan)",
        "NaN wherever the kernel reaches outside",
        "np.isnan(got).tolist() == [True, False, True]",
    ),
    Right(
        "NaN stored as an integer",
        "fc.correlate([nan, 1.0], [1.0], dtype='uint8')",
        "0",
        "got.tolist() == [0, 1]",
    ),
    Right(
        "values outside an integer dtype",
        "fc.correlate([-5.0, 0.5, 1.5, 300.0], [1.0], dtype='uint8')",
        "rounded half to even and saturated",
        "got.tolist() == [0, 0, 2, 255]",
    ),
    Right("kernel of zeros", "fc.correlate(image, [[0, 0]])", "zeros", "not got.any()"),
    Right("kernel of bools", "fc.correlate(image, [[True]])", "True is 1", "np.array_equal(got, image)"),
    Right("sigma 0", "fc.gaussian(image, 0)", "the image", "np.array_equal(got, image)"),
    Right("radius 0", "fc.gaussian(image, 3, radius=0)", "the image", "np.array_equal(got, image)"),
    Right("amount 0", "fc.unsharp_mask(image, 2, 0)", "the image", "np.allclose(got, image)"),
    Right(
        "equal sigmas",
        "fc.difference_of_gaussians(image, 2, 2)",
        "zeros, up to rounding",
        "abs(got).max() < 1e-3",
    ),
    Right(
        "stride past the image",
        "fc.correlate(image, [[1]], stride=10**9)",
        "the first sample",
        "got.tolist() == [[0.0]]",
    ),
    Right("out is the image", "fc.correlate(image, [[0, 0, 2]], out=image)", "the same as without", "got[0, 0] == 2"),
    Right(
        "out overlaps the image",
        "fc.correlate(image, [[1]], out=image[::-1])",
        "the same as without",
        "got[0, 1] == 1 and got[4, 0] == 784",
    ),
    Right(
        "more workers than cores",
        "fc.correlate(image, [[1]], workers=10**6)",
        "as many as there are cores",
        "np.array_equal(got, image)",
    ),
    Right("a channel axis in a 2-D image", "fc.correlate(image, [1], channel_axis=0)", "lines", "got.shape == (5, 7)"),
    Right("mode in another library's word", "fc.gaussian(image, 1, mode='edge')", "nearest", "got.shape == (5, 7)"),
)


def evaluate(call: str, extra: dict[str, Any] | None = None) -> Any:
    """The value of a row's text."""
    return eval(call, names() | (extra or {}))


def markdown() -> str:
    """Both tables as Markdown."""
    lines = ["| input | call | answer |", "|---|---|---|"]
    for row in WRONG:
        try:
            evaluate(row.call)
        except row.error as error:
            lines.append(f"| {row.what} | `{row.call}` | {row.error.__name__}: {str(error).replace('|', '/')} |")
    lines.extend(f"| {row.what} | `{row.call}` | {row.answer} |" for row in RIGHT)
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
